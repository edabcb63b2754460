"""Modules that the user's own Python file makes."""

from pathlib import Path

import pytest
import torch

from pipeline.chain import STAGES
from pipeline.data import FILE, DataSet, digits
from pipeline.errors import PipelineError, SpecError
from pipeline.export import run as export
from pipeline.flow.selection import selection
from pipeline.flow.unit import select
from pipeline.job import Job
from pipeline.models import build, factory, twin
from pipeline.tools.files import sha256
from pipeline.training import run as train
from specs.input import InputSpec
from specs.models import FactoryModel
from specs.training import TrainingSpec

NETWORK = """
import torch
from brevitas.nn import QuantIdentity, QuantLinear
from brevitas.quant import Int8WeightPerTensorFloat, Int8ActPerTensorFloat
from torch import nn


class Net(nn.Sequential):
    clipped = 0

    def after_step(self):
        Net.clipped += 1
        with torch.no_grad():
            self[2].weight.clamp_(-1, 1)


def build(width=16, bits=3):
    return Net(
        nn.Flatten(),
        QuantIdentity(bit_width=8, act_quant=Int8ActPerTensorFloat),
        QuantLinear(64, width, bias=False, weight_bit_width=bits),
        nn.BatchNorm1d(width),
        QuantIdentity(bit_width=bits, act_quant=Int8ActPerTensorFloat),
        QuantLinear(width, 10, bias=False, weight_bit_width=bits,
                    weight_quant=Int8WeightPerTensorFloat),
    )
"""
CONTRACT = InputSpec(shape=(8, 8, 1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_net.py"
    path.write_text(NETWORK)
    return path


def spec(path: Path, **values: object) -> FactoryModel:
    return FactoryModel(family="factory", file=str(path), **values)  # type: ignore[arg-type]


def test_it_is_built_with_its_arguments(file: Path) -> None:
    model = build(spec(file, arguments={"width": 12}), CONTRACT, file)
    assert model[2].out_features == 12  # type: ignore[index]
    learner = twin(model, classes=10, black=-1.0)
    assert (learner.classes, learner.black) == (10, -1.0)
    assert learner.scores(torch.rand(5, 1, 8, 8)).shape == (5, 10)


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("import nowhere_to_be_found", {}, r"cannot be run: ModuleNotFoundError.*line 1"),
        ("def other(): pass", {}, r"build: no such function; there are other"),
        (NETWORK, {"arguments": {"depth": 3}}, r"build: fails: TypeError.*depth"),
        ("def build(): return 3", {}, "returns int, not a torch.nn.Module"),
        (NETWORK, {"classes": 4}, r"gives \[2, 10\] for 2 inputs, not \[2, 4\]"),
        (NETWORK.replace("64, width", "65, width"), {}, r"fails on inputs \[2, 1, 8, 8\]"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(
    tmp_path: Path, text: str, values: dict[str, object], words: str
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(PipelineError, match=words):
        factory.load(spec(path, **values), CONTRACT, path)


def test_a_unit_knows_its_file_by_content(file: Path, tmp_path: Path) -> None:
    toml = tmp_path / "mine.toml"
    toml.write_text(
        'name = "mine"\ndataset = "digits"\n[input]\nshape = [8, 8, 1]\n[model]\n'
        'family = "factory"\nfile = "my_net.py"\n[training]\nepochs = 2\n'
    )
    (unit,) = select({"network": str(toml)})
    assert unit.read("network.model")["file"] == sha256(file)
    assert unit.at("network").files == {sha256(file): str(file)}
    tasks = set(selection({"network": str(toml)}).chain(unit))
    assert len(tasks) == len(STAGES) - 2, "each has a hash, whatever the specs hold"
    file.write_text(NETWORK + "\n")
    (other,) = select({"network": str(toml)})
    assert other.name == unit.name
    assert other.read("network.model") != unit.read("network.model"), "it is trained again"
    file.unlink()
    with pytest.raises(SpecError, match=r"model\.file = 'my_net\.py': no such file"):
        select({"network": str(toml)})


def test_it_is_trained_and_exported(file: Path, tmp_path: Path) -> None:
    digest = sha256(file)
    data = digits.load({})
    part = DataSet(data.train_images, data.train_labels, data.test_images[:90],
                   data.test_labels[:90])  # fmt: skip
    (tmp_path / "data").mkdir()
    part.write(tmp_path / "data" / FILE)

    def job(stage: str, **specs: object) -> Job:
        folder = tmp_path / stage
        folder.mkdir()
        return Job(
            stage=stage, unit="mine", folder=folder,
            specs={
                "network.model": spec(file).model_copy(update={"file": digest}).model_dump(),
                "network.input": CONTRACT.model_dump(mode="json"), **specs,
            },
            inputs={"data": tmp_path / "data", "train": tmp_path / "train"},
            settings={"files": {digest: str(file)}},
        )  # fmt: skip

    training = TrainingSpec(epochs=8, batch_size=50)
    figures = train(job("train", **{"network.training": training.model_dump(mode="json")}))
    assert float(figures["test_accuracy"].value) > 60
    exported = export(job("export"))
    assert exported["equal"].value == 90
    file.write_text("changed")
    with pytest.raises(PipelineError, match="changed meanwhile"):
        job("again").own_file(digest)


def test_its_own_clipping_follows_each_step(file: Path) -> None:
    model = build(spec(file), CONTRACT, file)
    with torch.no_grad():
        model[2].weight.fill_(3.0)  # type: ignore[index]
    twin(model, classes=10).after_step()
    assert model[2].weight.max() == 1.0  # type: ignore[index]
