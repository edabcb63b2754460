"""Stage `fold`: finds the folding that is optimal for the cost model within the board's budget."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engines import Engine, engine, prediction
from pipeline.engines.space import Budget, Solution, Space
from pipeline.engines.utilisation import Utilisation
from pipeline.errors import DoesNotFit
from pipeline.folding.search import Need, binding, cheapest, fastest, front
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import Folding, save_folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure, Job, Metrics, progress

NAMES = {
    "lut": "LUTs",
    "bram18": "RAMB18 (halves of a BRAM36)",
    "input_bits": "bits a clock of the memory port",
}


@dataclass(frozen=True)
class Ground:
    """What a job's board and target give a folding, whatever the network is."""

    engine: Engine
    signatures: bool
    learned: prediction.Calibration | None
    """Factors of `costs=` for the engine's estimates."""
    board: Budget
    """All that the board has."""
    budget: Budget
    """What the shell leaves of the board's shares."""
    shell: Utilisation
    mhz: float
    fps: float | None

    def space(self, graph: HardwareGraph) -> Space:
        space = self.engine.space(graph, signatures=self.signatures)
        if self.learned is None:
            return space
        return prediction.scaled(space, graph, self.learned.lut)

    def ii(self, fps: float) -> int:
        """The greatest II at which so many images a second are reached."""
        return math.floor(self.mhz * 1e6 / fps)


@dataclass(frozen=True)
class Plan:
    """The folding found for a graph, and what it was found with."""

    space: Space
    budget: Budget
    shell: Utilisation
    mhz: float
    solution: Solution
    certificate: dict[str, Any]

    @property
    def folding(self) -> Folding:
        options = zip(self.space.layers, self.solution.choice, strict=True)
        return {layer: option.fold for layer, option in options}

    def figures(self) -> Metrics:
        """They count the shell."""
        solution, shell = self.solution, self.shell
        counts = dict(zip(self.space.layers, (o.cycles for o in solution.choice), strict=True))
        return {
            "ii": Figure(solution.ii, "cycles", "estimated"),
            "fps": Figure(frames(self.mhz, solution.ii), "fps", "estimated"),
            "lut": Figure(solution.lut + shell.lut, "LUT", "estimated"),
            "bram36": Figure(solution.bram18 / 2 + shell.bram36, "BRAM36", "estimated"),
            "bottleneck": Figure(max(counts, key=counts.__getitem__), "", "estimated"),
        }


def run(job: Job) -> Metrics:
    """Writes folding.json, certificate.json (why none is better) and pareto.csv (II, LUT, BRAM).

    The figures and pareto.csv count the shell. Raises DoesNotFit, see `plan`.
    """
    found = plan(job, hardware.load(job.inputs["streamline"]))
    save_folding(found.folding, job.folder / "folding.json")
    (job.folder / "certificate.json").write_text(json.dumps(found.certificate, indent=1) + "\n")
    progress("Pareto front", 0.5)
    solutions = front(found.space, found.budget)
    _write_front(job.folder / "pareto.csv", found.space, solutions, found.mhz, found.shell)
    return found.figures()


def plan(job: Job, graph: HardwareGraph) -> Plan:
    """The best folding of `graph` on the job's board and for its target; see `folded`."""
    progress("searching")
    return folded(ground(job), graph)


def ground(job: Job) -> Ground:
    """What the folding of any network on the job's board is searched in.

    The board's budget has to hold the shell, too: the search gets what that leaves, and so speaks
    the certificate.
    """
    name = job.spec("target.provider", str)
    provider = engine(name)
    costs = job.spec("target.costs", str | None)  # type: ignore[arg-type]
    port_bits = job.spec("board.memory_port_bits", int)
    shell = provider.shell(job.spec("board.family", str), port_bits)
    board = Budget(
        job.spec("board.lut", int),
        2 * job.spec("board.bram36", int),
        port_bits,
    )
    budget = Budget(
        job.spec("board.lut_share", float) * board.lut - shell.lut,
        job.spec("board.bram_share", float) * board.bram18 - 2 * shell.bram36,
        board.input_bits,
    )
    return Ground(
        provider,
        job.spec("target.signatures", str) == "on",
        None if costs is None else prediction.load(job.own_file(costs), name),
        board,
        budget,
        shell,
        job.spec("target.clock_mhz", float),
        job.spec("target.fps", float | None),  # type: ignore[arg-type]
    )


