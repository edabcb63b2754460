"""Convolutional networks against those of brevitas_examples, and of other shapes."""

from pathlib import Path

import pytest
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas_examples.bnn_pynq.models import model_with_cfg  # type: ignore[import-untyped]
from torch import nn

from pipeline.export.stage import to_qonnx
from pipeline.models import build
from pipeline.models.cnv import Cnv
from specs import catalog
from specs.input import InputSpec
from specs.models import CnvModel
from specs.network import NetworkSpec


def small(**fields: object) -> Cnv:
    """Two convolutions and a dense layer on images of 9x8x2; keywords are fields of the spec."""
    convolutions = [{"channels": 4, "pool": 2}, {"channels": 6, "kernel": 2}]
    bits = {"weight_bits": 1, "activation_bits": 2, "input_bits": 4}
    document = {"family": "cnv", "convolutions": convolutions, "dense": [{"width": 10}], **bits}
    spec = CnvModel.model_validate({**document, "classes": 3, **fields})
    net = build(spec, InputSpec(shape=(9, 8, 2)))
    assert isinstance(net, Cnv)
    return net


@pytest.mark.parametrize("name", ["cnv_1w1a", "cnv_1w2a", "cnv_2w2a"])
def test_published_weights_load_and_give_the_same_scores(name: str) -> None:
    torch.manual_seed(0)
    published, _ = model_with_cfg(name.upper(), pretrained=False)
    for _ in range(2):  # batch statistics that are not the initial ones
        published(torch.rand(10, 3, 32, 32))
    network = catalog.find(NetworkSpec, "network", name, Path())[1]
    ours = build(network.model, network.input)
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert shapes == {key: value.shape for key, value in published.state_dict().items()}
    ours.load_state_dict(published.state_dict())
    x = torch.rand(10, 3, 32, 32)
    with torch.no_grad():
        scores = ours.eval()(x)
        assert torch.equal(scores, published.eval()(x))
    assert scores.std() > 0


def test_strides_padding_pools_and_other_than_square_images() -> None:
    layers = [{"channels": 4, "kernel": 3, "stride": 2, "padding": 1}, {"channels": 5, "pool": 2}]
    net = small(convolutions=layers, dense=[])
    # 9x8 -> 5x4 by the stride -> 3x2 by the kernel -> 1x1 by the pool
    linears = [layer for layer in net.linear_features if isinstance(layer, QuantLinear)]
    assert [tuple(layer.weight.shape) for layer in linears] == [(3, 5)]
    assert net.eval()(torch.rand(7, 2, 9, 8)).shape == (7, 3)


def test_each_layer_has_its_own_bits_or_the_model_s() -> None:
    net = small(
        convolutions=[
            {"channels": 4, "weight_bits": 4, "activation_bits": 1},
            {"channels": 4},
        ],
        dense=[{"width": 10, "weight_bits": 3, "activation_bits": 5}],
        classifier_weight_bits=8,
    )
    layers: list[nn.Module] = [*net.conv_features, *net.linear_features]
    weights = [
        layer.quant_weight().bit_width.item()
        for layer in layers
        if isinstance(layer, QuantConv2d | QuantLinear)
    ]
    activations = [
        layer.act_quant.bit_width().item() for layer in layers if isinstance(layer, QuantIdentity)
    ]
    assert weights == [4, 1, 3, 8]
    assert activations == [4, 1, 2, 5]


@pytest.mark.parametrize(
    ("fields", "bits"),
    [
        ({"first_weight_bits": 8}, [8, 1, 1, 1]),
        ({"first_weight_bits": 8, "classifier_weight_bits": 4}, [8, 1, 1, 4]),
        ({"convolutions": [{"channels": 4, "weight_bits": 2}], "first_weight_bits": 8}, [2, 1, 1]),
    ],
)
def test_the_first_layer_has_bits_of_its_own(fields: dict[str, object], bits: list[int]) -> None:
    net = small(**fields)
    layers: list[nn.Module] = [*net.conv_features, *net.linear_features]
    quantised = [layer for layer in layers if isinstance(layer, QuantConv2d | QuantLinear)]
    assert [layer.quant_weight().bit_width.item() for layer in quantised] == bits
    assert net.spec.all_weight_bits() == bits


@pytest.mark.parametrize(("bits", "first"), [(2, 2), (4, 8), (8, 8)])
def test_the_first_layer_s_width_in_the_exported_qonnx(
    bits: int, first: int, tmp_path: Path
) -> None:
    network = catalog.find(NetworkSpec, "network", f"cnv_{bits}w{bits}a", Path())[1]
    graph = to_qonnx(
        build(network.model, network.input).eval(), torch.rand(1, 3, 32, 32), tmp_path / "m.onnx"
    )
    widths = {}
    for node in graph.get_nodes_by_op_type("Quant"):
        consumer = graph.find_consumer(node.output[0])
        weights = graph.get_initializer(node.input[0])
        if weights is not None:
            while consumer.op_type == "Transpose":
                consumer = graph.find_consumer(consumer.output[0])
            widths[consumer.name] = int(graph.get_initializer(node.input[3]))
    wanted = {f"Conv_{i}": bits if i else first for i in range(6)}
    assert widths == {**wanted, **{f"MatMul_{i}": bits for i in range(3)}}


@pytest.mark.parametrize(("name", "part"), [("", 1), ("_w050", 2), ("_w025", 4), ("_w0125", 8)])
def test_masks_are_cnv_with_fewer_channels(name: str, part: int) -> None:
    network = catalog.find(NetworkSpec, "network", f"mask_1w1a{name}", Path())[1]
    whole = catalog.find(NetworkSpec, "network", "cnv_1w1a", Path())[1]
    assert isinstance(whole.model, CnvModel)
    assert network.dataset == "maskedface"
    assert (network.input, network.training) == (whole.input, whole.training)
    changes = {
        "classes": 4,
        "convolutions": [
            {**conv.model_dump(), "channels": conv.channels // part}
            for conv in whole.model.convolutions
        ],
        "dense": [{"width": 512 // part}] * 2,
    }
    assert network.model == CnvModel.model_validate({**whole.model.model_dump(), **changes})
    torch.manual_seed(0)
    scores = build(network.model, network.input).eval()(torch.rand(2, 3, 32, 32))
    assert scores.shape == (2, 4)


def test_the_input_is_a_number_of_one_bit_before_the_point() -> None:
    net = small(input_bits=4)
    x = torch.linspace(-1.2, 1.2, 200)
    found = net.conv_features[0].eval()(x)
    assert torch.equal(found, (x * 8).round().clamp(-8, 7) / 8)


def test_weights_start_uniform_within_the_range() -> None:
    net = small(convolutions=[{"channels": 200}, {"channels": 4}])
    layers: list[nn.Module] = [*net.conv_features, *net.linear_features]
    for layer in layers:
        if isinstance(layer, QuantConv2d | QuantLinear):
            assert layer.weight.abs().max() <= 1
            if layer.weight.numel() > 3000:
                assert abs(layer.weight.var().item() - 1 / 3) < 0.02
