"""The lint gate passes what the generator makes, and stops what it should not."""

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ToolError
from pipeline.hardware.fold import Fold
from pipeline.hardware.layers import Mvau
from pipeline.rtl.design import load_design
from pipeline.rtl.generator import generate
from pipeline.rtl.lint import lint
from pipeline.rtl.shell.generate import generate_shell
from tests.rtl import designs

GATES = importlib.import_module("pipeline.rtl.lint")  # the package's `lint` is the function


@pytest.mark.parametrize("seed", range(20, 26))
def test_generated_designs_are_clean(seed: int, tmp_path: Path) -> None:
    graph = designs.random_chain(seed)
    depths = dict.fromkeys(graph.edges, seed % 5)
    folder, folding = tmp_path / "design", designs.random_folding(graph, seed)
    design = generate(graph, folding, depths, folder, signatures=seed % 2 == 0)
    design = generate_shell(
        design, (32, 64, 128)[seed % 3], ("zynq-7000", "zynq-us+")[seed // 3 % 2]
    )
    lint(design, tmp_path / "logs")


@pytest.mark.parametrize(
    ("old", "new", "tool"),
    [
        ("assign m_axis_tvalid", "assign m_axis_tvalib", "verilator_bin"),  # implicit wire
        ("  wire [0:0] act0_tdata", "  wire [7:0] act0_tdata", "verilator_bin"),  # width
        (".s_tvalid(pixels_tvalid),", "", "verilator_bin"),  # unconnected
    ],
)
def test_a_fault_is_stopped(old: str, new: str, tool: str, tmp_path: Path) -> None:
    graph = designs.random_chain(20)
    drawn = designs.random_folding(graph, 20)
    folding = {
        layer.id: Fold(1, drawn[layer.id].simd if isinstance(layer, Mvau) else 1)
        for layer in graph.layers
    }
    design = generate(graph, folding, {}, tmp_path / "design")
    top = tmp_path / "design" / "accelerator.v"
    text = top.read_text()
    if old.startswith("  wire"):  # whatever its width is
        line = next(
            line for line in text.splitlines() if line.endswith("*/;") and "act0_tdata" in line
        )
        changed = text.replace(line, line.replace("wire [", "wire [1+"))
    else:
        assert old in text
        changed = text.replace(old, new)
    top.write_text(changed)
    with pytest.raises(ToolError, match=tool):
        lint(design, tmp_path / "logs")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a design that all gates pass."""
    graph = designs.random_chain(20)
    folder = tmp_path_factory.mktemp("clean") / "design"
    design = generate(graph, designs.random_folding(graph, 20), {}, folder)
    lint(design, folder.parent / "logs")
    return folder


@pytest.mark.parametrize(
    ("fault", "log"),
    [
        ("  wire before;\n  assign before = clk & before;\n", "lint-verilator.log"),  # SV's word
        ("  logic unused_one;\n", "lint-verilog-2005.log"),  # SystemVerilog
        ("  wire twice;\n  assign twice = clk, twice = rst_n;\n", "lint-yosys.log"),
        ("  wire [3:0] part = 4'd1;\n  wire beyond = part[7];\n", "lint-slang.log"),
    ],
)
def test_each_gate_stops_what_it_is_for(
    fault: str, log: str, clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gate by itself: those before it are told to pass."""
    design = load_design(shutil.copytree(clean, tmp_path / "design"))

    def only(runner: Callable[..., None]) -> Callable[..., None]:
        return lambda what, folder, to: runner(what, folder, to) if to.name == log else None

    monkeypatch.setattr(GATES, "run_verilator", only(GATES.run_verilator))
    monkeypatch.setattr(GATES, "run_script", only(GATES.run_script))
    top = tmp_path / "design" / "accelerator.v"
    top.write_text(top.read_text().replace("endmodule", f"{fault}endmodule"))
    with pytest.raises(ToolError, match=log):
        lint(design, tmp_path / "logs")


def test_yosys_stops_a_loop(tmp_path: Path) -> None:
    graph = designs.random_chain(20)
    design = generate(graph, designs.random_folding(graph, 20), {}, tmp_path / "design")
    top = tmp_path / "design" / "accelerator.v"
    text = top.read_text()
    two = text.replace("endmodule", "  assign m_axis_tvalid = s_axis_tvalid;\nendmodule")
    top.write_text(two)
    with pytest.raises(ToolError):
        lint(design, tmp_path / "logs")
