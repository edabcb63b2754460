"""Runs one prune-plan job: what to prune so that the network reaches a speed on a board."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import DoesNotFit, PipelineError
from pipeline.folding import Ground, Plan, folded, frames, ground
from pipeline.hardware import graph as hardware
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import build, parts
from pipeline.planning.candidates import (
    MOST,
    Candidate,
    Candidates,
    described,
    sparsity,
    whole,
)
from pipeline.planning.choice import Chosen
from pipeline.planning.places import base, sites_of
from pipeline.planning.plots import Point, draw_front
from pipeline.planning.sensitivity import TABLE
from pipeline.planning.sites import Levels, Site, read_table
from pipeline.planning.toml import written
from pipeline.pruning.blocks import targets
from specs.models import FactoryModel
from specs.network import NetworkSpec
from specs.plan import PlanSpec
from specs.pruning import PruningSpec

PLAN = "plan.toml"
_TRAINED = 0.005
"""The share of the LUTs that a plan leaves free. It looks at the untrained network, whose trained
thresholds need a little more: up to 0.4 % on seven plans for two CNVs on Pynq-Z1."""


@dataclass(frozen=True)
class _Aim:
    """What the plan has to reach: an II and images per second; None: the fastest at little loss."""

    ii: int
    fps: float | None


def run(job: Job) -> Metrics:
    """Writes plan.toml (a network for `build`), candidates.json, pareto.csv and pareto.svg.

    Raises PipelineError for a table that is none, DoesNotFit if no pruning of it reaches the aim.
    """
    aims = job.spec("plan", PlanSpec)
    network = job.spec("network", NetworkSpec)
    given = _within(ground(job), aims.lut)
    graph = hardware.load(job.inputs["outline"])
    start, sites = _sites(job, network, aims)
    table = (
        job.inputs["sensitivity"] / TABLE
        if aims.accuracies is None
        else job.own_file(aims.accuracies)
    )
    top1, levels = read_table(table, sites)
    if not levels:
        raise PipelineError(f"{table}: has no row of a sparsity above 0, so there is no choice")
    progress("the whole network")
    before = whole(given, graph)
    aim = _aim(given, whole(ground(job), graph) if aims.lut else before, aims)
    progress("the design space of pruned networks")
    candidates = Candidates(_with_room(given), graph, sites, levels)
    front = list(
        candidates.front(
            None if before is None else before.solution.ii,
            lambda number: progress(f"candidate {number + 1}", 0.2 + 0.7 * number / MOST),
        )
    )
    if aim is None:
        chosen = _fastest(candidates, before, front, aims.max_loss)
    else:
        progress("the plan", 0.92)
        found = _unpruned(given, graph, before, aim) or candidates.at(aim.ii, aim.fps)
        if found is None:
            raise DoesNotFit(_unreached(aim, front, given, aims.lut))
        chosen = found
    _write(job.folder, top1, before, front, chosen, sites, levels)
    _draw(job, network, top1, before, front, chosen, sites)
    (job.folder / PLAN).write_text(
        written(_planned(job, network, start, chosen, sites)), encoding="utf-8"
    )
    job.note(_next(job, chosen, None if aim is None else aim.fps, top1, sites))
    return {
        "fps": Figure(chosen.fps, "fps", "estimated"),
        "ii": Figure(chosen.ii, "cycles", "estimated"),
        "lut": Figure(chosen.lut, "LUT", "estimated"),
        "bram36": Figure(chosen.bram36, "BRAM36", "estimated"),
        "accuracy": Figure(top1 - chosen.chosen.loss, "%", "estimated"),
        "loss": Figure(chosen.chosen.loss, "points", "estimated"),
        "pruned": Figure(_told(chosen, sites) or "nothing", "", "estimated"),
        "candidates": Figure(len(front), "", "estimated"),
    }


def _within(given: Ground, lut: int | None) -> Ground:
    """With `lut=`, not more LUTs than that, of which the shell takes some."""
    if lut is None:
        return given
    least = min(given.budget.lut, lut - given.shell.lut)
    if least < 0:
        raise DoesNotFit(
            f"prune-plan: lut={lut:,}: the shell alone takes {given.shell.lut:,.0f} LUTs"
        )
    return replace(given, budget=replace(given.budget, lut=least))


def _with_room(given: Ground) -> Ground:
    """With a budget that also holds what training adds."""
    return replace(given, budget=replace(given.budget, lut=given.budget.lut * (1 - _TRAINED)))


def _unpruned(
    given: Ground, graph: HardwareGraph, before: Plan | None, aim: _Aim
) -> Candidate | None:
    """The network as it is, if that reaches the aim: then nothing has to be pruned."""
    if before is None or before.solution.ii > aim.ii:
        return None
    return Candidate(Chosen({}, 0.0, 0.0), folded(replace(given, fps=aim.fps), graph))


def _sites(job: Job, network: NetworkSpec, aims: PlanSpec) -> tuple[PruningSpec, dict[str, Site]]:
    pruning = base(network.pruning, aims.granularity)
    model = network.model
    own = job.own_file(model.file) if isinstance(model, FactoryModel) else None
    found = parts(build(model, network.input, own), network.input)
    return pruning, sites_of(pruning, targets(pruning, found))


def _aim(given: Ground, unlimited: Plan | None, aims: PlanSpec) -> _Aim | None:
    if given.fps is not None:
        return _Aim(given.ii(given.fps), given.fps)
    if aims.lut is None:
        return None
    if unlimited is None:
        raise DoesNotFit(
            "prune-plan: the network as it is does not fit the board, so it has no speed to keep: "
            "give fps=, too"
        )
    ii = unlimited.solution.ii
    return _Aim(ii, frames(given.mhz, ii))


def _fastest(
    candidates: Candidates, before: Plan | None, front: Sequence[Candidate], most: float
) -> Candidate:
    good = [found for found in front if found.chosen.loss <= most + 1e-9]
    if good:
        return good[-1]
    if before is not None:
        return Candidate(Chosen({}, 0.0, 0.0), before)
    least = min((found.chosen.loss for found in front), default=None)
    raise DoesNotFit(
        f"prune-plan: nothing fits at a loss of at most max_loss={most:g}: "
        + ("no pruning of the table fits" if least is None else f"the least is {least:.2f} points")
    )


def _unreached(aim: _Aim, front: Sequence[Candidate], given: Ground, lut: int | None) -> str:
    fastest = max((found.fps for found in front), default=None)
    reach = "none fits" if fastest is None else f"the fastest candidate reaches {fastest:,} fps"
    limit = "" if lut is None else f" with lut={lut}"
    asked = f"fps={aim.fps:.10g}" if aim.fps else f"an II of {aim.ii:,}"
    return (
        f"prune-plan: {asked} at {given.mhz:g} MHz{limit} needs an II of at most {aim.ii:,} "
        f"cycles, and no pruning that the table has reaches it: {reach}. What could help: a higher "
        "prune_max_sparsity, a faster clock_mhz=, or a larger board"
    )


def _told(found: Candidate, sites: Mapping[str, Site]) -> str:
    shares = ((name, sparsity(sites[name], kept)) for name, kept in found.chosen.kept.items())
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares)


def _planned(
    job: Job,
    network: NetworkSpec,
    start: PruningSpec,
    chosen: Candidate,
    sites: Mapping[str, Site],
) -> NetworkSpec:
    """The network with what the plan takes out of each layer."""
    kept = chosen.chosen.kept
    shares = {name: sparsity(sites[name], count) for name, count in kept.items()}
    fields = start.model_dump(exclude={"sparsity", "skip", "scope", "layers"})
    pruning = PruningSpec.model_validate({**fields, "layers": shares}) if shares else None
    model = network.model
    if isinstance(model, FactoryModel):
        model = model.model_copy(update={"file": str(job.own_file(model.file))})
    what = f"planned for {chosen.fps} fps on {job.spec('board.name', str)}"
    return network.model_copy(
        update={
            "name": f"{network.name}_pruned",
            "description": f"{network.name}, {what}; written by ./doit prune-plan",
            "model": model,
            "pruning": pruning,
        }
    )


def _next(
    job: Job, chosen: Candidate, fps: float | None, top1: float, sites: Mapping[str, Site]
) -> str:
    """What to do with the plan. The trained weights are taken, so that nothing is trained twice."""
    board = job.spec("board.name", str)
    folder = job.folder.parent / "prune-plan"
    if not chosen.chosen.kept:
        return "nothing has to be pruned for this; ./doit build makes it of the whole network"
    weights = _trained(job)
    words = [
        f"./doit build network={_shown(folder / PLAN)}",
        *([] if weights is None else [f"checkpoint={_shown(weights)}"]),
        f"board={board}",
        *([f"fps={fps:.10g}"] if fps else []),
    ]
    return (
        f"{_told(chosen, sites)}: estimated to cost {chosen.chosen.loss:.2f} of {top1:.2f} % "
        f"before fine-tuning; only a build measures it. Next: {' '.join(words)}"
    )


def _trained(job: Job) -> Path | None:
    """The trained weights, which are in a folder of another name if prune= was given."""
    folder = job.inputs["outline"].parent / "train"
    order = job.inputs["outline"].parent / "sensitivity.job.json"
    if order.is_file():
        folder = job.folder.parents[1] / json.loads(order.read_text())["inputs"]["train"]
    weights = folder / "weights.safetensors"
    return weights if weights.is_file() else None


def _shown(path: Path) -> str:
    """Relative to the folder of the call, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _write(
    folder: Path,
    top1: float,
    before: Plan | None,
    front: Sequence[Candidate],
    chosen: Candidate,
    sites: Mapping[str, Site],
    levels: Levels,
) -> None:
    """candidates.json and pareto.csv."""
    document = {
        "accuracy": {"whole": round(top1, 4), "kind": "measured"},
        "kind_of_losses": "estimated: the sum of what each layer loses alone, not fine-tuned",
        "proof": (
            "loss is the least sum of losses of all choices of levels that have a folding within "
            "the budget at this II: the levels are part of the exact search. Where least_loss is "
            "below loss, there were too many different sums to tell apart, and the least sum is "
            "not below least_loss. The certificate is that of the pruned network's folding."
        ),
        "without_pruning": None if before is None else before.certificate,
        "chosen": described(chosen, sites, levels),
        "candidates": [described(found, sites, levels) for found in front],
    }
    (folder / "candidates.json").write_text(json.dumps(document, indent=1) + "\n")
    with (folder / "pareto.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ii", "fps", "accuracy", "loss", "lut", "bram36", *sites])
        plain = [] if before is None else [Candidate(Chosen({}, 0.0, 0.0), before)]
        for found in (*plain, *front):
            shares = [
                f"{sparsity(site, found.chosen.kept.get(name, site.blocks)):g}"
                for name, site in sites.items()
            ]
            accuracy, loss = top1 - found.chosen.loss, found.chosen.loss
            writer.writerow([found.ii, found.fps, f"{accuracy:.2f}", f"{loss:.2f}", found.lut,
                             f"{found.bram36:g}", *shares])  # fmt: skip


def _draw(
    job: Job,
    network: NetworkSpec,
    top1: float,
    before: Plan | None,
    front: Sequence[Candidate],
    chosen: Candidate,
    sites: Mapping[str, Site],
) -> None:
    def point(found: Candidate) -> Point:
        return Point(found.fps, top1 - found.chosen.loss, found.lut, _told(found, sites))

    plain = None
    if before is not None:
        plain = point(Candidate(Chosen({}, 0.0, 0.0), before))
    title = f"{network.name} on {job.spec('board.name', str)}, not fine-tuned"
    draw_front(
        job.folder / "pareto.svg",
        title,
        plain,
        [point(found) for found in front],
        point(chosen),
        job.spec("target.fps", float | None),  # type: ignore[arg-type]
    )
