"""What goes together when a layer is pruned, and how many blocks of it stay. No weights needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, gcd, lcm

import torch
from torch import Tensor

from pipeline.errors import SpecError, nearest
from pipeline.models import Part
from specs.pruning import CHANNELS, FIRST, LAST, WEIGHTS, PruningSpec

_MOST, _LEAST = 16, 8
"""By default blocks and counts are multiples of a power of two up to _MOST that leaves at least
_LEAST steps: then PE and SIMD have many divisors to choose from."""


@dataclass(frozen=True)
class Target:
    """The blocks of one layer, the units that are taken out of it.

    id: the layer that `share` and the fields of the spec mean. part: the layer whose columns are
    masked: for channels the reader of them. index: int64 [columns], the block of each column in
    the order of the stream; for single weights [rows * columns]. multiple: how many blocks stay is
    a multiple of it. share: what the layer loses in the end, of all its blocks. most: the most it
    may lose. weights: how many weights each block takes with it.
    """

    id: str
    part: Part
    index: Tensor
    multiple: int
    share: float
    most: float
    weights: int

    @property
    def blocks(self) -> int:
        return int(self.index.max()) + 1

    def kept(self, share: float) -> int:
        """How many blocks stay if the layer loses about `share` of them."""
        steps = self.blocks // self.multiple
        least = max(1, ceil(steps * (1 - self.most) - 1e-9))
        return self.multiple * max(least, min(steps, floor(steps * (1 - share) + 0.5)))


def targets(spec: PruningSpec, parts: Mapping[str, Part]) -> dict[str, Target]:
    """The target of each layer that is pruned, by its id.

    Raises SpecError for layers that there are not, that cannot be pruned so, or whose columns and
    channels the spec's PE and SIMD do not divide.
    """
    readers = {part.source: part for part in parts.values() if part.source is not None}
    able = [name for name in parts if spec.granularity != CHANNELS or name in readers]
    if not able:
        raise SpecError(
            f'pruning.granularity = "{CHANNELS}": this network has no channels that can be taken '
            "out. They must be read by one layer alone, and what reads them in your own torch "
            'module only its code knows; use "columns" or "weights"'
        )
    simd = _Sizes("simd_list", spec.simd_list, parts)
    pe = _Sizes("pe_list", spec.pe_list, parts)
    found = {}
    for name, share in _shares(spec, parts, able).items():
        part = readers[name] if spec.granularity == CHANNELS else parts[name]
        found[name] = _target(spec, name, part, share, simd, pe)
    return found


def _shares(spec: PruningSpec, parts: Mapping[str, Part], able: list[str]) -> dict[str, float]:
    """The share that each pruned layer loses."""
    for field, names in (("layers", [*spec.layers]), ("skip", [*spec.skip])):
        known = [*parts, FIRST, LAST] if field == "skip" else able
        for name in names:
            if name not in known:
                why = "no such layer" if name not in parts else "its channels cannot be taken out"
                raise SpecError(f"pruning.{field}: {name}: {why}; {nearest(name, known)}")
    if spec.layers:
        return {name: spec.layers[name] for name in able if spec.layers.get(name, 0) > 0}
    ends = {FIRST: next(iter(parts)), LAST: [*parts][-1]}
    skipped = {ends.get(name, name) for name in spec.skip}
    found = {name: spec.sparsity for name in able if name not in skipped}
    if not found:
        raise SpecError("pruning.skip: no layer is left to prune")
    return found


class _Sizes:
    """PE or SIMD of each part, as a field of the spec gives them; 1 if it does not."""

    def __init__(self, field: str, given: tuple[int, ...], parts: Mapping[str, Part]) -> None:
        if len(given) not in (0, 1, len(parts)):
            raise SpecError(
                f"pruning.{field}: {len(given)} numbers; give one for all layers, or one for each "
                f"of the {len(parts)}: {', '.join(parts)}"
            )
        self._field = field
        self._given = given
        self._by_id = dict(zip(parts, given, strict=True)) if len(given) == len(parts) else {}

    def __bool__(self) -> bool:
        return bool(self._given)

    def of(self, name: str, count: int, what: str) -> int:
        """The number for a part, which divides `count`; of one for all, what divides it."""
        if not self._given:
            return 1
        if name not in self._by_id:
            return gcd(self._given[0], count)
        size = self._by_id[name]
        if count % size:
            divisors = [d for d in range(1, count + 1) if count % d == 0]
            raise SpecError(
                f"pruning.{self._field}: {size} for {name}: it does not divide the {count} {what}; "
                f"allowed: {', '.join(map(str, divisors))}"
            )
        return size


def _target(
    spec: PruningSpec, name: str, part: Part, share: float, simd: _Sizes, pe: _Sizes
) -> Target:
    most = spec.max_sparsity
    if spec.granularity == WEIGHTS:
        index = torch.arange(part.rows * part.columns)
        return Target(name, part, index, 1, share, most, 1)
    if spec.granularity == CHANNELS:
        index = torch.arange(part.columns) % part.channels
        multiple = _counts(part, simd, pe, strict=True)
        weights = part.rows * part.pixels
        return Target(name, part, index, multiple, share, most, weights)
    if part.source is not None and part.pixels == 1:  # a column is a neuron of the layer before
        index = torch.arange(part.columns)
        return Target(
            name, part, index, _counts(part, simd, pe, strict=True), share, most, part.rows
        )
    block, multiple = _columns(part, simd)
    index = torch.arange(part.columns) // block
    return Target(name, part, index, multiple, share, most, part.rows * block)


def counts_of(spec: PruningSpec, parts: Mapping[str, Part], part: Part) -> int:
    """What the number of channels that `part` reads from its source stays a multiple of.

    It divides all of them, or is larger: then none can be taken out.
    """
    simd = _Sizes("simd_list", spec.simd_list, parts)
    return _counts(part, simd, _Sizes("pe_list", spec.pe_list, parts))


def _counts(part: Part, simd: _Sizes, pe: _Sizes, *, strict: bool = False) -> int:
    """The PE of the layer before divides the number of channels, and SIMD of `part` the columns.

    strict: raises SpecError if that divides not even all channels.
    """
    assert part.source is not None
    if not simd and not pe:
        return default(part.channels)
    lanes = simd.of(part.id, part.columns, "columns")
    lanes //= gcd(lanes, part.pixels)
    found = lcm(pe.of(part.source, part.channels, "channels"), lanes)
    if strict and part.channels % found:
        raise SpecError(
            f"pruning: the {part.channels} channels of {part.source} cannot stay a multiple of "
            f"{found}, which its PE and the SIMD of {part.id} together ask for; choose others"
        )
    return found


def _columns(part: Part, simd: _Sizes) -> tuple[int, int]:
    """Size of the blocks of columns, and what the number of those that stay is a multiple of.

    A block lies within a word of the stream, so that the hardware skips it as a whole; as many
    columns stay as are a multiple of SIMD.
    """
    if simd:
        size = simd.of(part.id, part.columns, "columns")
        block = gcd(size, part.word)
        return block, size // block
    if part.word == part.columns and part.pixels > 1:
        # of images, 8 values are what a memory port of 64 bits brings in a cycle
        size = default(part.columns)
        block = gcd(size, _MOST // 2)
        return block, size // block
    if gcd(part.word, _MOST) == 1 and part.pixels >= _LEAST:  # the three colours of an image
        return (part.word, 1) if part.word <= _MOST else (1, 1)
    block = gcd(default(part.columns), part.word)
    return block, 1


def default(count: int) -> int:
    """The greatest power of two up to _MOST that divides `count` and leaves _LEAST steps."""
    size = gcd(count, _MOST)
    while size > 1 and count // size < _LEAST:
        size //= 2
    return size
