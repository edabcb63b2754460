"""The dynamic program of the search: Pareto sets of (LUT, RAMB18) under a bound on the II.

Options may also lose accuracy, see `Option.loss`; then the sets are those of the least loss.

Under such a bound layers are independent, except for the widths of the streams between neighbours.
After a fork, both branches are solved for each width of the fork. Where they meet, the labels of
the fork and of both branches are added, for each width of the join and every combination.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.engines.space import Block, Budget, Junction, Option, Solution, Space


class Labels:
    """The labels of the dynamic program: for each loss and number of RAMB18s the least LUTs.

    total: those at the end, for the least loss that fits; `loss` is that loss.

    There is an array [loss, RAMB18s] for each number of output lanes after a layer, and for each
    number of input lanes before it. How a label came about is not stored but found again by
    comparing numbers, which are whole and therefore compare exactly.
    """

    def __init__(self, space: Space, ii: int, budget: Budget) -> None:
        self.space, self.budget = space, budget
        self.options = _within(space, ii, budget)
        most = sum(max((o.bram18 for o in options), default=0) for options in self.options)
        lost = sum(max((o.loss for o in options), default=0) for options in self.options)
        self.size = int(min(budget.bram18, most)) + 1
        self.shape = (int(min(budget.loss, lost)) + 1, self.size)
        self.blocks = space.blocks()
        inside = {i for block in self.blocks.values() for way in block.ways for i in way}
        self.main = [i for i in range(len(space.layers)) if i not in inside]
        """The layers that are not in a branch, in order."""
        begun = np.full(self.shape, np.inf)
        begun[:1, :1] = 0
        bits = space.element_bits
        ports = {
            o.input_lanes for o in self.options[0] if o.input_lanes * bits <= budget.input_bits
        }
        self.chain = _Chain(self, self.main, dict.fromkeys(ports, begun), None)
        table = self.chain.total()
        reached = np.flatnonzero(np.isfinite(table).any(axis=1))
        self.loss = int(reached[0]) if len(reached) else 0
        self.total: np.ndarray = table[self.loss]

    def pareto(self) -> list[int]:
        """The RAMB18 counts for which no lower count needs as few LUTs, in ascending LUT order."""
        below = np.minimum.accumulate(np.concatenate([[np.inf], self.total[:-1]]))
        found: list[int] = np.flatnonzero(self.total < below).tolist()
        return found[::-1]

    def solution(self, bram18: int) -> Solution:
        """The folding behind the final label with `bram18` RAMB18s."""
        chosen: dict[int, Option] = {}
        self.chain.choose(None, (self.loss, bram18), self.total[bram18], chosen)
        choice = tuple(chosen[i] for i in range(len(self.options)))
        ii = max(option.cycles for option in choice)
        return Solution(choice, ii, int(self.total[bram18]), bram18)


Arrays = dict[int, np.ndarray]
"""By number of lanes: an array of the least LUTs for each loss and RAMB18 count."""
Place = tuple[int, int]
"""A place in such an array: loss and RAMB18s."""


class _Chain:
    """Labels along a chain of layers. Each layer reads the one before it, or is a join.

    ports: labels before the first layer, by its input lanes. lanes: if the chain is a branch, the
    lanes of the fork before it; then `ports` has one label, for these lanes.
    """

    def __init__(
        self, labels: Labels, layers: Sequence[int], ports: Arrays, lanes: int | None
    ) -> None:
        self.labels, self.layers, self.lanes = labels, layers, lanes
        self.before: list[Arrays] = []
        self.after: list[Arrays] = []
        self.ends: dict[tuple[int, int], tuple[Arrays, Arrays]] = {}
        """By position of a join and lanes of its fork: the labels at the ends of both branches."""
        self.ways: dict[tuple[int, int], tuple[_Chain, _Chain]] = {}
        """The branches themselves. They take much memory, so they are made again when needed."""
        for k, i in enumerate(layers):
            wanted = {option.input_lanes for option in labels.options[i]}
            if not k:
                reached = ports if lanes is None else self._reached(i, wanted, ports)
            elif i in labels.blocks:
                reached = self._met(k, i, wanted)
            else:
                reached = self._reached(i, wanted, self.after[k - 1])
            self.before.append(reached)
            self.after.append(self._extended(i, reached))
        if not layers:
            self.after.append(ports)

    def total(self) -> np.ndarray:
        """Least LUTs at the end, for any number of lanes."""
        none = np.full(self.labels.shape, np.inf)
        found: np.ndarray = np.min([none, *self.after[-1].values()], axis=0)
        return found

    def _reached(self, i: int, lanes: set[int], producers: Arrays) -> Arrays:
        """Least LUTs up to layer i, including the width converter before it, by input lanes."""
        return {} if not producers else _paid(self.labels.space.junction, i, lanes, producers)

    def _met(self, k: int, i: int, lanes: set[int]) -> Arrays:
        """The same for a join: the labels of the fork and of both branches, added."""
        space, block = self.labels.space, self.labels.blocks[i]
        assert space.second is not None, "a space with joins has junctions of second inputs"
        found: Arrays = {}
        for width, label in self.after[k - 1].items():
            arrived = [way.after[-1] for way in self._made(block, width)]
            if not all(arrived):
                continue
            self.ends[k, width] = (arrived[0], arrived[1])
            ends = [
                _paid(junction, i, lanes, end)
                for junction, end in zip((space.junction, space.second), arrived, strict=True)
            ]
            for n in lanes:
                both = _added(ends[0][n], ends[1][n], self.labels.budget.lut)
                met = _added(label, both, self.labels.budget.lut)
                found[n] = np.minimum(found[n], met) if n in found else met
        return found

    def _made(self, block: Block, width: int) -> tuple[_Chain, _Chain]:
        """Both branches behind a fork of `width` lanes."""
        begun = np.full(self.labels.shape, np.inf)
        begun[0, 0] = 0
        first, second = (_Chain(self.labels, way, {width: begun}, width) for way in block.ways)
        return first, second

    def _extended(self, i: int, before: Arrays) -> Arrays:
        found: Arrays = {}
        losses, size = self.labels.shape
        for option in self.labels.options[i]:
            reached = before.get(option.input_lanes)
            if reached is None or option.bram18 >= size or option.loss >= losses:
                continue
            label = found.setdefault(option.output_lanes, np.full((losses, size), np.inf))
            part = label[option.loss :, option.bram18 :]
            rest = reached[: losses - option.loss, : size - option.bram18]
            np.minimum(part, rest + option.lut, out=part)
        for label in found.values():
            label[label > self.labels.budget.lut] = np.inf
        return {lanes: label for lanes, label in found.items() if np.isfinite(label).any()}

    def choose(
        self, lanes: int | None, left: Place, value: float, chosen: dict[int, Option]
    ) -> None:
        """Adds the options behind the final label (left, value). lanes: at the end; None: any."""
        for k, i in reversed(list(enumerate(self.layers))):
            before = self.before[k]
            option = next(
                o
                for o in self.labels.options[i]
                if o.loss <= left[0]
                and o.bram18 <= left[1]
                and (lanes is None or o.output_lanes == lanes)
                and o.input_lanes in before
                and before[o.input_lanes][left[0] - o.loss, left[1] - o.bram18] + o.lut == value
            )
            chosen[i] = option
            left = left[0] - option.loss, left[1] - option.bram18
            value = value - option.lut
            if i in self.labels.blocks:
                lanes, left, value = self._choose_ways(
                    k, i, option.input_lanes, left, value, chosen
                )
            elif k:
                lanes, value = _producer(
                    self.labels.space.junction,
                    i,
                    option.input_lanes,
                    self.after[k - 1],
                    left,
                    value,
                )

    def _choose_ways(
        self, k: int, i: int, n: int, left: Place, value: float, chosen: dict[int, Option]
    ) -> tuple[int, Place, float]:
        """Adds the options of both branches. Returns the fork's lanes and its label."""
        space = self.labels.space
        assert space.second is not None, "as in _met"
        junctions = (space.junction, space.second)
        limit = self.labels.budget.lut
        for width, label in self.after[k - 1].items():
            if (k, width) not in self.ends:
                continue
            ends = [
                _paid(junction, i, {n}, end)[n]
                for junction, end in zip(junctions, self.ends[k, width], strict=True)
            ]
            both = _added(ends[0], ends[1], limit)
            if (at := _part(label, both, left, value)) is None:
                continue
            rest = _less(left, at)
            sum_of_both = float(both[rest])
            first = _part(ends[0], ends[1], rest, sum_of_both)
            assert first is not None, "the sum of both ends comes from somewhere"
            if (k, width) not in self.ways:
                self.ways[k, width] = self._made(self.labels.blocks[i], width)
            ways = self.ways[k, width]
            for junction, way, end, count in zip(
                junctions, ways, ends, (first, _less(rest, first)), strict=True
            ):
                lanes, least = _producer(junction, i, n, way.after[-1], count, end[count])
                way.choose(lanes, count, least, chosen)
            return width, at, label[at]
        raise AssertionError("a label comes from somewhere")


