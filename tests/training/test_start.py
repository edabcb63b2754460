"""Weights of others: Brevitas' own models and files, mended ones, damaged ones, harmful ones."""

import argparse
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from brevitas_examples.bnn_pynq.models import model_with_cfg  # type: ignore[import-untyped]
from torch import Tensor, nn

from pipeline.data import FILE, digits
from pipeline.errors import PipelineError, SpecError
from pipeline.job import Job
from pipeline.models import build, images_to_tensor, load_weights
from pipeline.training import run, start, weight_files
from pipeline.training.start import Published, fetch, fill, published
from pipeline.training.weight_files import Stored, read
from specs import catalog
from specs.input import InputSpec
from specs.models import CnvModel, DenseLayer, FcModel
from specs.network import NetworkSpec
from tests.data.test_download import mirror
from tests.training.conftest import MakeJob

PUBLISHED = [f"{size}_{bits}" for size in ("tfc", "sfc", "lfc") for bits in ("1w1a", "1w2a")]
PUBLISHED += ["tfc_2w2a", "sfc_2w2a", "cnv_1w1a", "cnv_1w2a", "cnv_2w2a"]
ROOT = Path(__file__).resolve().parents[2]


def spec(name: str) -> NetworkSpec:
    return catalog.find(NetworkSpec, "network", name, Path())[1]


def brevitas_model(name: str) -> nn.Module:
    """Untrained, but with batch statistics that are not the initial ones."""
    torch.manual_seed(3)
    model, _ = model_with_cfg(name, pretrained=False)
    for _ in range(2):
        model(torch.rand(50, 1, 28, 28))
    found: nn.Module = model.eval()
    return found


def small() -> nn.Module:
    spec = FcModel(hidden=(4,), classes=3, weight_bits=1, activation_bits=1, input_bits=1)
    return build(spec, InputSpec(shape=(2, 2, 1)))


def stored(weights: dict[str, Tensor]) -> dict[str, Stored]:
    file = io.BytesIO()
    torch.save(weights, file)
    return read(Path("a.pth"), file.getvalue()).tensors


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    digits.load({}).write(folder / FILE)
    return folder


def job_from(file: Path, data: Path, folder: Path, **training: Any) -> Job:
    folder.mkdir(exist_ok=True)
    network = spec("tfc_1w1a").model_dump(mode="json")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    specs = {
        "network.model": network["model"],
        "network.input": network["input"],
        "network.training": {"checkpoint": sha256, "epochs": 0, **training},
    }
    return Job("train", "t", specs, {"data": data}, folder, {"checkpoint": str(file)})


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_file_is_found_by_the_network_s_shape(name: str) -> None:
    network = spec(name)
    file = published(network.model, network.input)
    assert file.url.startswith("https://github.com/Xilinx/brevitas/releases/download/")
    assert file.name == f"{name}-{file.digest}.pth"
    assert len(file.digest) == 8


def test_a_network_without_published_weights_is_told_which_have() -> None:
    network = spec("lfc_2w2a")
    with pytest.raises(
        SpecError, match=r"no weights of this network, only those of cnv_1w1a, .*lfc_1w1a, .*PATH"
    ):
        published(network.model, network.input)
    with pytest.raises(SpecError, match="no weights of this network"):
        published(spec("tfc_1w1a").model, InputSpec(shape=(14, 56, 1)))
    convolutional = spec("cnv_1w1a")
    assert isinstance(convolutional.model, CnvModel)
    wider = convolutional.model.model_copy(update={"dense": (DenseLayer(width=513),)})
    for model, shape in ((wider, (32, 32, 3)), (convolutional.model, (32, 32, 1))):
        with pytest.raises(SpecError, match=r"only those of cnv_1w1a, .*cnv_2w2a, lfc_1w1a"):
            published(model, InputSpec(shape=shape))


