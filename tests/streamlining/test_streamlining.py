"""Networks of every supported kind into the hardware graph and FINN's: equal at each level."""

from pathlib import Path

import numpy as np
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper

from pipeline.data.choice import over_classes
from pipeline.data.inputs import Inputs
from pipeline.errors import VerificationError
from pipeline.export.stage import to_qonnx
from pipeline.hardware import reference
from pipeline.models import build
from pipeline.streamlining import STREAM_IMAGES, _write_golden, finn
from pipeline.streamlining.graph import Streamlined, hardware_graph
from pipeline.streamlining.proof import compare_with_logits
from specs.input import InputSpec
from specs.models import FcModel


def network(
    bits: tuple[int, int, int], contract: InputSpec, hidden: tuple[int, ...]
) -> torch.nn.Module:
    """A network with random weights and batch norms that have seen data."""
    torch.manual_seed(bits[0] * 10 + bits[1])
    spec = FcModel(
        hidden=hidden, classes=5, weight_bits=bits[0], activation_bits=bits[1], input_bits=bits[2]
    )
    model = build(spec, contract)
    height, width, channels = contract.shape
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.uniform_(-1, 1)
    for _ in range(20):
        model(torch.rand(50, channels, height, width))
    # a batch norm may also fall: FINN turns the weights' signs then
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d) and module.weight is not None:
            module.weight.data[::3] *= -1
    return model.eval()


def streamlined(
    model: torch.nn.Module, contract: InputSpec, work: Path
) -> tuple[Streamlined, ModelWrapper]:
    """What a network becomes, and its QONNX."""
    height, width, channels = contract.shape
    qonnx = to_qonnx(model, torch.rand(1, channels, height, width), work / "model.onnx")
    return hardware_graph(qonnx, "net", contract, "label"), qonnx


CONTRACTS = {
    "grey": InputSpec(shape=(6, 5, 1)),
    "colour": InputSpec(shape=(4, 3, 3)),
    "normalised": InputSpec(shape=(6, 6, 1), mean=0.3, std=0.6),
    "by channel": InputSpec(shape=(4, 3, 3), mean=(0.5, 0.4, 0.1), std=(0.6, 0.3, 0.5)),
}


@pytest.mark.parametrize("bits", [(1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 1, 2), (1, 2, 1), (2, 1, 1)])
@pytest.mark.parametrize("name", CONTRACTS)
def test_equal_to_brevitas_and_to_finn_at_each_layer(
    finn_work: Path, tmp_path: Path, bits: tuple[int, int, int], name: str
) -> None:
    contract = CONTRACTS[name]
    model = network(bits, contract, (16, 12))
    found, qonnx = streamlined(model, contract, tmp_path)
    images = np.random.default_rng(7).integers(0, 256, (200, *contract.shape), np.uint8)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    x = torch.from_numpy(planes).float()
    with torch.no_grad():
        mean, std = (torch.tensor(x).reshape(-1, 1, 1) for x in (contract.mean, contract.std))
        logits = model((x * contract.scale - mean) / std).numpy()
    proof = compare_with_logits(found, qonnx, images, logits)
    assert len(np.unique(proof.classes)) >= 2
    finn.compare(found.graph, finn.dataflow(found.graph), images[:8])
    assert [layer.id for layer in found.graph.layers] == [
        "input_quant", "fc0", "fc1", "fc2", "label_select",
    ]  # fmt: skip
    popcount = [getattr(layer, "popcount", None) for layer in found.graph.layers[1:4]]
    xnor = [bits[0] == reads == 1 for reads in (bits[2], bits[1], bits[1])]
    assert popcount == xnor