def _part(a: np.ndarray, b: np.ndarray, of: Place, value: float) -> Place | None:
    """The first place in `a` whose number, with that of the rest of `of` in `b`, adds to value."""
    rest = b[of[0] :: -1, of[1] :: -1]
    found = np.argwhere(a[: of[0] + 1, : of[1] + 1] + rest == value)
    return (int(found[0][0]), int(found[0][1])) if len(found) else None


def _less(place: Place, part: Place) -> Place:
    return place[0] - part[0], place[1] - part[1]


def _paid(junction: Junction, i: int, lanes: set[int], producers: Arrays) -> Arrays:
    """Least LUTs including the width converter before layer i, by the layer's input lanes."""
    arrays = np.array(list(producers.values()))
    found = {}
    for n in lanes:
        paid = np.array([junction(i, lane, n) for lane in producers])
        there = np.isfinite(paid)
        found[n] = np.min(arrays[there] + paid[there, None, None], axis=0, initial=np.inf)
    return found


def _producer(
    junction: Junction,
    i: int,
    n: int,
    producers: Arrays,
    left: Place,
    value: float,
) -> tuple[int, float]:
    """The lanes and LUTs before the converter that lead to (left, value) with n lanes after it."""
    return next(
        (lanes, value - paid)
        for lanes, label in producers.items()
        if label[left] + (paid := junction(i, lanes, n)) == value
    )


