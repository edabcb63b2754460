"""A QONNX file of the user's own: what it says, what is refused, what it becomes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper

from pipeline.data.inputs import RANDOM, draw
from pipeline.errors import PipelineError, SpecError
from pipeline.export import LABELS, LOGITS, MODEL, own, run
from pipeline.export.verify import execute
from pipeline.flow.unit import Unit, select
from pipeline.job import Job
from pipeline.qonnx import clean, normal
from pipeline.qonnx.description import describe, read
from pipeline.qonnx.edit import attributes, bypass
from pipeline.qonnx.support import unsupported
from pipeline.tools.files import sha256
from specs.input import InputSpec
from specs.models import QonnxModel
from tests.export.qonnx_files import Graph, keras_network, mlp


def one(**given: str) -> Unit:
    (unit,) = select(given)
    return unit


def job_of(path: Path, contract: InputSpec, folder: Path) -> Job:
    digest = sha256(path)
    model = QonnxModel(family="qonnx", file=digest)
    folder.mkdir()
    return Job(
        stage="export",
        unit="own",
        specs={
            "network.input": contract.model_dump(mode="json"),
            "network.model": model.model_dump(mode="json"),
        },
        inputs={},
        folder=folder,
        settings={"files": {digest: str(path)}},
    )


def test_what_a_file_says_of_its_input(tmp_path: Path) -> None:
    keras = describe(keras_network(tmp_path / "keras.onnx"))
    assert keras.shape(None) == (8, 8, 3)
    assert (keras.layout, keras.dtype, keras.scale) == ("NHWC", "INT8", 1 / 128)
    features = describe(mlp(tmp_path / "mlp.onnx"))
    assert (features.shape(None), features.dtype, features.scale) == ((13,), "INT8", 1.0)
    g = Graph()
    y = g.op("MatMul", g.op("Flatten", "x"), g.weights(12, 2))
    silent = describe(g.save(tmp_path / "a.onnx", ("x", [1, 2, 2, 3]), y, 2))
    assert (silent.shape(None), silent.dtype, silent.scale) == (None, None, None)
    assert silent.shape("NHWC") == (2, 2, 3)
    assert silent.shape("NCHW") == (2, 3, 2)
    told = describe(g.save(tmp_path / "b.onnx", ("x", [1, 1, 3, 4]), y, 2, annotate="UINT4"))
    assert (told.shape(None), told.dtype, told.scale) == ((3, 4, 1), "UINT4", 1.0)


def test_units_of_a_file(tmp_path: Path) -> None:
    path = mlp(tmp_path / "my net.onnx")
    unit = one(qonnx=str(path), output="logits")
    label = f"my-net-{sha256(path)[:8]}"
    assert unit.name == f"{label}.output-logits@Pynq-Z1.open"
    assert unit.network.dataset == "random"
    assert unit.network.input == InputSpec(shape=(13,), dtype="INT8", scale=1.0)
    assert unit.at("network").files == {sha256(path): str(path)}
    assert unit.network.model == QonnxModel(family="qonnx", file=sha256(path))
    # a spec of the user's own, with the file beside it
    spec = tmp_path / "mine.toml"
    spec.write_text(
        'name = "mine"\ndataset = "random"\n[input]\nshape = [13]\ndtype = "INT8"\nscale = 1\n'
        '[model]\nfamily = "qonnx"\nfile = "my net.onnx"\n'
    )
    own_spec = one(network=str(spec)).at("network")
    assert own_spec.files == {sha256(path): str(path)}


def test_a_file_in_the_place_of_a_network(tmp_path: Path) -> None:
    g = Graph()
    y = g.op("MatMul", g.op("Flatten", "x"), g.weights(784, 10))
    path = g.save(tmp_path / "flat.onnx", ("x", [1, 1, 28, 28]), y, 10)
    unit = one(network="tfc_1w1a", qonnx=str(path))
    assert unit.name == f"tfc_1w1a.qonnx-flat-{sha256(path)[:8]}@Pynq-Z1.open"
    assert (unit.network.dataset, unit.network.training) == ("mnist", None)
    assert unit.network.input.scale == 1 / 255


def refused(words: str, **given: str) -> None:
    with pytest.raises(SpecError, match=words):
        one(**given)


def test_refusals(tmp_path: Path) -> None:
    path = str(mlp(tmp_path / "mlp.onnx"))
    refused("no such file", qonnx=str(tmp_path / "none.onnx"))
    refused("takes the place of one network", qonnx=path, network="tfc_1w1a,sfc_1w1a")
    refused(r"its input is \(13,\), that of network=tfc_1w1a", qonnx=path, network="tfc_1w1a")
    refused("give one of them", qonnx=path, checkpoint="published")
    refused("epochs=: a QONNX model is taken as it is", qonnx=path, epochs="3")
    refused("input_layout=: this network has no field model.layout", input_layout="NHWC")
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    refused("not an ONNX file", qonnx=str(text))
    g = Graph()
    y = g.op("MatMul", g.op("Flatten", "x"), g.weights(12, 2))
    silent = str(g.save(tmp_path / "silent.onnx", ("x", [1, 2, 2, 3]), y, 2))
    with pytest.raises(SpecError) as told:
        one(qonnx=silent)
    assert "input_layout=NCHW or NHWC" in str(told.value)
    assert "input_scale=1/255" in str(told.value), "all that is missing at once"
    unit = one(qonnx=silent, input_layout="NHWC", input_scale="1/255")
    assert unit.network.input.shape == (2, 2, 3)
    open_size = str(g.save(tmp_path / "open.onnx", ("x", [1, "h", 2, 3]), y, 2))
    refused(r"x has the shape \[1, h, 2, 3\]", qonnx=open_size)


def test_several_inputs_and_files_beside_are_refused(tmp_path: Path) -> None:
    infos = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 2]) for x in "aby"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", infos[:2],
                              infos[2:])  # fmt: skip
    onnx.save(helper.make_model(graph), str(tmp_path / "two.onnx"))
    refused("has the inputs a, b", qonnx=str(tmp_path / "two.onnx"))
    g = Graph()
    y = g.op("MatMul", "x", g.weights(600, 10))
    model = onnx.load(str(g.save(tmp_path / "one.onnx", ("x", [1, 600]), y, 10)))
    beside = tmp_path / "beside.onnx"
    onnx.save(model, str(beside), save_as_external_data=True, location="weights.bin")
    refused("in other files; save it as one file", qonnx=str(beside))


def test_every_operator_without_a_layer_is_named(tmp_path: Path) -> None:
    g = Graph()
    x = g.op("Conv", g.quant("x", 8, 1 / 128), g.weights(4, 1, 3, 3), group=4)
    x = g.op("Sigmoid", g.op("Relu", x))
    x = g.op("Conv", x, g.floats(4, 4, 1, 1))
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    x = g.quant(g.op("Flatten", x), 16, 1.0)
    x = g.op("MatMul", x, g.op("Transpose", x))
    path = g.save(tmp_path / "bad.onnx", ("x", [1, 4, 8, 8]), x, 1)
    with pytest.raises(PipelineError) as told:
        run(job_of(path, InputSpec(shape=(8, 8, 4)), tmp_path / "out"))
    lines = str(told.value).splitlines()
    assert "of its" in lines[0]
    for words in (
        "(Conv, named Convt2, [1, 4, 8, 8] -> [1, 4, 6, 6]): 4 groups",
        "(Sigmoid, named Sigmoidt4, [1, 4, 6, 6] -> [1, 4, 6, 6]): no hardware layer",
        "no quantiser behind it",
        "its weights are floats",
        "only pools without overlap",
        "16 bits; only activations of 1 to 8",
        "multiplies two streams",
    ):
        assert sum(words in line for line in lines) == 1, words
    assert "supported: Add" in lines[-1]


def test_a_softmax_goes_and_scores_stay(tmp_path: Path) -> None:
    path = keras_network(tmp_path / "keras.onnx")
    contract = InputSpec(shape=(8, 8, 3), dtype="UINT7", scale=1 / 128)
    job = job_of(path, contract, tmp_path / "out")
    figures = run(job)
    assert figures["dropped"].value == "Softmax_0"
    assert figures["images"].unit == "random inputs"
    logits = np.load(job.folder / LOGITS)
    assert logits.shape == (RANDOM, 5)
    assert np.array_equal(np.load(job.folder / LABELS), logits.argmax(axis=1))
    model = ModelWrapper(str(job.folder / MODEL))
    assert model.get_tensor_shape(model.graph.input[0].name) == [1, 3, 8, 8]
    (behind,) = model.get_nodes_by_op_type("Transpose")
    assert attributes(behind)["perm"] == [0, 2, 3, 1], "the first one is gone"


def test_a_wrong_normalisation_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal, "_channels_first", normal._transpose_input)
    path = keras_network(tmp_path / "keras.onnx")
    job = job_of(path, InputSpec(shape=(8, 8, 3)), tmp_path / "plain")
    run(job)  # one transpose more, and still the same network

    def forgets_the_transpose(model: ModelWrapper) -> None:
        for node in [*model.get_nodes_by_op_type("Transpose")]:
            if attributes(node).get("perm") == [0, 2, 3, 1]:
                bypass(model, node)
        normal_first(model)

    monkeypatch.undo()
    normal_first = normal._channels_first
    monkeypatch.setattr(normal, "_channels_first", forgets_the_transpose)
    with pytest.raises(PipelineError, match="gives other scores than the file"):
        run(job_of(path, InputSpec(shape=(8, 8, 3)), tmp_path / "wrong"))


def test_random_inputs_are_the_datatypes_and_always_the_same() -> None:
    contract = InputSpec(shape=(5,), dtype="INT3")
    drawn = draw(contract, 400)
    assert set(np.unique(drawn)) == set(range(-4, 4))
    assert np.array_equal(drawn, draw(contract, 400))
    assert draw(InputSpec(shape=(4, 4, 1)), 200).max() == 255


def cleaned(path: Path) -> ModelWrapper:
    model, _ = clean.without_tail(clean.clean(ModelWrapper(read(path).model)))
    return model


def same_after_normalising(path: Path, shape: tuple[int, ...]) -> list[str]:
    """Operators of the normal form, whose scores are the file's."""
    original = cleaned(path)
    assert not list(unsupported(original))
    model = normal.normalised(original, "NCHW")
    inputs = np.random.default_rng(0).integers(0, 256, (6, *shape)).astype(np.float32)
    own.require_same(original, inputs, "NCHW", execute(model, inputs, 3).reshape(6, -1))
    return [node.op_type for node in model.graph.node]


