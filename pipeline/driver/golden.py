"""The golden vectors of a package: inputs, outputs, and the signature of every stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.driver.board.packing import storage_of
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.design import Design
from pipeline.rtl.shell.signatures import signature, signatures
from pipeline.simulation.beats import pack

SINGLE_IMAGES = 4
"""For so many of the first inputs, the signatures of a batch of that one are written, too."""


def write_golden(
    folder: Path,
    graph: HardwareGraph,
    beats: Mapping[str, np.ndarray],
    images: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Writes inputs.npy, outputs.npy and signatures.json (by edge, in hex) into `folder`.

    beats: as `stream_beats` gives them. images: prepared, [N, *shape]; outputs: [N, *shape of the
    sink].
    """
    folder.mkdir()
    np.save(folder / "inputs.npy", images.astype(storage_of(graph.input.dtype)))
    sink = graph.sink
    narrow = outputs.reshape(-1, *sink.shape).astype(storage_of(sink.dtype.name))
    np.save(folder / "outputs.npy", narrow)
    count = min(SINGLE_IMAGES, len(images))
    single = {edge: signatures(found[:count]) for edge, found in beats.items()}
    document = {
        "batch": {edge: f"{sign:08x}" for edge, sign in batch_signatures(beats).items()},
        "images": [
            {edge: f"{int(signs[k]):08x}" for edge, signs in single.items()} for k in range(count)
        ],
    }
    (folder / "signatures.json").write_text(json.dumps(document, indent=1) + "\n")


def stream_beats(graph: HardwareGraph, design: Design, images: np.ndarray) -> dict[str, np.ndarray]:
    """The beats of every stream that has a signature: uint8 [N, beats, bytes of a beat]."""
    if not design.signatures:
        return {}
    shaped = images.reshape(-1, *graph.source.shape)
    found: dict[str, list[np.ndarray]] = {edge: [] for edge in design.signatures}
    for part in reference.batches(graph, shaped):
        streams = {graph.source.id: part, **reference.run(graph, part)}
        for edge, blocks in found.items():
            at = design.stream(edge)
            blocks.append(pack(streams[edge], at.dtype, at.lanes))
    return {
        edge: np.concatenate(blocks).reshape(len(images), -1, blocks[0].shape[-1])
        for edge, blocks in found.items()
    }


def batch_signatures(beats: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The signature of each stream after one batch of all images."""
    return {edge: signature(found.reshape(-1, found.shape[-1])) for edge, found in beats.items()}
