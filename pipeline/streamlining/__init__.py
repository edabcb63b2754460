"""Stage `streamline`: turns QONNX into FINN's dataflow graph and ours, and proves them equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.inputs import Inputs, evaluation_inputs
from pipeline.errors import VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import LabelSelect, Mvau, SlidingWindow
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.streamlining.extract import Extraction, extract
from pipeline.verification.compare import require_equal
from specs.input import InputSpec
from specs.network import Output

FINN_IMAGES = 32
"""Number of images for which every layer is compared with FINN's execution (60-80 ms an image for
CNV)."""
STREAM_IMAGES = 64
END_TO_END_IMAGES = 1000
CONVOLUTION_IMAGES = 100
"""END_TO_END_IMAGES for networks with convolutions, whose images take the simulator 0.2 s each."""
LEAST_CLASSES = 3
"""The golden images must have at least so many predicted classes. Fewer would prove little of the
arg-max."""
FLOAT_EXACT = 1 << 12
"""Up to this value, Brevitas' float32 accumulators round to the right integer. Rounding errors grow
with the number of products; half of the 24-bit significand is left for them."""
FLOAT_EPS = 1e-6
"""Two logits are equal if they differ by less than this share of the greatest one: it is what the
last bits of a float32 may hide."""
ROUNDING = 0.01
"""Allowed deviation, as a share of the range of the last accumulators. A wrong layer is off by tens
of per cent."""


def run(job: Job) -> Metrics:
    """Writes dataflow.onnx, hardware.json, hardware.npz and golden.npz.

    golden.npz has `images` (prepared, [N, *shape]), `outputs` (of the integer reference, [N, *shape
    of the sink]), `truth` (the labels of the data set, if it has any) and, for the first images,
    the values of every stream as `stream.<edge>`.
    """
    from pipeline.streamlining import finn, speed  # noqa: PLC0415 - seconds of imports

    contract = job.spec("network.input", InputSpec)
    output: Output = job.spec("network.output", Output)  # type: ignore[arg-type]
    with job.scratch() as work:
        progress("importing FINN")
        finn.bootstrap(work)
        progress("streamlining", 0.3)
        with speed.whole_arrays():
            dataflow = finn.to_dataflow(job.inputs["export"] / "model.onnx", contract, work, output)
    extraction = extract(dataflow, job.spec("network.name", str), contract)
    dataflow.model.save(str(job.folder / "dataflow.onnx"))
    hardware.save(extraction.graph, job.folder)

    progress("comparing with the exported network and FINN", 0.6)
    data = evaluation_inputs(job, contract)
    logits = np.load(job.inputs["export"] / "logits.npy")
    outputs, classes = _compare_with_logits(extraction, data.images, logits)
    _compare_with_finn(extraction, dataflow.model, data.images[:FINN_IMAGES])
    seen = _write_golden(job.folder, extraction.graph, data, outputs, classes)
    count = len(data.images)
    figures = {
        "equal": Figure(f"{count:,} of {count:,}", data.what, "measured"),
        "images": Figure(count, data.what, "measured"),
        "finn_images": Figure(min(FINN_IMAGES, count), data.what, "measured"),
        "layers": Figure(len(extraction.graph.layers), "", "measured"),
        "golden_classes": Figure(seen, "classes", "measured"),
    }
    if data.labels is not None:
        share = float(100 * np.mean(classes == data.labels))
        figures["accuracy"] = Figure(share, "%", "measured")
    return figures


def _compare_with_logits(
    extraction: Extraction, images: np.ndarray, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs [N, *shape] and classes [N] of the integer reference, or a VerificationError.

    logits: of the exported network, float32 [N, classes]. Streamlining took a scale and a bias off
    the network's end. With these, each logit must round to its accumulator. If accumulators are too
    wide for float32 to tell neighbours apart, the network itself may round across a threshold; then
    all must be within `ROUNDING` of their range.

    The class must be that of the network. If several accumulators are greatest, or as close as that
    rounding, it must be one of theirs: the network chooses by the rounding of its logits, the
    reference takes the lowest index.
    """
    graph, tail = extraction.graph, extraction.tail
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
        scores = scores[:, order] - _shift(graph)[order]
    if np.ptp(scores) == 0:
        raise VerificationError(
            "streamline: the accumulators of the last layer are the same for every input: the "
            "network's outputs are constant; train it longer (epochs=)"
        )
    recovered = (logits - tail.bias) / tail.scale
    deviation = np.abs(recovered - scores)
    if _float_is_exact(graph):
        off, slack = np.rint(recovered) != scores, 0.0
    else:
        off, slack = deviation > ROUNDING * np.ptp(scores), 2 * float(deviation.max())
    values = scores * tail.scale + tail.bias
    classes = outputs.reshape(-1) if chosen_by else np.argmax(values, axis=1)
    theirs = np.argmax(logits, axis=1)
    # neighbours in float32 may differ in a last bit of their logits
    slack = slack * float(np.abs(tail.scale).max()) + FLOAT_EPS * np.abs(logits).max()
    short = np.take_along_axis(values, theirs[:, None], axis=1)[:, 0] < values.max(axis=1) - slack
    greatest = np.take_along_axis(values, classes[:, None].astype(np.int64), axis=1)[:, 0]
    wrong = off.any(axis=1) | short | (greatest < values.max(axis=1) - slack)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise VerificationError(
            f"streamline: {int(wrong.sum())} of {len(images)} inputs differ from the exported "
            f"network; first: input {first}: class {theirs[first]} with logits "
            f"{logits[first].round(4)}, which mean accumulators {recovered[first].round(2)}; "
            f"integer reference: class {classes[first]} with accumulators {scores[first]}"
        )
    return outputs, classes


