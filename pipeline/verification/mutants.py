"""Mutants: the network with one thing wrong, to show that the check of the RTL can fail.

A mutant is chosen so that the images at hand show it: the integer reference gives another output at
the mutated layer. It uses the design of the original network, with other memory files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from pipeline.hardware import reference
from pipeline.hardware.fold import Fold, Folding, is_unrolled
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
    kept_block,
    kept_words,
    shares_thresholds,
)


@dataclass(frozen=True, eq=False)
class Mutant:
    """`graph` differs from the original in one thing, which is in `layer`."""

    layer: str
    kind: str
    what: str
    graph: HardwareGraph


def kinds(layer: Layer, fold: Fold) -> tuple[str, ...]:
    """The kinds of mutant that a layer can have. Lanes can be swapped if there are two."""
    return tuple(MUTATIONS[layer.kind](layer, fold))


def mutants(
    graph: HardwareGraph,
    folding: Folding,
    streams: Mapping[str, np.ndarray],
    wanted: Collection[tuple[str, str]] | None = None,
) -> Iterator[Mutant]:
    """One mutant of each kind in each layer, where the kind exists and `streams` shows it.

    weight: one weight is wrong. threshold: one threshold is moved, by as little as shows. falling:
    the levels of one channel are turned round. lane: two input lanes are swapped (MVAUs with SIMD >
    1); without fold, of one row. column: another column is kept in the place of one. streams:
    reference values by edge, [N, *shape].
    wanted: pairs of layer id and kind; None for all.
    """
    for layer in graph.layers:
        source, target = graph.edges[layer.input], graph.edges[layer.output]
        seen = Seen(source, target, streams[layer.input], streams[layer.output])
        for kind, change in MUTATIONS[layer.kind](layer, folding[layer.id]).items():
            if wanted is None or (layer.id, kind) in wanted:
                yield from _made(graph, layer, kind, change(seen))


@dataclass(frozen=True, eq=False)
class Seen:
    """A layer's first input and output edge, and the values on them: [N, *shape]."""

    source: Edge
    target: Edge
    x: np.ndarray
    y: np.ndarray


Change = tuple[str, str, Any]
"""A description of the change, the field of the layer that changes, and its new value."""
Mutations = dict[str, Callable[[Seen], Change | None]]
"""By kind of mutant: a function that finds a change which the values show, or None."""


def _made(graph: HardwareGraph, layer: Layer, kind: str, change: Change | None) -> Iterator[Mutant]:
    if change is not None:
        what, field, value = change
        changed = replace(layer, **{field: value})
        layers = tuple(changed if other is layer else other for other in graph.layers)
        yield Mutant(layer.id, kind, what, replace(graph, layers=layers))


def _outputs(layer: Mvau, target: Edge, rows: slice, acc: np.ndarray) -> np.ndarray:
    """The output values of some rows, for accumulators [..., rows]."""
    if layer.thresholds is None:
        return acc
    return reference.apply_thresholds(acc, layer.thresholds[rows], layer.offset, target.dtype)


