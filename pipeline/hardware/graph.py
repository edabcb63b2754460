"""The hardware graph: layers in stream order and the edges between them, in memory and as files.

`hardware.json` has the structure, `hardware.npz` the arrays (`<layer>.weights`, `.thresholds`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import KINDS, Edge, Layer
from pipeline.hardware.post import Post
from specs.input import InputSpec

SCHEMA_VERSION = 3


@dataclass(frozen=True, eq=False)
class HardwareGraph:
    """Layers in stream order and the edges between them. Call `check` after building one.

    A layer comes after those whose outputs it reads. Every edge has one writer and one reader.
    """

    name: str
    input: InputSpec
    edges: dict[str, Edge]
    layers: tuple[Layer, ...]
    post: Post = field(default_factory=Post)

    @property
    def source(self) -> Edge:
        """The accelerator's input stream."""
        return self.edges[self.layers[0].input]

    @property
    def sink(self) -> Edge:
        """The accelerator's output stream."""
        return self.edges[self.layers[-1].output]

    def layer(self, layer_id: str) -> Layer:
        return next(layer for layer in self.layers if layer.id == layer_id)

    def check(self) -> None:
        """Raises PipelineError with every inconsistency of structure, types and values."""
        found: list[str] = []
        written = Counter([self.layers[0].input])
        read: Counter[str] = Counter()
        for layer in self.layers:
            missing = {*layer.inputs, *layer.outputs} - set(self.edges)
            unwritten = [name for name in layer.inputs if not written[name]]
            if missing:
                found.append(f"{layer.id}: no such edge: {', '.join(sorted(missing))}")
            elif unwritten:
                found.append(f"{layer.id}: nothing writes its input {unwritten[0]}")
            else:
                ends = (layer.input, layer.output, *layer.inputs[1:], *layer.outputs[1:])
                edges = [self.edges[name] for name in ends]
                found += [f"{layer.id}: {text}" for text in layer.check(*edges)]
            read.update(layer.inputs)
            written.update(layer.outputs)
        for what, counts in (("written", written), ("read", read)):
            found += [f"{name} is {what} {n} times" for name, n in counts.items() if n > 1]
        lost = [name for name in written if name not in read and name != self.layers[-1].output]
        found += [f"nothing reads {name}" for name in lost]
        if len({layer.id for layer in self.layers}) != len(self.layers):
            found.append("two layers share an id")
        if found:
            raise PipelineError(f"hardware graph {self.name}: " + "; ".join(found))


def save(graph: HardwareGraph, folder: Path) -> None:
    """Writes hardware.json and hardware.npz into `folder`."""
    graph.check()
    arrays: dict[str, np.ndarray] = {}
    layers = []
    for layer in graph.layers:
        entry: dict[str, Any] = {"kind": layer.kind}
        for key, value in vars(layer).items():
            if key in layer.arrays:
                if value is not None:
                    arrays[f"{layer.id}.{key}"] = np.asarray(value, np.int64)
            else:
                entry[key] = value.name if isinstance(value, DataType) else value
        layers.append(entry)
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": graph.name,
        "input": graph.input.model_dump(mode="json"),
        "edges": [
            {"id": edge.id, "dtype": edge.dtype.name, "shape": edge.shape}
            for edge in graph.edges.values()
        ],
        "layers": layers,
        "post": vars(graph.post),
    }
    (folder / "hardware.json").write_text(json.dumps(document, indent=1) + "\n")
    # np.savez stamps no time into the archive, so equal graphs give equal bytes
    np.savez(folder / "hardware.npz", **arrays)  # type: ignore[arg-type]


def load(folder: Path) -> HardwareGraph:
    """Reads and checks what `save` wrote. Raises PipelineError if it is inconsistent."""
    document = json.loads((folder / "hardware.json").read_text())
    if document.get("schema_version") != SCHEMA_VERSION:
        raise PipelineError(
            f"{folder / 'hardware.json'}: schema_version {document.get('schema_version')!r}, "
            f"this version reads {SCHEMA_VERSION}; run the streamline stage again"
        )
    with np.load(folder / "hardware.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    edges = {
        entry["id"]: Edge(entry["id"], DataType(entry["dtype"]), tuple(entry["shape"]))
        for entry in document["edges"]
    }
    post = document["post"]
    graph = HardwareGraph(
        name=document["name"],
        input=InputSpec.model_validate(document["input"]),
        edges=edges,
        layers=tuple(_layer(entry, arrays) for entry in document["layers"]),
        post=Post(post["output"], tuple(post["scale"]), tuple(post["bias"])),
    )
    graph.check()
    return graph


def _layer(entry: dict[str, Any], arrays: dict[str, np.ndarray]) -> Layer:
    cls = KINDS[entry.pop("kind")]
    entry["finn_names"] = tuple(entry["finn_names"])
    for key in ("weight_dtype", "accumulator"):
        if key in entry:
            entry[key] = DataType(entry[key])
    for key in ("kernel", "stride", "rows", "columns", "labels", "factors", "kept"):
        if entry.get(key) is not None:
            entry[key] = tuple(entry[key])
    for key in cls.arrays:
        entry[key] = arrays.get(f"{entry['id']}.{key}")
    if entry.get("falling") is not None:
        entry["falling"] = entry["falling"].astype(bool)
    return cls(**entry)
