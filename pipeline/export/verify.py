"""Compares QONNX with Brevitas: every label equal, every logit equal up to rounding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.infer_shapes import InferShapes

from pipeline.errors import VerificationError

TOLERANCE = 1e-4
"""Allowed difference of a logit, relative if it exceeds 1. Sums of integers are exact on both
sides; only batch norm and the scale at the end round differently (about 1e-6)."""

TIED = 1e-6
"""Two logits count as equal if they differ by less than this, relative to the greatest: it is what
rounding leaves."""


def execute(graph: ModelWrapper, images: np.ndarray, block: int) -> np.ndarray:
    """Outputs [N, classes] of a QONNX graph for images [N, C, H, W], `block` images at a time."""
    block = min(block, len(images))
    graph = batched(graph, block)
    source, target = graph.graph.input[0].name, graph.graph.output[0].name
    with unsanitised():
        return np.concatenate(
            [
                execute_onnx(graph, {source: part})[target][:count]
                for _, part, count in blocks(images, block)
            ]
        )


def batched(graph: ModelWrapper, block: int) -> ModelWrapper:
    """The graph for `block` images at a time, with its weights quantised once and for all."""
    graph = graph.transform(ChangeBatchSize(block)).transform(InferShapes())
    return graph.transform(FoldConstants(exclude_op_types=[]))


def blocks(images: np.ndarray, block: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """Splits images into blocks: number of the first, images [block, C, H, W], and their count.

    The last block is filled up with copies.
    """
    for start in range(0, len(images), block):
        part = images[start : start + block]
        filled = np.concatenate([part, np.repeat(part[:1], block - len(part), axis=0)])
        yield start, filled, len(part)


def differing(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Mask [N] of the images whose label or logits differ. Both sides: [N, classes]."""
    difference = np.abs(expected.astype(np.float64) - found)
    allowed = TOLERANCE * np.maximum(1.0, np.abs(expected))
    # "not within" and not "beyond": a NaN is a difference too
    wrong: np.ndarray = ~(difference <= allowed).all(axis=1)
    # of logits that are equal but for the last bits, either may come out on top
    chosen = np.take_along_axis(expected, found.argmax(axis=1)[:, None], axis=1)
    greatest = expected.max(axis=1)
    wrong |= ~(greatest - chosen[:, 0] <= TIED * np.maximum(1.0, np.abs(greatest)))
    return wrong


def compare(expected: np.ndarray, found: np.ndarray) -> float:
    """The greatest difference of two logits, [N, classes] of Brevitas and of QONNX.

    Raises VerificationError with the first image whose label or logits differ, and both its logits.
    """
    if expected.shape != found.shape:
        raise VerificationError(
            f"QONNX gives {list(found.shape)} logits, Brevitas {list(expected.shape)}"
        )
    wrong = differing(expected, found)
    if wrong.any():
        image = int(wrong.argmax())
        raise VerificationError(
            f"QONNX and Brevitas disagree on {int(wrong.sum()):,} of {len(wrong):,} test images; "
            f"the first is image {image} (from 0):\n"
            f"  Brevitas: label {expected[image].argmax()}, logits {_numbers(expected[image])}\n"
            f"  QONNX:    label {found[image].argmax()}, logits {_numbers(found[image])}\n"
            f"  allowed:  the same label, and {TOLERANCE:g} in a logit"
        )
    return float(np.abs(expected.astype(np.float64) - found).max())


def _numbers(logits: np.ndarray) -> str:
    return " ".join(f"{value:.6g}" for value in logits)


@contextmanager
def unsanitised() -> Iterator[None]:
    """Switches off qonnx' search for nearly-integer tensors: up to 10 times faster, and exact.

    qonnx reads an environment variable at each node; afterwards the user's value is restored.
    """
    name = "SANITIZE_QUANT_TENSORS"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
