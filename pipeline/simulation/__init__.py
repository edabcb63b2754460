"""Stage `simulate`: compares every stream of the RTL with the golden vectors; catches mutants."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from pipeline.errors import VerificationError
from pipeline.hardware import graph as hardware
from pipeline.hardware import reference
from pipeline.hardware.fold import Folding, load_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.post import classes
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.rtl.generator import write_memories
from pipeline.simulation.model import Model, Result, Stalls, build_model
from pipeline.simulation.signatures import of_batch
from pipeline.verification.compare import first_difference, require_equal
from pipeline.verification.mutants import kinds, mutants

STALLS = (
    Stalls(seed=1),
    Stalls(seed=2, input=0.7, output=0.05),
    Stalls(seed=3, input=0.05, output=0.7),
)
"""Runs with back-pressure: stalls on both sides, a slow source, a slow sink."""

STALL_CYCLES = 400_000
MUTANT_CYCLES = 130_000
"""About so many cycles run with stalls, and for each mutant. For dense networks that is all traced
images; for CNV a dozen and four of its 64."""
FEWEST = 4


def run(job: Job) -> Metrics:
    """Writes mutants.csv and fifo_peaks.csv (the most beats that each FIFO held).

    Raises VerificationError if a stream differs (naming the first layer and element), if a mutant
    is not caught, or if the II is not the predicted one.
    """
    graph = hardware.load(job.inputs["streamline"])
    folding = load_folding(job.inputs["fold"] / "folding.json")
    with np.load(job.inputs["streamline"] / "golden.npz") as archive:
        golden = {name: archive[name] for name in archive.files}
    expected = {
        name.removeprefix("stream."): values
        for name, values in golden.items()
        if name.startswith("stream.")
    }
    traced = len(next(iter(expected.values())))
    progress("compiling the model")
    with job.scratch() as work:
        model = build_model(job.inputs["rtl"], work, job.cache)
        progress(f"{len(golden['images'])} images", 0.4)
        free = model.run(golden["images"], trace=traced)
        require_equal(graph, expected, free.streams, "RTL")
        _require_outputs(golden["outputs"], free)
        ii, predicted = free.interval(), max(model.design.cycles.values())
        if ii != predicted:
            raise VerificationError(
                f"simulate: the II is {ii} cycles, but {predicted} were predicted"
            )
        count = _images(STALL_CYCLES, predicted, traced)
        part = {edge: values[:count] for edge, values in expected.items()}
        for number, stalls in enumerate(STALLS):
            progress(f"stalls {number + 1} of {len(STALLS)}", 0.5 + 0.1 * number)
            stalled = model.run(golden["images"][:count], stalls=stalls, trace=count)
            require_equal(graph, part, stalled.streams, f"RTL with stalls ({stalls})")
            seen = {graph.source.id: golden["images"][:count], **part}
            _require_signatures(stalled, of_batch(model.design, seen))
        wanted = {(x.id, kind) for x in graph.layers for kind in kinds(x, folding[x.id])}
        caught: list[list[str]] = []
        # a few images show most mutants; all of them run only for the others
        for few in dict.fromkeys((_images(MUTANT_CYCLES, predicted, traced), traced)):
            missing = wanted - {(row[0], row[1]) for row in caught}
            part = {edge: values[:few] for edge, values in expected.items()}
            caught += _catch(model, graph, folding, golden["images"][:few], part, work, missing)
        unseen = _require_all(wanted, caught, traced, random="truth" not in golden)
    header = ["layer", "kind", "change", "first_difference"]
    _write_csv(job.folder / "mutants.csv", header, caught)
    peaks = [[edge, peak] for edge, peak in free.peaks.items()]
    _write_csv(job.folder / "fifo_peaks.csv", ["edge", "most_beats"], peaks)
    figures = _metrics(job, graph, golden, free, ii, predicted, traced)
    figures["mutants"] = Figure(f"{len(caught)} of {len(wanted)}", "", "simulated")
    figures["mutants_unseen"] = Figure(", ".join(unseen), "", "simulated")
    return figures


def _metrics(
    job: Job,
    graph: HardwareGraph,
    golden: dict[str, np.ndarray],
    free: Result,
    ii: int | float,
    predicted: int,
    traced: int,
) -> Metrics:
    count, unit = len(golden["images"]), "images" if "truth" in golden else "random inputs"
    shape = golden["outputs"].shape
    equal = (free.output.reshape(shape) == golden["outputs"]).reshape(count, -1).all(axis=1).sum()
    mhz = job.spec("target.clock_mhz", float)
    figures: Metrics = {
        "bit_exact": Figure(f"{equal:,} of {count:,}", unit, "simulated"),
        "images": Figure(count, unit, "simulated"),
        "traced": Figure(traced, unit, "simulated"),
        "streams": Figure(f"{traced} of {traced}", unit, "simulated"),
        "stall_patterns": Figure(len(STALLS), "", "simulated"),
        "stalled": Figure(_images(STALL_CYCLES, predicted, traced), unit, "simulated"),
        "ii": Figure(ii, "cycles", "simulated"),
        "ii_predicted": Figure(predicted, "cycles", "estimated"),
        "latency": Figure(free.latency, "cycles", "simulated"),
        "latency_us": Figure(free.latency / mhz, "us", "estimated"),
    }
    if "truth" in golden:
        right = np.count_nonzero(classes(graph.post, free.output) == golden["truth"])
        figures["accuracy"] = Figure(float(100 * right / count), "%", "simulated")
    return figures


def _require_outputs(outputs: np.ndarray, result: Result) -> None:
    """Raises VerificationError if an output differs. outputs: [N, *shape], labels or logits."""
    count = len(outputs)
    expected, found = (values.reshape(count, -1) for values in (outputs, result.output))
    wrong = np.flatnonzero((expected != found).any(axis=1))
    if len(wrong):
        image = int(wrong[0])
        raise VerificationError(
            f"simulate: the outputs of {len(wrong)} of {count} images differ; first: image "
            f"{image}: expected {expected[image].tolist()}, RTL {found[image].tolist()}"
        )


def _require_signatures(result: Result, expected: dict[str, int]) -> None:
    """Raises VerificationError if a signature register does not hold what its stream gives."""
    wrong = [edge for edge, value in expected.items() if result.signatures[edge] != value]
    if wrong:
        raise VerificationError(
            f"simulate: the streams are right, but not the signatures of: {', '.join(wrong)}"
        )


def _images(cycles: int, ii: int, most: int) -> int:
    """The number of images that take about `cycles` cycles, between FEWEST and `most`."""
    return min(most, max(FEWEST, cycles // ii))


def _catch(
    model: Model,
    graph: HardwareGraph,
    folding: Folding,
    images: np.ndarray,
    expected: dict[str, np.ndarray],
    work: Path,
    wanted: set[tuple[str, str]],
) -> list[list[str]]:
    """Runs the RTL with the memories of each wanted mutant. Raises if one is not caught."""
    rows: list[list[str]] = []
    for mutant in mutants(graph, folding, expected, wanted):
        progress(f"mutant {len(rows) + 1} of {len(wanted)}", 0.8 + 0.2 * len(rows) / len(wanted))
        memories = work / "mutant"
        write_memories(mutant.graph, folding, memories)
        got = model.run(images, memory_folder=memories, trace=len(images)).streams
        difference = first_difference(graph, expected, got)
        if difference is None or difference.layer != mutant.layer:
            raise VerificationError(
                f"simulate: a mutant was not caught in its layer: {mutant.layer}, {mutant.what}; "
                f"first difference: {difference or 'none'}"
            )
        who = f"RTL of the mutant {mutant.layer} ({mutant.what})"
        require_equal(graph, reference.run(mutant.graph, images), got, who)
        rows.append([mutant.layer, mutant.kind, mutant.what, str(difference)])
    return rows


def _require_all(
    wanted: set[tuple[str, str]], caught: list[list[str]], traced: int, *, random: bool
) -> list[str]:
    """The kinds of mutant in a layer that no image shows.

    For these the check has not been proved able to fail. With a data set that is a
    VerificationError. With random inputs it is accepted: the network was not trained for them, and
    a layer may saturate.
    """
    missing = wanted - {(layer, kind) for layer, kind, *_ in caught}
    told = [f"{layer} ({kind})" for layer, kind in sorted(missing)]
    if told and not random:
        raise VerificationError(
            f"simulate: the {traced} traced images show no mutant in: {', '.join(told)}; so they "
            "cannot prove these layers (are the network's outputs constant?); train it longer "
            "(epochs=)"
        )
    return told


def _write_csv(path: Path, header: list[str], rows: list[list[str]] | list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
