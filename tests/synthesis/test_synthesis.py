"""Yosys on small designs: counts by cell and by layer, and a netlist that still runs."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.engines import rows
from pipeline.engines.open import OpenEngine
from pipeline.engines.open.layers import utilisation
from pipeline.engines.open.synthesis import FAMILIES, longest_path, synthesise
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import DoesNotFit, PipelineError, ToolError
from pipeline.hardware import reference
from pipeline.hardware.fold import Fold, Folding
from pipeline.rtl.design import Design
from pipeline.rtl.generator import generate
from pipeline.tools.yosys import run_script
from tests.hardware.networks import dense, images
from tests.synthesis.block_ram import verilog

FOLDING = {
    "input_quant": Fold(2, 2),
    "fc0": Fold(2, 4),
    "fc1": Fold(1, 2),
    "label_select": Fold(1, 1),
}


def test_counts_by_cell_type() -> None:
    cells = {"LUT6": 3, "LUT2": 2, "RAM32M": 2, "FDRE": 7, "RAMB36E1": 1, "RAMB18E1": 1, "INV": 4}
    assert Utilisation.of(cells) == Utilisation(lut=13, ff=7, bram36=1.5, inv=4)
    with pytest.raises(PipelineError, match="unknown types of cells: BUFG"):
        Utilisation.of({"BUFG": 1, "LUT1": 1})


def test_what_does_not_fit_says_so() -> None:
    have = {"lut": 10, "ff": 10, "bram36": 1, "dsp": 0}
    rows.require_fit("synth", Utilisation(lut=10, bram36=1), have)
    with pytest.raises(DoesNotFit, match=r"lut 11 of 10, bram36 1\.5 of 1"):
        rows.require_fit("synth", Utilisation(lut=11, bram36=1.5), have)


def test_rows_and_what_is_between_add_up() -> None:
    total = Utilisation(lut=10, ff=3, bram36=1)
    parts = {"a": Utilisation(lut=4, bram36=0.5), "b": Utilisation(lut=9)}
    between = rows.less(total, parts)
    assert between == Utilisation(lut=-3, ff=3, bram36=0.5)
    assert rows.BETWEEN not in parts


BLOCKS = {**FOLDING, "fc0": Fold(1, 4, "block"), "fc1": Fold(1, 1, "block")}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("bits", "folding"),
    [(("BIPOLAR", "BIPOLAR"), FOLDING), (("BIPOLAR", "INT2"), BLOCKS)],
    ids=["lut", "block"],
)
def test_the_netlist_computes_what_the_network_computes(
    family: str, bits: tuple[str, str], folding: Folding, tmp_path: Path
) -> None:
    graph = dense([32, 16, 6], *bits, seed=5)
    design = generate(graph, folding, {}, tmp_path / "design")
    prefix, log = tmp_path / "netlist", tmp_path / "yosys.log"
    found = synthesise(design.sources, design.top, family, design.folder, prefix, log)
    assert found.lut > 50
    assert found.ff > 50
    assert found.dsp == 0
    assert (found.bram36 > 0) == (folding is BLOCKS)
    delay = longest_path(tmp_path / "netlist.sta")
    assert delay is not None
    assert 0.5 < delay < 10
    batch = images(graph, 4)
    got = simulate_netlist(tmp_path, batch, design.stream(design.input).lanes)
    assert got.tolist() == reference.run(graph, batch)[graph.sink.id].reshape(-1).tolist()


def simulate_netlist(folder: Path, batch: np.ndarray, lanes: int) -> np.ndarray:
    """Labels from the netlist, by Yosys' own simulator on its own cell models."""
    beats = batch.reshape(-1, lanes)
    words = [sum(int(v) << (8 * i) for i, v in enumerate(beat)) for beat in beats]
    (folder / "beats.hex").write_text("\n".join(f"{word:x}" for word in words) + "\n")
    (folder / "bench.v").write_text(
        f"""
module bench (input clk, input rst_n, output reg [7:0] done, output reg [3:0] label,
              output reg strobe);
  reg [{8 * lanes - 1}:0] beats [0:{len(words) - 1}];
  initial $readmemh("beats.hex", beats);
  reg [15:0] next;
  wire ready, valid; wire [2:0] value;
  accelerator dut (.clk(clk), .rst_n(rst_n), .s_axis_tdata(beats[next]),
    .s_axis_tvalid(next < {len(words)}), .s_axis_tready(ready),
    .m_axis_tdata(value), .m_axis_tvalid(valid), .m_axis_tready(1'b1));
  always @(posedge clk)
    if (!rst_n) begin next <= 0; done <= 0; strobe <= 0; end
    else begin
      if (next < {len(words)} && ready) next <= next + 1;
      strobe <= valid; if (valid) begin label <= value; done <= done + 1; end
    end
endmodule
"""
    )
    (folder / "block_ram.v").write_text(verilog())
    run_script(
        [
            "read_verilog netlist.v bench.v",
            "read_verilog +/xilinx/cells_sim.v",
            "read_verilog -overwrite block_ram.v",
            "hierarchy -top bench",
            "proc",
            "flatten",
            "opt_clean",
            "memory_collect",
            "sim -clock clk -resetn rst_n -rstlen 3 -n 900 -vcd sim.vcd -q",
        ],
        folder,
        folder / "sim.log",
    )
    return labels_of(folder / "sim.vcd")


