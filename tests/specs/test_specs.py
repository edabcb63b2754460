"""Every shipped spec loads; a wrong one tells all its errors, each with its place."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SpecError
from specs import catalog
from specs.base import read, validate
from specs.board import BoardSpec
from specs.models import CnvModel, FcModel
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


def network(**model: Any) -> dict[str, Any]:
    """A document with two convolutions and a dense layer; keywords are fields of its model."""
    bits = {"weight_bits": 1, "activation_bits": 1}
    layers = {"convolutions": [{"channels": 4}, {"channels": 4}], "dense": [{"width": 8}]}
    return {
        "name": "a",
        "dataset": "cifar10",
        "input": {"shape": [8, 8, 3]},
        "model": {"family": "cnv", **layers, **bits, **model},
        "training": {"epochs": 1},
    }


def without_family(document: dict[str, Any]) -> dict[str, Any]:
    del document["model"]["family"]
    return document


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (
            network(convolutions=[{"channels": 4}, {"channels": 4, "padding": 1}]),
            "model.convolutions.1.padding = 1: its input has 1 bit, -1 or +1, and no zero to pad "
            "with; use padding = 0 or activation_bits >= 2 before it",
        ),
        (
            network(convolutions=[{"channels": 4, "pool": 2}, {"channels": 4, "kernel": 5}]),
            "convolutions.1: kernel 5, stride 1, padding 0, pool 1 do not fit a feature map of 3x3",
        ),
        (
            network(convolutions=[{"channels": 4}, {"channels": 4, "pool": 5}]),
            "convolutions.1: kernel 3, stride 1, padding 0, pool 5 do not fit a feature map of 6x6",
        ),
        (
            network(convolutions=[{"channels": 4}, {"channels": 4, "kernal": 5}]),
            "model.convolutions.1.kernal: unknown field; did you mean 'kernel'? allowed: "
            "activation_bits, channels, kernel, padding, pool, stride, weight_bits",
        ),
        (
            network(convolutions=[{"kernel": 3}]),
            "model.convolutions.0.channels: missing; it has no default",
        ),
        (network(dense=[{}]), "model.dense.0.width: missing; it has no default"),
        (
            network(dense=[{"width": 8, "weight_bits": 9}]),
            "model.dense.0.weight_bits = 9: input should be less than or equal to 8",
        ),
        (
            network(convolutions=[]),
            "model.convolutions = []: tuple should have at least 1 item after validation, not 0",
        ),
        (
            network(input_bits=1),
            "model.input_bits = 1: input should be greater than or equal to 2",
        ),
        (
            network(family="cvn"),
            "model.family = 'cvn': unknown; did you mean 'cnv'? "
            "allowed: cnv, factory, fc, qonnx, resnet",
        ),
        (
            without_family(network()),
            "model.family: missing; allowed: cnv, factory, fc, qonnx, resnet",
        ),
        (
            {**network(), "input": {"shape": [8, 0, 3]}},
            "input.shape: height, width and channels must be at least 1",
        ),
        (
            {**network(), "model": 3},
            "model = 3: input should be a valid dictionary or object to extract fields from",
        ),
    ],
)
def test_each_mistake_in_a_convolutional_network_is_one_line(
    document: dict[str, Any], line: str
) -> None:
    with pytest.raises(SpecError) as caught:
        validate(NetworkSpec, document, "net.toml")
    assert str(caught.value) == f"net.toml: {line}"


def test_padding_needs_a_zero_in_the_layer_before_alone() -> None:
    first, padded = {"channels": 4, "activation_bits": 2}, {"channels": 4, "padding": 1}
    spec = validate(NetworkSpec, network(convolutions=[padded, padded], activation_bits=2), "")
    assert isinstance(spec.model, CnvModel)
    assert spec.model.feature_map((8, 9, 3)) == (8, 9, 4)
    validate(NetworkSpec, network(convolutions=[{**padded, "activation_bits": 2}, padded]), "")
    with pytest.raises(SpecError, match=r"model\.convolutions\.2\.padding = 1"):
        validate(NetworkSpec, network(convolutions=[first, {"channels": 4}, padded]), "")


def test_the_feature_map_behind_strides_padding_and_pools() -> None:
    layers = [{"channels": 4, "kernel": 4, "stride": 3, "padding": 2, "pool": 2}, {"channels": 5}]
    spec = validate(NetworkSpec, network(convolutions=[layers[0]]), "")
    assert isinstance(spec.model, CnvModel)
    assert spec.model.feature_map((28, 17, 1)) == (5, 3, 4)  # 10x6 before the pool
    bits = {"family": "cnv", "weight_bits": 1, "activation_bits": 1}
    both = CnvModel.model_validate({"convolutions": layers, **bits})
    assert both.feature_map((28, 17, 1)) == (3, 1, 5)


def test_a_family_with_a_default_needs_not_be_named() -> None:
    model = {"hidden": [8], "weight_bits": 1, "activation_bits": 1, "input_bits": 1}
    spec = validate(NetworkSpec, {**network(), "model": model}, "")
    assert spec.model == FcModel.model_validate(model)
    assert "family" not in model, "the document stays the caller's"


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
