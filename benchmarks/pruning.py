"""A pruned network beside the whole one on a board: what it lost and what it gained.

    ./doit build network=tfc_2w2a data_root=~/mnist
    ./doit build network=tfc_2w2a prune=columns sparsity=0.5 data_root=~/mnist
    .venv/bin/python benchmarks/pruning.py network=tfc_2w2a prune=columns sparsity=0.5
    .venv/bin/python benchmarks/pruning.py WHOLE PRUNED    # board units, by their folders in build/
    .venv/bin/python benchmarks/pruning.py --quick         # a small random network, no builds

Takes the variables of the pruned build; the other one has the same without those of the pruning.
Reads only what was built; what is not appears as "not built". Each figure keeps the kind that its
stage gave it. The last lines compare the gain with what the pruned share of the bottleneck, the
layer that bounds the whole network's II, lets expect.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import table
from benchmarks.thesis_pruning import board_ground, next_faster
from pipeline.errors import PipelineError
from pipeline.flow import documents, state
from pipeline.flow.documents import JobFile
from pipeline.flow.selection import selection
from pipeline.flow.task import build_folder
from pipeline.flow.variables import PRUNING, VARIABLES, settings
from pipeline.folding import folded
from pipeline.hardware import graph as hardware
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Mvau
from pipeline.hardware.pruned import pruned
from pipeline.job import Figure, Metrics

MISSING = "not built"
COLUMNS = ("figure", "whole", "pruned", "change")


@dataclass(frozen=True)
class Built:
    """What is there of one network on a board.

    found: figures by stage. certificate: of the folding. rounds: of the pruning, the whole network
    first.
    """

    name: str
    found: Mapping[str, Metrics]
    graph: HardwareGraph | None = None
    certificate: Mapping[str, Any] = field(default_factory=dict)
    rounds: Sequence[Mapping[str, str]] = ()

    def figure(self, name: str, *stages: str) -> Figure | None:
        """The figure of the first of these stages that has it."""
        found = (self.found.get(stage, {}).get(name) for stage in stages)
        return next((figure for figure in found if figure is not None), None)


def read(name: str, folders: Mapping[str, Path]) -> Built:
    """What is published in the folders of a unit's stages."""
    found = {stage: state.metrics(folder) for stage, folder in folders.items()}
    there = {stage: folders[stage] for stage, figures in found.items() if figures}
    rounds = list[Mapping[str, str]]()
    if "prune" in there:
        with (there["prune"] / "rounds.csv").open(newline="") as file:
            rounds = [*csv.DictReader(file)]
    return Built(
        name,
        found,
        hardware.load(there["streamline"]) if "streamline" in there else None,
        json.loads((there["fold"] / "certificate.json").read_text()) if "fold" in there else {},
        rounds,
    )


def of_variables(given: Mapping[str, str]) -> Iterator[tuple[Built, Built]]:
    """For each pruned network on a board the whole one and it.

    Raises PipelineError for variables without a pruning.
    """
    rest = {name: x for name, x in given.items() if not VARIABLES[name].startswith(PRUNING)}
    after, before = selection(given), selection({**rest, "prune": "off"})
    for one, other in zip(before.units, after.units, strict=True):
        if other.network.pruning is None:
            raise PipelineError(
                f"{other.name}: is not pruned; add the variables of its pruning: prune=columns ..."
            )
        chains = (chosen.chain(unit) for chosen, unit in ((before, one), (after, other)))
        whole, small = ({task.stage.name: task.folder for task in chain} for chain in chains)
        yield read(one.name, whole), read(other.name, small)


def of_unit(build: Path, unit: str) -> Built:
    """A board unit by its name, with the stages of other units that its own need.

    Raises PipelineError if there is none.
    """
    waiting = [*(build / unit).glob("*.job.json")]
    if not (build / unit / "fold.job.json").exists():
        known = ", ".join(sorted({path.parent.name for path in build.glob("*/fold.job.json")}))
        raise PipelineError(
            f"{unit}: no board unit of the build folder; there are: {known or 'none'}"
        )
    folders = dict[str, Path]()
    while waiting:
        file = waiting.pop()
        job = documents.read(JobFile, file)
        if job is None or job.stage in folders:
            continue
        folders[job.stage] = file.with_name(job.stage)
        waiting += [build / f"{place}.job.json" for place in job.inputs.values()]
    return read(unit, folders)


def work(graph: HardwareGraph, name: str) -> int:
    """Products that a layer of weights takes for an image; of others what they stream; 0: gone."""
    layer = next((layer for layer in graph.layers if layer.id == name), None)
    if layer is None:
        return 0
    source, target = graph.edges[layer.input], graph.edges[layer.output]
    if isinstance(layer, Mvau):
        return layer.weights.size * target.vectors
    return max(source.elements, target.elements) if layer.kind != "swg" else target.elements


