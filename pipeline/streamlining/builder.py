"""A hardware graph under construction."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.hardware.datatypes import BIPOLAR, DataType
from pipeline.hardware.layers import Edge, Layer
from pipeline.streamlining.nodes import attribute, datatype
from specs.input import InputSpec

SOURCE = "image"


class Builder:
    """A hardware graph that grows layer by layer after the edge `at`; it also names the layers."""

    def __init__(self, model: Any, contract: InputSpec, labels: np.ndarray) -> None:
        self.model = model
        self.labels = labels
        self.edges = {SOURCE: Edge(SOURCE, DataType(contract.dtype), contract.shape)}
        self.at = SOURCE
        """The edge that the next layer reads."""
        self.layers: list[Layer] = []
        self.tensors: dict[str, str] = {}
        self.reordered: dict[str, np.ndarray] = {}
        self.contract = contract
        self.columns: np.ndarray | None = None
        """FINN's channel at each position of our stream, if the two orders differ."""
        self.dense = self.convolutions = self.pools = self.blocks = 0
        self.prefix = ""
        """Prefix of the ids of layers in a branch."""
        self.quantiser = "input_quant"
        """Id of the next threshold that is not part of an MVAU."""

    @property
    def last(self) -> Edge:
        return self.edges[self.at]

    def add(
        self,
        kind: type[Layer],
        layer_id: str,
        dtype: DataType,
        shape: tuple[int, ...],
        nodes: list[Any],
        **values: Any,
    ) -> None:
        source = self.last
        edge = Edge(f"{layer_id}_out", dtype, shape)
        self.layers.append(
            kind(layer_id, source.id, edge.id, tuple(node.name for node in nodes), **values)
        )
        self.edges[edge.id] = edge
        self.tensors[edge.id] = nodes[-1].output[0]
        self.at = edge.id

    def bias(self, behind: list[Any], rows: int) -> np.ndarray | None:
        """The constants that are added to an MVAU's output: int64 [rows], or None."""
        if not behind or behind[0].op_type != "ElementwiseAdd":
            return None
        found = [self.model.get_initializer(name) for name in behind[0].input]
        constant = next(value for value in found if value is not None)
        return np.array(np.broadcast_to(constant.reshape(-1), (rows,)), np.int64)

    def levels(self, node: Any, rows: int, low: int, high: int) -> tuple[DataType, int, np.ndarray]:
        """Datatype, offset and integer thresholds [rows, T] of a Thresholding node.

        For integers x in [low, high], x >= t is the same as x >= ceil(t). Thresholds are clipped to
        [low, high + 1] (always, never), which changes no comparison. FINN writes BINARY for the
        bits 0 and 1, and also for a bipolar stream that an XNOR layer reads.
        `SpellBipolarAsTernary` writes the same threshold twice for a bipolar stream that wider
        weights read.
        """
        real = np.asarray(self.model.get_initializer(node.input[1]), np.float64)
        whole = np.clip(np.ceil(real), low, high + 1).astype(np.int64)
        thresholds = np.ascontiguousarray(np.broadcast_to(whole, (rows, whole.shape[1])))
        name, offset = attribute(node, "outputDataType"), int(attribute(node, "ActVal"))
        if name == "BIPOLAR" or (name == "BINARY" and self._meets_xnor(node.output[0])):
            return BIPOLAR, 0, thresholds
        if (
            offset == -1
            and thresholds.shape[1] == 2
            and np.all(thresholds[:, 0] == thresholds[:, 1])
        ):
            return BIPOLAR, 0, thresholds[:, :1].copy()
        return datatype(name), offset, thresholds

    def _meets_xnor(self, tensor: str) -> bool:
        """Whether the next MVAU after `tensor` is an XNOR layer."""
        while readers := self.model.find_consumers(tensor) or []:
            if readers[0].op_type == "MVAU":
                return bool(attribute(readers[0], "binaryXnorMode"))
            tensor = readers[0].output[0]
        return False
