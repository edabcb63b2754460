"""Every failure of a vendor's tool: plan, executor, fake, and what the user reads. As a table."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.diagnosis.rules import ours
from pipeline.engines.vivado.rtl import ENGINE
from pipeline.job import NOTES
from tests.diagnosis.failures import Bench, Played, all_failures, run, told
from tests.engines.vivado import cases
from tests.vendor.install import install
from tests.vendor.install_hls import install_hls

if shutil.which("tclsh") is None:
    pytest.skip("no tclsh here", allow_module_level=True)

FAILURES = all_failures()
PAGE = Path(__file__).parents[2] / "docs" / "vivado_failures.md"
UPDATE = "PIPELINE_UPDATE_REPORTS"
"""If this variable is set to anything, the tests write the page anew."""
RULE = "|---|---|---|---|---|"
HEAD = f"""# What can go wrong in the vendor's tools

Each row is a test (`tests/diagnosis/`). A fake Vivado, Vitis HLS, container engine or launcher
fails as the real one does: where a row has a link, its lines are those that a user posted there.
They go through the plan, the executor and the log doctor, and the page has what the user reads
then. This project has seen no row on a real installation. The rules are in
`pipeline/diagnosis/rules/`; [vivado.md](vivado.md) says how to add one.

`{UPDATE}=1 .venv/bin/pytest tests/diagnosis` writes this file. The tests fail if a row is not true.

| failure | at | how it ends | cause shown | remedy shown |
{RULE}
"""
rows: dict[str, str] = {}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("failures")
    vivado = install(folder)
    unit = cases.unit("Pynq-Z1", folder / "build", vivado)
    made = Bench(unit, vivado, install_hls(vivado), folder / "bin")
    made.bin.mkdir()
    ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    return made


@pytest.mark.parametrize("name", FAILURES)
def test_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    played = FAILURES[name]
    error = bench.error(played, monkeypatch)
    cause, remedy = told(error, bench.unit.folder)
    rows[name] = _row(played, cause, remedy)
    _check_rule(played, error)
    mark = "  report: " if played.rule == "engine" else "  whole log: "
    log = next(line for line in error.splitlines() if line.startswith(mark))
    path = Path(log.removeprefix(mark))
    assert path.is_relative_to(bench.unit.folder)
    assert path.is_file()
    assert "run it again by hand: sh " in error or played.code <= 0 or played.option
    if UPDATE not in os.environ:
        assert rows[name] == _committed()[name]


def _check_rule(played: Played, error: str) -> None:
    if played.rule == "unknown":
        assert "no rule of the log doctor knows this" in error
        assert played.lines[0] in error
        return
    if played.rule == "engine":
        assert all(word in error for word in ("ns over", "layer ", "would pass"))
        return
    rule = next(rule for rule in ours() if rule.name == played.rule)
    first = error.splitlines()[0]
    assert rule.cause.split("{")[0] in first
    assert f"  what to do: {rule.remedy.split('{')[0]}" in error


def _row(played: Played, cause: str, remedy: str) -> str:
    source = f"[{played.name}]({played.source})" if played.source else played.name
    return f"| {source} | {played.where} | {played.ends} | {cause} | {remedy} |"


def _committed() -> dict[str, str]:
    """The rows of the page, by failure."""
    found: dict[str, str] = {}
    if PAGE.is_file():
        lines = PAGE.read_text().splitlines()
        for line in lines[lines.index(RULE) + 1 :]:
            name = line.split(" | ")[0].removeprefix("| ")
            found[name.removeprefix("[").partition("](")[0]] = line
    return found


def test_the_page_has_every_failure() -> None:
    if UPDATE in os.environ:
        assert rows.keys() == FAILURES.keys(), "all of them have to run"
        PAGE.write_text(HEAD + "".join(f"{rows[name]}\n" for name in FAILURES))
    assert _committed().keys() == FAILURES.keys()
    assert PAGE.read_text().startswith(HEAD)


def test_the_bench_succeeds_when_nothing_fails(bench: Bench) -> None:
    """Else a failure of the bench itself would pass for the failure that is played."""
    for what in ("synth", "implement", "hls"):
        run(bench.unit, what)


def test_a_run_that_ends_well_leaves_notes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "CRITICAL WARNING: [Common 17-55] 'set_property' expects at least one object.",
        "CRITICAL WARNING: [Foo 1-2] anything",
    )
    played = replace(FAILURES["pins without a place"], code=-1, lines=lines)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        bench.error(played, monkeypatch)
    notes = (bench.unit.job("implement").folder / NOTES).read_text().splitlines()
    assert len(notes) == 2
    assert notes[0].startswith("A constraint names something that the design does not have")
    assert notes[1] == "1 critical warnings that no rule calls important"


def test_an_overflow_names_the_layer_of_the_netlist(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = bench.error(FAILURES["LUTs overflow at placement"], monkeypatch)
    layers = {layer.id for layer in bench.unit.graph.layers}
    said = [line for line in error.splitlines() if "Most of it is in layer " in line]
    assert len(said) == 1
    assert said[0].split("in layer ")[1].split(":")[0] in layers
