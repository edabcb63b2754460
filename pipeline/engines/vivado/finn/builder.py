"""Makes FINN's builder usable without its command line, and mends what it gets wrong.

Call `bootstrap` before anything of `finn.builder` is imported, in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.engines.vivado.finn.types import xnor_accumulator
from pipeline.errors import VerificationError
from pipeline.streamlining import finn


def bootstrap(work: Path, deps: Path | None = None) -> None:
    """Makes FINN's builder importable, with its settings in `work`.

    deps: the folder with finn-hlslib and board files; generated code names it.

    finn.builder raises an error on import if XILINX_VIVADO is not set, because it imports SimEngine
    from finn.xsi. Nothing here uses SimEngine, so an empty class replaces it.
    """
    finn.bootstrap(work)
    if deps is not None:
        os.environ["FINN_DEPS"] = str(deps)
    from finn import xsi  # noqa: PLC0415
    from finn.interface.settings import FINNSettings  # noqa: PLC0415
    from finn.util import settings  # noqa: PLC0415 - after the environment is set

    settings._SETTINGS = FINNSettings.init(
        override_settings_path=work / "settings.yaml",
        flow_config=work / "flow.yaml",
        auto_set_environment_vars=False,
    )
    xsi.SimEngine = type("SimEngine", (), {})


@contextmanager
def mended_xnor_accumulators() -> Iterator[None]:
    """Replaces how FINN sizes the sums of XNOR layers, until the end.

    FINN takes the range of weights of -1 and +1 for sums that count agreements: 784 of them become
    INT10, whose greatest value is 511, and thresholds above it are clipped.
    """
    from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU  # noqa: PLC0415
    from qonnx.core.datatype import DataType  # noqa: PLC0415

    original = MVAU.minimize_accumulator_width

    def sized(node: Any, model: Any, datatype_only: bool = False) -> Any:
        if not node.get_nodeattr("binaryXnorMode"):
            return original(node, model, datatype_only)
        bits = xnor_accumulator(node.get_nodeattr("MW")).bits
        if node.get_nodeattr("noActivation"):
            if model.find_direct_successors(node.onnx_node) is None:
                bits = -(-bits // 8) * 8  # the DMA behind the last node takes whole bytes
            node.set_nodeattr("outputDataType", f"UINT{bits}")
        node.set_nodeattr("accDataType", f"UINT{bits}")
        return DataType[f"UINT{bits}"]

    MVAU.minimize_accumulator_width = sized
    try:
        yield
    finally:
        MVAU.minimize_accumulator_width = original


def require_xnor_accumulators(model: Any) -> None:
    """Raises VerificationError unless the sums of every XNOR node hold 0..MW, however it came."""
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    found = []
    for node in model.graph.node:
        if not node.op_type.startswith("MVAU"):
            continue
        inst = getCustomOp(node)
        if not inst.get_nodeattr("binaryXnorMode"):
            continue
        most, sums = inst.get_nodeattr("MW"), [inst.get_accumulator_datatype()]
        if inst.get_nodeattr("noActivation"):
            sums += [inst.get_output_datatype(), model.get_tensor_datatype(node.output[0])]
        found += [
            f"{node.name} counts up to {most}, and {kind.name} holds at most {kind.max():.0f}"
            for kind in sums
            if kind.max() < most
        ]
    if found:
        raise VerificationError(f"FINN's bit widths are too small: {'; '.join(found)}")


def twin(model: Any) -> Any:
    """A copy that FINN executes in Python: its nodes before their specialisation as HLS or RTL."""
    from copy import deepcopy  # noqa: PLC0415

    found = deepcopy(model)
    for node in found.graph.node:
        for style in ("hls", "rtl"):
            if node.domain == f"{finn.DOMAIN}.{style}":
                node.domain = finn.DOMAIN
                node.op_type = node.op_type.removesuffix(f"_{style}")
    return found