def labels_of(path: Path) -> np.ndarray:
    """Values of `label` in each clock cycle with `strobe` high, from a VCD file."""
    names: dict[str, str] = {}
    values = {"strobe": 0, "label": 0, "clk": 0}
    found = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("$var") and words[4] in values:
            names.setdefault(words[3], words[4])
        elif line[:1] == "b" and words[1] in names:
            values[names[words[1]]] = int(words[0][1:].replace("x", "0"), 2)
        elif line[:1] in "01x" and line[1:] in names:
            values[names[line[1:]]] = int(line[0] == "1")
        elif line.startswith("#") and values["strobe"] and values["clk"]:
            found.append(values["label"])
    return np.array(found)


def test_a_layer_is_synthesised_once(tmp_path: Path) -> None:
    graph = dense([16, 8, 4], seed=1)
    layer, fold = graph.layers[2], Fold(1, 4)
    block = Fold(1, 1, "block")
    assert (
        utilisation(graph, layer, block, OpenEngine(), "zynq-us+", tmp_path, tmp_path / "w").bram36
        == 0.5
    )
    first = utilisation(graph, layer, fold, OpenEngine(), "zynq-7000", tmp_path, tmp_path / "w")
    assert first.lut > 0
    other = dense([16, 8, 4], seed=2)
    calls: list[str] = []

    class Counted(OpenEngine):
        def run(
            self, design: Design, family: str, prefix: Path, log: Path
        ) -> tuple[Utilisation, float | None]:
            calls.append(family)
            return super().run(design, family, prefix, log)

    def again() -> Utilisation:
        layer, engine = other.layers[2], Counted()
        return utilisation(other, layer, fold, engine, "zynq-7000", tmp_path, tmp_path / "w")

    true = again()
    assert len(list((tmp_path / "layers").iterdir())) == 3, "other weights, another entry"
    known = max((tmp_path / "layers").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    good = known.read_text()
    for text in (good, good.replace('"lut": ', '"lut": 9'), good[:-9], '{"lut": 12345}'):
        known.write_text(text)
        assert again() == true
        assert known.read_text() == good
    assert len(calls) == 4, "what was altered or damaged is made again, what was not is not"


def test_yosys_words_are_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.v").write_text("module bad(input a; endmodule\n")
    with pytest.raises(ToolError, match=r"bad\.v:1"):
        run_script(["read_verilog bad.v"], tmp_path, tmp_path / "logs" / "yosys.log")
