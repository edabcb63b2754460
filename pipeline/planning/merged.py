"""The design space of a network of which each layer may also be pruned.

Every option is a fold of a layer at some level of pruning. The levels that two neighbours share are
part of the lanes between them, so that only layers pruned alike are neighbours; then the search for
foldings chooses the levels, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pipeline.engines.space import Junction, Option, Space
from pipeline.hardware.graph import HardwareGraph
from pipeline.planning.sites import Levels, Site, shaped

_LANES = 1 << 20
"""More than any number of lanes; what is above it in a number of lanes is the levels."""
_THROUGH = _LANES >> 1
"""Added to the input lanes of a layer that is not there: the stream goes on without a converter."""

Combination = tuple[int, ...]
"""A level of each site that shapes a layer."""
OptionsOf = Callable[[HardwareGraph, int], Sequence[Option]]
"""The options of a layer of a graph, by its number."""


@dataclass(frozen=True)
class _Place:
    """A layer of the merged space: its options by combination of levels.

    sites: those that shape it. read, written: those of them that also shape what it reads, or what
    reads it. costs: the sites whose loss counts here.
    """

    sites: tuple[str, ...]
    read: tuple[str, ...]
    written: tuple[str, ...]
    costs: tuple[str, ...]
    options: dict[Combination, Sequence[Option]]

    def every(self) -> Iterator[Option]:
        return itertools.chain.from_iterable(self.options.values())


@dataclass(frozen=True)
class Merged:
    """The foldings of all pruned networks as one space; see `space`."""

    layers: tuple[str, ...]
    levels: Levels
    places: tuple[_Place, ...]
    plain: Space
    """That of the network with all sites pruned: it has every layer that any of them has."""

    def space(self, step: float) -> Space:
        """The space; losses are in steps of so many points, rounded up. Infinite: there is none."""
        return replace(
            self.plain,
            options=tuple(tuple(self._options(place, step)) for place in self.places),
            junction=self._junction(self.plain.junction, 0),
            second=None if self.plain.second is None else self._junction(self.plain.second, 1),
        )

    def choice(self, solution: Sequence[Option]) -> dict[str, int]:
        """How many blocks of each site stay in a solution, for the sites that it prunes."""
        found = {}
        for place, option in zip(self.places, solution, strict=True):
            sites = [site for site in place.written if site not in found]
            for site in sites:
                level = _level(option.output_lanes, place.written, site, self.levels)
                found[site] = self.levels[site][level].kept
            for site in place.read:
                level = _level(option.input_lanes, place.read, site, self.levels)
                assert found.setdefault(site, self.levels[site][level].kept) == (
                    self.levels[site][level].kept
                ), "neighbours are pruned alike"
        return {name: kept for name, kept in found.items() if kept < self.levels[name][0].kept}

    def loss(self, choice: Mapping[str, int]) -> float:
        """The sum of the losses of a choice."""
        return math.fsum(
            next(level.loss for level in self.levels[name] if level.kept == kept)
            for name, kept in choice.items()
        )

    def _options(self, place: _Place, step: float) -> Sequence[Option]:
        found = []
        for combination, options in place.options.items():
            at = dict(zip(place.sites, combination, strict=True))
            read, written = (_code(names, at, self.levels) for names in (place.read, place.written))
            loss = sum(_steps(self.levels[site][at[site]].loss, step) for site in place.costs)
            found += [
                replace(
                    option,
                    input_lanes=option.input_lanes + read,
                    output_lanes=option.output_lanes + written,
                    loss=loss,
                )
                for option in options
            ]
        return found

    def _junction(self, plain: Junction, which: int) -> Junction:
        before = self.plain.before

        def junction(i: int, producer: int, consumer: int) -> float:
            writer, reader = self.places[before[i][which]], self.places[i]
            for site in reader.read:
                if site in writer.written and _level(
                    producer, writer.written, site, self.levels
                ) != _level(consumer, reader.read, site, self.levels):
                    return math.inf
            before_it, wanted = producer % _LANES, consumer % _LANES
            if wanted >= _THROUGH:
                return 0 if wanted == before_it + _THROUGH else math.inf
            return plain(i, before_it, wanted)

        return junction


def merged(
    graph: HardwareGraph,
    sites: Mapping[str, Site],
    levels: Levels,
    space_of: Callable[[HardwareGraph], Space],
    options_of: OptionsOf,
) -> Merged:
    """The merged space of a whole network's graph; `levels` says which sites are pruned.

    space_of, options_of: the engine's space of a graph, and its options of one layer of it.
    """

    @cache
    def shape_of(choice: tuple[tuple[str, int], ...]) -> HardwareGraph:
        return shaped(graph, sites, dict(choice))

    deepest = shape_of(tuple((name, found[-1].kept) for name, found in levels.items()))
    plain = space_of(deepest)
    names = tuple(layer.id for layer in deepest.layers)
    shaping = _shaping(graph, sites, levels, names)
    readers: dict[int, list[int]] = {}
    for i, writers in enumerate(plain.before):
        for writer in writers:
            readers.setdefault(writer, []).append(i)
    places: list[_Place] = []
    counted: set[str] = set()
    for i, name in enumerate(names):
        of = shaping[name]
        read = {site for k in plain.before[i] for site in of if site in shaping[names[k]]}
        written = {site for k in readers.get(i, ()) for site in of if site in shaping[names[k]]}
        costs = tuple(site for site in of if site not in counted)
        counted.update(costs)
        options: dict[Combination, Sequence[Option]] = {}
        for combination in itertools.product(*(range(len(levels[site])) for site in of)):
            kept = [(site, levels[site][at].kept) for site, at in zip(of, combination, strict=True)]
            shape = shape_of(tuple(kept))
            numbers = {layer.id: number for number, layer in enumerate(shape.layers)}
            if name in numbers:
                options[combination] = options_of(shape, numbers[name])
            elif writers := plain.before[i]:  # only a pruned network has it: here nothing happens
                lanes = {option.output_lanes for option in places[writers[0]].every()}
                options[combination] = [_passed(plain, i, n, n + _THROUGH) for n in sorted(lanes)]
            else:
                lanes = {x.input_lanes for x in options_of(shape, numbers[names[i + 1]])}
                options[combination] = [_passed(plain, i, n, n) for n in sorted(lanes)]
        places.append(
            _Place(
                of,
                tuple(site for site in of if site in read),
                tuple(site for site in of if site in written),
                costs,
                options,
            )
        )
    return Merged(names, levels, tuple(places), plain)


def _shaping(
    graph: HardwareGraph, sites: Mapping[str, Site], levels: Levels, names: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """For each layer the sites whose pruning changes it or what it reads or writes."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    whole = {layer.id: layer for layer in graph.layers}
    for name, of in levels.items():
        shape = shaped(graph, sites, {name: of[-1].kept})
        for layer in shape.layers:
            ends = [*layer.inputs, *layer.outputs]
            if whole.get(layer.id) is not layer or any(
                shape.edges[end] is not graph.edges[end] for end in ends
            ):
                found[layer.id] = (*found[layer.id], name)
    return found


def _passed(space: Space, i: int, lanes: int, read: int) -> Option:
    """An option of layer i where it is not there. read: its input lanes."""
    first = space.options[i][0]
    return replace(first, cycles=0, input_lanes=read, output_lanes=lanes, lut=0, bram18=0)


def _code(names: Sequence[str], at: Mapping[str, int], levels: Levels) -> int:
    """The levels of these sites as one number, in place of the bits above the lanes."""
    code = 0
    for name in names:
        code = code * len(levels[name]) + at[name]
    return code * _LANES


def _level(lanes: int, names: Sequence[str], site: str, levels: Levels) -> int:
    """The level of one of the sites in such a number."""
    code = lanes // _LANES
    for name in reversed(names):
        code, level = divmod(code, len(levels[name]))
        if name == site:
            return level
    raise AssertionError(f"{site} is not among {names}")


def _steps(loss: float, step: float) -> int:
    return 0 if math.isinf(step) else math.ceil(loss / step - 0.01)  # tables round