def test_golden_images_of_sorted_and_unbalanced_data_are_of_all_classes(tmp_path: Path) -> None:
    contract = CONTRACTS["grey"]
    found, _ = streamlined(network((2, 2, 2), contract, (16, 12)), contract, tmp_path)
    images = np.random.default_rng(7).integers(0, 256, (2000, *contract.shape), np.uint8)
    labels = np.repeat(np.arange(10), [1500, 300, *[25] * 8])
    outputs = reference.run(found.graph, images)[found.graph.sink.id]
    _write_golden(tmp_path, found.graph, Inputs(images, labels), outputs, outputs.reshape(-1))
    with np.load(tmp_path / "golden.npz") as golden:
        assert np.bincount(golden["truth"][:STREAM_IMAGES]).tolist() == [7] * 4 + [6] * 6
        chosen = over_classes(labels, len(golden["truth"]), len(labels))
        for name, values in (("images", images), ("outputs", outputs), ("truth", labels)):
            assert np.array_equal(golden[name], values[chosen])
        assert np.array_equal(
            golden[f"stream.{found.graph.sink.id}"], outputs[chosen][:STREAM_IMAGES]
        )


def test_one_wrong_weight_is_told_by_layer_and_element(finn_work: Path, tmp_path: Path) -> None:
    contract = CONTRACTS["grey"]
    found, _ = streamlined(network((1, 1, 1), contract, (16, 12)), contract, tmp_path)
    images = np.random.default_rng(7).integers(0, 256, (32, *contract.shape), np.uint8)
    dataflow = finn.dataflow(found.graph)
    clean = reference.run(found.graph, images)
    found.graph.layers[2].weights[3] *= -1  # type: ignore[attr-defined]
    assert not np.array_equal(clean["fc1_out"], reference.run(found.graph, images)["fc1_out"])
    with pytest.raises(VerificationError, match=r"FINN's execution: not equal: layer fc1, image"):
        finn.compare(found.graph, dataflow, images)


def test_an_accumulator_that_changes_no_label_is_seen(finn_work: Path, tmp_path: Path) -> None:
    contract = CONTRACTS["grey"]
    model = network((1, 1, 1), contract, (16, 12))
    found, qonnx = streamlined(model, contract, tmp_path)
    images = np.random.default_rng(7).integers(0, 256, (100, *contract.shape), np.uint8)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    with torch.no_grad():
        logits = model(torch.from_numpy(planes).float() * contract.scale).numpy()
    compare_with_logits(found, qonnx, images, logits)
    order = np.sort(logits[5])
    one = order[1] - order[0] if order[1] > order[0] else 0.1
    wrong = logits.copy()
    wrong[5, np.argmin(logits[5])] -= max(one, np.ptp(logits[5]) / 4)
    assert np.array_equal(wrong.argmax(1), logits.argmax(1))
    with pytest.raises(VerificationError, match=r"1 of 100 inputs differ.*input 5"):
        compare_with_logits(found, qonnx, images, wrong)
    with pytest.raises(VerificationError, match="inputs differ"):
        compare_with_logits(found, qonnx, images, -logits)


def test_wide_sums_are_compared_within_the_rounding_of_floats(
    finn_work: Path, tmp_path: Path
) -> None:
    """8-bit weights and activations: Brevitas' own float32 crosses thresholds now and then."""
    contract = InputSpec(shape=(14, 14, 1))
    model = network((8, 8, 8), contract, (32, 32))
    found, qonnx = streamlined(model, contract, tmp_path)
    images = np.random.default_rng(7).integers(0, 256, (100, *contract.shape), np.uint8)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    with torch.no_grad():
        logits = model(torch.from_numpy(planes).float() * contract.scale).numpy()
    compare_with_logits(found, qonnx, images, logits)
    found.graph.layer("fc1").weights[3] *= -1  # type: ignore[attr-defined]
    with pytest.raises(VerificationError, match=r"Quant_\d .*more than rounding explains"):
        compare_with_logits(found, qonnx, images, logits)


def test_the_same_qonnx_gives_the_same_dataflow_graph(finn_work: Path, tmp_path: Path) -> None:
    contract = CONTRACTS["grey"]
    for name in ("a.onnx", "b.onnx"):
        found, _ = streamlined(network((1, 2, 2), contract, (8,)), contract, tmp_path)
        finn.dataflow(found.graph).model.save(str(tmp_path / name))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
