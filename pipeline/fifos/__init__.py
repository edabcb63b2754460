"""Stage `fifos`: finds FIFO depths that keep the predicted II, by simulation.

One model with deep FIFOs is compiled. The search lowers the limits of its FIFOs at run time, so a
trial takes a run but no compilation.

Where two branches meet, the FIFO of the shorter one must hold as much as the longer one has under
way. Otherwise the fork waits for the join and the join for the fork. Stalls do not matter for this:
each layer's decisions depend only on the data in its streams, never on when they came. So a network
with given depths gets stuck under every timing or under none, and a trial that ends shows that its
depths never get stuck.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline.engines import Engine, engine
from pipeline.errors import VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import Folding, load_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Add, Fork
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.generator import generate
from pipeline.rtl.streams import links
from pipeline.simulation.model import Model, StuckError, build_model

IMAGES = 24
LEAST_IMAGES = 12
"""Enough for the II to settle: it repeats from image to image once the pipeline is full."""
CYCLES = 400_000
"""A trial runs about so many cycles; the number of images follows, within the bounds above."""
BRANCH_IMAGES = 4
"""Images that the FIFOs at the ends of a branch can hold: more than are under way on the other
one."""
Depths = dict[str, int]


def run(job: Job) -> Metrics:
    """Writes fifo_depths.json: {edge id: depth in beats}, with 0 where no FIFO is needed.

    Raises VerificationError if the predicted II is not reached even with deep FIFOs.
    """
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.inputs["fold"] / "folding.json")
    with np.load(job.inputs["streamline"] / "golden.npz") as golden:
        images = golden["images"][:IMAGES]
    with job.scratch() as work:
        provider = engine(job.spec("target.provider", str))
        depths, ii = size(graph, folding, images, work, job.cache, provider)
    (job.folder / "fifo_depths.json").write_text(json.dumps(depths, indent=1) + "\n")
    joined = links(graph, folding)
    return {
        "ii": Figure(ii, "cycles", "simulated"),
        "fifos": Figure(sum(depth > 0 for depth in depths.values()), "", "simulated"),
        "fifo_bits": Figure(
            sum(depth * joined[edge].fifo_width for edge, depth in depths.items()),
            "bits",
            "simulated",
        ),
    }


def size(
    graph: HardwareGraph,
    folding: Folding,
    images: np.ndarray,
    work: Path,
    cache: Path,
    provider: Engine,
) -> tuple[Depths, int | float]:
    """Finds the depth of each edge's FIFO. Returns the depths by edge id, and the II they give."""
    joined = links(graph, folding)
    inner = [edge for layer in graph.layers for edge in layer.outputs if edge != graph.sink.id]
    image = {edge: -(-joined[edge].edge.elements // joined[edge].fifo_lanes) for edge in inner}
    # two images: a dense layer takes all of the first before it asks for the second
    deep = {edge: min(2 * image[edge] + 2, provider.deepest_fifo) for edge in inner}
    for layer in graph.layers:
        ends = {Fork: layer.outputs, Add: layer.inputs}.get(type(layer), ())
        deep |= {edge: BRANCH_IMAGES * image[edge] for edge in ends if edge in image}
    trial = _Trial(graph, folding, images, work, cache)
    progress("compiling with deep FIFOs")
    model = trial.model(deep)
    predicted = max(model.design.cycles.values())
    images = images[: max(LEAST_IMAGES, CYCLES // predicted)]
    result = model.run(images)
    ii = result.interval()
    if ii > predicted:
        raise VerificationError(
            f"fifos: the II is {ii} cycles, and {predicted} were predicted, even with FIFOs of two "
            f"images or {provider.deepest_fifo} beats (between a fork and a join of "
            f"{BRANCH_IMAGES} images)"
        )

    def keeps(limits: Mapping[str, int]) -> bool:
        return _interval(model, images, limits) <= ii

    # one more than it ever held: a full FIFO takes nothing, even in a cycle in which it gives
    start = {edge: min(deep[edge], peak + 1) for edge, peak in result.peaks.items()}
    depths = _shrink(start, keeps, lambda edge: joined[edge].fifo_width, provider)
    progress("leaving out FIFOs that are not needed", 0.8)
    return _leave_out(trial, depths, ii), ii


def _shrink(
    start: Depths,
    keeps: Callable[[Depths], bool],
    width: Callable[[str], int],
    provider: Engine,
) -> Depths:
    """Makes each depth as small as possible while the others stay, the costliest FIFO first.

    It tries only the depths that the engine finds worth trying.
    """
    depths = dict(start)
    if not keeps(depths):
        raise VerificationError(
            "fifos: the II rises when each FIFO is only one beat deeper than it was ever filled"
        )
    order = sorted(depths, key=lambda edge: -depths[edge] * width(edge))
    for done, edge in enumerate(order):
        progress(f"FIFO {done + 1} of {len(order)}", 0.2 + 0.6 * done / len(order))
        ladder = [*provider.fifo_depths(depths[edge]), depths[edge]]
        low, high = 0, len(ladder) - 1  # high keeps the II
        while low < high:
            middle = (low + high) // 2
            if keeps({**depths, edge: ladder[middle]}):
                high = middle
            else:
                low = middle + 1
        depths[edge] = ladder[high]
    return depths


def _leave_out(trial: _Trial, depths: Depths, ii: int | float) -> Depths:
    """Removes short FIFOs if the II stays the same without them.

    It first tries to remove all of them together, then one by one.
    """
    short = [edge for edge, depth in depths.items() if depth <= 2]
    if short and trial.interval(without := {**depths, **dict.fromkeys(short, 0)}) <= ii:
        return without
    for edge in short if len(short) > 1 else []:
        if trial.interval(without := {**depths, edge: 0}) <= ii:
            depths = without
    return depths


def _interval(
    model: Model, images: np.ndarray, limits: Mapping[str, int] | None = None
) -> int | float:
    """The II; infinity if the network gets stuck."""
    try:
        return model.run(images, fifo_limits=limits).interval()
    except StuckError:
        return math.inf


class _Trial:
    """Compiles models of the same network with different FIFO depths."""

    def __init__(
        self, graph: HardwareGraph, folding: Folding, images: np.ndarray, work: Path, cache: Path
    ) -> None:
        self.graph, self.folding, self.images = graph, folding, images
        self.work, self.cache = work, cache
        self.built = 0

    def interval(self, depths: Depths) -> int | float:
        """The II with exactly these depths. 0 is no FIFO, which a run-time limit cannot express."""
        return _interval(self.model(depths), self.images)

    def model(self, depths: Depths) -> Model:
        self.built += 1
        folder = self.work / f"trial-{self.built}"
        generate(self.graph, self.folding, depths, folder / "design")
        return build_model(
            folder / "design", folder / "model", self.cache, optimise="-O1", timing_only=True
        )
