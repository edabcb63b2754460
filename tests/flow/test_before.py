"""Stages that come before another one and may refuse it, but never make it run again."""

import shutil
from pathlib import Path

import pytest

from tests.flow.bench import Doit

UNIT = "tfc_1w1a.dataset-digits"
REFUSED = "the user's mistake: field x"


UNMET = 2
"""doit's code if it goes on after a failure, and then meets a task that stands on what failed."""


def code_of(way: tuple[str, ...]) -> int:
    return UNMET if way == ("--continue",) else 1


def ran(doit: Doit) -> list[str]:
    """The stages that ran, or began to, since the last call."""
    stages = doit.counter.read_text().split() if doit.counter.exists() else []
    doit.counter.unlink(missing_ok=True)
    return stages


@pytest.mark.parametrize(
    ("command", "way"), [("train", ()), ("fold", ("--continue",)), ("build", ("-n", "4"))]
)
def test_a_network_that_cannot_be_built_is_not_trained(
    tmp_path: Path, command: str, way: tuple[str, ...]
) -> None:
    doit = Doit(tmp_path, FAKE_OUTLINE="refuse")
    lines = doit("run", *way, command, code=code_of(way))
    assert {*ran(doit)} == ({"outline"} if command == "train" else {"data", "outline"})
    told = lines.index(f"failed outline:{UNIT}")
    assert lines[told + 1] == REFUSED


def test_what_fits_no_board_is_trained_only_without_one(tmp_path: Path) -> None:
    doit = Doit(tmp_path, FAKE_FITS="refuse")
    assert doit("run", "build", code=1)[-1] == REFUSED
    assert ran(doit) == ["data", "outline", "fits"]
    doit("run", "-n", "4", "build", "board=Pynq-Z1,Ultra96", code=UNMET)
    assert ran(doit) == ["fits", "fits"], "not even in a run that goes on after failures"
    doit("run", "evaluate", "level=rtl", code=1)
    assert ran(doit) == ["fits"]
    doit("run", "export")
    assert ran(doit) == ["train", "export"]
    doit("run", "fold")
    assert ran(doit) == ["streamline", "fold"], "it is trained: the real graph decides"


def test_one_board_that_does_not_fit_stops_no_other(tmp_path: Path) -> None:
    doit = Doit(tmp_path, FAKE_FITS="refuse Ultra96", FAKE_FOLD="refuse Ultra96")
    lines = doit("run", "-n", "4", "fifos", "board=Ultra96,Pynq-Z1", code=UNMET)
    told = lines.index(f"failed fits:{UNIT}@Ultra96.open")
    assert lines[told + 1] == REFUSED
    (trained,) = (i for i, line in enumerate(lines) if line.startswith("ran  train"))
    assert told < trained, "before the training"
    assert sorted(ran(doit)) == sorted(
        ["data", "outline", *2 * ["fits"], "train", "export", "streamline", *2 * ["fold"], "fifos"]
    )
    names = ", ".join(f"{stage}:{UNIT}@Ultra96.open" for stage in ("fits", "fold"))
    assert lines[-1] == f"failed {names}; told above"


def test_one_network_that_cannot_be_built_stops_no_other(tmp_path: Path) -> None:
    doit = Doit(tmp_path, FAKE_OUTLINE="refuse tfc_1w1a")
    doit("run", "train", "network=tfc_1w1a,tfc_1w2a", "dataset=digits", code=UNMET)
    assert ran(doit) == ["outline", "data", "outline", "train"]
    assert (doit.build / "tfc_1w2a.dataset-digits" / "train").is_dir()


def test_what_is_trained_is_never_trained_again_for_them(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    doit("run", "fold")
    assert sorted(ran(doit)) == sorted(
        ["data", "outline", "fits", "train", "export", "streamline", "fold"]
    )
    shutil.rmtree(doit.build / UNIT / "outline")
    later = Doit(tmp_path, FAKE_OUTLINE="refuse", FAKE_FITS="refuse")
    lines = later("run", "fold")
    assert [line.split()[:2] for line in lines] == [
        ["kept", stage] for stage in ("data", "train", "export", "streamline", "fold")
    ]
    assert ran(later) == []
    # another board stands on the same training
    later("run", "fold", "board=Ultra96")
    assert ran(later) == ["fold"]


def test_each_is_also_a_command(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    assert [line.split()[1] for line in doit("run", "fits")] == ["outline", "fits"]
    assert ran(doit) == ["outline", "fits"], "without data"
    doit("run", "train")
    assert ran(doit) == ["data", "train"]
