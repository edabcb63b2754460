"""Residual networks as in Brevitas' examples: ResNet18, and any other width and depth.

Parameter names are those of brevitas_examples.bnn_pynq, so that its published weights load. Both
branches of an addition end in a ReLU with the same quantiser, so their sum is one of integers. With
number formats other than integers the layers keep their places and names.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from pipeline.models.resnet_layers import Layers, layers
from specs.models import ResNetModel


class ResNet(nn.Module):
    """spec: widths, blocks, bits. shape: height, width and channels of an image in [0, 1].

    inner: how many channels there are between the two convolutions of a block, for a network from
    which some were taken out; it gets the first convolution's id (block0_conv0) and the number that
    the spec says.
    """

    def __init__(
        self,
        spec: ResNetModel,
        shape: tuple[int, ...],
        inner: Callable[[str, int], int] = lambda _, width: width,
    ) -> None:
        super().__init__()
        self.spec = spec
        make = layers(spec)
        self.conv1 = make.conv(shape[2], spec.width, 3, first=True)
        self.bn1 = nn.BatchNorm2d(spec.width)
        self.relu = make.relu()
        widths = [spec.width, *(spec.width << i for i in range(len(spec.blocks)))]
        before = self.relu
        number = 0
        for i, ((fan_in, width), count) in enumerate(
            zip(pairwise(widths), spec.blocks, strict=True)
        ):
            stage = nn.Sequential()
            for k in range(count):
                stride = 2 if i and not k else 1
                between = inner(f"block{number}_conv0", width)
                block = _Block(make, width if k else fan_in, between, width, stride, before)
                stage.append(block)
                number += 1
                before = block.relu_out
            setattr(self, f"layer{i + 1}", stage)
        height, _, channels = spec.feature_map(shape)
        self.final_pool = make.pool(height)
        self.linear = make.linear(channels, spec.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]. Returns scores [N, classes]."""
        x = self.relu(self.bn1(self.conv1(x)))
        for i in range(len(self.spec.blocks)):
            x = getattr(self, f"layer{i + 1}")(x)
        x = self.final_pool(x)
        scores: Tensor = self.linear(x.view(x.shape[0], -1))
        return scores


class _Block(nn.Module):
    """Two convolutions beside a shortcut. The shortcut is a convolution where the shape changes.

    inner: channels between the two convolutions. before: the quantiser of the block's input. The
    convolutions end in it too, unless the shortcut is a convolution, which has its own.
    """

    def __init__(
        self, make: Layers, fan_in: int, inner: int, width: int, stride: int, before: nn.Module
    ) -> None:
        super().__init__()
        self.conv1 = make.conv(fan_in, inner, 3, stride)
        self.bn1 = nn.BatchNorm2d(inner)
        self.relu1 = make.relu()
        self.conv2 = make.conv(inner, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential()
        if stride != 1 or fan_in != width:
            before = make.relu()
            self.downsample = nn.Sequential(
                make.conv(fan_in, width, 1, stride), nn.BatchNorm2d(width), before
            )
        self.relu2 = before
        self.relu_out = make.relu()

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        found: Tensor = self.relu_out(out + self.downsample(x))
        return found
