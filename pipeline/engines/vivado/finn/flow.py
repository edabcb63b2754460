"""FINN's own steps from the dataflow partition to a bitfile: `python -m ...finn.flow <request>`.

It runs in a process of its own, since FINN changes settings of the whole interpreter. After each
step the model is saved, and a later run continues there.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.engines.vivado.finn import builder, products, shim
from pipeline.engines.vivado.finn.config import configuration, mvau_styles
from pipeline.engines.vivado.finn.fifos import finn_depths
from pipeline.engines.vivado.finn.model import configured, owners, renamed, with_depths
from pipeline.engines.vivado.finn.shell import FINN_IO
from pipeline.errors import PipelineError, VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import load_folding
from pipeline.hardware.layers import SlidingWindow
from pipeline.streamlining import finn

FAILURE, STEPS = "failure.json", "steps"
IMAGES, CONVOLUTION_IMAGES = 64, 4
"""Golden images for which FINN's minimised graph has to give the golden outputs."""


@dataclass(frozen=True)
class Request:
    """What a run of the flow is asked for; all files lie in its work folder.

    board: as FINN calls it. until: the last step.
    """

    part: str
    board: str
    family: str
    clock_mhz: float
    dsp: int
    ram_style: str
    strategy: str
    until: str

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> Request:
        return Request(**json.loads(path.read_text()))


def period_ns(clock_mhz: float) -> float:
    """The period of a clock of whole MHz for which FINN's shell makes this clock.

    FINN computes the clock from the period and cuts off what is behind the point: of 120 MHz it
    makes 119. A period one float below does not change anything else.
    """
    period = 1000 / clock_mhz
    while int(1 / (period * 0.001)) < int(clock_mhz):  # as FINN's make_zynq_proj does
        period = math.nextafter(period, 0)
    return period