def rows(whole: Built, small: Built) -> Iterator[tuple[str, ...]]:
    """The table of both."""
    yield _row("accuracy", _accuracy(whole), _accuracy(small), points=True)
    for name, label in (("weights", "weights"), ("macs", "products an image")):
        counts = [Figure(int(of[name]), "", "measured") for of in small.rounds]
        yield _row(label, *((counts[0], counts[-1]) if counts else (None, None)))
    both = (whole, small)
    for label, name, stage in (
        ("II", "ii", "fold"),
        ("II", "ii", "simulate"),
        ("fps", "fps", "fold"),
        ("LUT", "lut", "fold"),
        ("LUT", "lut", "synth"),
        ("BRAM36", "bram36", "fold"),
        ("BRAM36", "bram36", "synth"),
    ):
        found = [built.figure(name, stage) for built in both]
        kinds = {str(figure.kind) for figure in found if figure} or {f"stage {stage}"}
        yield _row(f"{label}, {'/'.join(sorted(kinds))}", *found)
    exact = [built.figure("bit_exact", "simulate") for built in both]
    yield ("bit-exact, simulated", *(str(x) if x else MISSING for x in exact), "")
    faster = [next_faster(x.certificate) if x.certificate else MISSING for x in both]
    yield ("certificate: next faster II", *faster, "")


def _accuracy(built: Built) -> Figure | None:
    return built.figure("test_accuracy", "prune", "train") or built.figure("accuracy", "streamline")


def _row(
    label: str, before: Figure | None, after: Figure | None, *, points: bool = False
) -> tuple[str, ...]:
    change = ""
    if before and after:
        a, b = float(before.value), float(after.value)
        if points:
            change = f"{b - a:+.2f} points"
        elif a:
            change = f"{100 * (b / a - 1):+.1f} %"
    return (label, *(_bare(x) if x else MISSING for x in (before, after)), change)


def _bare(figure: Figure) -> str:
    """The number without the unit that the line's label says."""
    return str(figure if figure.unit == "%" else Figure(figure.value, "", figure.kind))


def gain(whole: Built, small: Built) -> str:
    """The gain in speed beside the one that the pruned share of the bottleneck implies."""
    bottleneck = whole.figure("bottleneck", "fold")
    before, after = (_ii(built) for built in (whole, small))
    if not (bottleneck and before and after and whole.graph and small.graph):
        return f"The gain: {MISSING}; both networks need the stages streamline and fold."
    name, got = str(bottleneck.value), float(before.value) / float(after.value)
    kinds = " and ".join(sorted({before.kind, after.kind}))
    left = work(small.graph, name) / work(whole.graph, name)
    implied = f"implies {1 / left:.2f} times the fps" if left else "it is gone"
    less = ", which is less" if left and got < 1 / left - _ROUNDED else ""
    return (
        f"Of {name}, which bounds the II of the whole network, {100 * (1 - left):.1f} % was "
        f"pruned: that {implied}; got {got:.2f} times ({kinds}){less}."
    )


_ROUNDED = 0.005
"""What two digits do not show."""


def _ii(built: Built) -> Figure | None:
    return built.figure("ii", "simulate", "fold")


def quick() -> tuple[Built, Built]:
    """A small random network and half of its columns, folded in memory."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - only here

    from qonnx.core.modelwrapper import ModelWrapper  # noqa: PLC0415

    from pipeline.streamlining.graph import hardware_graph  # noqa: PLC0415
    from specs.input import InputSpec  # noqa: PLC0415

    contract = InputSpec(shape=(8, 8, 1))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        table.write_qonnx(table.fc(table.TINY, 2), contract, path)
        graph = hardware_graph(ModelWrapper(str(path)), "random", contract, "label").graph
    given = board_ground("Pynq-Z1")
    built = []
    for name, shape in (
        ("random@Pynq-Z1", graph),
        ("random, half of fc0@Pynq-Z1", pruned(graph, {"fc0": range(32)}, {})),
    ):
        plan = folded(given, shape)
        built.append(Built(name, {"fold": plan.figures()}, shape, plan.certificate))
    return built[0], built[1]


def main() -> None:
    words = sys.argv[1:]
    try:
        if "--quick" in words:
            pairs = [quick()]
        elif len(words) == 2 and not any("=" in word for word in words):
            build = build_folder(settings({}))
            pairs = [(of_unit(build, words[0]), of_unit(build, words[1]))]
        elif words and all("=" in word for word in words):
            pairs = [*of_variables(dict(word.split("=", 1) for word in words))]
        else:
            sys.exit(__doc__)
    except PipelineError as error:
        sys.exit(str(error))
    for whole, small in pairs:
        table.show(f"{small.name} beside {whole.name}", COLUMNS, rows(whole, small))
        print(gain(whole, small))


if __name__ == "__main__":
    main()
