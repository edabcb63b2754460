"""Stage `streamline`: QONNX -> FINN's dataflow graph and ours, proved equal at each level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data import FILE, DataSet
from pipeline.data.prepare import prepare
from pipeline.errors import VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph, LabelSelect, Mvau, SlidingWindow
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.streamlining.extract import Extraction, extract
from pipeline.verification.compare import require_equal
from specs.network import InputSpec

FINN_IMAGES = 32
"""Images of which every layer is compared with FINN's execution (60-80 ms an image for CNV)."""
STREAM_IMAGES = 64
END_TO_END_IMAGES = 1000
CONVOLUTION_IMAGES = 100
"""The same for networks with convolutions, of which an image takes the simulator 0.2 s."""
LEAST_CLASSES = 3
"""Fewer predicted classes among the golden images would prove little of the arg-max."""
FLOAT_EXACT = 1 << 12
"""Accumulators up to this come out of Brevitas' float32 to the nearest integer: rounding grows with
the number of products, half of the 24-bit significand is left to it."""
ROUNDING = 0.01
"""Of the range of the last accumulators; a wrong layer is off by tens of per cent."""


def run(job: Job) -> Metrics:
    """Writes dataflow.onnx, hardware.json, hardware.npz and golden.npz.

    golden.npz: `images` (prepared, [N, H, W, C]), `truth` (data set's labels), `labels` (ours)
    and for the first images `stream.<edge>`: the values of every stream.
    """
    from pipeline.streamlining import finn, speed  # noqa: PLC0415 - seconds of imports

    contract = job.spec("network.input", InputSpec)
    with job.scratch() as work:
        progress("importing FINN")
        finn.bootstrap(work)
        progress("streamlining", 0.3)
        with speed.whole_arrays():
            model = finn.to_dataflow(job.inputs["export"] / "model.onnx", contract, work)
    extraction = extract(model, job.spec("network.name", str), contract)
    model.save(str(job.folder / "dataflow.onnx"))
    hardware.save(extraction.graph, job.folder)

    progress("comparing with Brevitas and FINN", 0.6)
    data = DataSet.read(job.inputs["data"] / FILE)
    images, truth = prepare(data.test_images, contract), data.test_labels
    logits = np.load(job.inputs["export"] / "logits.npy")
    labels = _compare_with_brevitas(extraction.graph, images, logits)
    _compare_with_finn(extraction, model, images[:FINN_IMAGES])
    classes = _write_golden(job.folder, extraction.graph, images, truth, labels)
    return {
        "equal": Figure(f"{len(images):,} of {len(images):,}", "images", "measured"),
        "images": Figure(len(images), "images", "measured"),
        "accuracy": Figure(float(100 * np.mean(labels == truth)), "%", "measured"),
        "finn_images": Figure(min(FINN_IMAGES, len(images)), "images", "measured"),
        "layers": Figure(len(extraction.graph.layers), "", "measured"),
        "golden_classes": Figure(classes, "classes", "measured"),
    }


def _compare_with_brevitas(
    graph: HardwareGraph, images: np.ndarray, logits: np.ndarray
) -> np.ndarray:
    """Labels [N] of the integer reference; every accumulator and label is Brevitas' or an error.

    Where accumulators tie at the top, Brevitas' label must be one of theirs: the rounding of its
    logits decides for it, the lowest index for us. Where accumulators are too wide for float32 to
    tell neighbours apart, Brevitas itself may round across a threshold; then all accumulators must
    be within `ROUNDING` of their range, and Brevitas' label no worse than that explains.

    Streamlining drops a scale and a shift common to all logits, which no arg-max sees. Fitted to
    all of them, they must give each accumulator back from its logit as the nearest integer.
    """
    last = graph.layers[-1]
    assert isinstance(last, LabelSelect)
    wanted = (last.input, last.output)
    streams = [reference.run(graph, part, wanted) for part in reference.batches(graph, images)]
    scores = np.concatenate([batch[last.input] for batch in streams]).astype(np.int64)
    labels = np.concatenate([batch[last.output].reshape(-1) for batch in streams])
    centred = scores - scores.mean()
    scale = float((centred * logits).sum() / max(1.0, (centred**2).sum()))
    if scale <= 0:
        raise VerificationError(
            "streamline: the accumulators before the arg-max do not rise with Brevitas' logits: "
            "the network's outputs are constant, or another network's; train it longer (epochs=)"
        )
    recovered = (logits - logits.mean(dtype=np.float64)) / scale + scores.mean()
    deviation = np.abs(recovered - scores)
    if _float_is_exact(graph):
        off, slack = np.rint(recovered) != scores, 0.0
    else:
        off, slack = deviation > ROUNDING * np.ptp(scores), 2 * float(deviation.max())
    # equal accumulators may differ in a last bit of their logits: Brevitas' class is among them
    chosen = np.take_along_axis(scores, np.argmax(logits, axis=1)[:, None], axis=1)[:, 0]
    wrong = off.any(axis=1) | (chosen < scores.max(axis=1) - slack)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise VerificationError(
            f"streamline: {int(wrong.sum())} of {len(images)} images differ from Brevitas; first: "
            f"image {first}: Brevitas {np.argmax(logits[first])} with logits "
            f"{logits[first].round(4)}, which mean accumulators {recovered[first].round(2)}; "
            f"integer reference {labels[first]} with accumulators {scores[first]}"
        )
    return labels


def _float_is_exact(graph: HardwareGraph) -> bool:
    widest = [layer.accumulator for layer in graph.layers if isinstance(layer, Mvau)]
    return all(max(-dtype.min, dtype.max) <= FLOAT_EXACT for dtype in widest)


def _compare_with_finn(extraction: Extraction, model: Any, images: np.ndarray) -> None:
    """Every stream of every layer equal to FINN's own execution; VerificationError if not."""
    from pipeline.streamlining import finn  # noqa: PLC0415

    graph = extraction.graph
    executed = finn.execute(model, images)
    streams = {}
    for edge_id, tensor in extraction.tensors.items():
        edge = graph.edges[edge_id]
        values = np.stack([context[tensor].reshape(edge.shape) for context in executed])
        if edge.dtype.bipolar:
            values = 2 * (values > 0) - 1  # FINN's BINARY, the operand of an XNOR layer
        streams[edge_id] = extraction.in_stream_order(edge_id, values).astype(np.int64)
    require_equal(graph, reference.run(graph, images), streams, "FINN's execution")


def _write_golden(
    folder: Path, graph: HardwareGraph, images: np.ndarray, truth: np.ndarray, labels: np.ndarray
) -> int:
    """Returns how many classes are among the labels of the traced images."""
    windows = any(isinstance(layer, SlidingWindow) for layer in graph.layers)
    count = min(CONVOLUTION_IMAGES if windows else END_TO_END_IMAGES, len(images))
    streams = reference.run(graph, images[:STREAM_IMAGES])
    classes = len(np.unique(labels[:STREAM_IMAGES]))
    if classes < LEAST_CLASSES:
        raise VerificationError(
            f"streamline: the network predicts only {classes} classes on the first "
            f"{STREAM_IMAGES} test images, too few to prove an accelerator with "
            f"(at least {LEAST_CLASSES}); train it longer (epochs=)"
        )
    arrays = {"images": images[:count], "truth": truth[:count], "labels": labels[:count]}
    for edge, values in streams.items():
        arrays[f"stream.{edge}"] = values
    np.savez(folder / "golden.npz", **arrays)  # type: ignore[arg-type]
    return classes
