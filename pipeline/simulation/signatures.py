"""Golden signatures: what each stream's register must hold, from the values of the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.rtl.design import Design
from pipeline.rtl.shell.signatures import signature, signatures
from pipeline.simulation.beats import pack


def of_batch(design: Design, streams: Mapping[str, np.ndarray]) -> dict[str, int]:
    """By edge, the signature after a batch of all images. streams: by edge, [N, *shape]."""
    return {
        edge: signature(pack(streams[edge], (at := design.stream(edge)).dtype, at.lanes))
        for edge in design.signatures
    }


def of_images(design: Design, streams: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By edge, the signatures of batches of one image each, uint32 [N]."""
    found = {}
    for edge in design.signatures:
        at, values = design.stream(edge), streams[edge]
        beats = pack(values, at.dtype, at.lanes)
        found[edge] = signatures(beats.reshape(len(values), at.beats, -1))
    return found
