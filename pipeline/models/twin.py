"""Twins for training: they give a module's values and gradients with far fewer operations.

In a small layer Brevitas spends most of its time between the operations. A twin computes with plain
tensor operations on the module's own parameters. Tests prove it equal to the module bit for bit.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.cnv import Cnv
from pipeline.models.fc import Fc
from pipeline.models.masks import mask_of
from pipeline.models.resnet import ResNet
from pipeline.models.tensor_norm import TensorNorm
from specs.models import ConvLayer, DenseLayer

_MASK_LEVELS = 1 << 16
"""Dropout draws 16 random bits for each value, so the share that is dropped is exact to 1 in
65,536."""

Black = float | tuple[float, ...]
"""The value of a black pixel: one for all channels, or one for each."""


class Twin(Protocol):
    """What training needs of a network. Its parameters are those of the module."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def classes(self) -> int: ...

    @property
    def black(self) -> Black:
        """The value of a black pixel in encoded images, with which they are padded."""

    def encode(self, images: Tensor) -> Tensor:
        """The part of the computation that needs no parameter; done once. images: [N, C, H, W]."""

    def scores(self, encoded: Tensor) -> Tensor:
        """Scores [N, classes]. In the module's training mode, with dropout and batch statistics."""

    def backward(self, scores: Tensor, gradient: Tensor) -> None:
        """Sets `grad` of every parameter. gradient: that of the loss with respect to the scores."""

    def after_step(self) -> None:
        """Changes the parameters after a step of the optimiser, as the recipe demands."""


def twin(
    model: nn.Module, part: tuple[int, int] = (0, 1), classes: int = 0, black: Black = 0.0
) -> Twin:
    """The twin of a module made by `build`.

    part: (i, n) if training gives it the i-th of n equal parts of each batch. classes, black: for a
    user's own module, which does not tell them.
    """
    if isinstance(model, Fc):
        return FcTwin(model, part)
    if isinstance(model, Cnv):
        return CnvTwin(model)
    if isinstance(model, ResNet):
        classes = model.spec.classes  # its black is 0
    return ModuleTwin(model, classes, black)


class _ClippedWeights:
    """The common part of the twins of networks whose quantised weights are within +-1."""

    _layers: list[Any]
    _weights: list[Tensor]
    _weight_bits: list[int]
    _norms: list[nn.Module]
    _leaves: list[Tensor]

    def _quantised_weights(self) -> list[Tensor]:
        # Straight-through estimator: the gradient of a quantised weight is that of the weight. As
        # leaves of their own they spare the graph a node each; `backward` hands the gradient on.
        with torch.no_grad():
            self._leaves = [
                quantise(weight, bits)
                for weight, bits in zip(self._weights, self._weight_bits, strict=True)
            ]
            for layer, leaf in zip(self._layers, self._leaves, strict=True):
                if (mask := mask_of(layer)) is not None:
                    leaf.mul_(mask)
        for leaf in self._leaves:
            leaf.requires_grad_()
        return self._leaves

    def backward(self, scores: Tensor, gradient: Tensor) -> None:
        for norm in self._norms:
            norm.weight.grad = norm.bias.grad = None
        scores.backward(gradient)
        for layer, leaf in zip(self._layers, self._leaves, strict=True):
            layer.weight.grad = leaf.grad
            if (mask := mask_of(layer)) is not None:
                layer.weight.grad.mul_(mask)

    def after_step(self) -> None:
        with torch.no_grad():
            torch._foreach_clamp_min_(self._weights, -1.0)
            torch._foreach_clamp_max_(self._weights, 1.0)


class CnvTwin(_ClippedWeights):
    """Twin of Cnv. Encoded images are the integers of its input quantiser, int8 [N, C, H, W]."""

    def __init__(self, model: Cnv) -> None:
        self._model = model
        layers = [*model.conv_features, *model.linear_features]
        self._layers = [layer for layer in layers if isinstance(layer, QuantConv2d | QuantLinear)]
        self._weights = [layer.weight for layer in self._layers]
        norms = (nn.BatchNorm1d, nn.BatchNorm2d, TensorNorm)
        self._norms: list[nn.Module] = [layer for layer in layers if isinstance(layer, norms)]
        spec = model.spec
        inner: list[ConvLayer | DenseLayer] = [*spec.convolutions, *spec.dense]
        self._weight_bits = spec.all_weight_bits()
        self._activation_bits = [layer.activation_bits or spec.activation_bits for layer in inner]

    @property
    def model(self) -> Cnv:
        return self._model

    @property
    def classes(self) -> int:
        return self._model.spec.classes

    def encode(self, images: Tensor) -> Tensor:
        return torch.cat([self._codes(2.0 * block - 1.0) for block in images.split(1000)])

    def _codes(self, x: Tensor) -> Tensor:
        half = 1 << (self._model.spec.input_bits - 1)
        return (x * half).round_().clamp_(-half, half - 1).to(torch.int8)

    @property
    def black(self) -> int:
        return -(1 << (self._model.spec.input_bits - 1))

    def scores(self, encoded: Tensor) -> Tensor:
        weights = self._quantised_weights()
        spec = self._model.spec
        # channels last: convolutions of few channels are faster so
        x = encoded.to(torch.float32, memory_format=torch.channels_last)
        x.mul_(2.0 ** (1 - spec.input_bits))
        for i, conv in enumerate(spec.convolutions):
            x = functional.conv2d(x, weights[i], None, conv.stride, conv.padding)
            x = quantise_activation(self._norms[i](x), self._activation_bits[i])
            if conv.pool > 1:
                x = functional.max_pool2d(x, conv.pool)
        x = x.flatten(1)
        for i in range(len(spec.convolutions), len(self._norms) - 1):
            x = self._norms[i](functional.linear(x, weights[i]))
            x = quantise_activation(x, self._activation_bits[i])
        scores: Tensor = self._norms[-1](functional.linear(x, weights[-1]))
        return scores


