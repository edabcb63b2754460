"""Proves the hardware graph equal to the exported network, image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import VerificationError
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import LabelSelect, Mvau
from pipeline.streamlining.graph import Streamlined
from pipeline.streamlining.ties import logits_along

FLOAT_EXACT = 1 << 12
"""Up to this value, Brevitas' float32 accumulators round to the right integer. Rounding errors grow
with the number of products; half of the 24-bit significand is left for them."""
FLOAT_EPS = 1e-6
"""Two logits are equal if they differ by less than this share of the greatest one: it is what the
last bits of a float32 may hide."""
ROUNDING = 0.01
"""Allowed deviation, as a share of the range of the last accumulators. A wrong layer is off by tens
of per cent."""


@dataclass(frozen=True, eq=False)
class Proof:
    """outputs [N, *shape] and classes [N] of the integer reference.

    ties: the number of images that float32 rounding at some quantiser sets apart. tied_values: how
    many of their activations do so.
    """

    outputs: np.ndarray
    classes: np.ndarray
    ties: int = 0
    tied_values: int = 0


def compare_with_logits(
    streamlined: Streamlined, model: Any, images: np.ndarray, logits: np.ndarray
) -> Proof:
    """The integer reference's outputs, equal to the network's. VerificationError: they are not.

    model: the exported network. logits: its scores, float32 [N, classes]. Streamlining took a scale
    and a bias off the network's end. With these, each logit must round to its accumulator. If
    accumulators are too wide for float32 to tell neighbours apart, the network itself may round
    across a threshold; then all must be within `ROUNDING` of their range.

    Images that differ are computed again quantiser by quantiser, from equal inputs. There only what
    rounding explains may differ: see `ties`.

    The class must be that of the network. If several accumulators are greatest, or as close as that
    rounding, it must be one of theirs: the network chooses by the rounding of its logits, the
    reference takes the lowest index.
    """
    graph = streamlined.graph
    outputs, scores = _scores(streamlined, images)
    if np.ptp(scores) == 0:
        raise VerificationError(
            "streamline: the accumulators of the last layer are the same for every input: the "
            "network's outputs are constant; train it longer (epochs=)"
        )
    chosen = isinstance(graph.layers[-1], LabelSelect)
    values = scores * streamlined.tail.scale + streamlined.tail.bias
    classes = outputs.reshape(-1) if chosen else np.argmax(values, axis=1)
    wrong = _wrong(streamlined, scores, classes, logits)
    if not wrong.any():
        return Proof(outputs, classes)
    apart = np.flatnonzero(wrong)
    followed, tied, near = logits_along(streamlined, model, images[apart])
    # without a value on a border, the network's own scores are what counts
    still = _wrong(streamlined, scores[apart], classes[apart], followed) | (tied + near == 0)
    if still.any():
        first = int(apart[np.argmax(still)])
        recovered = (logits[first] - streamlined.tail.bias) / streamlined.tail.scale
        raise VerificationError(
            f"streamline: {int(still.sum())} of {len(images)} inputs differ from the exported "
            f"network; first: input {first}: class {logits[first].argmax()} with logits "
            f"{logits[first].round(4)}, which mean accumulators {recovered.round(2)}; "
            f"integer reference: class {classes[first]} with accumulators {scores[first]}"
        )
    return Proof(outputs, classes, len(apart), int(tied.sum()))


def _scores(streamlined: Streamlined, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The reference's outputs, and its accumulators [N, classes] in the order of the classes."""
    graph, tail = streamlined.graph, streamlined.tail
    last = graph.layers[-1]
    chosen_by = last if isinstance(last, LabelSelect) else None
    scored = last.input if chosen_by else last.output
    wanted = (scored, last.output)
    streams = [reference.run(graph, part, wanted) for part in reference.batches(graph, images)]
    outputs = np.concatenate([batch[last.output] for batch in streams])
    scores = np.concatenate([batch[scored] for batch in streams]).reshape(len(images), -1)
    scores = scores.astype(np.int64)
    if chosen_by is not None:  # channel by channel as the network's classes
        order = np.argsort(tail.labels)
        scores = scores[:, order] - _shift(graph, scores.shape[1])[order]
    return outputs, scores


def _wrong(
    streamlined: Streamlined, scores: np.ndarray, classes: np.ndarray, logits: np.ndarray
) -> np.ndarray:
    """Mask [N] of the images whose accumulators or class are not those of the network's logits."""
    tail = streamlined.tail
    recovered = (logits - tail.bias) / tail.scale
    deviation = np.abs(recovered - scores)
    if _float_is_exact(streamlined.graph):
        off, slack = np.rint(recovered) != scores, 0.0
    else:
        off, slack = deviation > ROUNDING * max(1, np.ptp(scores)), 2 * float(deviation.max())
    values = scores * tail.scale + tail.bias
    theirs = np.argmax(logits, axis=1)
    # neighbours in float32 may differ in a last bit of their logits
    slack = slack * float(np.abs(tail.scale).max()) + FLOAT_EPS * np.abs(logits).max()
    short = np.take_along_axis(values, theirs[:, None], axis=1)[:, 0] < values.max(axis=1) - slack
    greatest = np.take_along_axis(values, classes[:, None].astype(np.int64), axis=1)[:, 0]
    found: np.ndarray = off.any(axis=1) | short | (greatest < values.max(axis=1) - slack)
    return found


def _shift(graph: HardwareGraph, classes: int) -> np.ndarray:
    """What the last layer adds before the arg-max: int64 [classes]."""
    last = graph.layers[-2]
    if isinstance(last, Mvau) and last.bias is not None and last.thresholds is None:
        return last.bias
    return np.zeros(classes, np.int64)


def _float_is_exact(graph: HardwareGraph) -> bool:
    widest = [layer.accumulator for layer in graph.layers if isinstance(layer, Mvau)]
    return all(max(-dtype.min, dtype.max) <= FLOAT_EXACT for dtype in widest)
