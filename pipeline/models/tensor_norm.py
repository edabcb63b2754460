"""Normalises a whole tensor by one mean and one variance."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TensorNorm(nn.Module):
    """Batch norm with a single channel: it scales the scores and cannot change their order.

    It is the last layer of a network. Its scale must be positive after training, so that the order
    holds in hardware too. Parameters and buffers, all [1], have the names of
    brevitas_examples.bnn_pynq.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, eps: float = 1e-4, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("running_mean", torch.zeros(1))
        self.register_buffer("running_var", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            deviation = (self.running_var + self.eps).pow(0.5)
            return (x - self.running_mean) / deviation * self.weight + self.bias
        x = x.float()  # in mixed precision, where the products are of another type
        variance, mean = torch.var_mean(x, correction=0)
        with torch.no_grad():
            unbiased = variance * (x.numel() / (x.numel() - 1))
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        return (x - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias
