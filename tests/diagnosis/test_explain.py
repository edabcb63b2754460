"""The error of a failed run: cause, remedy, the tool's own line, the log's path; never less."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diagnosis import diagnose, explained, explanation, lines
from pipeline.errors import ToolError

LOGS = Path(__file__).with_name("logs")


def failure(log: Path, how: str = "exit code 1", *shown: str) -> ToolError:
    """As `run_tool` says it."""
    told = "".join(f"\n  | {line}" for line in shown)
    return ToolError(
        f"vivado failed ({how}):{told}\n  whole log: {log}\n  run it again by hand: sh {log}.sh"
    )


def test_cause_remedy_line_and_log() -> None:
    log = LOGS / "overflow.log"
    shown = list(lines(log))[8]
    text = str(explained(failure(log, "exit code 1", shown), [log]))
    assert text.splitlines() == [
        "vivado failed (exit code 1): The design does not fit: it needs 144 RAMB36/FIFO, and the "
        "part has 140.",
        "  The design does not fit: it needs 384 RAMB18 and RAMB36/FIFO, and the part has 280.",
        "  what to do: Ask for less hardware with fps= (a lower speed), try strategy=area, move "
        "memories with ram_style=block or distributed, or take a larger board.",
        f"  | {shown[:400]}",
        f"  whole log: {log}",
        f"  run it again by hand: sh {log}.sh",
    ]


def test_how_a_run_ended_counts_more_than_what_its_log_says(tmp_path: Path) -> None:
    log = tmp_path / "implement.log"
    log.write_text("Phase 2 Global Placement\n")
    for how, cause in (
        ("did not end within 72 hours", "did not end within 72 hours and was stopped"),
        ("exit code 137", "killed from outside"),
        ("ended by signal 9", "killed from outside"),
        ("took more than 18 GiB of memory", "took more than 18 GiB of memory"),
        ("exit code 127", "not found where it should run"),
    ):
        first = str(explained(failure(log, how), [log])).splitlines()[0]
        assert first.startswith(f"vivado failed ({how}): ")
        assert cause in first


def test_the_engine_s_words_are_more_than_its_exit_code(tmp_path: Path) -> None:
    log = tmp_path / "synth.log"
    log.write_text("Error: statfs /tools/Xilinx: no such file or directory\n")
    text = str(explained(failure(log, "exit code 125"), [log]))
    assert "does not exist on the machine" in text.splitlines()[0]
    assert "  also: " not in text


def test_an_unknown_failure_keeps_all_that_was_known(tmp_path: Path) -> None:
    log = tmp_path / "synth.log"
    log.write_text(
        "ERROR: [New 1-2] something new\nERROR: [Common 17-39] 'a' failed due to earlier errors.\n"
    )
    error = failure(log, "exit code 1", "ERROR: [Common 17-39] 'a' failed due to earlier errors.")
    text = str(explained(error, [log]))
    for line in str(error).splitlines():
        assert line in text
    assert "  | ERROR: [New 1-2] something new" in text
    assert "./doit explain" in text


def test_critical_warnings_beside_the_cause(tmp_path: Path) -> None:
    log = tmp_path / "synth.log"
    log.write_text(
        "CRITICAL WARNING: [Common 17-55] 'set_property' expects at least one object.\n"
        "CRITICAL WARNING: [Foo 1-2] x\n"
        "No space left on device\n"
    )
    text = str(explained(failure(log), [log]))
    assert "beside it: A constraint names something that the design does not have" in text
    assert "and 1 critical warnings that no rule calls important" in text


def test_an_unknown_error_beside_the_cause_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "synth.log"
    log.write_text("ERROR: [New 1-2] something new\nNo space left on device\n")
    text = str(explained(failure(log), [log]))
    assert text.startswith("vivado failed (exit code 1): The disk is full")
    assert "  also, and known to no rule: ERROR: [New 1-2] something new" in text.splitlines()
    assert "known to no rule: ERROR: [New 1-2]" in explanation(diagnose(lines(log)), "x")


@given(st.text(max_size=400), st.binary(max_size=2000))
def test_whatever_the_log_the_error_says_what_failed_and_where_the_log_is(
    tmp_path_factory: pytest.TempPathFactory, words: str, content: bytes
) -> None:
    log = tmp_path_factory.getbasetemp() / "any.log"
    log.write_bytes(content)
    text = str(explained(failure(log, "exit code 1", *words.splitlines()), [log], tool="tool"))
    assert text.startswith("tool failed (exit code 1)")
    assert f"  whole log: {log}\n  run it again by hand: sh {log}.sh" in text
    assert explained(ToolError(words), [log], tool="tool")


def test_logs_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    text = str(explained(failure(tmp_path / "x.log"), [tmp_path, tmp_path / "x.log"]))
    assert text.startswith("vivado failed (exit code 1)")
    assert f"whole log: {tmp_path / 'x.log'}" in text


def test_an_error_without_the_path_of_a_log_gets_it(tmp_path: Path) -> None:
    log = tmp_path / "synth.log"
    log.write_text("No space left on device\n")
    text = str(explained(ToolError("vivado left no accelerator.bit"), [log]))
    assert text.startswith("vivado left no accelerator.bit: The disk is full")
    assert f"  whole log: {log}" in text


@pytest.mark.parametrize("name", sorted(path.name for path in LOGS.glob("*.log")))
def test_any_log_is_explained(name: str) -> None:
    text = explanation(diagnose(lines(LOGS / name)), name)
    assert text.startswith(f"{name}:\n")
    if name != "echo.log":
        assert "what to do: " in text
        assert "known from: https://" in text


def test_an_explanation_says_what_followed_and_counts_the_rest() -> None:
    text = explanation(diagnose(lines(LOGS / "drivers.log")), "x")
    assert "cause: Two outputs drive the net error_status[0]. (2 times)" in text
    assert "followed: A step failed because of an error before it. (3 times)" in text
    assert "messages: 5 × error" in text