def _added(a: np.ndarray, b: np.ndarray, limit: float) -> np.ndarray:
    """Least LUTs of a pair, by the sums of its losses and of its RAMB18 counts."""
    if np.isfinite(a).sum() < np.isfinite(b).sum():
        a, b = b, a
    losses, size = a.shape
    found: np.ndarray = np.full(a.shape, np.inf)
    # a place with no fewer LUTs than a lower one has is beaten by that, whatever is added to it
    least = np.minimum.accumulate(np.minimum.accumulate(b, axis=0), axis=1)
    below = np.full(b.shape, np.inf)
    below[1:] = least[:-1]
    below[:, 1:] = np.minimum(below[:, 1:], least[:, :-1])
    for loss, count in np.argwhere(b < below):
        part = found[loss:, count:]
        np.minimum(part, a[: losses - loss, : size - count] + b[loss, count], out=part)
    found[found > limit] = np.inf
    return found


def _within(space: Space, ii: int, budget: Budget) -> list[list[Option]]:
    """For each layer the options that a folding within the budget can have.

    Together with the cheapest options of all other layers, such an option must be within the
    budget: in LUTs alone, in RAMB18s alone, and in weighted sums of both.
    """
    options = [[option for option in layer if option.cycles <= ii] for layer in space.options]
    if not space.joins:
        return options
    for weight in (0.0, math.inf, *(2.0**k for k in range(13))):
        # LUT + weight * RAMB18; only RAMB18 for an infinite weight
        lut, blocks = (0, 1) if math.isinf(weight) else (1, weight)
        have = (lut * budget.lut if lut else 0) + (blocks * budget.bram18 if blocks else 0)
        if math.isinf(have):
            continue
        costs = [[lut * o.lut + blocks * o.bram18 for o in layer] for layer in options]
        if not all(costs):
            return [[] for _ in options]
        slack = have - sum(map(min, costs))
        options = [
            [o for o, cost in zip(layer, of_layer, strict=True) if cost - min(of_layer) <= slack]
            for layer, of_layer in zip(options, costs, strict=True)
        ]
    return options
