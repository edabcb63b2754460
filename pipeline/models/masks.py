"""Masks of a pruned network: which columns, or which single weights, a layer does not have.

A mask multiplies the quantised weights, so that it also prunes 1-bit weights, which have no zero.
QONNX export writes it as a `Mul` by a constant of 0 and 1 between a layer's weight quantiser and
its Conv or MatMul; streamlining reads it there.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor

MASKABLE = (QuantConv2d, QuantLinear)
"""The kinds of layers that can have a mask."""

_BUFFER = "pruning_mask"
"""Not in the state dict: a pruned network has the parameters of the whole one."""


def set_mask(layer: Any, mask: Tensor) -> None:
    """From now on `layer` computes with `mask` times its quantised weights.

    mask: 0 and 1, in the datatype of the weights. For columns [1, C, KH, KW] or [1, F]; for single
    weights the shape of the weights. ValueError: any other shape or value.
    """
    shape = tuple(layer.weight.shape)
    if tuple(mask.shape) not in (shape, (1, *shape[1:])):
        raise ValueError(f"a mask {tuple(mask.shape)} for weights {shape}")
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError("a mask of other values than 0 and 1")
    # in the usual order in memory: a result takes over any other one, and `view` may refuse it
    usual = layer.weight.new_empty(mask.shape).copy_(mask)
    layer.register_buffer(_BUFFER, usual, persistent=False)
    # bound to the layer, so that a copy of the layer masks with its own mask
    layer.inner_forward_impl = MethodType(_masked, layer)


def mask_of(layer: Any) -> Tensor | None:
    """The mask of a layer; None: it has all its weights."""
    return getattr(layer, _BUFFER, None)


def _masked(layer: Any, x: Tensor, weight: Any, bias: Any) -> Tensor:
    masked = weight * getattr(layer, _BUFFER)
    found: Tensor = type(layer).inner_forward_impl(layer, x, masked, bias)
    return found
