"""A hardware graph without some of its columns or channels: what a pruning makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import (
    Add,
    Edge,
    LabelSelect,
    Layer,
    Mvau,
    Select,
    SlidingWindow,
    Threshold,
)

Kept = Mapping[str, Sequence[int]]
"""By layer id: what stays of it, ascending."""


def pruned(graph: HardwareGraph, columns: Kept, outputs: Kept) -> HardwareGraph:
    """The graph in which matrices keep only some of their columns or outputs.

    columns: by MVAU, the columns of its matrix that stay. A sliding window before it skips the
    others; before any other MVAU a new layer drops them. outputs: by MVAU, the channels that it
    still has; whatever reads them loses their columns.

    Shapes and weights are those of the pruned network. Datatypes stay, so that its accumulators may
    need a bit less than this graph says, and thresholds are those of the whole network.

    Raises PipelineError for what cannot be taken out: there is no such MVAU, another branch adds to
    these channels, or they are the classes.
    """
    walk = _Walk(graph, columns, outputs)
    for layer in graph.layers:
        walk.add(layer)
    return replace(graph, edges=walk.edges, layers=tuple(walk.layers))


class _Walk:
    """Copies a graph layer by layer, and follows which channels of each edge are left."""

    def __init__(self, graph: HardwareGraph, columns: Kept, outputs: Kept) -> None:
        matrices = {layer.id: layer for layer in graph.layers if isinstance(layer, Mvau)}
        for what, kept in (("columns", columns), ("outputs", outputs)):
            for name, places in kept.items():
                _check(name, what, places, matrices.get(name))
        self.graph, self.columns, self.outputs = graph, columns, outputs
        self.reader = {edge: layer for layer in graph.layers for edge in layer.inputs}
        self.edges = {graph.source.id: graph.source}
        self.layers: list[Layer] = []
        self.left: dict[str, np.ndarray] = {}
        """By edge: the channels that are left, as numbered before. Those of others are whole."""

    def add(self, layer: Layer) -> None:
        if isinstance(layer, SlidingWindow):
            self._window(layer)
        elif isinstance(layer, Mvau):
            self._matrix(layer)
        else:
            self._other(layer)

    def _window(self, layer: SlidingWindow) -> None:
        assert layer.kept is None, "the graph of a whole network"
        channels = self.graph.edges[layer.input].channels
        arrived = self._spread(layer.input, prod(layer.kernel) * channels)
        reader = self.reader[layer.output]
        wanted = self._wanted(reader, arrived) if isinstance(reader, Mvau) else arrived
        if len(wanted) < len(arrived):
            layer = replace(layer, kept=tuple(np.searchsorted(arrived, wanted).tolist()))
        self._put(layer, layer.output, wanted)

    def _matrix(self, layer: Mvau) -> None:
        arrived = self._spread(layer.input, layer.mw)
        wanted = self._wanted(layer, arrived)
        if len(wanted) < len(arrived):
            layer = self._selected(layer, np.searchsorted(arrived, wanted))
        rows = np.asarray(self.outputs.get(layer.id, np.arange(layer.mh)))
        if len(rows) < layer.mh and isinstance(self.reader.get(layer.output), LabelSelect | None):
            raise PipelineError(f"{layer.id}: its outputs are the classes; none can be taken out")
        whole = len(wanted) == layer.mw and len(rows) == layer.mh
        if not whole:
            layer = replace(
                layer,
                weights=layer.weights[np.ix_(rows, wanted)],
                thresholds=None if layer.thresholds is None else layer.thresholds[rows],
                bias=None if layer.bias is None else layer.bias[rows],
            )
        self._put(layer, layer.output, rows)

    def _selected(self, layer: Mvau, places: np.ndarray) -> Mvau:
        """The layer behind a new one that gives only these of the elements of each vector."""
        source = self.edges[layer.input]
        kept = tuple(places.tolist())
        new: Layer
        if source.vectors > 1 and self.graph.edges[layer.input].channels == layer.mw:
            edge = Edge(f"{layer.id}_swg_out", source.dtype, (*source.shape[:-1], len(kept)))
            new = SlidingWindow(f"{layer.id}_swg", layer.input, edge.id, (), kept=kept)
        else:
            edge = Edge(f"{layer.id}_select_out", source.dtype, (len(kept),))
            new = Select(f"{layer.id}_select", layer.input, edge.id, (), kept)
        self.layers.append(new)
        self.edges[edge.id] = edge
        return replace(layer, input=edge.id)

    def _other(self, layer: Layer) -> None:
        found = [self.left.get(edge) for edge in layer.inputs]
        if isinstance(layer, Add) and not _same(found):
            raise PipelineError(
                f"{layer.id}: adds two branches of other channels; take the same ones out of both"
            )
        target = self.graph.edges[layer.output]
        if found[0] is None or isinstance(layer, LabelSelect):
            self._put(layer, layer.output, None)
            return
        if isinstance(layer, Threshold):
            rows = found[0]
            falling = None if layer.falling is None else layer.falling[rows]
            layer = replace(layer, thresholds=layer.thresholds[rows], falling=falling)
        left = self._spread(layer.input, target.channels)
        self._put(layer, layer.output, left)
        for edge in layer.outputs[1:]:
            self._keep(edge, left)

    def _wanted(self, layer: Mvau, arrived: np.ndarray) -> np.ndarray:
        columns = self.columns.get(layer.id)
        return arrived if columns is None else arrived[np.isin(arrived, columns)]

    def _spread(self, edge: str, count: int) -> np.ndarray:
        """What is left of `count` elements that repeat the channels of an edge: of its pixels."""
        channels = self.graph.edges[edge].channels
        left = self.left.get(edge, np.arange(channels))
        pixels = np.arange(count // channels)[:, None] * channels
        found: np.ndarray = (pixels + left).ravel()
        return found

    def _put(self, layer: Layer, output: str, left: np.ndarray | None) -> None:
        self.layers.append(layer)
        for edge in layer.outputs:
            self._keep(edge, left if edge == output else None)

    def _keep(self, edge: str, left: np.ndarray | None) -> None:
        """The edge with only the channels `left`; None: with all."""
        old = self.graph.edges[edge]
        if left is None or len(left) == old.channels:
            self.edges[edge] = old
            return
        self.left[edge] = left
        self.edges[edge] = replace(old, shape=(*old.shape[:-1], len(left)))


def _same(found: Sequence[np.ndarray | None]) -> bool:
    first = found[0]
    return all(
        other is first if first is None or other is None else np.array_equal(first, other)
        for other in found
    )


def _check(name: str, what: str, places: Sequence[int], layer: Mvau | None) -> None:
    if layer is None:
        raise PipelineError(f"{name}: the hardware graph has no such layer with weights")
    count = layer.mw if what == "columns" else layer.mh
    found = np.asarray(places)
    if not len(found) or found[0] < 0 or found[-1] >= count or np.any(np.diff(found) < 1):
        raise PipelineError(
            f"{name}: keeps no ascending choice of its {count} {what}: {list(places)[:5]}"
        )
