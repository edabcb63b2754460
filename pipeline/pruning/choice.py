"""Which blocks are taken out: the least important ones, by the norm of their weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.pruning.blocks import Target
from specs.pruning import PruningSpec

Masks = dict[str, Tensor]
"""For each masked layer, by id: what stays, bool, in the order of the hardware's stream. [columns]
for columns and channels, [rows, columns] for single weights."""


def grown(spec: PruningSpec, number: int) -> float:
    """The part of the final sparsity that is reached in a round (from 1), in [0, 1]."""
    done = number / spec.rounds
    return done if spec.schedule == "even" else 1 - (1 - done) ** 3


def choose(
    spec: PruningSpec, targets: Mapping[str, Target], masks: Masks, done: float = 1.0
) -> Masks:
    """`masks` with more taken out, so that `done` of each layer's final share is gone.

    What is gone already stays so. Norms are of the weights that training changes, not of the
    quantised ones: those of 1-bit layers all have the same magnitude.
    """
    scores = {name: _scores(spec.norm, target, masks) for name, target in targets.items()}
    if spec.scope == "global" and not spec.layers:
        kept = _ranked(spec.sparsity * done, targets, scores)
    else:
        kept = {name: target.kept(target.share * done) for name, target in targets.items()}
    found = dict(masks)
    for name, target in targets.items():
        stays = torch.zeros(target.blocks, dtype=torch.bool)
        # the best of those that are left; among equals the first
        best = scores[name].argsort(descending=True, stable=True)
        stays[best[: min(kept[name], int((scores[name] >= 0).sum()))]] = True
        mask = stays[target.index]
        if len(mask) != target.part.columns:
            mask = mask.reshape(target.part.rows, target.part.columns)
        found[target.part.id] = mask
    return found


def _scores(order: float, target: Target, masks: Masks) -> Tensor:
    """The norm of each block, as a multiple of the layer's mean; -1 for those that are gone."""
    part = target.part
    powers = part.matrix(part.layer.weight.detach().cpu().double()).abs() ** order
    values = powers.reshape(-1) if len(target.index) == part.rows * part.columns else powers.sum(0)
    sums = torch.zeros(target.blocks, dtype=torch.float64)
    sums.index_add_(0, target.index, values)
    norms = (sums / target.weights) ** (1 / order)
    there = torch.ones(target.blocks, dtype=torch.bool)
    if (mask := masks.get(part.id)) is not None:
        there.zero_()[target.index[mask.reshape(-1)]] = True
    found = norms / norms[there].mean().clamp(min=1e-30)
    found[~there] = -1.0
    return found


def _ranked(
    share: float, targets: Mapping[str, Target], scores: Mapping[str, Tensor]
) -> dict[str, int]:
    """How many blocks of each layer stay if all layers together lose `share` of their weights.

    Blocks go in steps, so that what stays is a multiple of what the target asks for.
    """
    steps: list[tuple[float, int, str]] = []
    kept = {}
    for name, target in targets.items():
        left = scores[name][scores[name] >= 0].sort().values
        kept[name] = len(left)
        for start in range(0, len(left) - target.kept(1.0), target.multiple):
            steps.append((float(left[start : start + target.multiple].mean()), len(steps), name))
    whole = {name: target.blocks * target.weights for name, target in targets.items()}
    gone = sum(whole.values()) - sum(kept[name] * targets[name].weights for name in targets)
    for _, _, name in sorted(steps):
        step = targets[name].multiple * targets[name].weights
        if gone + step / 2 > share * sum(whole.values()):
            break
        kept[name] -= targets[name].multiple
        gone += step
    return kept
