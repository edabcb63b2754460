from pathlib import Path

import brevitas.config
import numpy as np
import onnx
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper

from pipeline.data import FILE, DataSet
from pipeline.errors import PipelineError, VerificationError
from pipeline.export import LABELS, LOGITS, MODEL, run, stage
from pipeline.export.verify import TOLERANCE, compare, execute
from pipeline.job import Job
from pipeline.models import build, images_to_tensor, save_weights
from specs.input import InputSpec
from specs.models import FcModel

BITS = {"1w1a": (1, 1, 1), "1w2a": (1, 2, 2), "2w2a": (2, 2, 2), "8w8a": (8, 8, 8)}
CONTRACT = InputSpec(shape=(8, 8, 1))


@pytest.fixture(params=BITS)
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    """An export job of a network with random weights and real statistics, 130 test images."""
    rng = np.random.default_rng(2)
    torch.manual_seed(4)
    weight, activation, inputs = BITS[request.param]
    model = FcModel(
        hidden=(32, 24), weight_bits=weight, activation_bits=activation, input_bits=inputs
    )
    for name in ("data", "train", "export"):
        (tmp_path / name).mkdir()
    images = rng.integers(0, 256, (330, 8, 8, 1)).astype(np.uint8)
    labels = rng.integers(0, 10, 330)
    DataSet(images[:200], labels[:200], images[200:], labels[200:]).write(tmp_path / "data" / FILE)
    net = build(model, CONTRACT)
    for _ in range(20):
        net(images_to_tensor(images[:200], CONTRACT))
    save_weights(net.state_dict(), tmp_path / "train")
    return Job(
        "export",
        "net",
        {"network.model": model.model_dump(), "network.input": CONTRACT.model_dump()},
        {name: tmp_path / name for name in ("data", "train")},
        tmp_path / "export",
    )


def test_qonnx_equals_brevitas_and_the_answers_are_written(job: Job) -> None:
    metrics = run(job)
    assert metrics["images"].value == metrics["equal"].value == 130
    difference = metrics["difference"].value
    assert isinstance(difference, float)
    assert difference <= TOLERANCE
    logits, labels = (np.load(job.folder / name) for name in (LOGITS, LABELS))
    assert logits.shape == (130, 10)
    assert logits.dtype == np.float32
    assert (labels == logits.argmax(1)).all()
    assert len(np.unique(labels)) >= 3
    truth = DataSet.read(job.inputs["data"] / FILE).test_labels
    assert metrics["accuracy"].value == pytest.approx(100 * (labels == truth).mean())
    graph = ModelWrapper(str(job.folder / MODEL))
    assert graph.get_tensor_shape(graph.graph.input[0].name) == [1, 1, 8, 8]
    assert graph.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_the_same_weights_give_the_same_bytes(job: Job) -> None:
    written = []
    for _ in range(2):
        run(job)
        written.append([(job.folder / name).read_bytes() for name in (MODEL, LOGITS, LABELS)])
    assert written[0] == written[1]
    assert sorted(path.name for path in job.folder.iterdir()) == sorted([MODEL, LOGITS, LABELS])


@pytest.mark.parametrize("job", ["1w1a"], indirect=True)
def test_one_wrong_weight_is_caught(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    original = stage.to_qonnx

    def with_one_flipped(*args: object) -> ModelWrapper:
        graph = original(*args)  # type: ignore[arg-type]
        name = graph.get_nodes_by_op_type("MatMul")[0].input[1]
        for node in graph.graph.node:  # behind the weight's quantiser, before the matrix product
            if name in node.output:
                name = node.input[0]
        weight = graph.get_initializer(name).copy()
        weight.flat[np.abs(weight).argmax()] *= -1
        graph.set_initializer(name, weight)
        return graph

    monkeypatch.setattr(stage, "to_qonnx", with_one_flipped)
    with pytest.raises(VerificationError, match="disagree at quantiser BipolarQuant_"):
        run(job)


@pytest.mark.parametrize("job", ["1w2a"], indirect=True)
def test_the_last_block_may_be_smaller(job: Job) -> None:
    run(job)
    graph = ModelWrapper(str(job.folder / MODEL))
    images = images_to_tensor(DataSet.read(job.inputs["data"] / FILE).test_images, CONTRACT)
    whole = execute(graph, images.numpy(), 130)
    assert whole.shape == (130, 10)
    assert np.array_equal(execute(graph, images.numpy(), 60), whole)


def test_the_first_image_that_differs_is_named_with_both_logits() -> None:
    logits = np.array([[1.0, 0.0], [0.5, 2.0], [3.0, 1.0]], dtype=np.float32)
    assert compare(logits, logits + np.float32(1e-6)) < 1e-5
    wrong = logits.copy()
    wrong[1] = [2.0, 0.5]
    with pytest.raises(VerificationError) as raised:
        compare(logits, wrong)
    lines = str(raised.value).splitlines()
    assert "1 of 3 test images; the first is image 1" in lines[0]
    assert lines[1].split() == ["Brevitas:", "label", "1,", "logits", "0.5", "2"]
    assert lines[2].split() == ["QONNX:", "label", "0,", "logits", "2", "0.5"]


def test_labels_count_even_where_the_logits_are_close() -> None:
    tie = np.array([[1.0, 1.00001]], dtype=np.float32)
    with pytest.raises(VerificationError, match="Brevitas: label 1"):
        compare(tie, tie[:, ::-1])


@pytest.mark.parametrize("value", [3.001, np.nan])
def test_logits_count_even_where_the_label_is_right(value: float) -> None:
    logits = np.array([[3.0, 1.0]], dtype=np.float32)
    with pytest.raises(VerificationError, match="disagree on 1 of 1"):
        compare(logits, np.array([[value, 1.0]], dtype=np.float32))


@pytest.mark.parametrize("job", ["1w1a"], indirect=True)
def test_brevitas_jit_is_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brevitas.config, "JIT_ENABLED", True)
    with pytest.raises(PipelineError, match="unset BREVITAS_JIT"):
        run(job)


def test_either_of_two_equal_greatest_logits_is_right() -> None:
    expected = np.array([[1.0, 3.0, 3.0], [0.0, 2.0, 1.0]], np.float32)
    found = expected.copy()
    found[0, 2] += 3e-7
    assert compare(expected, found) < 1e-5
    found[1] = [0.0, 1.0, 2.0]
    with pytest.raises(VerificationError, match="the first is image 1"):
        compare(expected, found)
