"""Vivado's phases become a line of progress, and earlier runs an estimate of what is left."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diagnosis import Phases
from pipeline.diagnosis import phases as phases_module

# lines of https://github.com/Xilinx/finn/issues/32 and its like, with the seconds before each
RUN = [
    (0, "Command: synth_design -top shell -part xc7z020clg400-1"),
    (
        5,
        "Starting Synthesize : Time (s): cpu = 00:00:05 ; elapsed = 00:00:05",
    ),
    (40, "Start Technology Mapping"),
    (20, "Command: write_checkpoint -force synth.dcp"),
    (5, "Command: place_design"),
    (5, "Starting Placer Task"),
    (1, "Phase 1 Placer Initialization"),
    (10, "Phase 1.1 Placer Initialization Netlist Sorting"),
    (10, "Phase 1 Placer Initialization | Checksum: f8841624"),
    (4, "Phase 2 Global Placement"),
    (60, "Phase 2.1 Floorplanning"),
    (40, "Command: route_design"),
    (100, "Phase 2 Router Initialization"),
    (100, "Command: write_bitstream -force accelerator.bit"),
]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def play(
    history: Path,
    size: float = 1.0,
    slower: float = 1.0,
    tool: str = "implement",
    begin: int = 0,
) -> list[tuple[str, float | None, float]]:
    """Plays the run; gives each line that was shown, its share, and the true one."""
    clock = Clock()
    shown: list[tuple[str, float | None, float]] = []
    whole = sum(seconds for seconds, _ in RUN) + 30
    phases = Phases(
        lambda text, share: shown.append((text, share, (clock.now - 1000) / (whole * slower))),
        history,
        tool,
        size,
        clock,
    )
    phases.line("****** Vivado v2024.2 (64-bit)")
    for seconds, line in RUN[begin:]:
        clock.now += seconds * slower
        phases.line(line)
    clock.now += 30 * slower
    phases.finish()
    return shown


def test_waiting_before_the_first_line_is_no_time_of_the_run(tmp_path: Path) -> None:
    clock, shown = Clock(), list[str]()
    phases = Phases(lambda text, share: shown.append(text), tmp_path / "h", "synth", 1.0, clock)
    clock.now += 7200
    phases.line("****** Vivado v2024.2 (64-bit)")
    clock.now += 20
    phases.line("Command: synth_design -top top")
    assert shown == ["synth_design, 20 s"]


def test_the_time_goes_on_while_the_tool_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases_module, "_EVERY_SECONDS", 0.02)
    shown = list[str]()
    phases = Phases(lambda text, share: shown.append(text), tmp_path / "h", "synth")
    with phases.going_on():
        time.sleep(0.1)
        assert not shown, "before the first line another text says what it waits for"
        phases.line("Command: route_design")
        wait = time.monotonic() + 5
        while len(shown) < 3 and time.monotonic() < wait:
            time.sleep(0.01)
    assert len(shown) >= 3
    assert {text.split(",")[0] for text in shown} == {"route_design"}
    count = len(shown)
    time.sleep(0.1)
    assert len(shown) == count, "the run is over"


def test_phases_are_shown(tmp_path: Path) -> None:
    shown = play(tmp_path / "history")
    assert [text for text, share, _ in shown if share is None] == [
        "synth_design, 0 s",
        "synth_design Synthesize, 5 s",
        "synth_design Technology Mapping, 45 s",
        "synth_design Technology Mapping, 65 s",
        "place_design, 70 s",
        "place_design Placer Task, 75 s",
        "place_design Phase 1 Placer Initialization, 76 s",
        "place_design Phase 1.1 Placer Initialization Netlist Sorting, 86 s",
        "place_design Phase 1.1 Placer Initialization Netlist Sorting, 2 min",
        "place_design Phase 2 Global Placement, 2 min",
        "place_design Phase 2.1 Floorplanning, 3 min",
        "route_design, 3 min",
        "route_design Phase 2 Router Initialization, 5 min",
        "write_bitstream, 7 min",
    ]


@pytest.mark.parametrize(("size", "slower"), [(1.0, 1.0), (2.0, 2.0), (0.5, 0.5)])
def test_the_estimate_is_right_if_time_grows_with_size(
    tmp_path: Path, size: float, slower: float
) -> None:
    play(tmp_path / "history")
    for text, share, true in play(tmp_path / "history", size, slower):
        assert share is not None
        assert share == pytest.approx(true, abs=1e-6)
        assert "left" in text


def test_a_slower_machine_is_noticed(tmp_path: Path) -> None:
    play(tmp_path / "history")
    shown = play(tmp_path / "history", slower=2.5)
    for _, share, true in shown[3:]:
        assert share == pytest.approx(true, abs=0.01)


def test_another_tool_gives_no_estimate(tmp_path: Path) -> None:
    play(tmp_path / "history")
    assert all(share is None for _, share, _ in play(tmp_path / "history", tool="hls.x"))


def test_the_nearest_size_counts(tmp_path: Path) -> None:
    play(tmp_path / "history", 1000.0, slower=100.0)
    play(tmp_path / "history", 10.0)
    shown = play(tmp_path / "history", 11.0, slower=1.1)
    assert all(share == pytest.approx(true, abs=0.02) for _, share, true in shown)


def test_a_run_that_went_on_from_a_checkpoint_is_no_measure(tmp_path: Path) -> None:
    play(tmp_path / "history")
    play(tmp_path / "history", begin=11)
    shown = play(tmp_path / "history")
    assert all(share == pytest.approx(true, abs=1e-6) for _, share, true in shown)


@given(st.lists(st.one_of(st.binary(max_size=200), st.just(b'{"tool": "implement"}')), max_size=5))
def test_a_damaged_history_is_no_history(
    tmp_path_factory: pytest.TempPathFactory, damaged: list[bytes]
) -> None:
    history = tmp_path_factory.mktemp("phases") / "history"
    history.write_bytes(b"\n".join(damaged) + b"\n")
    assert all(share is None for _, share, _ in play(history))
    assert all(share is not None for _, share, _ in play(history))


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from([line for _, line in RUN])), max_size=30),
    st.one_of(st.floats(), st.floats(1e-3, 1e9)),
)
def test_whatever_comes_the_share_is_one(
    tmp_path_factory: pytest.TempPathFactory, run: list[tuple[float, str]], size: float
) -> None:
    folder = tmp_path_factory.mktemp("phases")
    play(folder / "history")
    clock = Clock()
    shares: list[float | None] = []
    phases = Phases(
        lambda text, share: shares.append(share), folder / "history", "implement", size, clock
    )
    for seconds, line in run:
        clock.now += seconds
        phases.line(line)
    phases.finish()
    assert all(share is None or (0 <= share < 1 and math.isfinite(share)) for share in shares)


def test_a_history_that_cannot_be_written_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    play(tmp_path / "file" / "history")
    (tmp_path / "folder").mkdir()
    assert play(tmp_path / "folder")
