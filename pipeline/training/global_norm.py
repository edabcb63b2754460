"""Batch norms over a batch that several processes share.

torch's own SyncBatchNorm is for GPUs only, and there is none for a norm of a whole tensor.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from accelerate.utils import reduce
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.models.tensor_norm import TensorNorm


def share_statistics(model: nn.Module, processes: int) -> None:
    """Makes every norm of the model, in training mode, use the images of all processes.

    All parts must be of equal size. Parameters, buffers and evaluation stay as they are.
    """
    for norm in model.modules():
        if isinstance(norm, _BatchNorm | TensorNorm):
            norm.forward = partial(_forward, norm, processes)  # type: ignore[method-assign]


def _forward(norm: _BatchNorm | TensorNorm, processes: int, x: Tensor) -> Tensor:
    if not norm.training:
        alone: Tensor = type(norm).forward(norm, x)  # type: ignore[arg-type]
        return alone
    values = x.float()
    per_channel = isinstance(norm, _BatchNorm)
    over = [i for i in range(x.ndim) if i != 1 or not per_channel]
    shape = [1, -1] + [1] * (x.ndim - 2) if per_channel else [1]
    variance, mean = torch.var_mean(values, over, correction=0)
    # of parts that are equally large the means are averaged, and the variance is that of all parts
    # and between them; in double, where a difference of squares is harmless
    mean, variance = mean.double(), variance.double()
    sums: Tensor = _Sum.apply(torch.stack([mean, mean.square(), variance]))  # type: ignore[no-untyped-call]
    mean, square, variance = sums / processes
    variance = (variance + square - mean.square()).float()
    mean = mean.float()
    _follow(norm, mean.detach(), variance.detach(), processes * values.numel() // mean.numel())
    scale = norm.weight * (variance + norm.eps).rsqrt().view(-1)
    out: Tensor = (values - mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)
    return out.to(x.dtype)


def _follow(norm: _BatchNorm | TensorNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Updates the running statistics with those of a batch. count: values behind each of them."""
    assert norm.momentum is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.lerp_(mean.view(-1), norm.momentum)
    norm.running_var.lerp_(variance.view(-1) * (count / (count - 1)), norm.momentum)
    if isinstance(norm, _BatchNorm) and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)


class _Sum(torch.autograd.Function):
    """The sum over all processes. Its gradient is summed over all processes, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total: Tensor = reduce(x, "sum")
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total: Tensor = reduce(gradients[0], "sum")
        return total
