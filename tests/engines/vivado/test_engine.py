"""hardware=rtl from a design to a bitfile, with the fake Vivado: files, figures, and failures."""

from __future__ import annotations

import csv
import re
import shutil
import tarfile
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from pipeline.engines import BITFILE, HWH, rows
from pipeline.engines.utilisation import Utilisation
from pipeline.engines.vivado.rtl import ENGINE, plans
from pipeline.engines.vivado.rtl.instances import BLOCK_DESIGN
from pipeline.errors import PipelineError, ToolError
from pipeline.rtl.shell import registers
from tests.engines.vivado import cases
from tests.vendor.install import Failure, break_off, calls, install

if shutil.which("tclsh") is None:
    pytest.skip("no tclsh here", allow_module_level=True)


def built(unit: cases.Unit) -> None:
    ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)


@pytest.mark.parametrize("board", cases.BOARDS)
def test_from_a_design_to_a_bitfile(board: str, tmp_path: Path) -> None:
    known = {"act0_unit": (1111, 2222, 3, 4), "label_select": (77, 88, 0, 0)}
    unit = cases.unit(board, tmp_path / "build", install(tmp_path, resources=known))
    made = ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    done = ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)

    for found in (made, done):
        assert found.rows["act0_unit"] == Utilisation(1111, 2222, 1.5, 4)
        assert found.rows["label_select"] == Utilisation(77, 88)
        assert set(found.rows) == {
            *(layer.id for layer in unit.graph.layers),
            *(rows.SHELL, rows.BETWEEN, BLOCK_DESIGN),
        }
        assert rows.less(found.total, found.rows) == Utilisation()
    assert made.figures["slack"].kind == "synthesised"
    assert done.figures["slack"].kind == "implemented"
    delay = 6.2 if board == "Pynq-Z1" else 3.4
    assert done.figures["slack"].value == pytest.approx(10 - delay, abs=0.001)
    passing = done.figures["passing_clock"].value
    assert passing == int(1000 / delay)

    folder = unit.job("implement").folder
    timing = cases.document(folder / "timing.json")
    assert timing["met"]
    assert timing["setup"][0]["in"] == "layer act0_unit"
    assert cases.document(folder / "power.json")["watts"]["total"] == done.figures["power"].value
    design = (folder / "../rtl/design.json").read_bytes()
    assert _payload((folder / BITFILE).read_bytes())["design.json"] == design
    slaves = _slaves(folder / HWH)
    base = registers.BASE[unit.target.family]
    assert slaves["idma0"] == base
    assert slaves["odma0"] == base + registers.PAGE


def _payload(bitfile: bytes) -> dict[str, bytes]:
    """The files in a bitfile of the fake."""
    at = bitfile.index(b"e", bitfile.index(b"00:00:00"))
    with tarfile.open(fileobj=BytesIO(bitfile[at + 5 :])) as archive:
        return {
            entry.name: file.read()
            for entry in archive
            if (file := archive.extractfile(entry)) is not None
        }


def _slaves(path: Path) -> dict[str, int]:
    """By name, the base address of each slave that the processor reaches, as pynq finds them."""
    root = Xml.fromstring(path.read_text())  # noqa: S314 - our own
    return {
        found.attrib["INSTANCE"]: int(found.attrib["BASEVALUE"], 16)
        for found in root.iter("MEMRANGE")
    }


def test_the_prediction_is_beside_what_was_found(tmp_path: Path) -> None:
    known = {"act1_unit": (500, 10, 0, 0)}
    unit = cases.unit("Pynq-Z1", tmp_path / "build", install(tmp_path, resources=known))
    ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    with (unit.job("synth").folder / "prediction.csv").open(newline="") as file:
        table = {(row["layer"], row["resource"]): row for row in csv.DictReader(file)}
    row = table["act1_unit", "lut"]
    assert row["kind"] == "mvau"
    assert float(row["found"]) == 500
    assert float(row["ratio"]) == pytest.approx(500 / float(row["predicted"]), abs=0.001)
    assert ("shell", "lut") in table


