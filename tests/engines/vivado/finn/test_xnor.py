"""The guard against FINN's sizing of XNOR layers, on the layer that shows the bug.

tests/streamlining/test_xnor_accumulator.py shows FINN alone flipping its output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from pipeline.engines.vivado.finn import builder
from pipeline.engines.vivado.finn.types import xnor_accumulator
from pipeline.errors import VerificationError
from tests.streamlining.test_xnor_accumulator import AGREE, MW, THRESHOLD, weights, x, xnor_layer

__all__ = ["weights", "x"]


def minimised(model: ModelWrapper, work: Path) -> Any:
    from finn.builder.build_dataflow_config import DataflowBuildConfig, ShellFlowType
    from finn.builder.build_dataflow_steps import step_minimize_bit_width_initial

    config = DataflowBuildConfig(
        output_dir=str(work),
        synth_clk_period_ns=10.0,
        generate_outputs=[],
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        board="Pynq-Z1",
    )
    return step_minimize_bit_width_initial(model, config)


def test_with_the_guard_the_output_stays(
    finn_work: Path, weights: np.ndarray, x: np.ndarray
) -> None:
    builder.bootstrap(finn_work)
    from qonnx.core.onnx_exec import execute_onnx

    with builder.mended_xnor_accumulators():
        found = minimised(xnor_layer(weights), finn_work)
    assert found.get_tensor_datatype("acc").name == "UINT10" == xnor_accumulator(MW).name
    assert found.get_initializer("t").max() == THRESHOLD
    builder.require_xnor_accumulators(found)
    bits = {"x": ((x + 1) // 2).astype(np.float32)}
    assert execute_onnx(found, bits)["y"] == 0, f"{AGREE} agree, below {THRESHOLD}"
    all_agree = {"x": ((weights + 1) // 2).astype(np.float32)}
    assert execute_onnx(found, all_agree)["y"] == 1


def test_without_it_the_flow_stops(finn_work: Path, weights: np.ndarray) -> None:
    builder.bootstrap(finn_work)
    found = minimised(xnor_layer(weights), finn_work)
    with pytest.raises(
        VerificationError, match=r"MVAU_0 counts up to 784, and INT10 holds at most 511"
    ):
        builder.require_xnor_accumulators(found)


def test_the_guard_ends_with_its_block(finn_work: Path) -> None:
    builder.bootstrap(finn_work)
    from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU

    before = MVAU.minimize_accumulator_width
    with builder.mended_xnor_accumulators():
        assert MVAU.minimize_accumulator_width is not before
    assert MVAU.minimize_accumulator_width is before


@pytest.mark.parametrize(("mw", "name"), [(64, "UINT7"), (63, "UINT6"), (512, "UINT10")])
def test_the_sums_hold_every_count(mw: int, name: str) -> None:
    kind = xnor_accumulator(mw)
    assert kind.name == name
    assert kind.max >= mw > kind.max // 2
