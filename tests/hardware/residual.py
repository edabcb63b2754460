"""Random hardware graphs with forks and joins: residual blocks of every shape, small."""

from __future__ import annotations

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    Mvau,
    Pad,
    SlidingWindow,
    SumPool,
    Threshold,
    accumulator_range,
)
from specs.input import InputSpec


class Residual:
    """Builds a graph layer by layer; `at` is the edge that the next one reads."""

    def __init__(self, shape: tuple[int, int, int], seed: int, source: str = "UINT8") -> None:
        self.rng = np.random.default_rng(seed)
        self.edges = {"image": Edge("image", DataType(source), shape)}
        self.layers: list[Layer] = []
        self.at = "image"

    def add(self, kind: type[Layer], name: str, edge: Edge, **values: object) -> str:
        self.edges[edge.id] = edge
        self.layers.append(kind(name, self.at, edge.id, (), **values))
        self.at = edge.id
        return edge.id

    @property
    def edge(self) -> Edge:
        return self.edges[self.at]

    def levels(self, rows: int, low: int, high: int, act: DataType) -> np.ndarray:
        """Thresholds [rows, steps] between low and high, most where the values are."""
        spread = self.rng.normal((low + high) / 2, (high - low) / 8 + 1, (rows, act.max - act.min))
        return np.clip(np.sort(spread.round().astype(np.int64), axis=1), low, high + 1)

    def conv(
        self, name: str, channels: int, kernel: int, stride: int, activation: str | None
    ) -> str:
        """Padding, window and MVAU with thresholds; activation None: the accumulator itself."""
        act = None if activation is None else DataType(activation)
        if kernel > 1:
            height, width, depth = self.edge.shape
            around = (kernel // 2, kernel // 2)
            padded = (height + sum(around), width + sum(around), depth)
            edge = Edge(f"{name}_pad_out", self.edge.dtype, padded)
            self.add(Pad, f"{name}_pad", edge, rows=around, columns=around)
        height, width, depth = self.edge.shape
        if kernel > 1 or stride > 1:
            rows, columns = ((size - kernel) // stride + 1 for size in (height, width))
            windows = (rows, columns, kernel * kernel * depth)
            edge = Edge(f"{name}_swg_out", self.edge.dtype, windows)
            pairs = {"kernel": (kernel, kernel), "stride": (stride, stride)}
            self.add(SlidingWindow, f"{name}_swg", edge, **pairs)
        source = self.edge
        weights = self.rng.integers(-7, 8, (channels, source.channels))
        low, high = accumulator_range(weights, source.dtype)
        values: dict[str, object] = {"weights": weights, "weight_dtype": DataType("INT4")}
        if act is not None:
            values["thresholds"] = self.levels(channels, low, high, act)
            values["offset"] = act.min
            high += 1
        accumulator = DataType.smallest(low, high)
        edge = Edge(f"{name}_out", act or accumulator, (*source.shape[:-1], channels))
        return self.add(Mvau, name, edge, accumulator=accumulator, **values)

    def block(
        self,
        name: str,
        channels: int,
        stride: int,
        activations: tuple[str | None, str | None],
        inner: str = "UINT3",
        factors: tuple[int, int] = (1, 1),
    ) -> None:
        """Two convolutions beside a shortcut: nothing if the shape stays, else a convolution."""
        source = self.edge
        ends = [Edge(f"{name}_fork_{k}", source.dtype, source.shape) for k in ("m", "n")]
        self.edges[ends[1].id] = ends[1]
        self.add(Fork, f"{name}_fork", ends[0], copy=ends[1].id)
        self.conv(f"{name}_conv0", channels, 3, stride, inner)
        first = self.conv(f"{name}_conv1", channels, 3, 1, activations[0])
        self.at = ends[1].id
        if stride > 1 or source.channels != channels:
            self.conv(f"{name}_shortcut", channels, 1, stride, activations[1])
        second, self.at = self.at, first
        span = Add("", first, "", (), second, factors).range(self.edge, self.edges[second])
        edge = Edge(f"{name}_add_out", DataType.smallest(*span), self.edge.shape)
        self.add(Add, f"{name}_add", edge, other=second, factors=factors)

    def threshold(self, name: str, activation: str, falling: bool = False) -> None:
        """Every second row's levels fall with `falling`."""
        act, source = DataType(activation), self.edge
        limits = self.levels(source.channels, source.dtype.min, source.dtype.max, act)
        edge = Edge(f"{name}_out", act, source.shape)
        rows = np.arange(source.channels) % 2 > 0 if falling else None
        self.add(Threshold, name, edge, thresholds=limits, offset=act.min, falling=rows)

    def finish(self, classes: int, shift: int = 0) -> HardwareGraph:
        """Sum pool, classifier with a bias, label."""
        pool = SumPool("pool", self.at, "pool_out", (), shift)
        dtype = DataType.smallest(*pool.range(self.edge))
        self.add(SumPool, "pool", Edge("pool_out", dtype, (1, 1, self.edge.channels)), shift=shift)
        weights = self.rng.integers(-7, 8, (classes, self.edge.channels))
        bias = self.rng.integers(-50, 50, classes)
        accumulator = DataType.smallest(*accumulator_range(weights, dtype, bias))
        self.add(
            Mvau,
            "fc0",
            Edge("fc0_out", accumulator, (classes,)),
            weights=weights,
            weight_dtype=DataType("INT4"),
            accumulator=accumulator,
            bias=bias,
        )
        label = DataType.smallest(0, classes - 1)
        self.add(LabelSelect, "label_select", Edge("label_select_out", label, (1,)))
        height, width, channels = self.edges["image"].shape
        contract = InputSpec(shape=(height, width, channels))
        graph = HardwareGraph("residual", contract, self.edges, tuple(self.layers))
        graph.check()
        return graph


def network(seed: int, side: int = 6, width: int = 4) -> HardwareGraph:
    """Two blocks behind a convolution: a bare shortcut, then one with stride 2; signs at random.

    The second has factors in its sum, and its quantiser has levels that fall.
    """
    made = Residual((side, side, 3), seed)
    made.conv("conv0", width, 3, 1, "UINT3")
    made.block("block0", width, 1, (str(made.rng.choice(["UINT4", "INT3"])), None))
    made.threshold("block0_quant", "UINT3")
    factors = (3, -1) if seed % 2 else (-1, 2)
    activations = ("UINT4", str(made.rng.choice(["UINT4", "INT2"])))
    made.block("block1", 2 * width, 2, activations, factors=factors)
    made.threshold("block1_quant", str(made.rng.choice(["UINT3", "INT3"])), falling=True)
    return made.finish(5, shift=int(made.rng.integers(0, 3)))


def images(graph: HardwareGraph, count: int, seed: int = 0) -> np.ndarray:
    """Random inputs [count, *source.shape], the extremes among them."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (count, *graph.source.shape))
    drawn[0], drawn[-1] = 0, 255
    return drawn
