"""ResNets: Brevitas' own parameters under Brevitas' own names, and the same scores."""

from pathlib import Path

import pytest
import torch
from brevitas_examples.bnn_pynq.models import model_with_cfg  # type: ignore[import-untyped]
from torch import nn

from pipeline.errors import SpecError
from pipeline.models import build, load_weights, twin
from pipeline.models.weights import save_weights
from pipeline.training.start import fill, published
from specs import catalog
from specs.base import validate
from specs.network import InputSpec, NetworkSpec, ResNetModel

NARROW = ResNetModel(
    family="resnet", width=4, blocks=(1, 1), classes=3, weight_bits=4, activation_bits=4
)
CONTRACT = InputSpec(shape=(8, 8, 3))


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
    fill(ours, theirs.state_dict(), "brevitas")
    assert published(spec.model, spec.input).name == "resnet18_4w4a-a172f334.pth"
    again, _ = model_with_cfg("resnet18_4w4a", pretrained=False)
    again.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), again.eval()(x))


def test_shared_quantisers_come_back_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = build(NARROW, CONTRACT)
    model(torch.rand(20, 3, 8, 8))
    save_weights(model.state_dict(), tmp_path)
    other = build(NARROW, CONTRACT)
    load_weights(other, tmp_path)
    x = torch.rand(20, 3, 8, 8)
    assert torch.equal(other(x), model.eval()(x))


def test_the_twin_trains_the_module() -> None:
    torch.manual_seed(1)
    learner = twin(build(NARROW, CONTRACT))
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
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]


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