def _weight(
    layer: Mvau, fold: Fold, values: Seen, x: np.ndarray, acc: np.ndarray, y: np.ndarray
) -> Change | None:
    """One wrong weight: -w if bipolar, else 0, so that the accumulators' range cannot grow.

    Without fold it is always -w: zeros are not in the netlist, signs are in its memory.
    """
    turned = layer.weight_dtype.bipolar or is_unrolled(layer, fold)
    for row in range(layer.mh):
        old = layer.weights[row]
        new = -old if turned else np.zeros_like(old)
        step = (new - old) * x
        changed = acc[:, row, None] + (step // 2 if layer.popcount else step)
        outputs = _outputs(layer, values.target, slice(row, row + 1), changed[..., None])[..., 0]
        shows = (outputs != y[:, row, None]).any(axis=0) & (new <= layer.weight_dtype.max)
        for column in np.flatnonzero(shows):
            weights = layer.weights.copy()
            weights[row, column] = new[column]
            ends = replace(layer, weights=weights).accumulator_range(values.source.dtype)
            if layer.accumulator.holds(np.array(ends)):
                what = f"weight [{row}, {column}]: {old[column]} -> {new[column]}"
                return what, "weights", weights
    return None


def _threshold(
    thresholds: np.ndarray, values: np.ndarray, greatest: int, shared: bool
) -> Change | None:
    """Raises one threshold just enough to change an output: just above a value that occurs.

    It tries the last threshold of a channel; if no value reaches that, the one before it, and so
    on. thresholds: [C, T]; they stay ascending, up to `greatest`. values: [N, C]. shared: whether
    all channels change, because the design stores one row for all.
    """
    for step in reversed(range(thresholds.shape[1])):
        last = step == thresholds.shape[1] - 1
        most = np.full(len(thresholds), greatest) if last else thresholds[:, step + 1]
        found = _raised(thresholds, step, values, most, shared)
        if found is not None:
            return found
    return None


def _raised(
    thresholds: np.ndarray, step: int, values: np.ndarray, most: np.ndarray, shared: bool
) -> Change | None:
    """The same for one threshold of every channel, raised to at most `most` [C]."""
    limits = thresholds[:, step]
    shows = (values >= limits) & (values < most)
    distance = np.where(shows, values - limits, np.iinfo(np.int64).max).min(axis=0)
    for channel in np.argsort(distance, kind="stable"):
        if distance[channel] == np.iinfo(np.int64).max:
            return None
        moved = thresholds.copy()
        moved[slice(None) if shared else channel, step] += distance[channel] + 1
        if shares_thresholds(moved) and not shares_thresholds(thresholds):
            continue  # rows that became equal would be another design, with one row of memory
        where = "all channels" if shared else str(channel)
        what = f"threshold [{where}, {step}]: "
        return f"{what}{limits[channel]} -> {moved[channel, step]}", "thresholds", moved
    return None


def _lane(
    layer: Mvau, target: Edge, simd: int, x: np.ndarray, acc: np.ndarray, y: np.ndarray
) -> Change | None:
    """Swaps two neighbouring input lanes of one step, by swapping their weight columns."""
    for column in range(layer.mw - 1):
        if column % simd == simd - 1:
            continue  # the next column is in another step
        swapped = layer.weights[:, [column + 1, column]]
        pair = slice(column, column + 2)
        step = x[:, pair] @ (swapped - layer.weights[:, pair]).T
        changed = acc + (step // 2 if layer.popcount else step)
        if (_outputs(layer, target, slice(None), changed) != y).any():
            weights = layer.weights.copy()
            weights[:, pair] = swapped
            return f"input lanes of columns {column}, {column + 1} swapped", "weights", weights
    return None


def _crossed(
    layer: Mvau, target: Edge, x: np.ndarray, acc: np.ndarray, y: np.ndarray
) -> Change | None:
    """Crosses two inputs of one row, whose weights are w and -w: without fold the signs change."""
    for row in range(layer.mh):
        for first, second in _opposite(layer.weights[row]):
            step = 2 * layer.weights[row, first] * (x[:, second] - x[:, first]).astype(np.int64)
            changed = acc[:, [row]] + (step // 2 if layer.popcount else step)[:, None]
            if (_outputs(layer, target, slice(row, row + 1), changed)[:, 0] != y[:, row]).any():
                weights = layer.weights.copy()
                weights[row, [first, second]] = weights[row, [second, first]]
                return f"inputs {first}, {second} of row {row} crossed", "weights", weights
    return None


def _opposite(row: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of columns with weights w and -w, near ones of each w first."""
    for value in np.unique(np.abs(row[row != 0])):
        yield from zip(np.flatnonzero(row == value), np.flatnonzero(row == -value), strict=False)


def _of_mvau(layer: Mvau, fold: Fold) -> Mutations:
    @cache  # the same for each kind of mutant, and not cheap
    def seen(values: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs [N, MW], accumulators and outputs [N, MH]."""
        x, y = values.x.reshape(-1, layer.mw), values.y.reshape(-1, layer.mh)
        return x, reference.accumulate(layer, values.source.dtype, x), y

    found: Mutations = {"weight": lambda values: _weight(layer, fold, values, *seen(values))}
    if (thresholds := layer.thresholds) is not None:
        most = layer.accumulator.max
        found["threshold"] = lambda values: _threshold(thresholds, seen(values)[1], most, False)
    if is_unrolled(layer, fold):
        if any(any(_opposite(row)) for row in layer.weights):
            found["lane"] = lambda values: _crossed(layer, values.target, *seen(values))
    elif fold.simd > 1:
        found["lane"] = lambda values: _lane(layer, values.target, fold.simd, *seen(values))
    return found


def _of_threshold(layer: Threshold, fold: Fold) -> Mutations:
    def moved(values: Seen) -> Change | None:
        met = values.x.reshape(-1, layer.thresholds.shape[0])
        greatest = values.source.dtype.max + 1  # "never" is a legal threshold
        return _threshold(layer.thresholds, met, greatest, layer.shared)

    found: Mutations = {"threshold": moved}
    if layer.falling is not None:
        found["falling"] = lambda values: _turned(layer, values)
    return found


def _turned(layer: Threshold, seen: Seen) -> Change | None:
    """Turns round the levels of one channel; of all, if the design stores one row for them."""
    assert layer.falling is not None
    # twice the level in the middle, which stays when the levels are turned round
    both = 0 if seen.target.dtype.bipolar else 2 * layer.offset + layer.thresholds.shape[1]
    shows = (2 * seen.y.reshape(-1, len(layer.falling)) != both).any(axis=0)
    for channel in np.flatnonzero(shows):
        where = slice(None) if layer.shared else channel
        falling = layer.falling.copy()
        falling[where] ^= True
        if replace(layer, falling=falling).shared == layer.shared:
            which = "all channels" if layer.shared else f"channel {channel}"
            return f"levels of {which} turned round", "falling", falling
    return None


def _of_swg(layer: SlidingWindow, fold: Fold) -> Mutations:
    """The first and the last word that is kept are the design's own, not its memory's.

    Whole windows have no memory of what is kept: wires leave out the rest.
    """
    whole = fold.pe != fold.simd or kept_block(layer.kept, fold.pe) != fold.pe
    if layer.kept is None or whole:
        return {}
    return _column(layer, layer.kept, fold.pe, ends=False)


def _of_select(layer: Select, fold: Fold) -> Mutations:
    return _column(layer, layer.kept, fold.pe, ends=True)


def _column(
    layer: SlidingWindow | Select, kept: tuple[int, ...], lanes: int, *, ends: bool
) -> Mutations:
    """Moves one word that is kept to a neighbour that is not. ends: also the first and the last."""
    words = kept_words(kept, lanes)
    places = range(len(words)) if ends else range(1, len(words) - 1)
    free = [(k, words[k] + way) for k in places for way in (-1, 1)]
    free = [(k, new) for k, new in free if 0 <= new < words[-1] and new not in words]

    def moved(seen: Seen) -> Change | None:
        for place, new in free:
            own = slice(place * lanes, (place + 1) * lanes)
            other = tuple(range(new * lanes, (new + 1) * lanes))
            found = replace(layer, kept=other)
            target = replace(seen.target, shape=(*seen.target.shape[:-1], lanes))
            values = reference.REFERENCES[layer.kind](found, seen.source, target, seen.x)
            if not np.array_equal(values, seen.y[..., own]):
                what = f"column {kept[own.start]} -> {other[0]}"
                return what, "kept", (*kept[: own.start], *other, *kept[own.stop :])
        return None

    return {"column": moved} if free else {}


def _nothing(layer: Layer, fold: Fold) -> Mutations:
    """A layer without weights or thresholds has no mutants; comparing its streams is enough."""
    return {}


MUTATIONS: dict[str, Callable[[Any, Fold], Mutations]] = {
    Threshold.kind: _of_threshold,
    Mvau.kind: _of_mvau,
    LabelSelect.kind: _nothing,
    SlidingWindow.kind: _of_swg,
    Pad.kind: _nothing,
    MaxPool.kind: _nothing,
    SumPool.kind: _nothing,
    Fork.kind: _nothing,
    Add.kind: _nothing,
    Select.kind: _of_select,
}
"""By layer kind: the mutants of a layer."""
