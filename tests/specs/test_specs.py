"""Every shipped spec loads; a wrong one tells all its errors, each with its place."""

from pathlib import Path

import pytest

from pipeline.errors import SpecError
from specs import catalog
from specs.base import read
from specs.board import BoardSpec
from specs.network import NetworkSpec


@pytest.mark.parametrize("model", [NetworkSpec, BoardSpec])
def test_shipped_specs_load_under_their_own_name(
    model: type[NetworkSpec] | type[BoardSpec], tmp_path: Path
) -> None:
    names = catalog.names(model)
    assert names
    for name in names:
        label, spec = catalog.find(model, "network", name, tmp_path)
        assert label == name == spec.name


def test_all_errors_of_a_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(
        'name = "a b"\ndataset = "mnst"\n[model]\nhiden = [1]\nweight_bits = 9\n'
        "activation_bits = 1\ninput_bits = 1\n[training]\nepochs = 0\n"
    )
    with pytest.raises(SpecError) as caught:
        read(NetworkSpec, path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert all(line.startswith(str(path)) for line in lines)
    for words in (
        ("name", "a b"),
        ("dataset", "mnst", "digits"),
        ("model.hidden", "missing"),
        ("model.hiden", "did you mean 'hidden'"),
        ("model.weight_bits", "9"),
        ("training.epochs", "0"),
    ):
        assert any(all(word in line for word in words) for line in lines), words


@pytest.mark.parametrize(
    ("text", "words"),
    [("name = ", "not valid TOML"), ("\xff", "cannot be read"), (None, "no such file")],
)
def test_unreadable_files(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "net.toml"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(SpecError, match=words):
        read(NetworkSpec, path)


def test_a_file_of_the_users_own_by_path(tmp_path: Path) -> None:
    shipped = Path(catalog.__file__).parent / "networks" / "tfc_1w1a.toml"
    (tmp_path / "mine.toml").write_text(shipped.read_text())
    label, spec = catalog.find(NetworkSpec, "network", "mine.toml", tmp_path)
    assert label.startswith("mine-")
    assert len(label) == len("mine-") + 8
    assert spec == read(NetworkSpec, shipped)


def test_odd_file_names_make_plain_labels(tmp_path: Path) -> None:
    shipped = Path(catalog.__file__).parent / "networks" / "tfc_1w1a.toml"
    (tmp_path / "réseau un.toml").write_text(shipped.read_text())
    label, _ = catalog.find(NetworkSpec, "network", "réseau un.toml", tmp_path)
    assert label.startswith("r-seau-un-")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SpecError, match=r"network=folder\.toml: a folder"):
        catalog.find(NetworkSpec, "network", "folder.toml", tmp_path)


def test_unknown_name_tells_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"board=Pynq-Z: .*mean 'Pynq-Z1' or 'Pynq-Z2'"):
        catalog.find(BoardSpec, "board", "Pynq-Z", tmp_path)
    with pytest.raises(SpecError, match=r"network=no/such\.toml: no such file"):
        catalog.find(NetworkSpec, "network", "no/such.toml", tmp_path)