def test_timing_that_is_not_met_says_how_to_meet_it(tmp_path: Path) -> None:
    unit = cases.unit("Pynq-Z1", tmp_path / "build", install(tmp_path), clock_mhz=200)
    ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    with pytest.raises(PipelineError) as caught:
        ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)
    text = str(caught.value)
    assert "not met at 200 MHz" in text
    assert re.search(r"worst path, 1\.2\d\d ns over: from layer act0_unit", text)
    (passes,) = re.findall(r"clock_mhz=(\d+) would pass", text)
    assert not (unit.job("implement").folder / BITFILE).exists()

    slower = cases.unit("Pynq-Z1", tmp_path / "slower", install(tmp_path / "b"), clock_mhz=passes)
    built(slower)
    faster = int(passes) * 1.05
    wrong = cases.unit("Pynq-Z1", tmp_path / "faster", install(tmp_path / "c"), clock_mhz=faster)
    with pytest.raises(PipelineError, match="not met"):
        built(wrong)


SYNTHESIS = {"synth_design", "open_checkpoint", "opt_design", "place_design", "route_design"}
"""All steps, from the synthesis on."""


@pytest.mark.parametrize(
    ("phase", "again"),
    [
        ("synth_design", SYNTHESIS),
        ("write_checkpoint", SYNTHESIS),
        ("place_design", {"open_checkpoint", "opt_design", "place_design", "route_design"}),
        ("route_design", {"open_checkpoint", "route_design"}),
        ("write_bitstream", {"open_checkpoint"}),
    ],
)
def test_a_killed_run_resumes_at_its_last_checkpoint(
    phase: str, again: set[str], tmp_path: Path
) -> None:
    vivado = install(tmp_path, fail=Failure(phase, action="kill"))
    unit = cases.unit("Pynq-Z1", tmp_path / "build", vivado)
    with pytest.raises(ToolError):
        built(unit)
    break_off(vivado, None)
    killed = unit.work_folders[-1]
    (killed / "fake_calls.jsonl").unlink()
    built(unit)
    folders = unit.work_folders if again == SYNTHESIS else [killed]
    done = {call[0] for folder in folders for call in calls(folder)}
    assert done & SYNTHESIS == again
    assert (unit.job("implement").folder / BITFILE).is_file()


@pytest.mark.parametrize("strategy", ["quick", "area", "speed"])
def test_each_strategy_has_directives_that_vivado_knows(strategy: str, tmp_path: Path) -> None:
    unit = cases.unit("Pynq-Z1", tmp_path / "build", install(tmp_path), strategy=strategy)
    built(unit)
    done = [call[0] for folder in unit.work_folders for call in calls(folder)]
    assert done.count("phys_opt_design") == {"quick": 0, "area": 1, "speed": 2}[strategy]


def test_what_has_finished_is_not_run_again(tmp_path: Path) -> None:
    vivado = install(tmp_path)
    unit = cases.unit("Ultra96", tmp_path / "build", vivado)
    built(unit)
    break_off(vivado, Failure("start"))
    shutil.rmtree(unit.job("synth").folder)
    shutil.rmtree(unit.job("implement").folder)
    built(unit)


def test_an_incremental_build_starts_from_the_last_one(tmp_path: Path) -> None:
    vivado = install(tmp_path)
    unit = cases.unit("Pynq-Z1", tmp_path / "build", vivado, incremental="on")
    built(unit)
    assert "read_checkpoint" not in {call[0] for call in calls(unit.work_folders[-1])}
    built(unit)
    assert ["read_checkpoint", "-incremental", plans.REFERENCE] in calls(unit.work_folders[-1])


@pytest.mark.parametrize("style", ["fold", "block", "distributed"])
def test_ram_style_changes_only_an_attribute(style: str, tmp_path: Path) -> None:
    design = cases.design("Pynq-Z1", tmp_path)
    step = plans.synthesis(cases.target("Pynq-Z1", ram_style=style), design)
    old = (tmp_path / "rom.v").read_text()
    new = step.plan.files.get("rom.v", old)
    attribute = re.compile(r"\(\* .* \*\)")
    assert attribute.sub("", new) == attribute.sub("", old)
    if style != "fold":
        assert set(attribute.findall(new)) == {
            f'(* ram_style = "{style}", rom_style = "{style}" *)'
        }
