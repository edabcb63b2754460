"""ResNets: Brevitas' own parameters under Brevitas' own names, and the same scores."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from brevitas_examples.bnn_pynq.models import model_with_cfg  # type: ignore[import-untyped]
from torch import nn

from pipeline.errors import SpecError
from pipeline.models import build, load_weights, twin
from pipeline.models.weights import save_weights
from pipeline.training.start import fill, published
from pipeline.training.weight_files import read
from specs import catalog
from specs.base import validate
from specs.input import InputSpec
from specs.models import ResNetModel
from specs.network import NetworkSpec

NARROW = ResNetModel(
    family="resnet", width=4, blocks=(1, 1), classes=3, weight_bits=4, activation_bits=4
)
CONTRACT = InputSpec(shape=(8, 8, 3))
FLOATS = ("fp32", "e4m3", "e3m1")


def narrow(number_format: str) -> ResNetModel:
    """NARROW with other numbers."""
    if number_format == "int":
        return NARROW
    fields = {"family": "resnet", "width": 4, "blocks": (1, 1), "classes": 3}
    return ResNetModel.model_validate({**fields, "number_format": number_format})


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_brevitas_resnet18_loads_and_scores_the_same() -> None:
    spec = catalog.find(NetworkSpec, "network", "resnet18_4w4a", Path())[1]
    theirs, _ = model_with_cfg("resnet18_4w4a", pretrained=False)
    x = torch.rand(4, 3, 32, 32)
    theirs.train()
    with torch.no_grad():
        theirs(x)
    ours = build(spec.model, spec.input)
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    fill(ours, read(Path("brevitas.pth"), file.getvalue()).tensors, "brevitas")
    assert published(spec.model, spec.input).name == "resnet18_4w4a-a172f334.pth"
    again, _ = model_with_cfg("resnet18_4w4a", pretrained=False)
    again.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), again.eval()(x))


@pytest.mark.parametrize("number_format", ["int", *FLOATS])
def test_shared_quantisers_come_back_from_a_file(number_format: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    spec = narrow(number_format)
    model = build(spec, CONTRACT)
    model(torch.rand(20, 3, 8, 8))
    save_weights(model.state_dict(), tmp_path)
    other = build(spec, CONTRACT)
    load_weights(other, tmp_path)
    x = torch.rand(20, 3, 8, 8)
    assert torch.equal(other(x), model.eval()(x))


@pytest.mark.parametrize("number_format", ["int", *FLOATS])
def test_the_twin_trains_the_module(number_format: str) -> None:
    torch.manual_seed(1)
    learner = twin(build(narrow(number_format), CONTRACT))
    x, target = torch.rand(60, 3, 8, 8), torch.randint(3, (60,))
    x[torch.arange(60), target] += 1
    encoded = learner.encode(x / x.max())
    optimiser = torch.optim.Adam(learner.model.parameters(), 0.01)
    losses = []
    for _ in range(30):
        scores = learner.scores(encoded)
        loss = nn.functional.cross_entropy(scores, target)
        learner.backward(scores, torch.autograd.grad(loss, scores, retain_graph=True)[0])
        optimiser.step()
        learner.after_step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("number_format", FLOATS)
def test_the_parameters_of_floats_have_the_names_of_integers(number_format: str) -> None:
    names = set(build(narrow(number_format), CONTRACT).state_dict())
    others = set(build(NARROW, CONTRACT).state_dict())
    assert names <= others
    assert {name for name in others - names if "act_quant" not in name} == set()


def levels(exponent: int, mantissa: int, greatest: float) -> torch.Tensor:
    """All values of a minifloat, ascending, from its definition."""
    bias = 2 ** (exponent - 1) - 1
    fractions = torch.arange(2**mantissa) / 2**mantissa
    found = [fractions * 2.0 ** (1 - bias)]
    found += [(1 + fractions) * 2.0 ** (e - bias) for e in range(1, 2**exponent)]
    positive = torch.cat(found)
    positive = positive[positive <= greatest]
    both: torch.Tensor = torch.cat([-positive.flip(0), positive]).unique()
    return both


@pytest.mark.parametrize(
    ("number_format", "greatest"),
    # e4m3 and e5m2 leave codes to NaN and infinity as the OCP says
    [("e4m3", 448), ("e5m2", 57344), ("e3m1", 24), ("e2m1", 6), ("e1m2", 3.5), ("e2m3", 7.5)],
)
def test_weights_and_activations_are_the_nearest_minifloats(
    number_format: str, greatest: float
) -> None:
    torch.manual_seed(1)
    spec = narrow(number_format)
    bits = spec.minifloat()
    assert bits is not None
    values = levels(*bits, greatest)
    model: Any = build(spec, CONTRACT).requires_grad_(False)
    x = torch.linspace(-1, 5, 1000)
    scale = model.relu.act_quant.scale()
    assert scale == pytest.approx(4 / greatest)
    wanted, found = x.relu().clamp(max=4) / scale, model.relu(x) / scale
    # of two equally near ones either will do
    nearest = (wanted - values[:, None]).abs().min(0).values
    assert torch.allclose((found - wanted).abs(), nearest, atol=1e-6 * greatest)
    for layer in (model.conv1, model.layer2[0].conv2, model.linear):
        weight = layer.quant_weight()
        steps = weight.value / weight.scale
        assert (steps.flatten() - values[:, None]).abs().min(0).values.max() < 1e-6 * greatest
        assert (weight.exponent_bit_width, weight.mantissa_bit_width) == bits


def test_fp32_has_no_quantiser() -> None:
    kinds = {type(module).__module__ for module in build(narrow("fp32"), CONTRACT).modules()}
    assert not any("brevitas" in kind for kind in kinds)


def test_a_network_without_an_integer_datapath_says_so() -> None:
    assert narrow("int").no_hardware() is None
    for name in ("cnv_1w1a", "tfc_1w1a", "resnet18_4w4a", "mask_1w1a"):
        assert catalog.find(NetworkSpec, "network", name, Path())[1].model.no_hardware() is None
    for name in ("resnet18_8w8a_e4m3", "resnet18_5w5a_e3m1", "resnet18_fp32"):
        told = catalog.find(NetworkSpec, "network", name, Path())[1].model.no_hardware()
        assert told is not None
        assert len(told.splitlines()) == 1
        for words in (
            f"model.number_format = '{name.rsplit('_')[-1]}': no accelerator can be built",
            "floating-point",
            "./doit train",
            "./doit export",
            'number_format = "int"',
            "network=resnet18_4w4a",
        ):
            assert words in told


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"number_format": "e9m3"}, "model.number_format = 'e9m3': string should match pattern"),
        ({"number_format": "e4m0"}, "model.number_format = 'e4m0': string should match pattern"),
        ({"number_format": "fp16"}, "model.number_format = 'fp16': string should match pattern"),
        ({"weight_bits": 4}, "model.activation_bits: missing; it has no default"),
        (
            {"number_format": "e4m3", "weight_bits": 4},
            "model.weight_bits = 4: only integers have it; leave it out with number_format = "
            '"e4m3", or use number_format = "int"',
        ),
        (
            {"number_format": "fp32", "first_weight_bits": 4},
            "model.first_weight_bits = 4: only integers have it",
        ),
    ],
)
def test_which_bits_belong_to_which_numbers(model: dict[str, object], line: str) -> None:
    network = {"name": "a", "dataset": "cifar10", "training": {"epochs": 1}}
    document = {**network, "input": {"shape": [8, 8, 3]}, "model": {"family": "resnet", **model}}
    with pytest.raises(SpecError) as caught:
        validate(NetworkSpec, document, "net.toml")
    assert str(caught.value).startswith(f"net.toml: {line}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": {"shape": [32, 16, 3]}}, "the average pool takes a square, not 16x8"),
        ({"input": {"shape": [8, 8, 3], "mean": 0.5}}, "must be black"),
    ],
)
def test_what_its_images_must_be(changes: dict[str, object], words: str) -> None:
    network = {
        "name": "narrow",
        "dataset": "digits",
        "model": NARROW.model_dump(),
        "training": {"epochs": 1},
        **changes,
    }
    with pytest.raises(SpecError, match=words):
        validate(NetworkSpec, network, "network")