def _shift(graph: HardwareGraph) -> np.ndarray:
    """What the last layer adds before the arg-max: int64 [classes]."""
    last = next(layer for layer in reversed(graph.layers) if isinstance(layer, Mvau))
    return np.zeros(last.mh, np.int64) if last.bias is None else last.bias


def _float_is_exact(graph: HardwareGraph) -> bool:
    widest = [layer.accumulator for layer in graph.layers if isinstance(layer, Mvau)]
    return all(max(-dtype.min, dtype.max) <= FLOAT_EXACT for dtype in widest)


def _compare_with_finn(extraction: Extraction, model: Any, images: np.ndarray) -> None:
    """Raises VerificationError unless every stream of every layer equals FINN's execution."""
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
    last = graph.layers[-1]
    if isinstance(last, LabelSelect) and last.labels is not None:
        streams[last.output] = np.asarray(last.labels)[streams[last.output]]
    require_equal(graph, reference.run(graph, images), streams, "FINN's execution")


def _write_golden(
    folder: Path, graph: HardwareGraph, data: Inputs, outputs: np.ndarray, classes: np.ndarray
) -> int:
    """Writes golden.npz. Returns how many classes the network predicts for the traced images."""
    windows = any(isinstance(layer, SlidingWindow) for layer in graph.layers)
    count = min(CONVOLUTION_IMAGES if windows else END_TO_END_IMAGES, len(data.images))
    streams = reference.run(graph, data.images[:STREAM_IMAGES])
    seen = len(np.unique(classes[:STREAM_IMAGES]))
    least = min(LEAST_CLASSES, _outputs(graph))
    if data.labels is not None and seen < least:
        raise VerificationError(
            f"streamline: the network predicts only {seen} classes on the first "
            f"{STREAM_IMAGES} test images, too few to prove an accelerator with "
            f"(at least {least}); train it longer (epochs=)"
        )
    arrays = {"images": data.images[:count], "outputs": outputs[:count]}
    if data.labels is not None:
        arrays["truth"] = data.labels[:count]
    for edge, values in streams.items():
        arrays[f"stream.{edge}"] = values
    np.savez(folder / "golden.npz", **arrays)  # type: ignore[arg-type]
    return seen


def _outputs(graph: HardwareGraph) -> int:
    last = graph.layers[-1]
    return graph.edges[last.input if isinstance(last, LabelSelect) else last.output].channels