class Flow:
    """A run of FINN's steps in a work folder."""

    def __init__(self, work: Path, request: Request) -> None:
        from finn.builder.build_dataflow_config import (  # noqa: PLC0415
            DataflowBuildConfig,
            ShellFlowType,
        )

        self.work, self.request = work, request
        self.graph = hardware.load(work)
        self.folding = load_folding(work / "folding.json")
        self.period = period_ns(request.clock_mhz)
        self.config = DataflowBuildConfig(
            output_dir=str(work / "out"),
            synth_clk_period_ns=self.period,
            generate_outputs=[],
            standalone_thresholds=True,
            shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
            board=request.board,
        )

    def run(self) -> None:
        """Runs all steps up to the one that is asked for, but those that are done."""
        from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415

        (self.work / STEPS).mkdir(exist_ok=True)
        model = None
        for number, (name, step) in enumerate(self.steps().items()):
            saved = self.work / STEPS / f"{number}-{name}.onnx"
            if saved.is_file():
                model = None
            else:
                if model is None:
                    before = sorted((self.work / STEPS).glob(f"{number - 1}-*.onnx"))
                    model = ModelWrapper(str(before[0] if before else self.work / "dataflow.onnx"))
                sys.stdout.write(f"STEP {number + 1} {len(self.steps())} {name}\n")
                sys.stdout.flush()
                model = step(model)
                if any((self.work / shim.ERRORS).glob("*.json")):
                    # FINN's scripts end with `cd`, so it sees only a missing file, not the failure
                    raise PipelineError("a tool has failed, and FINN went on")
                partial = saved.with_suffix(".partial")
                model.save(str(partial))
                partial.rename(saved)
            if name == self.request.until:
                return
        raise PipelineError(f"hardware=finn: there is no step {self.request.until!r}")

    def steps(self) -> dict[str, Callable[[Any], Any]]:
        """By name, in order."""
        return {
            "folded": self.folded,
            "specialised": self.specialised,
            "minimised": self.minimised,
            "buffered": self.buffered,
            "generated": self.generated,
            "ips": self.ips,
            "stitched": self.stitched,
            "bitfile": self.bitfile,
        }

    def folded(self, model: Any) -> Any:
        from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415

        family, dsp = self.request.family, self.request.dsp
        styles = mvau_styles(self.graph, self.folding, family, dsp)
        config = configuration(self.graph, self.folding, styles, self.request.ram_style)
        products.write(self.work / "folding_config.json", {"Defaults": {}, **config})
        model = configured(model, config)
        return steps.step_minimize_bit_width_initial(model, self.config)

    def specialised(self, model: Any) -> Any:
        from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415

        names = owners({layer.id: layer.finn_names for layer in self.graph.layers})
        found = steps.step_specialize_layers(_copy(model), self.config)
        self._save_names(renamed(names, model, found))
        return found

    def minimised(self, model: Any) -> Any:
        """Bit widths, and the proof that the graph still computes the golden outputs."""
        from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415

        model = steps.step_minimize_bit_width(model, self.config)
        builder.require_xnor_accumulators(model)
        self._require_golden(builder.twin(model))
        part = self.request.part
        products.write(self.work / "estimates.json", products.estimates(model, self._names(), part))
        return model

    def buffered(self, model: Any) -> Any:
        """Width converters, and FIFOs of our depths."""
        from finn.transformation.fpgadataflow.insert_dwc import InsertDWC  # noqa: PLC0415
        from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO  # noqa: PLC0415
        from finn.transformation.fpgadataflow.specialize_layers import (  # noqa: PLC0415
            SpecializeLayers,
        )
        from qonnx.transformation.general import (  # noqa: PLC0415
            GiveReadableTensorNames,
            GiveUniqueNodeNames,
        )

        ours = json.loads((self.work / "fifo_depths.json").read_text())
        names, depths = self._names(), finn_depths(self.graph, self.folding, ours)
        with_depths(model, names, self.graph, depths)
        found = _copy(model)
        for transformation in (
            InsertDWC(),
            InsertFIFO(),
            SpecializeLayers(self.request.part),
            GiveUniqueNodeNames(),
            GiveReadableTensorNames(),
        ):
            found = found.transform(transformation)
        self._save_names(renamed(names, model, found))
        return found

    def generated(self, model: Any) -> Any:
        """C++, Tcl and Verilog of every node. The last step that needs no vendor tool."""
        from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415

        return steps.step_hw_codegen(model, self.config)

    def ips(self, model: Any) -> Any:
        from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415

        return steps.step_hw_ipgen(model, self.config)

    def stitched(self, model: Any) -> Any:
        """The block design of all nodes, synthesised out of context for the figures by layer."""
        from finn.transformation.fpgadataflow.create_stitched_ip import (  # noqa: PLC0415
            CreateStitchedIP,
        )

        # a copy: the Zynq build makes its own, of IPs that are not synthesised yet
        found = _copy(model).transform(
            CreateStitchedIP(self.request.part, self.period, run_synth=True)
        )
        used = products.utilisation(found, self._names())
        products.write(self.work / "synthesised.json", used)
        return model

    def bitfile(self, model: Any) -> Any:
        from finn.transformation.fpgadataflow.make_zynq_proj import ZynqBuild  # noqa: PLC0415

        folder = self.work / "partitions"
        folder.mkdir(exist_ok=True)
        build = ZynqBuild(self.request.board, self.period, partition_model_dir=folder)
        found = model.transform(build)
        products.write(self.work / FINN_IO, products.interface(found))
        project = Path(found.get_metadata_prop("vivado_pynq_proj"))
        (self.work / "project.txt").write_text(str(project.relative_to(self.work)) + "\n")
        return found

    def _names(self) -> dict[str, str]:
        names: dict[str, str] = json.loads((self.work / shim.NAMES).read_text())
        return names

    def _save_names(self, names: dict[str, str]) -> None:
        products.write(self.work / shim.NAMES, names)

    def _require_golden(self, model: Any) -> None:
        windows = any(isinstance(layer, SlidingWindow) for layer in self.graph.layers)
        count = CONVOLUTION_IMAGES if windows else IMAGES
        with np.load(self.work / "golden.npz") as golden:
            images, wanted = golden["images"][:count], golden["outputs"][:count]
        target = model.graph.output[0].name
        contexts = finn.execute(model, images)
        found = np.stack([x[target].reshape(self.graph.sink.shape) for x in contexts])
        wrong = np.flatnonzero(np.any((found != wanted).reshape(len(found), -1), axis=1))
        if len(wrong):
            raise VerificationError(
                f"hardware=finn: after FINN's bit-width minimisation image {wrong[0]} gives "
                f"{found[wrong[0]].tolist()}, not {wanted[wrong[0]].tolist()} "
                f"({len(wrong)} of {len(found)} images differ); please report this"
            )


def _copy(model: Any) -> Any:
    from copy import deepcopy  # noqa: PLC0415

    return deepcopy(model)


def main(work: Path) -> int:
    """Runs the request in `work`; returns 1 on failure, with its kind and words in FAILURE."""
    failure = work / FAILURE
    failure.unlink(missing_ok=True)
    build = work / "build"
    build.mkdir(exist_ok=True)
    os.environ[shim.OWNER] = str(os.getpid())
    try:
        builder.bootstrap(build, Path(os.environ["FINN_DEPS"]))
        with builder.mended_xnor_accumulators():
            Flow(work, Request.load(work / "request.json")).run()
    except PipelineError as error:
        products.write(failure, {"kind": type(error).__name__, "text": str(error)})
        return 1
    except Exception as error:  # noqa: BLE001 - FINN asserts, and raises what it likes
        traceback.print_exc()
        words = f"hardware=finn: FINN failed: {type(error).__name__}: {error}"
        text = f"{words}; the traceback is in the log of this stage; please report this"
        products.write(failure, {"kind": "ToolError", "text": text})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
