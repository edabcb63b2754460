"""Compares our folding of CNV with the one that FINN chooses for the same frames per second.

    ./doit build network=cnv_1w1a,cnv_1w2a,cnv_2w2a board=Pynq-Z1,Ultra96 fps=3000 data_root=~/cifar
    ./doit build network=cnv_1w1a,cnv_1w2a,cnv_2w2a board=Pynq-Z1,Ultra96 data_root=~/cifar
    .venv/bin/python benchmarks/cnv_against_finn.py            # a minute; writes docs/cnv.md
    .venv/bin/python benchmarks/cnv_against_finn.py --quick    # one small random network, no builds

Our figures come from the manifests of real builds, at 3,000 frames per second and as fast as the
board allows. II and FIFOs are simulated. Resources are synthesised (Yosys, one netlist with the
FIFOs), or estimated where a network was only folded. FINN's figures are its analytical estimates,
without FIFOs, after its SetFolding on the same dataflow graph for the same frames per second; no
vendor tool runs. Each figure carries its kind.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qonnx.core.modelwrapper import ModelWrapper

from benchmarks import finn_steps, table
from pipeline.flow import state
from pipeline.flow.selection import selection
from pipeline.job import Figure, Metrics
from pipeline.streamlining import finn
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from specs.models import CnvModel, ConvLayer, DenseLayer

OUT = Path(__file__).resolve().parents[1] / "docs" / "cnv.md"
NETWORKS, BOARDS = "cnv_1w1a,cnv_1w2a,cnv_2w2a", "Pynq-Z1,Ultra96"
FPS, MHZ = 3000, 100
ASKED = {f"{FPS:,} fps": {"fps": str(FPS)}, "the fastest": {}}
"""What the folding is asked for, in words and as variables of the build."""
COLUMNS = (
    "network", "board", "asked for", "folded by", "II", "fps at 100 MHz", "LUT", "BRAM36",
    "longest path", "accuracy",
)  # fmt: skip


def finn_estimate(dataflow: Path, board: str, fps: int, work: Path) -> tuple[int, int, float]:
    """II, LUTs and BRAM36 that FINN estimates for its own folding at `fps`."""
    from finn.analysis.fpgadataflow.exp_cycles_per_layer import (  # noqa: PLC0415
        exp_cycles_per_layer,
    )
    from finn.analysis.fpgadataflow.res_estimation import res_estimation  # noqa: PLC0415
    from finn.builder import build_dataflow_steps as steps  # noqa: PLC0415
    from finn.builder.build_dataflow_config import (  # noqa: PLC0415
        DataflowBuildConfig,
        ShellFlowType,
    )
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415

    config = DataflowBuildConfig(
        output_dir=str(work / board),
        synth_clk_period_ns=1000 / MHZ,
        target_fps=fps,
        generate_outputs=[],
        standalone_thresholds=True,
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        board=board,
    )
    model = ModelWrapper(str(dataflow))
    for step in (
        steps.step_minimize_bit_width_initial,
        steps.step_specialize_layers,
        steps.step_target_fps_parallelization,
        steps.step_apply_folding_config,
        steps.step_minimize_bit_width,
    ):
        model = step(model, config)
    cycles: dict[str, int] = model.analysis(exp_cycles_per_layer)
    used: dict[str, dict[str, Any]] = model.analysis(
        lambda graph: res_estimation(graph, config._resolve_fpga_part())
    )
    lut = sum(float(layer["LUT"]) for layer in used.values())
    bram18 = sum(float(layer["BRAM_18K"]) for layer in used.values())
    return max(cycles.values()), round(lut), bram18 / 2


def rows(asked: str, work: Path) -> Iterator[tuple[object, ...]]:
    chosen = selection({"network": NETWORKS, "board": BOARDS, **ASKED[asked]})
    for unit in chosen.units:
        assert unit.board is not None
        folders = {task.stage.name: task.folder for task in chosen.chain(unit)}
        name, board = unit.network.name, unit.board.name
        fold, simulate, synth = (state.metrics(folders[x]) for x in ("fold", "simulate", "synth"))
        streamline = state.metrics(folders["streamline"])
        if not fold:
            yield from kept(name, board, asked)
            continue
        best: Metrics = {**fold, **simulate, **synth}
        path = synth.get("longest_cell_path")
        fps = int(MHZ * 1e6 / float(best["ii"].value))
        yield (
            name,
            board,
            asked,
            "ours",
            told(best["ii"]),
            f"{fps:,} estimated",
            told(best["lut"]),
            told(best["bram36"]),
            told(path) + " ns" if path else "",
            f"{float(streamline['accuracy'].value):.2f} % measured",
        )
        dataflow = folders["streamline"] / "dataflow.onnx"
        cycles, lut, bram = finn_estimate(
            dataflow, board, int(unit.read("target.fps") or fps), work
        )
        yield (
            "",
            "",
            "",
            "FINN",
            f"{cycles:,} estimated",
            f"{int(MHZ * 1e6 / cycles):,} estimated",
            f"{lut:,} estimated",
            f"{bram:g} estimated",
            "",
            "",
        )


def kept(name: str, board: str, asked: str) -> list[tuple[object, ...]]:
    """The two rows that docs/cnv.md already has for a network that is not in this build folder."""
    lines = OUT.read_text().splitlines() if OUT.is_file() else []
    start = f"| {name} | {board} | {asked} | ours | "
    for number, line in enumerate(lines):
        if line.startswith(start) and "not built" not in line:
            return [tuple(row[2:-2].split(" | ")) for row in lines[number : number + 2]]
    return [(name, board, asked, "ours", "not built", *[""] * 5)]


def told(figure: Figure) -> str:
    return f"{figure.value:,} {figure.kind}"


def quick(work: Path) -> list[tuple[object, ...]]:
    """FINN's estimate of one small random network, to show that the calls still work."""
    spec = CnvModel(
        family="cnv",
        convolutions=(ConvLayer(channels=4, pool=2), ConvLayer(channels=8)),
        dense=(DenseLayer(width=8),),
        weight_bits=1,
        activation_bits=1,
    )
    contract = InputSpec(shape=(8, 8, 3))
    table.write_qonnx(spec, contract, work / "model.onnx")
    model = ModelWrapper(str(work / "model.onnx"))
    graph = hardware_graph(model, "random", contract, "label").graph
    finn.dataflow(graph).model.save(str(work / "dataflow.onnx"))
    cycles, lut, bram = finn_estimate(work / "dataflow.onnx", "Pynq-Z1", FPS, work)
    figures = (f"{cycles:,} estimated", "", f"{lut:,} estimated", f"{bram:g} estimated", "", "")
    return [("random", "Pynq-Z1", f"{FPS:,} fps", "FINN", *figures)]


def main() -> None:
    small = table.options(__doc__).quick
    with tempfile.TemporaryDirectory() as folder:
        finn_steps.bootstrap(Path(folder))
        work = Path(folder)
        found = quick(work) if small else [row for asked in ASKED for row in rows(asked, work)]
    table.show(f"CNV at {MHZ} MHz", COLUMNS, found)
    if not small:
        lines = [
            "<!-- written by benchmarks/cnv_against_finn.py -->",
            f"# CNV at {MHZ} MHz: {FPS:,} frames a second, and as fast as the board allows",
            "",
            "*3,000 fps* asks for the least hardware that reaches this speed, *the fastest* for",
            "as much speed as the board allows. Rows *ours* are our accelerators, built and",
            "checked bit for bit; where all figures are estimated they were only folded. Rows",
            "*FINN* are the estimates of FINN's tools for the folding that FINN chooses for the",
            "speed of the row above, without FIFOs. The longest path is the delay of the cells",
            "alone (Yosys' `sta`, without routing).",
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|" + "---|" * len(COLUMNS),
            *(f"| {' | '.join(map(str, row))} |" for row in found),
        ]
        OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
