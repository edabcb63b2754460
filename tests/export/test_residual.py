"""Residual networks of every number format as QONNX: equal to Brevitas at every quantiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper

from pipeline.data import FILE, DataSet
from pipeline.errors import VerificationError
from pipeline.export import LOGITS, MODEL, run, stage, verify
from pipeline.export.rounding import execute_along
from pipeline.export.verify import TOLERANCE, compare
from pipeline.job import Job
from pipeline.models import build, images_to_tensor, load_weights
from pipeline.training import run as train
from specs.input import InputSpec
from specs.models import ResNetModel

CONTRACT = InputSpec(shape=(8, 8, 3))
BITS = {"weight_bits": 4, "activation_bits": 4}
FORMATS = ("int", "fp32", "e4m3", "e3m1", "e5m2", "e1m2", "e6m10")


def spec(number_format: str) -> ResNetModel:
    bits = BITS if number_format == "int" else {}
    fields = {"family": "resnet", "width": 4, "blocks": (1, 1), "classes": 3, **bits}
    return ResNetModel.model_validate({**fields, "number_format": number_format})


@pytest.fixture
def make_job(tmp_path: Path) -> Any:
    """An export job of a network trained for two epochs on easy images; 60 test images."""

    def make(number_format: str) -> Job:
        rng = np.random.default_rng(2)
        labels = rng.integers(0, 3, 260)
        images = rng.integers(0, 256, (3, 8, 8, 3))[labels] + rng.normal(0, 40, (260, 8, 8, 3))
        raw = images.clip(0, 255).astype(np.uint8)
        for name in ("data", "train", "export"):
            (tmp_path / name).mkdir()
        data = DataSet(raw[:200], labels[:200], raw[200:], labels[200:])
        data.write(tmp_path / "data" / FILE)
        specs = {
            "network.model": spec(number_format).model_dump(),
            "network.input": CONTRACT.model_dump(),
            "network.training": {"epochs": 2, "batch_size": 20, "learning_rate": 0.01},
        }
        inputs = {name: tmp_path / name for name in ("data", "train")}
        metrics = train(Job("train", "net", specs, inputs, tmp_path / "train"))
        assert metrics["test_accuracy"].value > 60  # type: ignore[operator]
        return Job("export", "net", specs, inputs, tmp_path / "export")

    return make


def loaded(job: Job) -> tuple[torch.nn.Module, ModelWrapper, np.ndarray, np.ndarray]:
    """Module, QONNX, test images [N, C, H, W] and Brevitas' logits of an export that is done."""
    model = build(ResNetModel.model_validate(job.specs["network.model"]), CONTRACT)
    load_weights(model, job.inputs["train"])
    images = images_to_tensor(DataSet.read(job.inputs["data"] / FILE).test_images, CONTRACT)
    graph = ModelWrapper(str(job.folder / MODEL))
    return model, graph, images.numpy(), np.load(job.folder / LOGITS)


@pytest.mark.parametrize("number_format", FORMATS)
def test_it_trains_and_its_qonnx_equals_brevitas(make_job: Any, number_format: str) -> None:
    job = make_job(number_format)
    metrics = run(job)
    assert metrics["images"].value == metrics["equal"].value == 60
    assert metrics["difference"].value <= TOLERANCE  # type: ignore[operator]
    kinds = {"int": {"Quant"}, "fp32": set()}.get(number_format, {"FloatQuant"})
    model, graph, images, logits = loaded(job)
    assert {node.op_type for node in graph.graph.node if "Quant" in node.op_type} == kinds
    along, apart = execute_along(model, graph, images, 25)
    compare(logits, along)
    assert apart < 0.01 * images.size


@pytest.mark.parametrize(
    ("number_format", "bits", "greatest"), [("e4m3", (4, 3), 448), ("e3m1", (3, 1), 24)]
)
def test_every_layer_has_the_format(
    number_format: str, bits: tuple[int, int], greatest: float, tmp_path: Path
) -> None:
    model = build(spec(number_format), CONTRACT).eval()
    graph = stage.to_qonnx(model, torch.rand(1, 3, 8, 8), tmp_path / "model.onnx")
    nodes = graph.get_nodes_by_op_type("FloatQuant")
    assert len(nodes) == 7 + 8, "six convolutions and the classifier, and the calls of ReLUs"
    for node in nodes:
        exponent, mantissa, bias, top = (graph.get_initializer(name) for name in node.input[2:6])
        assert (exponent, mantissa, bias) == (*bits, 2 ** (bits[0] - 1) - 1)
        assert top == greatest


def moved(graph: ModelWrapper, by: float) -> ModelWrapper:
    """The graph with every shift of a batch norm moved."""
    for node in graph.get_nodes_by_op_type("BatchNormalization"):
        graph.set_initializer(node.input[2], graph.get_initializer(node.input[2]) + np.float32(by))
    return graph


@pytest.mark.parametrize("number_format", ["int", "e4m3", "e3m1"])
def test_what_rounding_explains_and_what_it_does_not(make_job: Any, number_format: str) -> None:
    job = make_job(number_format)
    run(job)
    model, graph, images, logits = loaded(job)
    along, apart = execute_along(model, moved(graph, 4e-5), images, 60)
    assert apart > 0, "some values lie near a border"
    compare(logits, along)
    with pytest.raises(VerificationError, match=r"more than rounding explains; the first is \[\d"):
        execute_along(model, moved(graph, 0.01), images, 60)


def test_images_that_rounding_sets_apart_are_followed(
    make_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("e4m3")
    original = verify.execute

    def rounded_otherwise(*args: Any) -> np.ndarray:
        found = original(*args)
        found[[3, 50]] = found[[3, 50], ::-1] + 0.01
        return found

    monkeypatch.setattr(stage, "execute", rounded_otherwise)
    metrics = run(job)
    assert metrics["rounded_apart"].value == 2
    assert metrics["difference"].value <= TOLERANCE  # type: ignore[operator]
    assert 58 <= metrics["equal"].value < 60  # type: ignore[operator]


def test_a_wrong_weight_is_caught(make_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job("e4m3")
    original = stage.to_qonnx

    def with_one_changed(*args: Any) -> ModelWrapper:
        graph = original(*args)
        inputs = [node.input[0] for node in graph.get_nodes_by_op_type("FloatQuant")]
        name = next(name for name in inputs if graph.get_initializer(name) is not None)
        weight = graph.get_initializer(name).copy()
        weight.flat[np.abs(weight).argmax()] *= -1
        graph.set_initializer(name, weight)
        return graph

    monkeypatch.setattr(stage, "to_qonnx", with_one_changed)
    with pytest.raises(VerificationError, match="disagree at quantiser FloatQuant_"):
        run(job)


def test_a_missing_quantiser_is_caught(make_job: Any) -> None:
    job = make_job("e4m3")
    run(job)
    _, graph, images, _ = loaded(job)
    deeper = ResNetModel.model_validate({**job.specs["network.model"], "blocks": (2, 1)})
    with pytest.raises(VerificationError):
        execute_along(build(deeper, CONTRACT).eval(), graph, images, 60)