class ModuleTwin:
    """The module itself, for networks that spend their time in convolutions, not between them."""

    def __init__(self, model: nn.Module, classes: int, black: Black) -> None:
        self._model = model
        self._classes = classes
        self._black = black

    @property
    def model(self) -> nn.Module:
        return self._model

    @property
    def classes(self) -> int:
        return self._classes

    @property
    def black(self) -> Black:
        return self._black

    def encode(self, images: Tensor) -> Tensor:
        return images

    def scores(self, encoded: Tensor) -> Tensor:
        scores: Tensor = self._model(encoded)
        return scores

    def backward(self, scores: Tensor, gradient: Tensor) -> None:
        self._model.zero_grad(set_to_none=True)
        scores.backward(gradient)

    def after_step(self) -> None:
        """Calls the module's own `after_step`, if it has one. A ResNet needs none."""
        if (own := getattr(self._model, "after_step", None)) is not None:
            own()


class FcTwin(_ClippedWeights):
    """Twin of Fc. Random numbers come from torch's global generator, as in the module."""

    def __init__(self, model: Fc, part: tuple[int, int] = (0, 1)) -> None:
        self._model = model
        self._part = part
        self._layers = model.linears()
        self._weights = [layer.weight for layer in self._layers]
        self._norms: list[nn.Module] = [
            layer for layer in model.features if isinstance(layer, nn.BatchNorm1d)
        ]
        self._weight_bits = [model.weight_bits] * len(self._weights)
        self._norms.append(model.features[-1])
        self._widths = [weight.shape[1] for weight in self._weights]

    @property
    def model(self) -> Fc:
        return self._model

    @property
    def classes(self) -> int:
        return int(self._weights[-1].shape[0])

    @property
    def black(self) -> float:
        return -1.0

    def encode(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat(
                [
                    quantise(2.0 * block - 1.0, self._model.input_bits)
                    for block in images.split(4096)
                ]
            )

    def scores(self, encoded: Tensor) -> Tensor:
        weights = self._quantised_weights()
        encoded = encoded.flatten(1)
        masks = self._masks(len(encoded), encoded.device)
        x = encoded if masks is None else encoded * masks[0]
        for i, norm in enumerate(self._norms[:-1]):
            x = norm(functional.linear(x, weights[i]))
            x = quantise_activation(x, self._model.activation_bits)
            if masks is not None:
                x = x * masks[i + 1]
        scores: Tensor = self._norms[-1](functional.linear(x, weights[-1]))
        return scores

    def _masks(self, images: int, device: torch.device) -> list[Tensor] | None:
        """Dropout masks [images, width] for each linear layer: 0 or 1 / (1 - p). None: no dropout.

        All come from one draw of raw bits; torch's own dropout takes four times as long. Bits are
        drawn for the whole batch, so that those of an image do not depend on how the batch is
        divided.
        """
        share = self._model.dropout
        if share == 0 or not self._model.training:
            return None
        number, parts = self._part
        values = parts * images * sum(self._widths)
        words = torch.empty((values + 3) // 4, dtype=torch.int64, device=device)
        words.random_(-(2**63), None)
        bits = words.view(torch.int16)[:values]
        first_kept = round(share * _MASK_LEVELS) - _MASK_LEVELS // 2
        mask = torch.empty(values, device=device)
        torch.ge(bits, first_kept, out=mask)
        mask.mul_(1 / (1 - share))
        layers = mask.split([parts * images * width for width in self._widths])
        return [layer.view(parts, images, -1)[number] for layer in layers]


def quantise(x: Tensor, bits: int) -> Tensor:
    """The values of the quantisers in `quantisers`, for x without gradient."""
    if bits == 1:
        # a comparison into floats: a tenth of the time of torch.where
        return torch.ge(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)
    steps = float(2 ** (bits - 1) - 1)
    # as Brevitas does, by the size of a step: dividing by their number rounds to other floats
    size = 1.0 / steps
    return (x / size).round_().clamp_(-steps, steps).mul_(size)


def quantise_activation(x: Tensor, bits: int) -> Tensor:
    """The same with a gradient: that of x inside of the range, none outside."""
    out: Tensor = _Activation.apply(x, bits)  # type: ignore[no-untyped-call]
    return out


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bits = bits
        return quantise(x.detach(), bits)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        if ctx.bits == 1:
            within = x.abs().le_(1)
        else:
            steps = float(2 ** (ctx.bits - 1) - 1)
            within = (x / (1.0 / steps)).round_().abs_().le_(steps)
        return gradients[0] * within, None
