"""A user's own modules of which only some can become hardware, and jobs that outline them."""

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant import Int8ActPerTensorFloat, Int8Bias
from torch import nn

WEIGHTS = {"bias": False, "weight_bit_width": 4}


def ends(*between: nn.Module) -> nn.Sequential:
    """Two dense layers, with what is tried in between."""
    return nn.Sequential(
        nn.Flatten(),
        QuantIdentity(bit_width=8),
        QuantLinear(64, 16, **WEIGHTS),
        nn.BatchNorm1d(16),
        *between,
        QuantLinear(16, 10, **WEIGHTS),
    )


def plain() -> nn.Module:
    return ends(QuantReLU(bit_width=4))


def input_quantisers() -> nn.Module:
    """Quantisers inside the layers, and floats between them."""
    inside = {"input_quant": Int8ActPerTensorFloat, "weight_bit_width": 8, "bias": True}
    layers = [QuantLinear(64, 32, **inside), *(QuantLinear(32, 32, **inside) for _ in range(2))]
    rows = [part for layer in layers for part in (layer, nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *rows, QuantLinear(32, 10, **inside))


def softmax_at_the_end() -> nn.Module:
    return nn.Sequential(plain(), nn.Softmax(dim=1))


def biased_convolution() -> nn.Module:
    """With a quantised bias, a max-pool before its batch norm, and a Sequential in another."""
    return nn.Sequential(
        QuantIdentity(bit_width=8, return_quant_tensor=True),
        QuantConv2d(1, 4, 3, bias=True, bias_quant=Int8Bias, weight_bit_width=4),
        nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(4), QuantReLU(bit_width=4)),
        nn.Flatten(),
        QuantLinear(36, 10, **WEIGHTS),
    )


def leaky() -> nn.Module:
    return ends(nn.LeakyReLU(), QuantIdentity(bit_width=4))


def leaky_inside() -> nn.Module:
    return ends(nn.Sequential(nn.Identity(), nn.Sequential(nn.LeakyReLU(), QuantReLU(bit_width=4))))


def last_batch_norm() -> nn.Module:
    return nn.Sequential(plain(), nn.BatchNorm1d(10))


def floats() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


class Residual(nn.Module):
    """Two ways that meet at a sum, each with a scale of its own or with one for both."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Flatten(), QuantIdentity(bit_width=8))
        self.body = QuantLinear(64, 64, **WEIGHTS)
        quantisers = [QuantIdentity(bit_width=6) for _ in range(2)]
        self.ends = nn.ModuleList(quantisers[:1] * 2 if shared else quantisers)
        self.last = nn.Sequential(QuantReLU(bit_width=4), QuantLinear(64, 10, **WEIGHTS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        ways = self.first(images)
        total = self.ends[0](ways) + self.ends[1](self.body(ways))
        scores: torch.Tensor = self.last(total)
        return scores


def one_scale() -> nn.Module:
    return Residual(shared=True)


def two_scales() -> nn.Module:
    return Residual(shared=False)


class Unknown(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.special.i0(values)
        return result


def no_onnx() -> nn.Module:
    return ends(Unknown(), QuantReLU(bit_width=4))
