"""Random graphs over feature maps: single window layers, and chains of convolutions."""

from __future__ import annotations

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Edge,
    LabelSelect,
    Layer,
    MaxPool,
    Pad,
    Select,
    SlidingWindow,
    Threshold,
)
from tests.rtl import designs

TYPES = ("BIPOLAR", "UINT2", "INT4", "INT8")


def swg(
    source: Edge,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    kept: tuple[int, ...] | None = None,
) -> tuple[SlidingWindow, Edge]:
    height, width, _ = source.shape
    rows, columns = ((height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1)
    layer = SlidingWindow(
        f"{source.id}_swg", source.id, f"{source.id}_windows", (), kernel, stride, kept
    )
    return layer, Edge(layer.output, source.dtype, (rows, columns, layer.elements(source)))


def select(source: Edge, kept: tuple[int, ...]) -> tuple[Select, Edge]:
    layer = Select(f"{source.id}_select", source.id, f"{source.id}_kept", (), kept)
    return layer, Edge(layer.output, source.dtype, (len(kept),))


def blocks(rng: np.random.Generator, elements: int, block: int) -> tuple[int, ...]:
    """The elements of some of the blocks of `elements`: at least one, and not all if it can be."""
    count = elements // block
    chosen = rng.choice(count, int(rng.integers(1, max(count, 2))), replace=False)
    return tuple(int(block * b + k) for b in np.sort(chosen) for k in range(block))


def pad(source: Edge, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[Layer, Edge]:
    height, width, channels = source.shape
    target = Edge(
        f"{source.id}_padded", source.dtype, (height + sum(rows), width + sum(columns), channels)
    )
    return Pad(f"{source.id}_pad", source.id, target.id, (), rows, columns), target


def max_pool(source: Edge, kernel: tuple[int, int]) -> tuple[Layer, Edge]:
    height, width, channels = source.shape
    target = Edge(
        f"{source.id}_pooled", source.dtype, (height // kernel[0], width // kernel[1], channels)
    )
    return MaxPool(f"{source.id}_pool", source.id, target.id, (), kernel), target


def single(kind: str, seed: int) -> HardwareGraph:
    """One layer of `kind` over a small map of any type, kernel, stride or frame."""
    rng = np.random.default_rng(seed)

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    height, width, channels = draw(3, 8), draw(3, 8), int(rng.choice([1, 2, 3, 4, 6]))
    dtype = DataType(str(rng.choice(TYPES[1:] if kind == "pad" else TYPES)))
    source = Edge("x", dtype, (height, width, channels))
    kernel = draw(1, min(4, height)), draw(1, min(4, width))
    block = int(rng.choice([k for k in range(1, channels + 1) if channels % k == 0]))
    layer: Layer
    if kind == "select":
        layer, target = select(source, blocks(rng, source.elements, block))
    elif kind == "pruned":
        kept = blocks(rng, kernel[0] * kernel[1] * channels, block)
        layer, target = swg(source, kernel, (draw(1, 3), draw(1, 3)), kept)
    elif kind == "swg":
        layer, target = swg(source, kernel, (draw(1, 3), draw(1, 3)))
    elif kind == "max_pool":
        layer, target = max_pool(source, kernel)
    else:
        layer, target = pad(source, (draw(0, 2), draw(0, 2)), (draw(0, 2), draw(0, 2)))
    return designs.graph_of([source, target], [layer])


def network(seed: int) -> HardwareGraph:
    """Two convolutions, one of them padded, a max-pool, a dense layer over what is left."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(7, 10)), int(rng.integers(7, 10)), int(rng.choice([1, 2, 3])))
    edges = [Edge("image", DataType("UINT8"), shape)]
    layers: list[Layer] = []

    def add(made: tuple[Layer, Edge]) -> None:
        layers.append(made[0])
        edges.append(made[1])

    def convolution(name: str, kernel: tuple[int, int], channels: int) -> None:
        add(swg(edges[-1], kernel, (1, int(rng.choice([1, 2])))))
        windows = edges[-1]
        flat = Edge(windows.id, windows.dtype, (windows.channels,))
        layer, edge = designs.random_mvau(rng, flat, name, channels)
        add((layer, Edge(name, edge.dtype, (*windows.shape[:2], channels))))

    limits = np.sort(rng.integers(0, 256, (shape[2], 15)), axis=1)
    quant = Threshold("quant", "image", "input", (), limits, -8)
    add((quant, Edge("input", DataType("INT4"), shape)))
    add(pad(edges[-1], (1, 1), (1, 0)))
    convolution("act0", (3, 3), int(rng.choice([4, 6])))
    add(max_pool(edges[-1], (2, 1)))
    convolution("act1", (2, 2), int(rng.choice([3, 8])))
    elements = edges[-1].elements
    flat = Edge(edges[-1].id, edges[-1].dtype, (elements,))
    layer, edge = designs.mvau(flat, "logits", rng.choice([-1, 1], (4, elements)), "BIPOLAR", None)
    add((layer, edge))
    add((LabelSelect("label_select", "logits", "label"), Edge("label", DataType("UINT2"), (1,))))
    return designs.graph_of(edges, layers)