def folded(given: Ground, graph: HardwareGraph) -> Plan:
    """The best folding of `graph`: the fastest, or with `fps` the cheapest that reaches it.

    Raises DoesNotFit naming what is short, by how much, and what would fit.
    """
    space = given.space(graph)
    solution, certificate = search(space, given.budget, given.board, given.mhz, given.fps)
    certificate["shell"] = {"lut": given.shell.lut, "bram18": round(2 * given.shell.bram36)}
    found = Plan(space, given.budget, given.shell, given.mhz, solution, certificate)
    given.engine.check_folding(graph, found.folding)
    return found


def search(
    space: Space, budget: Budget, board: Budget, mhz: float, fps: float | None
) -> tuple[Solution, dict[str, Any]]:
    """The optimal solution and its certificate: the least II, or the least cost that reaches `fps`.

    mhz: the clock. Raises DoesNotFit.
    """
    best = fastest(space, budget)
    if best is None:
        slowest = space.iis()[-1]
        raise DoesNotFit(
            f"fold: not even the slowest folding ({slowest:,} cycles an image) fits the budget: "
            f"{_told(binding(space, slowest, budget))}; use a larger board or a smaller network"
        )
    wanted = best if fps is None else math.floor(mhz * 1e6 / fps)
    if wanted < best:
        least_legal = space.iis()[0]
        why = _told(binding(space, max(wanted, least_legal), budget))
        if wanted < least_legal:
            legal = f"no legal folding takes fewer than {least_legal:,} cycles"
            why = f"{legal}, for which {why}" if why else legal
        raise DoesNotFit(
            f"fold: fps={fps:.10g} at {mhz:.10g} MHz needs an II of at most {wanted:,} cycles, "
            f"but the least that fits is {best:,}: {why}. What would fit: "
            f"fps={frames(mhz, best)}, a faster clock_mhz=, or a larger board"
        )
    solution = cheapest(space, wanted, budget, board)
    assert solution is not None, "an II that fits has a solution"
    return solution, _certificate(space, budget, board, solution, best, fps)


def _certificate(
    space: Space,
    budget: Budget,
    board: Budget,
    solution: Solution,
    best: int,
    fps: float | None,
) -> dict[str, Any]:
    """What a reader needs to check the result: the next faster II, and which resource it lacks."""
    faster = [ii for ii in space.iis() if ii < best]
    way = "graph, which adds both ways between a fork and a join" if space.joins else "chain"
    bound: dict[str, Any] = {"least_ii": best}
    if faster:
        bound["next_faster_ii"] = faster[-1]
        bound["binding"] = [
            {"resource": need.resource, "need": need.need, "have": need.have}
            for need in binding(space, faster[-1], budget)
        ]
    else:
        bound["binding"] = "no legal folding is faster"
    return {
        "objective": (
            "least II, then least sum of the shares of the board's LUT and BRAM"
            if fps is None
            else f"least sum of the shares of the board's LUT and BRAM at {fps:.10g} fps"
        ),
        "searched": space.searched,
        "cost": solution.lut / board.lut + solution.bram18 / board.bram18,
        "ii": solution.ii,
        "estimated": {"lut": solution.lut, "bram18": solution.bram18},
        "budget": {
            "lut": budget.lut,
            "bram18": budget.bram18,
            "input_bits": budget.input_bits,
        },
        "bound": bound,
        "proof": (
            "For a bound on the II the Pareto set of (LUT, BRAM18) over all foldings searched "
            f"comes from a dynamic program along the {way}. That none of it is in the budget at "
            "next_faster_ii, and that a lower bound only takes foldings away, make least_ii "
            "optimal for the cost model; that the solution is the cheapest of the set at its own "
            "bound makes its cost optimal."
        ),
    }


def frames(mhz: float, ii: int) -> int:
    """Images per second at an II, rounded down, so that fps= with this number asks for this II."""
    return math.floor(mhz * 1e6 / ii)


def _told(needs: list[Need]) -> str:
    return ", ".join(
        f"{math.ceil(need.need):,} {NAMES[need.resource]} needed, {math.floor(need.have):,} there"
        for need in needs
    )


def _write_front(
    path: Path, space: Space, solutions: list[Solution], mhz: float, shell: Utilisation
) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ii", "fps", "lut", "bram36", *space.layers])
        for solution in solutions:
            folds = [
                f"PE={o.fold.pe} SIMD={o.fold.simd} {o.fold.ram_style} {o.fold.threshold_style}"
                for o in solution.choice
            ]
            fps = frames(mhz, solution.ii)
            lut, bram36 = solution.lut + shell.lut, solution.bram18 / 2 + shell.bram36
            writer.writerow([solution.ii, fps, lut, bram36, *folds])
