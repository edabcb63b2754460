"""Turns the raw layers into the hardware graph: adds forks and names, joins thresholds to MVAUs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import (
    Add,
    Edge,
    Fork,
    LabelSelect,
    Layer,
    MaxPool,
    Mvau,
    Pad,
    Select,
    SlidingWindow,
    SumPool,
    Threshold,
)
from pipeline.streamlining.raw import SOURCE, Raw, negated_rows


class Finish:
    """Walks the raw layers from the input, names them by their place, and adds forks.

    A network is a chain of layers and of blocks; a block is a fork whose two branches meet at a
    sum. Ids count by kind: conv0, fc0, pool0, block0_conv0.
    """

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._readers: dict[str, list[Layer]] = {}
        for layer in raw.layers.values():
            for name in layer.inputs:
                self._readers.setdefault(name, []).append(layer)
        self.edges = {SOURCE: raw.edges[SOURCE]}
        self.layers: list[Layer] = []
        self.names = {SOURCE: SOURCE}
        """The edge of the graph for each raw edge that is left."""
        self._at = SOURCE
        """The edge that the next layer reads."""
        self._dense = self._convolutions = self._pools = self._blocks = 0
        self._prefix = ""
        """Prefix of the ids of layers in a branch."""
        self._quantiser = "input_quant"
        """Id of a threshold that comes next, at the beginning of a network, branch or sum."""
        self._walk()

    def _walk(self) -> None:
        layers, end = self._way(SOURCE)
        self._take_all(layers)
        while end is not None:
            layers, end = self._way(self._block(end))
            self._take_all(layers)

    def _way(self, edge: str) -> tuple[list[Layer], str | Add | None]:
        """The layers after a raw edge up to a fork or a sum, and where they end.

        That is the edge with several readers, the sum itself, or None at the network's output.
        """
        layers: list[Layer] = []
        while True:
            readers = self._readers.get(edge, [])
            if not readers:
                return layers, None
            if len(readers) > 1:
                return layers, edge
            if isinstance(readers[0], Add):
                return layers, readers[0]
            layers.append(readers[0])
            edge = readers[0].output

    def _block(self, end: str | Add) -> str:
        """Takes a fork, its two branches and the sum where they meet; returns its raw edge."""
        if isinstance(end, Add):
            raise PipelineError(
                f"{self._node(end.output)}: a sum of two streams that do not come from one fork"
            )
        readers = self._readers[end]
        ways = [self._branch(reader, end) for reader in readers]
        ways.sort(key=lambda way: -len(way[0]))
        join = ways[0][1]
        if len(ways) != 2 or not isinstance(join, Add) or ways[1][1] is not join:
            raise PipelineError(
                f"{self._node(end)}: {len(ways)} operators read its output, and their ways do not "
                "meet in pairs at one sum; supported are two branches that are added again "
                "(residual blocks), without a fork inside a branch"
            )
        name = f"block{self._blocks}"
        source, names = self.edges[self._at], (f"{name}_long", f"{name}_short")
        self.layers.append(Fork(f"{name}_fork", source.id, names[0], (), names[1]))
        convolutions, ends = self._convolutions, {}
        for edge, prefix, (layers, _, entry) in zip(names, ("", "shortcut_"), ways, strict=True):
            self.edges[edge] = Edge(edge, source.dtype, source.shape)
            self._at, self._convolutions = edge, 0
            self._prefix = f"{name}_{prefix}"
            self._quantiser = f"{self._prefix}quant"
            self._take_all(layers)
            ends[entry] = self.edges[self._at]
        self._convolutions, self._prefix = convolutions, ""
        self._blocks += 1
        raw = self._raw.edges[join.output]
        first, other = ends[ways[0][2]], ends[ways[1][2]]
        factors = join.factors if ways[0][2] == 0 else join.factors[::-1]
        self._at = first.id
        self._add(
            replace(join, other=other.id, factors=factors), f"{name}_sum", raw.dtype, raw.shape
        )
        self._quantiser = f"{name}_sum_quant"
        return raw.id

    def _branch(self, reader: Layer, fork: str) -> tuple[list[Layer], str | Add | None, int]:
        """One branch: its layers, where it ends, and which input of the sum it is."""
        if isinstance(reader, Add):
            return [], reader, int(reader.input != fork)
        layers, end = self._way(reader.output)
        layers = [reader, *layers]
        return layers, end, int(isinstance(end, Add) and end.input != layers[-1].output)

    def _node(self, edge: str) -> str:
        return self._raw.nodes.get(edge, "the input")

    def _take_all(self, layers: list[Layer]) -> None:
        while layers:
            layer, *rest = layers
            if isinstance(layer, Mvau):
                following = rest[0] if rest and isinstance(rest[0], Threshold) else None
                self._mvau(layer, following)
                layers = rest[1:] if following is not None else rest
            else:
                self._take(layer)
                layers = rest

    def _take(self, layer: Layer) -> None:
        edge = self._raw.edges[layer.output]
        self._add(layer, self._name(layer), edge.dtype, edge.shape)

    def _name(self, layer: Layer) -> str:
        if isinstance(layer, Pad):
            return f"{self._prefix}conv{self._convolutions}_pad"
        if isinstance(layer, SlidingWindow):
            return f"{self._prefix}conv{self._convolutions}_swg"
        if isinstance(layer, Select):
            return f"{self._prefix}fc{self._dense}_select"
        if isinstance(layer, MaxPool | SumPool):
            self._pools += 1
            return f"{self._prefix}pool{self._pools - 1}"
        if isinstance(layer, LabelSelect):
            return "label_select"
        if self._quantiser:
            return self._quantiser
        return f"{self.layers[-1].id}_quant"

    def _add(self, layer: Layer, layer_id: str, dtype: DataType, shape: tuple[int, ...]) -> None:
        edge = Edge(f"{layer_id}_out", dtype, shape)
        self.layers.append(replace(layer, id=layer_id, input=self._at, output=edge.id))
        self.edges[edge.id] = edge
        self._at, self._quantiser = edge.id, ""
        self.names[layer.output] = edge.id

    def _mvau(self, layer: Mvau, following: Threshold | None) -> None:
        raw = self._raw.edges[layer.output]
        dtype = raw.dtype
        if following is not None:
            dtype = self._raw.edges[following.output].dtype
            layer = with_thresholds(layer, following, self.edges[self._at].dtype)
            layer = replace(layer, output=following.output)
        if len(raw.shape) == 3:
            layer_id = f"{self._prefix}conv{self._convolutions}"
            self._convolutions += 1
        else:
            layer_id = f"{self._prefix}fc{self._dense}"
            self._dense += 1
        self._add(layer, layer_id, dtype, raw.shape)


def with_thresholds(layer: Mvau, following: Threshold, source: DataType) -> Mvau:
    """An MVAU with the thresholds behind it. Rows whose levels fall get negated weights."""
    thresholds = following.thresholds
    falling = following.falling
    if falling is not None:
        layer = negated_rows(layer, falling)
        # not x >= t is x <= t - 1, and so -x >= 1 - t; of a popcount, MW - p >= MW + 1 - t
        turned = (layer.mw if layer.popcount else 0) + 1 - thresholds[:, ::-1]
        thresholds = np.where(falling[:, None], turned, thresholds)
    low, high = layer.accumulator_range(source)
    thresholds = np.clip(thresholds, low, high + 1)
    greatest = max(high, int(thresholds.max()))
    return replace(
        layer,
        thresholds=thresholds,
        offset=following.offset,
        accumulator=DataType.smallest(low, greatest),
    )
