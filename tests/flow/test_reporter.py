"""What a user sees: figures with their kinds, one line a stage, a failure in its own words."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.flow import publishing, state
from pipeline.flow.documents import RunRecord
from pipeline.flow.reporter import Progress, StageReporter, figures
from pipeline.flow.selection import selection
from pipeline.flow.task import Task
from pipeline.flow.variables import Settings
from pipeline.job import Figure, Job


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(93.2, "%", "measured"), "93.20 %"),
        (Figure(1020408, "fps", "estimated"), "1,020,408 fps"),
        (Figure(1.5, "BRAM36", "synthesised"), "1.5 BRAM36"),
        (Figure(100.0, "%", "measured"), "100.00 %"),
        (Figure("64 of 64", "images", "simulated"), "64 of 64 images"),
        (Figure(3, "", "measured"), "3"),
        (Figure(1020408.2, "fps", "estimated"), "1,020,408 fps"),
    ],
)
def test_figures_are_plain(figure: Figure, text: str) -> None:
    assert str(figure) == text


@pytest.fixture
def built(tmp_path: Path) -> Task:
    """A fold stage that was published with figures."""
    chosen = selection({})
    (task,) = chosen.tasks("fold")
    task = Task(task.stage, task.unit, task.inputs, Settings(build_dir=str(tmp_path)))
    task.folder.mkdir(parents=True)
    metrics = {
        "ii": Figure(98, "cycles", "estimated"),
        "lut": Figure(3434, "LUT", "estimated"),
        "secret": Figure(1, "", "estimated"),
    }
    basis = {"stage": "fold", "version": 1, "specs": {}, "inputs": {}}
    state.seal(task.folder, task.unit.name, basis, metrics, RunRecord(seconds=1.25))
    return task


def test_a_line_shows_the_stages_figures_with_their_kinds(built: Task) -> None:
    assert figures(built).replace("[dim]", "").replace("[/]", "") == (
        "II 98 cycles estimated · 3,434 LUT estimated"
    )


def test_ran_kept_and_failed(built: Task) -> None:
    out = io.StringIO()
    reporter = StageReporter(out, {})
    task = SimpleNamespace(name=built.name, meta={"task": built}, values={})
    reporter.add_success(task)
    reporter.skip_uptodate(task)
    fail = SimpleNamespace(report=True, get_msg=lambda: "fold: 2 [LUTs] needed, 1 there\n")
    reporter.add_failure(task, fail)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("ran  fold       tfc_1w1a.dataset-digits@Pynq-Z1.open  II 98")
    assert lines[0].endswith("1.2 s")
    assert lines[1].startswith("kept fold")
    assert lines[2] == f"failed {built.name}"
    assert lines[3] == "fold: 2 [LUTs] needed, 1 there", "brackets are no markup"


def test_notes_are_shown_below_the_line(built: Task) -> None:
    job = Job("fold", "unit", {}, {}, built.folder)
    job.note("Something [matters].")
    job.note("And\nmore.")
    out = io.StringIO()
    reporter = StageReporter(out, {})
    reporter.add_success(SimpleNamespace(name=built.name, meta={"task": built}, values={}))
    assert [line.strip() for line in out.getvalue().splitlines()[1:]] == [
        "note Something [matters].",
        "note And more.",
    ]


def test_scratch_goes_on_success_and_stays_for_the_reader_of_an_error(tmp_path: Path) -> None:
    job = Job("rtl", "unit", {}, {}, tmp_path)
    with job.scratch() as work:
        (work / "tool.log").write_text("fine")
    assert not work.exists()

    def fail() -> None:
        with job.scratch() as work:
            (work / "tool.log").write_text("bad")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (work / "tool.log").read_text() == "bad"
    with job.scratch() as work:
        assert list(work.iterdir()) == [], "begun anew"


def test_published_commands_name_the_published_folder(tmp_path: Path) -> None:
    partial = publishing.open_partial(tmp_path / "synth", "digest", False)
    (partial / "logs").mkdir()
    script = partial / "logs" / "yosys.log.sh"
    script.write_text(f"cd {partial}/design && yosys {partial}/logs/yosys.ys\n")
    publishing.publish(tmp_path / "synth")
    published = tmp_path / "synth"
    text = (published / "logs" / "yosys.log.sh").read_text()
    assert text == f"cd {published}/design && yosys {published}/logs/yosys.ys\n"


@pytest.mark.parametrize(
    ("width", "name"), [(200, " tfc_1w1a.dataset-digits@Pynq-Z1.open "), (60, " …ts@Pynq-Z1.open ")]
)
def test_on_a_narrow_terminal_the_name_is_cut_and_not_what_goes_on(
    built: Task, monkeypatch: pytest.MonkeyPatch, width: int, name: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.__stderr__", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    Progress(built).show("place_design, 3 min", 0.5)
    shown = terminal.getvalue()
    assert "  50%  place_design, 3 min" in shown
    assert name in shown
    assert len(shown.removeprefix("\r\x1b[K")) < width
