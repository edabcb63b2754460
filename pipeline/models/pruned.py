"""Pruned networks: masked ones, and the smaller ones that compute the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.job import Job
from pipeline.models.build import build_of
from pipeline.models.cnv import Cnv
from pipeline.models.fc import Fc
from pipeline.models.masks import set_mask
from pipeline.models.parts import Part, parts
from pipeline.models.resnet import ResNet
from pipeline.models.weights import load_weights
from specs.input import InputSpec

_FILE = "masks.npz"
_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Cut:
    """What a pruned network lacks.

    masks: for each layer, by id, what stays, bool in the order of the hardware's stream: [columns],
    or [rows, columns] for single weights. kept: for layers whose channels are taken out, those that
    stay, bool [rows]; what reads the others is masked.
    """

    masks: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)


def save_cut(cut: Cut, folder: Path) -> None:
    named: dict[str, Any] = {f"mask.{name}": x.numpy() for name, x in cut.masks.items()}
    named |= {f"kept.{name}": x.numpy() for name, x in cut.kept.items()}
    np.savez_compressed(folder / _FILE, **named)


def load_cut(folder: Path) -> Cut:
    cut = Cut()
    with np.load(folder / _FILE) as file:
        for name in file.files:
            kind, _, layer = name.partition(".")
            {"mask": cut.masks, "kept": cut.kept}[kind][layer] = torch.from_numpy(file[name])
    return cut


def mask_parts(found: Mapping[str, Part], masks: Mapping[str, Tensor]) -> None:
    """From now on the network computes without what `masks` (see `Cut`) takes out.

    These weights become 0, too: a quantiser may take its scale from the greatest one.
    """
    for name, mask in masks.items():
        part = found[name]
        ones = part.weights(torch.atleast_2d(mask).to(part.layer.weight))
        set_mask(part.layer, ones)
        with torch.no_grad():
            part.layer.weight.mul_(ones)


def whole(job: Job) -> nn.Module:
    """The module of a job's network with all its channels, in evaluation mode.

    Its weights are those that training left; of a pruned network it is masked as pruning left it.
    """
    model = build_of(job)
    if "prune" not in job.inputs:
        load_weights(model, job.inputs["train"])
        return model
    load_weights(model, job.inputs["prune"])
    contract = job.spec("network.input", InputSpec)
    mask_parts(parts(model, contract), load_cut(job.inputs["prune"]).masks)
    return model


def trained(job: Job) -> nn.Module:
    """The module that is exported: `whole` without the channels that pruning took out."""
    model = whole(job)
    if "prune" not in job.inputs:
        return model
    return shrunken(model, job.spec("network.input", InputSpec), load_cut(job.inputs["prune"]))


def shrunken(model: nn.Module, contract: InputSpec, cut: Cut) -> nn.Module:
    """The masked `model` without the channels that `cut` does not keep, in evaluation mode.

    What is masked and cannot be taken out stays masked. Without such channels it is `model` itself.
    """
    if not cut.kept:
        return model.eval()
    before = parts(model, contract)
    with torch.random.fork_rng(devices=[]):
        smaller = _smaller(model, contract, lambda name, count: _count(cut, name, count))
    weights, masks = model.state_dict(), {}
    after = parts(smaller, contract)
    for name, part in before.items():
        rows = cut.kept.get(name, torch.ones(part.rows, dtype=torch.bool))
        columns = torch.ones(part.columns, dtype=torch.bool)
        if part.source in cut.kept:
            columns = cut.kept[part.source][torch.arange(part.columns) % part.channels]
        key = f"{part.name}.weight"
        kept = part.matrix(weights[key])[rows][:, columns]
        weights[key] = after[name].weights(kept)
        for other in [f"{part.name}.bias", *(f"{part.norm}.{value}" for value in _NORM)]:
            if name in cut.kept and other in weights:
                weights[other] = weights[other][rows]
        if (mask := cut.masks.get(name)) is not None:
            left = mask[columns] if mask.dim() == 1 else mask[rows][:, columns]
            if not left.all():
                masks[name] = left
    smaller.load_state_dict(weights)
    mask_parts(after, masks)
    return smaller.eval()


def _count(cut: Cut, name: str, count: int) -> int:
    return int(cut.kept[name].sum()) if name in cut.kept else count


def _smaller(model: nn.Module, contract: InputSpec, width: Callable[[str, int], int]) -> nn.Module:
    """A network of the same layers. width: the channels of one, of its id and those it had."""
    if isinstance(model, Fc):
        hidden = [int(layer.out_features) for layer in model.linears()[:-1]]
        return Fc(
            inputs=int(model.linears()[0].in_features),
            hidden=[width(f"fc{i}", count) for i, count in enumerate(hidden)],
            classes=int(model.linears()[-1].out_features),
            weight_bits=model.weight_bits,
            activation_bits=model.activation_bits,
            input_bits=model.input_bits,
            dropout=model.dropout,
        )
    if isinstance(model, Cnv):
        spec = model.spec
        convolutions = [
            conv.model_copy(update={"channels": width(f"conv{i}", conv.channels)})
            for i, conv in enumerate(spec.convolutions)
        ]
        dense = [
            layer.model_copy(update={"width": width(f"fc{i}", layer.width)})
            for i, layer in enumerate(spec.dense)
        ]
        fields: dict[str, Any] = {"convolutions": tuple(convolutions), "dense": tuple(dense)}
        return Cnv(spec.model_copy(update=fields), contract.shape)
    assert isinstance(model, ResNet), "of other modules no channels are taken out"
    return ResNet(model.spec, contract.shape, width)