def test_brevitas_weights_pass_through_the_stage_as_they_are(
    tmp_path: Path, digits_folder: Path
) -> None:
    model = brevitas_model("TFC_1W1A")
    file = tmp_path / "theirs.pth"
    torch.save(model.state_dict(), file)
    job = job_from(file, digits_folder, tmp_path / "train")
    metrics = run(job)
    assert (metrics["epochs"].value, metrics["ending"].value) == (0, "not trained")
    assert (
        metrics["start"].value
        == f"theirs.pth, sha256 {job.specs['network.training']['checkpoint']}"
    )
    network = spec("tfc_1w1a")
    ours = build(network.model, network.input)
    load_weights(ours, job.folder)
    images = images_to_tensor(digits.load({}).test_images, network.input)
    with torch.no_grad():
        assert torch.equal(ours(images), model(images))
    both = [
        (job.folder / name).read_bytes() for name in ("weights.safetensors", "last.safetensors")
    ]
    assert both[0] == both[1]


def test_training_goes_on_from_the_checkpoint(make_job: MakeJob, tmp_path: Path) -> None:
    first, second = make_job("first"), make_job("second")
    run(first)
    file = first.folder / "weights.safetensors"
    training = second.specs["network.training"]
    training["checkpoint"] = hashlib.sha256(file.read_bytes()).hexdigest()
    training.update(epochs=2, learning_rate=1e-9, seed=7)
    metrics = run(Job(**{**vars(second), "settings": {"checkpoint": str(file)}}))
    assert metrics["epochs"].value == 2
    best, after = map(safetensors.torch.load_file, (file, second.folder / "last.safetensors"))
    for name in ("features.2.weight", "features.6.weight"):
        torch.testing.assert_close(after[name], best[name])


def as_torch(weights: dict[str, Tensor], path: Path) -> None:
    torch.save(weights, path)


def as_old_torch(weights: dict[str, Tensor], path: Path) -> None:
    torch.save(weights, path, _use_new_zipfile_serialization=False)


def as_trainer(weights: dict[str, Tensor], path: Path) -> None:
    """What Brevitas' own trainer leaves as best.tar."""
    optimiser = torch.optim.Adam([weights["features.2.weight"]]).state_dict()
    document = {"state_dict": weights, "optim_dict": optimiser, "epoch": 3, "best_val_acc": 97.5}
    torch.save(document, path)


def as_safetensors(weights: dict[str, Tensor], path: Path) -> None:
    safetensors.torch.save_file(dict(weights), path.with_suffix(".safetensors"))


@pytest.mark.parametrize("save", [as_torch, as_old_torch, as_trainer, as_safetensors])
def test_every_kind_of_file(
    tmp_path: Path, save: Callable[[dict[str, Tensor], Path], None]
) -> None:
    theirs, ours = small(), small()
    save(theirs.state_dict(), tmp_path / "weights.pth")
    (path,) = tmp_path.iterdir()
    fill(ours, read(path, path.read_bytes()).tensors, path.name)
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))


@pytest.mark.parametrize("entry", weight_files.ENTRIES)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_in_a_checkpoint_with_what_trainers_put_beside_it(
    tmp_path: Path, entry: str, zipped: bool
) -> None:
    theirs, ours = small(), small()
    optimiser = torch.optim.Adam(theirs.parameters())
    document = {
        "epoch": np.int64(3),
        "best": np.float64(97.5),
        "curve": np.arange(5.0),
        "args": argparse.Namespace(lr=0.1, out=tmp_path / "run", seeds=[1, 2]),
        "optimizer": optimiser.state_dict(),
        entry: {f"module.{name}": value for name, value in theirs.state_dict().items()},
    }
    torch.save(document, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = read(tmp_path / "a.pth", (tmp_path / "a.pth").read_bytes())
    assert found.entry == entry
    assert fill(ours, found.tensors, "a.pth") == "module."
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))


