"""Compares training images per second of CNV: our module, Brevitas' own, and plain float torch.

    .venv/bin/python benchmarks/cnv_training_speed.py            # two minutes on two idle cores
    .venv/bin/python benchmarks/cnv_training_speed.py --quick    # a tiny size

All three train on random images of 32x32x3 in batches of 100, with squared hinge loss and Adam, and
clip the weights to +-1. The float network has CNV's layers without quantisers; no implementation of
the quantisers can be faster than that. Our side also draws crops and flips for every batch. The
other two are not charged for loading or augmentation, which Brevitas' trainer does image by image.
The sides take turns, and the fastest round counts. Torch chooses the number of threads.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import table
from pipeline.models import build, twin
from pipeline.training.augment import augment
from specs import catalog
from specs.models import CnvModel
from specs.network import NetworkSpec

BATCH, STEPS, ROUNDS = 100, 8, 4
COLUMNS = ("network", "side", "images/s", "ours is", "kind")


def hinge(scores: Tensor, targets: Tensor) -> Tensor:
    return (1 - scores * targets).relu().square().mean()


def ours(spec: NetworkSpec) -> Callable[[Tensor, Tensor], None]:
    learner = twin(build(spec.model, spec.input))
    optimiser = torch.optim.Adam(learner.model.parameters(), lr=0.02, fused=True)

    def step(images: Tensor, targets: Tensor) -> None:
        part = augment(learner.encode(images), 4, True, learner.black)
        scores = learner.scores(part)
        found = scores.detach().requires_grad_()
        hinge(found, targets).backward()
        assert found.grad is not None
        learner.backward(scores, found.grad)
        optimiser.step()
        learner.after_step()

    return step


def brevitas(spec: NetworkSpec) -> Callable[[Tensor, Tensor], None]:
    """The module of brevitas_examples itself."""
    from brevitas_examples.bnn_pynq.models.CNV import CNV  # type: ignore[import-untyped] # noqa: PLC0415

    assert isinstance(spec.model, CnvModel)
    bits = spec.model.weight_bits, spec.model.activation_bits
    model = CNV(10, *bits, 8, 3)
    return plain(model, lambda: model.clip_weights(-1, 1))


def float_torch(spec: NetworkSpec) -> Callable[[Tensor, Tensor], None]:
    """CNV's layers as torch has them, with a ReLU for each quantiser."""
    assert isinstance(spec.model, CnvModel)
    layers: list[nn.Module] = []
    channels = 3
    for conv in spec.model.convolutions:
        layers += [nn.Conv2d(channels, conv.channels, 3, bias=False)]
        layers += [nn.BatchNorm2d(conv.channels), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if conv.pool == 2 else []
        channels = conv.channels
    layers.append(nn.Flatten())
    for dense in spec.model.dense:
        layers += [nn.Linear(channels, dense.width, bias=False)]
        layers += [nn.BatchNorm1d(dense.width), nn.ReLU()]
        channels = dense.width
    return plain(nn.Sequential(*layers, nn.Linear(channels, 10)), lambda: None)


def plain(model: nn.Module, after: Callable[[], None]) -> Callable[[Tensor, Tensor], None]:
    optimiser = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(images: Tensor, targets: Tensor) -> None:
        optimiser.zero_grad()
        hinge(model(images), targets).backward()
        optimiser.step()
        after()

    return step


SIDES = {"ours": ours, "Brevitas' module": brevitas, "float torch (ceiling)": float_torch}


def measure(name: str, steps: int, rounds: int) -> list[tuple[object, ...]]:
    spec = catalog.find(NetworkSpec, "network", name, Path())[1]
    torch.manual_seed(1)
    images = torch.rand(BATCH, 3, 32, 32)
    labels = torch.randint(0, 10, (BATCH,))
    targets = 2.0 * functional.one_hot(labels, 10) - 1
    sides = {side: make(spec) for side, make in SIDES.items()}
    best = dict.fromkeys(sides, float("inf"))
    for step in sides.values():
        step(images, targets)  # memory mapped, kernels chosen
    for _ in range(rounds):
        for side, step in sides.items():
            start = time.perf_counter()
            for _ in range(steps):
                step(images, targets)
            best[side] = min(best[side], (time.perf_counter() - start) / (steps * BATCH))
    return [
        (name, side, f"{1 / seconds:,.0f}", f"{seconds / best['ours']:.2f}x as fast", "measured")
        for side, seconds in best.items()
    ]


def main() -> None:
    warnings.filterwarnings("ignore")
    small = table.options(__doc__).quick
    networks = ("cnv_1w1a",) if small else ("cnv_1w1a", "cnv_2w2a")
    steps, rounds = (1, 1) if small else (STEPS, ROUNDS)
    rows = [row for name in networks for row in measure(name, steps, rounds)]
    table.show(f"CNV, batch {BATCH}, {torch.get_num_threads()} threads", COLUMNS, rows)


if __name__ == "__main__":
    main()
