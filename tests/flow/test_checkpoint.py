"""`checkpoint=`: a file is known by its content, and where it lies is a matter of this machine."""

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import SpecError
from pipeline.flow.unit import Unit, select
from pipeline.flow.variables import settings


@pytest.fixture(autouse=True)
def _user_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_CWD", str(tmp_path))


def one(**given: str) -> Unit:
    (unit,) = select({"network": "tfc_1w1a", **given})
    return unit.at("network")


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "my best.pth").write_bytes(b"one")
    sha = hashlib.sha256(b"one").hexdigest()
    unit = one(checkpoint="my best.pth")
    assert unit.name == f"tfc_1w1a.checkpoint-my-best-{sha[:8]}"
    assert unit.read("network.training")["checkpoint"] == sha
    assert settings({"checkpoint": "my best.pth"}).checkpoint == str(tmp_path / "my best.pth")

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "my best.pth").write_bytes(b"one")
    assert one(checkpoint="elsewhere/my best.pth") == unit

    (tmp_path / "my best.pth").write_bytes(b"two")
    changed = one(checkpoint="my best.pth")
    assert changed.name != unit.name
    assert changed.read("network.training") != unit.read("network.training")


def test_it_is_not_trained_unless_epochs_say_so() -> None:
    unit = one(checkpoint="published")
    assert unit.name == "tfc_1w1a.checkpoint-published"
    assert unit.read("network.training")["epochs"] == 0
    assert unit.read("network.training")["checkpoint"] == "published"
    assert settings({"checkpoint": "published"}).checkpoint is None
    assert one(checkpoint="published", epochs="0") == unit
    # as many epochs as the network's own recipe has are not its default any more
    own = one().read("network.training")["epochs"]
    tuned = one(checkpoint="published", epochs=str(own))
    assert tuned.name == f"tfc_1w1a.checkpoint-published.epochs-{own}"
    assert tuned.read("network.training")["epochs"] == own


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    for word, reason in (("folder.pth", "a folder"), ("no.pth", "no such file")):
        for refuse in (one, lambda **given: settings(given)):
            with pytest.raises(SpecError, match=rf"^checkpoint={word}: {reason}; allowed: publ"):
                refuse(checkpoint=word)
    with pytest.raises(SpecError, match=r"^checkpoint=: has no value"):
        one(checkpoint="")
    with pytest.raises(SpecError, match=r"^epochs=0: .*equal to 1 without a checkpoint"):
        one(epochs="0")


def test_a_place_from_the_environment_is_relative_to_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIPELINE_CHECKPOINT", "weights/a.pth")
    root = Path(__file__).resolve().parents[2]
    assert settings({}).checkpoint == str(root / "weights" / "a.pth")
