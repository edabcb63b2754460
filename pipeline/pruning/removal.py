"""Which channels a masked network can lose for real: those that nothing reads any more."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, gcd, lcm

import torch
from torch import Tensor

from pipeline.models import Part
from pipeline.pruning.blocks import counts_of
from specs.pruning import COLUMNS, PruningSpec


def removable(
    spec: PruningSpec, parts: Mapping[str, Part], masks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """For each layer that loses channels, by its id, which of them stay: bool [rows].

    A channel can go if all columns that read it are masked. So many stay that their number divides
    as the spec asks; further ones are only masked.
    """
    kept: dict[str, Tensor] = {}
    # from the last layer on: rows that are gone read nothing
    for part in reversed([*parts.values()]):
        mask = masks.get(part.id)
        if part.source is None or mask is None:
            continue
        rows = kept.get(part.id)
        read = mask if mask.dim() == 1 else mask[slice(None) if rows is None else rows].any(0)
        alive = read.reshape(part.pixels, part.channels).any(0)
        multiple = counts_of(spec, parts, part)
        if spec.granularity == COLUMNS and part.pixels > 1:
            # whole blocks go, so that those of the columns that stay remain aligned
            multiple = lcm(multiple, _block(alive))
        stay = max(1, ceil(int(alive.sum()) / multiple)) * multiple
        if part.channels % multiple or stay >= part.channels:
            continue
        gone = (~alive).nonzero().flatten()[: part.channels - stay]
        kept[part.source] = torch.ones(part.channels, dtype=torch.bool)
        kept[part.source][gone] = False
    return kept


def _block(alive: Tensor) -> int:
    """The greatest size of aligned blocks that are alive or dead as a whole."""
    changes = (alive[1:] != alive[:-1]).nonzero().flatten() + 1
    return gcd(len(alive), *changes.tolist())
