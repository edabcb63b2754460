"""Compares training images per second of our training and Brevitas' own loop, with data loading.

    python benchmarks/training_speed.py [data_root=FOLDER]      # two minutes on two idle cores

Their side is the loop of brevitas_examples.bnn_pynq's Trainer with its model, loss, Adam, clipping
and figures, rebuilt without torchvision: a DataLoader with its default of 4 workers over a data set
that makes each image a PIL image and then a tensor, as torchvision's MNIST and ToTensor do. Both
sides train on batches of 100, and neither validates. Our side encodes all images once in a
training, and all of that is counted in the one epoch measured here. Their side is not charged for
starting its workers and for its first batches. The sides take turns, so that a loaded machine slows
both alike. Their side runs with torch's default number of threads and with one thread; the fastest
round counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

SIZES = {"tfc": (64, 6_000), "sfc": (256, 4_000), "lfc": (1024, 2_000)}
"""Neurons of a hidden layer, and images in one measurement."""
BITS = {"1w1a": (1, 1), "2w2a": (2, 2)}
BATCH, WORKERS, RATE, ROUNDS, SEED = 100, 4, 0.02, 4, 1
_FIGURES_EVERY = 10
"""Their loop computes its figures every so many batches (its default log_freq)."""
_WARM = 5
"""Batches of their loop before the clock starts: the JIT compiles, the workers come up."""
SIDES = ("ours", "brevitas", "brevitas, JIT")


def images(count: int, data_root: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [count, 28, 28, 1] and int64 labels: MNIST's first, or random ones of its shape."""
    if data_root:
        from pipeline.data import mnist  # noqa: PLC0415

        data = mnist.load({"data_root": data_root})
        return data.train_images[:count], data.train_labels[:count]
    rng = np.random.default_rng(SEED)
    return rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8), rng.integers(0, 10, count)


def ours(width: int, bits: tuple[int, int], raw: np.ndarray, labels: np.ndarray) -> float:
    """Seconds for each image of one epoch."""
    import torch  # noqa: PLC0415

    from pipeline.models import build, images_to_tensor, twin  # noqa: PLC0415
    from pipeline.training.loop import batches, run_epoch  # noqa: PLC0415
    from pipeline.training.recipe import Recipe, targets_of  # noqa: PLC0415
    from specs.input import InputSpec  # noqa: PLC0415
    from specs.models import FcModel  # noqa: PLC0415
    from specs.training import TrainingSpec  # noqa: PLC0415

    weight, activation = bits
    spec = FcModel(
        hidden=(width,) * 3, weight_bits=weight, activation_bits=activation, input_bits=activation
    )
    training = TrainingSpec(epochs=1, batch_size=BATCH, learning_rate=RATE, seed=SEED)
    torch.set_num_threads(training.threads)
    learner = twin(build(spec, InputSpec()))
    start = time.perf_counter()
    encoded = learner.encode(images_to_tensor(raw, InputSpec()))
    targets = targets_of(training, torch.from_numpy(labels), 10)
    order = batches(training, 0, len(targets))
    recipe = Recipe(training, learner, len(order))
    run_epoch(recipe, learner, training, encoded, targets, order)
    return (time.perf_counter() - start) / len(labels)


