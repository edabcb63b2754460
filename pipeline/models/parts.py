"""The convolutions and dense layers of a network, named and ordered as in the hardware graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from pipeline.models.cnv import Cnv
from pipeline.models.fc import Fc
from pipeline.models.masks import MASKABLE
from pipeline.models.resnet import ResNet
from specs.input import InputSpec


@dataclass(frozen=True)
class Part:
    """One layer of weights, a matrix of `rows` outputs and `columns` inputs.

    The order of columns is that of the hardware's stream: pixel by pixel of the kernel (of the
    feature map, for a dense layer), channels innermost.

    id: the layer's in the hardware graph. name: the module's in the network. channels: of what the
    layer reads. word: what divides the words in which that is streamed: the channels; for a dense
    layer that reads images all columns, since hardware sees vectors there. vectors: how often the
    layer computes for one image. source: the part that alone makes these channels and whose output
    no other layer reads, so that a channel can be taken out at both ends; None if there is none.
    norm: the name of the norm of the layer's outputs.
    """

    id: str
    name: str
    layer: Any
    channels: int
    word: int
    vectors: int
    source: str | None = None
    norm: str | None = None

    @property
    def rows(self) -> int:
        return int(self.layer.weight.shape[0])

    @property
    def columns(self) -> int:
        return int(self.layer.weight[0].numel())

    @property
    def pixels(self) -> int:
        """Columns of each channel."""
        return self.columns // self.channels

    def matrix(self, weights: Tensor) -> Tensor:
        """Weights, or a mask of them, in the layer's own shape as a matrix [rows, columns]."""
        pixels = weights.reshape(len(weights), self.channels, self.pixels)
        return pixels.transpose(1, 2).reshape(len(weights), -1)

    def weights(self, matrix: Tensor) -> Tensor:
        """The reverse of `matrix`: [rows, columns], or [1, columns], in the layer's own shape."""
        pixels = matrix.reshape(len(matrix), self.pixels, self.channels)
        return pixels.transpose(1, 2).reshape(len(matrix), *self.layer.weight.shape[1:])


def parts(model: nn.Module, contract: InputSpec) -> dict[str, Part]:
    """The parts of a module made by `build`, by id, in the order of the hardware graph.

    Layers of another kind than Brevitas' convolutions and dense layers are no parts, nor are
    convolutions in groups. In the user's own modules a part has no source: only the module's code
    knows what reads what.
    """
    seen = _watched(model, contract)
    found = dict[str, Part]()
    before: str | None = None
    for place in _places(model, seen):
        layer: Any = model.get_submodule(place.name)
        read, made = seen[place.name]
        channels = read[1] if len(read) == 4 else _channels(model, place, seen, contract)
        source = before if place.chained else None
        vectors = prod(made[2:])
        dense_first = not found and not isinstance(layer, QuantConv2d)
        word = layer.weight[0].numel() if dense_first else channels
        found[place.id] = Part(
            place.id, place.name, layer, channels, word, vectors, source, place.norm
        )
        before = place.id
    return found


@dataclass(frozen=True)
class _Place:
    """Where a part is; chained: whether it is the only reader of the part before."""

    id: str
    name: str
    chained: bool = False
    norm: str | None = None


Shapes = dict[str, tuple[torch.Size, torch.Size]]


def _watched(model: nn.Module, contract: InputSpec) -> Shapes:
    """Shapes of input and output of each module, in the order of computation."""
    seen: Shapes = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, inputs: Any, output: Any) -> None:
            if inputs and hasattr(inputs[0], "shape") and hasattr(output, "shape"):
                seen[name] = inputs[0].shape, output.shape

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()]
    trains = model.training
    *size, channels = contract.shape
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, channels, *size, device=device))
    finally:
        model.train(trains)
        for hook in hooks:
            hook.remove()
    return seen


def _places(model: nn.Module, seen: Shapes) -> Iterator[_Place]:
    if isinstance(model, Fc | Cnv):
        yield from _chain(model)
    elif isinstance(model, ResNet):
        yield from _residual(model)
    else:
        yield from _own(model, seen)


def _own(model: nn.Module, seen: Shapes) -> Iterator[_Place]:
    """The layers of a user's module in the order of computation."""
    counts = {"conv": 0, "fc": 0}
    for name in seen:
        layer = model.get_submodule(name)
        if isinstance(layer, MASKABLE):
            kind = "conv" if isinstance(layer, QuantConv2d) else "fc"
            if getattr(layer, "groups", 1) == 1:
                yield _Place(f"{kind}{counts[kind]}", name)
            counts[kind] += 1


def _chain(model: Fc | Cnv) -> Iterator[_Place]:
    """Each layer is followed by its norm, and the only reader of the layer before it."""
    lists = ["features"] if isinstance(model, Fc) else ["conv_features", "linear_features"]
    counts = {"conv": 0, "fc": 0}
    for which in lists:
        layers = model.get_submodule(which)
        assert isinstance(layers, nn.ModuleList)
        for number, layer in enumerate(layers):
            if isinstance(layer, MASKABLE):
                kind = "conv" if isinstance(layer, QuantConv2d) else "fc"
                yield _Place(
                    f"{kind}{counts[kind]}",
                    f"{which}.{number}",
                    chained=sum(counts.values()) > 0,
                    norm=f"{which}.{number + 1}",
                )
                counts[kind] += 1


def _residual(model: ResNet) -> Iterator[_Place]:
    """Only the channels within a block have one reader; those between blocks have two."""
    names = {name for name, _ in model.named_modules()}
    yield _Place("conv0", "conv1", norm="bn1")
    number = 0
    for stage in range(len(model.spec.blocks)):
        for k in range(model.spec.blocks[stage]):
            block, place = f"block{number}", f"layer{stage + 1}.{k}"
            yield _Place(f"{block}_conv0", f"{place}.conv1", norm=f"{place}.bn1")
            yield _Place(f"{block}_conv1", f"{place}.conv2", chained=True, norm=f"{place}.bn2")
            if f"{place}.downsample.0" in names:
                yield _Place(
                    f"{block}_shortcut_conv0", f"{place}.downsample.0", norm=f"{place}.downsample.1"
                )
            number += 1
    yield _Place("fc0", "linear")


def _channels(model: nn.Module, place: _Place, seen: Shapes, contract: InputSpec) -> int:
    """Channels of what a dense layer reads: of the feature map before it, or its own inputs."""
    dense: Any = model.get_submodule(place.name)
    features = dense.weight[0].numel()
    names = [*seen]
    for name in reversed(names[: names.index(place.name)]):
        made = seen[name][1]
        if len(made) == 4 and prod(made[1:]) == features:
            return int(made[1])
        if isinstance(model.get_submodule(name), MASKABLE):
            return int(features)
    return contract.shape[-1] if prod(contract.shape) == features else int(features)