def test_zeros_around_a_convolution_become_its_own(tmp_path: Path) -> None:
    g = Graph()
    pads = g.const(np.array([0, 0, 1, 0, 0, 0, 1, 2], np.int64))
    x = g.op("Pad", "x", pads, g.const(np.float32(0)))
    x = g.op("Conv", x, g.weights(4, 2, 3, 3), kernel_shape=[3, 3])
    x = g.op("Flatten", g.quant(g.op("Relu", x), 4, 8.0, signed=0))
    y = g.op("MatMul", x, g.weights(4 * 4 * 4, 3))
    path = g.save(tmp_path / "pad.onnx", ("x", [1, 2, 4, 4]), y, 3)
    assert "Pad" not in same_after_normalising(path, (2, 4, 4))
    (conv,) = cleaned(path).get_nodes_by_op_type("Conv")
    assert attributes(conv)["pads"] == [1, 0, 1, 2]


def test_a_pad_of_another_kind_is_named(tmp_path: Path) -> None:
    g = Graph()
    pads = g.const(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    x = g.op("Conv", g.op("Pad", "x", pads, mode="reflect"), g.weights(3, 1, 6, 6))
    path = g.save(tmp_path / "reflect.onnx", ("x", [1, 1, 4, 4]), g.op("Flatten", x), 3)
    assert [line for line in unsupported(cleaned(path)) if "(Pad, " in line]


def test_a_network_of_convolutions_ends_flat(tmp_path: Path) -> None:
    g = Graph()
    x = g.op("Conv", "x", g.weights(5, 1, 4, 4), kernel_shape=[4, 4])
    path = g.save(tmp_path / "map.onnx", ("x", [1, 1, 4, 4]), x, 5)
    model = onnx.load(str(path))
    for _ in range(2):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    onnx.save(model, str(path))
    assert same_after_normalising(path, (1, 4, 4))[-1] == "Flatten", "one score for each class"


@pytest.mark.parametrize(
    ("kind", "found"),
    [("ArgMax", {"axis": 0}), ("Softmax", {"axis": 0}), ("ArgMax", {"select_last_index": 1})],
)
def test_an_end_that_tells_another_class_stays(
    tmp_path: Path, kind: str, found: dict[str, Any]
) -> None:
    g = Graph()
    x = g.op("MatMul", g.quant("x", 8, 1.0), g.weights(6, 4))
    y = g.op(kind, x, **{"axis": -1, **found})
    path = g.save(tmp_path / "end.onnx", ("x", [1, 6]), y, 4)
    (line,) = unsupported(cleaned(path))
    assert f"({kind}, " in line
    assert "greatest of the last axis" in line