@pytest.mark.parametrize("prefix", ["module.", "net.", "module.net.", "_orig_mod.", ""])
def test_a_prefix_of_all_names_is_taken_off(prefix: str) -> None:
    theirs, ours = small(), small()
    weights = {f"{prefix}{name}": value for name, value in theirs.state_dict().items()}
    assert fill(ours, stored(weights), "a.pth") == prefix
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))


def test_a_prefix_of_some_names_stays() -> None:
    weights = {f"module.{name}": value for name, value in small().state_dict().items()}
    weights["n_averaged"] = torch.zeros(())
    with pytest.raises(SpecError, match=r"unexpected: module\.features\.\d\.weight, .*n_averaged"):
        fill(small(), stored(weights), "a.pth")


def test_the_stage_says_what_it_took(
    tmp_path: Path, digits_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {f"module.{n}": v for n, v in brevitas_model("TFC_1W1A").state_dict().items()}
    torch.save({"model": weights}, tmp_path / "a.pth")
    metrics = run(job_from(tmp_path / "a.pth", digits_folder, tmp_path / "train"))
    told = "entry model, prefix module. of its names taken off"
    assert str(metrics["start"].value).endswith(f", {told}")
    assert f"a.pth: {told}" in capsys.readouterr().out


def test_the_entries_that_are_there_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    for document, told in (
        (
            {"best": small().state_dict(), "epoch": 3, "log": [], "by": "me"},
            "it holds best (a table), epoch (a number), log (a list), by (a text); wanted are",
        ),
        (
            {"model": {"w": torch.ones(1), "acc": np.float32(1), "x\x1b": 1}},
            "its entry model holds w (a tensor), acc (no tensor), x\\x1b (a number); wanted are",
        ),
    ):
        torch.save(document, path)
        with pytest.raises(PipelineError) as caught:
            read(path, path.read_bytes())
        assert f"not a state dict: {told} parameters' names and their tensors" in str(caught.value)
        assert str(caught.value).endswith("as an entry " + ", ".join(weight_files.ENTRIES))


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("save", [as_torch, as_old_torch])
def test_code_in_a_pickle_is_refused_and_not_run(
    tmp_path: Path, save: Callable[[Any, Path], None]
) -> None:
    path = tmp_path / "weights.pth"
    save({"features.2.weight": Harmful(tmp_path / "harm")}, path)
    with pytest.raises(PipelineError, match=r"weights\.pth: refused: .*could be code") as caught:
        read(path, path.read_bytes())
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04cut", b"\x80\x02}q\x00."])
def test_damaged_files_are_told_in_a_line(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(PipelineError, match=r"refused|not a state dict"):
        fill(small(), read(tmp_path / name, content).tensors, name)


def test_a_file_of_something_else_is_no_state_dict(tmp_path: Path) -> None:
    for document in ([torch.zeros(1)], {"epoch": 3}, torch.zeros(2)):
        torch.save(document, tmp_path / "a.pth")
        with pytest.raises(PipelineError, match=r"a\.pth: not a state dict"):
            read(tmp_path / "a.pth", (tmp_path / "a.pth").read_bytes())


def test_all_that_does_not_fit_is_told_at_once() -> None:
    weights = small().state_dict()
    del weights["features.3.bias"]
    weights["features.9.weight"] = torch.zeros(1)
    weights["features.2.weight"] = torch.zeros(4, 5)
    weights["features.3.weight"] = torch.full((4,), torch.nan)
    with pytest.raises(SpecError) as caught:
        fill(small(), stored(weights), "a.pth")
    assert str(caught.value).splitlines() == [
        "a.pth: its parameters are not the network's",
        "missing: features.3.bias",
        "unexpected: features.9.weight",
        "of another shape: features.2.weight (4x5 instead of 4x4)",
        "not finite: features.3.weight",
    ]


def test_only_the_count_of_batches_may_be_missing() -> None:
    theirs, ours = small(), small()
    weights = dict(theirs.state_dict())
    del weights["features.3.num_batches_tracked"]
    fill(ours, stored(weights), "a.pth")
    for name, value in weights.items():
        assert torch.equal(ours.state_dict()[name], value), name
    del weights["features.3.running_mean"]
    with pytest.raises(SpecError, match=r"missing: features\.3\.running_mean$"):
        fill(ours, stored(weights), "a.pth")


def test_a_file_that_changed_is_not_taken_for_the_one_that_was_named(
    tmp_path: Path, digits_folder: Path
) -> None:
    file = tmp_path / "a.pth"
    torch.save(brevitas_model("TFC_1W1A").state_dict(), file)
    job = job_from(file, digits_folder, tmp_path / "train")
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(SpecError, match=r"checkpoint=.*a\.pth: its sha256 is \w{64}, not \w{64}"):
        run(job)
    file.unlink()
    with pytest.raises(SpecError, match=r"checkpoint=.*a\.pth: cannot be read: No such file"):
        run(job)
    with pytest.raises(SpecError, match=r"training\.checkpoint = \w{64}: give .* checkpoint=PATH"):
        run(Job(**{**vars(job), "settings": {}}))


def test_a_published_file_is_downloaded_once_and_mended_if_it_is_damaged(tmp_path: Path) -> None:
    content = b"weights"
    name = f"tfc-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with mirror({f"/{name}": content}) as (url, asked):
        file = Published(f"{url}{name}")
        path = fetch(file, tmp_path / "cache")
        assert path.read_bytes() == content
        assert fetch(file, tmp_path / "cache") == path
        assert len(asked) == 1
        path.write_bytes(b"damaged")
        assert fetch(file, tmp_path / "cache").read_bytes() == content
        assert len(asked) == 2
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [name]


def test_wrong_content_and_no_network_name_the_file_and_the_way_out(tmp_path: Path) -> None:
    name = "tfc_1w1a-00000000.pth"
    with mirror({f"/{name}": b"something else"}) as (url, _), pytest.raises(PipelineError) as wrong:
        fetch(Published(f"{url}{name}"), tmp_path)
    assert f"{url}{name}: wrong content: sha256 " in str(wrong.value)
    assert ", expected 00000000..." in str(wrong.value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{name}"
    with pytest.raises(PipelineError) as offline:
        fetch(Published(url), tmp_path)
    lines = str(offline.value).splitlines()
    assert lines[0] == f"{name} could not be downloaded."
    assert lines[1].startswith(f"{url}: ")
    assert "refused" in lines[1]
    assert "checkpoint=PATH" in lines[2]
    assert list(tmp_path.iterdir()) == []


def test_published_weights_reach_the_stage(
    tmp_path: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(brevitas_model("TFC_1W1A").state_dict(), tmp_path / "a.pth")
    content = (tmp_path / "a.pth").read_bytes()
    name = f"tfc-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with mirror({f"/{name}": content}) as (url, _):
        monkeypatch.setattr(start, "published", lambda *_: Published(f"{url}{name}"))
        job = job_from(
            tmp_path / "a.pth", digits_folder, tmp_path / "train", checkpoint="published"
        )
        metrics = run(job)
    assert str(metrics["start"].value).startswith(f"{name}, sha256 ")
    assert (tmp_path / "cache" / "qnn-to-fpga" / "brevitas" / name).is_file()


def test_by_the_variable_of_the_command_line(tmp_path: Path) -> None:
    torch.save(brevitas_model("TFC_1W1A").state_dict(), tmp_path / "theirs.pth")

    command = [sys.executable, "-m", "doit", "train", "dataset=digits", "checkpoint=theirs.pth"]
    places = {"PIPELINE_CWD": str(tmp_path), "PIPELINE_BUILD_DIR": str(tmp_path / "build")}
    environment = {**os.environ, **places}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    (manifest,) = (tmp_path / "build").glob("tfc_1w1a.*checkpoint-theirs-*/train/manifest.json")
    metrics = json.loads(manifest.read_text())["metrics"]
    assert metrics["ending"]["value"] == "not trained"
    assert metrics["start"]["value"].startswith("theirs.pth, sha256 ")
