"""Random dense hardware graphs for tests: small, legal, and of every kind the library knows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, Layer, Mvau, Threshold, accumulator_range
from specs.input import InputSpec


def dense(
    widths: Sequence[int],
    weight: str = "BIPOLAR",
    activation: str = "BIPOLAR",
    seed: int = 0,
    label: bool = True,
) -> HardwareGraph:
    """Threshold, then an MVAU for each further width; the last has no thresholds."""
    rng = np.random.default_rng(seed)
    edges = {"image": Edge("image", DataType("UINT8"), (widths[0],))}
    layers: list[Layer] = []
    act, wt = DataType(activation), DataType(weight)
    steps = 1 if act.bipolar else 2**act.bits - 1
    offset = 0 if act.bipolar else act.min

    def add(layer: type[Layer], name: str, edge: Edge, **values: object) -> None:
        source = next(reversed(edges))
        edges[edge.id] = edge
        layers.append(layer(name, source, edge.id, (), **values))

    thresholds = np.sort(rng.integers(0, 256, (1, steps)), axis=1).repeat(widths[0], axis=0)
    add(
        Threshold,
        "input_quant",
        Edge("input_quant_out", act, (widths[0],)),
        thresholds=thresholds,
        offset=offset,
    )
    for i, (mw, mh) in enumerate(pairwise(widths)):
        popcount = wt.bipolar and act.bipolar
        weights = (
            rng.choice([-1, 1], (mh, mw))
            if wt.bipolar
            else rng.integers(wt.min, wt.max + 1, (mh, mw))
        )
        low, high = (0, mw) if popcount else accumulator_range(weights, act)
        values: dict[str, object] = {"weights": weights, "weight_dtype": wt, "popcount": popcount}
        name = f"fc{i}"
        if i == len(widths) - 2:
            dtype = DataType.smallest(low, high)
            add(Mvau, name, Edge(f"{name}_out", dtype, (mh,)), accumulator=dtype, **values)
        else:
            # some thresholds beyond what can be reached: always and never
            chosen = np.sort(rng.integers(low, high + 2, (mh, steps)), axis=1)
            add(
                Mvau,
                name,
                Edge(f"{name}_out", act, (mh,)),
                accumulator=DataType.smallest(low, max(high, int(chosen.max()))),
                thresholds=chosen,
                offset=offset,
                **values,
            )
    if label:
        classes = widths[-1]
        dtype = DataType.smallest(0, max(1, classes - 1))
        add(LabelSelect, "label_select", Edge("label_select_out", dtype, (1,)))
    graph = HardwareGraph("random", InputSpec(shape=(1, widths[0], 1)), edges, tuple(layers))
    graph.check()
    return graph


def images(graph: HardwareGraph, count: int, seed: int = 0) -> np.ndarray:
    """Random input integers [count, *source.shape], the extremes among them."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (count, *graph.source.shape))
    drawn[0], drawn[-1] = 0, 255
    return drawn