def theirs(width: int, bits: tuple[int, int], raw: np.ndarray, labels: np.ndarray) -> float:
    """Seconds for each image of one epoch, from the batch after `_WARM` on."""
    import torch  # noqa: PLC0415
    from brevitas_examples.bnn_pynq.models.FC import FC  # type: ignore[import-untyped] # noqa: PLC0415
    from brevitas_examples.bnn_pynq.models.losses import (  # type: ignore[import-untyped] # noqa: PLC0415
        SqrHingeLoss,
    )
    from PIL import Image  # noqa: PLC0415
    from torch.utils.data import DataLoader, Dataset  # noqa: PLC0415

    class Mnist(Dataset[tuple[torch.Tensor, int]]):
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            picture = Image.fromarray(raw[index, ..., 0])
            values = torch.from_numpy(np.array(picture, np.uint8))[None]
            return values.to(torch.get_default_dtype()).div(255), int(labels[index])

    weight, activation = bits
    model = FC(10, weight, activation, activation, 1, [width] * 3)
    criterion = SqrHingeLoss()
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=0)
    loader = DataLoader(Mnist(), batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    model.train()
    start, trained = 0.0, 0
    for number, (picture, target) in enumerate(loader):
        if number == _WARM:
            start, trained = time.perf_counter(), 0
        one_hot = torch.full((len(target), 10), -1.0).scatter_(1, target[:, None], 1)
        output = model(picture)
        loss = criterion(output, one_hot)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        model.clip_weights(-1, 1)
        if number % _FIGURES_EVERY == 0:
            found = output.detach().topk(5, 1).indices.t().eq(target)
            _ = loss.item(), found[:1].sum().item(), found.sum().item()
        trained += len(target)
    return (time.perf_counter() - start) / trained


def work(side: str, data_root: str) -> None:
    """Answers each "width weight_bits activation_bits images round" with seconds and threads."""
    import torch  # noqa: PLC0415

    default = torch.get_num_threads()
    for line in sys.stdin:
        width, weight, activation, count, number = map(int, line.split())
        torch.set_num_threads(default if number % 2 == 0 else 1)
        measure = ours if side == SIDES[0] else theirs
        seconds = measure(width, (weight, activation), *images(count, data_root))
        print(f"@ {seconds} {torch.get_num_threads()}", flush=True)


def ask(worker: subprocess.Popen[str], question: str) -> tuple[float, int]:
    cast(IO[str], worker.stdin).write(question)
    cast(IO[str], worker.stdin).flush()
    for line in cast(IO[str], worker.stdout):
        if line.startswith("@ "):
            _, seconds, threads = line.split()
            return float(seconds), int(threads)
    raise SystemExit(f"a measurement ended early, exit code {worker.wait()}; see above")


def start(side: str, data_root: str) -> subprocess.Popen[str]:
    """A process of its own for each side: Brevitas reads BREVITAS_JIT when it is imported."""
    jit = {"BREVITAS_JIT": "1" if "JIT" in side else "0", "PYTHONWARNINGS": "ignore"}
    root = Path(__file__).resolve().parents[1]
    environment: dict[str, Any] = {**os.environ, **jit, "PYTHONPATH": str(root)}
    return subprocess.Popen(
        [sys.executable, __file__, "--work", side, data_root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )


def main(data_root: str) -> None:
    workers = {side: start(side, data_root) for side in SIDES}
    print(f"{'MNIST' if data_root else 'random'} images, batch {BATCH}, best of {ROUNDS}, measured")
    print(f"{'network':10}{'side':15}{'threads':>14}{'s/epoch':>9}{'images/s':>10}{'ours is':>9}")
    for size, (width, count) in SIZES.items():
        for name, (weight, activation) in BITS.items():
            best, threads = dict.fromkeys(SIDES, float("inf")), dict.fromkeys(SIDES, 0)
            for number in range(ROUNDS):
                for side, worker in workers.items():
                    question = f"{width} {weight} {activation} {count} {number}\n"
                    seconds, used = ask(worker, question)
                    if seconds < best[side]:
                        best[side], threads[side] = seconds, used
            for side in SIDES:
                loading = "" if side == SIDES[0] else f" + {WORKERS} load"
                print(
                    f"{f'{size}_{name}':10}{side:15}{f'{threads[side]}{loading}':>14}"
                    f"{60_000 * best[side]:9.1f}{1 / best[side]:10,.0f}"
                    f"{best[side] / best[SIDES[0]]:8.1f}x",
                    flush=True,
                )
    for worker in workers.values():
        cast(IO[str], worker.stdin).close()
        worker.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:])
    elif all(word.startswith("data_root=") for word in sys.argv[1:]):
        main(sys.argv[1].removeprefix("data_root=") if sys.argv[1:] else "")
    else:
        sys.exit("usage: python benchmarks/training_speed.py [data_root=FOLDER]")
