"""The layers of tfc_1w1a and cnv_1w1a as hardware graphs, with random weights and thresholds."""

from __future__ import annotations

from pathlib import Path

from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Edge, LabelSelect, MaxPool, Mvau, SlidingWindow
from specs import catalog
from specs.input import InputSpec
from specs.models import CnvModel, FcModel
from specs.network import NetworkSpec
from tests.hardware.networks import dense
from tests.hardware.residual import Residual


def _network(name: str) -> NetworkSpec:
    return catalog.find(NetworkSpec, "network", name, Path())[1]


def tfc() -> HardwareGraph:
    """As specs/networks/tfc_1w1a.toml says: input bits, XNOR layers, a label."""
    model = _network("tfc_1w1a").model
    assert isinstance(model, FcModel)
    return dense((784, *model.hidden, 10), seed=1)


def cnv() -> HardwareGraph:
    """As specs/networks/cnv_1w1a.toml says."""
    spec = _network("cnv_1w1a")
    model = spec.model
    assert isinstance(model, CnvModel)
    made = _Bipolar((32, 32, 3), 1)
    made.threshold("input_quant", "INT8")
    for number, conv in enumerate(model.convolutions):
        height, width, channels = made.edge.shape
        windows = (height - 2, width - 2, 9 * channels)
        edge = Edge(f"conv{number}_swg_out", made.edge.dtype, windows)
        made.add(SlidingWindow, f"conv{number}_swg", edge, kernel=(3, 3))
        made.layer(f"conv{number}", conv.channels)
        if conv.pool > 1:
            height, width, channels = made.edge.shape
            shape = (height // conv.pool, width // conv.pool, channels)
            edge = Edge(f"pool{number}_out", made.edge.dtype, shape)
            made.add(MaxPool, f"pool{number}", edge, kernel=(conv.pool, conv.pool))
    for number, fc in enumerate(model.dense):
        made.layer(f"fc{number}", fc.width)
    made.layer("last", 10, thresholds=False)
    made.add(LabelSelect, "label_select", Edge("label_select_out", DataType("UINT4"), (1,)))
    contract = InputSpec(shape=(32, 32, 3))
    graph = HardwareGraph("cnv_1w1a", contract, made.edges, tuple(made.layers))
    graph.check()
    return graph


class _Bipolar(Residual):
    """With layers of weights and activations of one bit."""

    def layer(self, name: str, rows: int, *, thresholds: bool = True) -> None:
        source = self.edge
        whole = len(source.shape) == 3 and not name.startswith("conv")
        columns = source.elements if whole else source.channels
        popcount = source.dtype.bipolar
        least = 0 if popcount else -128 * columns
        sums = DataType.smallest(least, (1 if popcount else 128) * columns)
        values: dict[str, object] = {"popcount": popcount, "accumulator": sums}
        values["weights"] = self.rng.choice([-1, 1], (rows, columns))
        if thresholds:
            middle = columns // 2 if popcount else 0
            values["thresholds"] = middle + self.rng.integers(-9, 10, (rows, 1))
        shape = (rows,) if whole else (*source.shape[:-1], rows)
        edge = Edge(f"{name}_out", BIPOLAR if thresholds else sums, shape)
        self.add(Mvau, name, edge, **values)
