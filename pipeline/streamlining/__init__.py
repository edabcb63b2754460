"""Stage `streamline`: turns QONNX into our hardware graph and FINN's; proves all three equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.data.choice import over_classes
from pipeline.data.inputs import Inputs, evaluation_inputs
from pipeline.errors import VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import LabelSelect, SlidingWindow
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.qonnx.support import require_supported
from pipeline.streamlining.dialect import lacks_columns
from pipeline.streamlining.graph import hardware_graph
from pipeline.streamlining.proof import compare_with_logits
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


def run(job: Job) -> Metrics:
    """Writes hardware.json, hardware.npz, golden.npz and, if FINN has layers for it, dataflow.onnx.

    golden.npz has `images` (prepared, [N, *shape]), `outputs` (of the integer reference, [N, *shape
    of the sink]), `truth` (the labels of the data set, if it has any) and, for the first of them,
    the values of every stream as `stream.<edge>`.
    """
    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415 - takes a second

    from pipeline.streamlining import finn  # noqa: PLC0415

    contract = job.spec("network.input", InputSpec)
    output: Output = job.spec("network.output", Output)  # type: ignore[arg-type]
    progress("streamlining", 0.1)
    model = ModelWrapper(str(job.inputs["export"] / "model.onnx"))
    require_supported(model, "the network")
    streamlined = hardware_graph(model, job.spec("network.name", str), contract, output)
    graph, made = streamlined.graph, None
    pruned = lacks_columns(graph)
    if pruned is None:
        with job.scratch() as work:
            progress("making FINN's graph", 0.3)
            finn.bootstrap(work)
            made = finn.dataflow(graph)
        graph = with_names(graph, made.names(graph))
        made.model.save(str(job.folder / "dataflow.onnx"))
    hardware.save(graph, job.folder)

    progress("comparing with the exported network" + (" and FINN" if made else ""), 0.6)
    data = evaluation_inputs(job, contract)
    logits = np.load(job.inputs["export"] / "logits.npy")
    proof = compare_with_logits(streamlined, model, data.images, logits)
    if made is not None:
        few = over_classes(data.labels, FINN_IMAGES, len(data.images))
        finn.compare(graph, made, data.images[few])
    seen = _write_golden(job.folder, graph, data, proof.outputs, proof.classes)
    count = len(data.images)
    figures = {
        "equal": Figure(f"{count - proof.ties:,} of {count:,}", data.what, "measured"),
        "images": Figure(count, data.what, "measured"),
        "finn_images": Figure(min(FINN_IMAGES, count) if made else 0, data.what, "measured"),
        "layers": Figure(len(graph.layers), "", "measured"),
        "golden_classes": Figure(seen, "classes", "measured"),
        "finn_lacks": Figure(
            ", ".join(made.lacks if made else [pruned or ""]) or "nothing", "", "measured"
        ),
    }
    if pruned is not None:
        figures["finn_graph"] = Figure("none, since columns are pruned", "", "measured")
    if proof.ties:
        figures["tied"] = Figure(proof.ties, "images", "measured")
        figures["tied_values"] = Figure(proof.tied_values, "activations", "measured")
    if data.labels is not None:
        share = float(100 * np.mean(proof.classes == data.labels))
        figures["accuracy"] = Figure(share, "%", "measured")
    return figures


def with_names(graph: HardwareGraph, names: dict[str, tuple[str, ...]]) -> HardwareGraph:
    """The graph with the FINN nodes that each layer stands for."""
    layers = tuple(replace(layer, finn_names=names[layer.id]) for layer in graph.layers)
    return replace(graph, layers=layers)


def _write_golden(
    folder: Path, graph: HardwareGraph, data: Inputs, outputs: np.ndarray, classes: np.ndarray
) -> int:
    """Writes golden.npz of images of all classes.

    Returns how many classes the network predicts for the traced ones.
    """
    windows = any(isinstance(layer, SlidingWindow) for layer in graph.layers)
    count = CONVOLUTION_IMAGES if windows else END_TO_END_IMAGES
    chosen = over_classes(data.labels, count, len(data.images))
    traced = chosen[:STREAM_IMAGES]
    streams = reference.run(graph, data.images[traced])
    seen = len(np.unique(classes[traced]))
    least = min(LEAST_CLASSES, _outputs(graph))
    if data.labels is not None and seen < least:
        raise VerificationError(
            f"streamline: the network predicts only {seen} classes on {len(traced)} test images "
            f"of all classes, too few to prove an accelerator with (at least {least}); train it "
            "longer (epochs=)"
        )
    arrays = {"images": data.images[chosen], "outputs": outputs[chosen]}
    if data.labels is not None:
        arrays["truth"] = data.labels[chosen]
    for edge, values in streams.items():
        arrays[f"stream.{edge}"] = values
    np.savez(folder / "golden.npz", **arrays)
    return seen


def _outputs(graph: HardwareGraph) -> int:
    last = graph.layers[-1]
    return graph.edges[last.input if isinstance(last, LabelSelect) else last.output].channels
