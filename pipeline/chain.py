"""The chain: which stages exist, what each needs, reads and writes. Imports nothing heavy.

A new stage is one entry here, one folder with `run(job)`, and three lines of dodo.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.tools.ssh import VIRTUAL
from specs.evaluation import PREFIX

Scope = Literal["dataset", "training", "network", "board"]
"""What a stage works on. Each of these is a kind of unit; a later one builds on an earlier one.
training is the network before it is pruned: one training serves any number of prunings."""
Want = Literal["data", "training", "pruning", "labels", "hardware", "rtl", "bitfile", "accuracies"]
"""What a stage may require of a unit, and not every unit has: a data set; a network that is trained
here; one that is pruned; labels of the test images; a network that can become hardware; hardware
that is our RTL; an engine that makes bitfiles; that its accuracies are not given. A unit that lacks
what a stage wants does not have that stage."""


@dataclass(frozen=True)
class Stage:
    """One step of the chain. Its module has a function `run(job: Job) -> Metrics`.

    needs: the stages whose files it reads, those that the unit has. "a|b": b if it lacks a.
    reads: the spec fields that it may read, as dotted paths. Other fields never rebuild it.
    wants: what a unit must have for the stage to exist.
    version: raised when the stage's code gives other results than before.
    always: whether it runs each time it is asked for, since more than files decides its result.
    resumes: whether it can continue what an interrupted run of the same job left, with the same
        result. All other stages start again.
    after: stages that come before it if it has to run, though it reads none of their files, so that
        they never rebuild it. They look at what is to be built: it runs only if each of them found
        at least one unit that can be.
    shows: the figures on its console line.
    files: the files that the table at the end of a build names, each with a description; {unit} in
        a name stands for that of the unit. Without them the stage is not built.
    may_leave: further files that the table names if they are there.
    memory_mib: the most memory that the stage and its programs need. Stages wait for one another
        rather than exceed the machine's memory.
    time_limit_hours: after so long the stage counts as hanging and is ended.
    """

    name: str
    scope: Scope
    module: str
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()
    after: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    may_leave: tuple[tuple[str, str], ...] = ()
    resumes: bool = False
    always: bool = False
    version: int = 1
    memory_mib: int = 512
    time_limit_hours: float = 24


_FOLDING = (
    "board.lut",
    "board.bram36",
    "board.lut_share",
    "board.bram_share",
    "board.memory_port_bits",
    "board.family",
    "target.provider",
    "target.fps",
    "target.clock_mhz",
    "target.signatures",
    "target.costs",
)

_RESOURCES = ("board.lut", "board.ff", "board.bram36", "board.dsp")

STAGES = (
    Stage(
        "data",
        "dataset",
        "pipeline.data",
        reads=("dataset", "data_files", "data_size", "network.data"),
        wants=("data",),
        memory_mib=1024,
        shows=("train_images", "test_images"),
        version=3,
    ),
    Stage(
        "outline",
        "network",
        "pipeline.outline",
        reads=(
            *("network.name", "network.model", "network.input", "network.output"),
            "network.pruning",
        ),
        wants=("training", "hardware"),
        memory_mib=2048,
        shows=("layers",),
    ),
    Stage(
        "fits",
        "board",
        "pipeline.outline.fits",
        needs=("outline",),
        reads=_FOLDING,
        wants=("training", "hardware"),
        shows=("ii", "fps", "lut", "bram36"),
    ),
    Stage(
        "train",
        "training",
        "pipeline.training",
        needs=("data",),
        reads=("network.model", "network.input", "network.training"),
        wants=("training",),
        after=("outline", "fits"),
        resumes=True,
        memory_mib=2560,
        time_limit_hours=30 * 24,
        shows=("test_accuracy", "validation_accuracy", "epochs", "outputs"),
        files=(("trained weights", "weights.safetensors"),),
    ),
    Stage(
        "prune",
        "network",
        "pipeline.pruning",
        needs=("data", "train"),
        reads=("network.model", "network.input", "network.training", "network.pruning"),
        wants=("training", "pruning"),
        resumes=True,
        memory_mib=2560,
        time_limit_hours=30 * 24,
        shows=("accuracy_before", "test_accuracy", "sparsity", "macs_left", "outputs"),
        files=(
            ("pruned weights", "weights.safetensors"),
            ("accuracy by sparsity", "rounds.csv"),
            ("the same as a plot", "rounds.svg"),
            ("what each layer lost", "pruning.json"),
        ),
    ),
    Stage(
        "export",
        "network",
        "pipeline.export",
        needs=("data", "prune|train"),
        reads=("network.model", "network.input"),
        memory_mib=3072,
        shows=("equal", "accuracy", "outputs"),
        files=(("QONNX", "model.onnx"),),
        version=3,
    ),
    Stage(
        "streamline",
        "network",
        "pipeline.streamlining",
        needs=("data", "export"),
        reads=("network.name", "network.input", "network.output"),
        wants=("hardware",),
        memory_mib=2048,
        shows=("equal", "tied", "accuracy", "finn_graph"),
        files=(("hardware graph", "hardware.json"),),
        # FINN has no layers that leave out columns
        may_leave=(("FINN's dataflow graph", "dataflow.onnx"),),
        version=5,
    ),
    Stage(
        "fold",
        "board",
        "pipeline.folding",
        needs=("streamline",),
        reads=_FOLDING,
        wants=("hardware",),
        shows=("ii", "fps", "lut", "bram36"),
        files=(("folding, certificate", "folding.json"),),
        version=5,
    ),
    Stage(
        "fifos",
        "board",
        "pipeline.fifos",
        needs=("streamline", "fold"),
        reads=("target.provider",),
        wants=("hardware",),
        memory_mib=2048,
        shows=("ii", "fifo_bits"),
        version=2,
    ),
    Stage(
        "rtl",
        "board",
        "pipeline.rtl",
        needs=("streamline", "fold", "fifos"),
        reads=("board.family", "board.memory_port_bits", "target.signatures"),
        wants=("hardware", "rtl"),
        shows=("modules", "memory_bits"),
        files=(("Verilog", "accelerator.v"), ("AXI shell", "shell.v")),
        version=7,
    ),
    Stage(
        "simulate",
        "board",
        "pipeline.simulation",
        needs=("streamline", "fold", "rtl"),
        reads=("target.clock_mhz",),
        wants=("hardware", "rtl"),
        memory_mib=2048,
        time_limit_hours=72,
        shows=("bit_exact", "ii", "latency", "mutants"),
        files=(("mutants caught", "mutants.csv"),),
        version=3,
    ),
    Stage(
        "synth",
        "board",
        "pipeline.synthesis",
        needs=("streamline", "fold", "fifos", "rtl"),
        reads=(*_RESOURCES, "board.family", "target.provider", "vendor"),
        wants=("hardware",),
        memory_mib=6144,
        time_limit_hours=72,
        shows=("lut", "ff", "bram36"),
        files=(("resources by layer", "utilisation.csv"),),
        may_leave=(("netlist", "netlist.v"),),
        version=3,
    ),
    Stage(
        "implement",
        "board",
        "pipeline.implementation",
        needs=("streamline", "fold", "fifos", "rtl", "synth"),
        reads=(*_RESOURCES, "target.provider", "vendor"),
        wants=("hardware", "bitfile"),
        memory_mib=6144,
        time_limit_hours=72,
        shows=("lut", "bram36", "slack"),
        files=(("bitfile", "accelerator.bit"), ("implemented resources", "utilisation.csv")),
    ),
    Stage(
        "driver",
        "board",
        "pipeline.driver",
        needs=("streamline", "fold", "rtl|implement", "simulate"),
        reads=("board.name", "board.part", "board.family", "target.clock_mhz"),
        wants=("hardware",),
        memory_mib=2048,
        shows=("bit_exact", "ii", "latency"),
        files=(("driver", "driver.py"), ("its settings", "settings.json")),
    ),
    Stage(
        "package",
        "board",
        "pipeline.packaging",
        needs=(
            *("data", "train", "prune", "export", "streamline", "fold", "fifos", "rtl", "simulate"),
            *("synth", "implement", "driver"),
        ),
        reads=("package.extra",),
        wants=("hardware",),
        memory_mib=1024,
        shows=("files", "size"),
        files=(("package for the board", "{unit}.tar"),),
    ),
)

PREVIEWS = frozenset(name for stage in STAGES for name in stage.after)
"""The stages that run only before another one that has to run, or if they are asked for."""
LAST = STAGES[-1]
"""The stage that a unit is built up to."""


def _evaluation(
    level: str,
    needs: tuple[str, ...],
    reads: tuple[str, ...] = (),
    wants: tuple[Want, ...] = (),
    scope: Scope = "network",
) -> Stage:
    return Stage(
        f"{PREFIX}{level}",
        scope,
        "pipeline.evaluation",
        needs=("data", *needs),
        reads=("network.input", "evaluation.images", *reads),
        wants=(*wants, "labels"),
        memory_mib=2048,
        time_limit_hours=7 * 24,
        shows=("top1", "top5", "right"),
        version=2,
    )


EVALUATIONS = (
    _evaluation("brevitas", ("prune|train",), ("network.model",), ("training",)),
    _evaluation("qonnx", ("export",)),
    _evaluation("reference", ("streamline",), wants=("hardware",)),
    _evaluation("rtl", ("streamline", "rtl"), wants=("hardware", "rtl"), scope="board"),
)
"""The stages of `./doit evaluate`, one for each level. They run only when asked for."""

PLAN = "prune-plan"
PLANS = (
    Stage(
        "sensitivity",
        "network",
        "pipeline.planning",
        needs=("data", "train"),
        reads=(
            *("network.model", "network.input", "network.training", "network.pruning"),
            *("plan.granularity", "plan.steps", "evaluation.images"),
        ),
        wants=("training", "hardware", "accuracies"),
        resumes=True,
        memory_mib=2560,
        time_limit_hours=7 * 24,
        shows=("layers", "points", "images", "accuracy"),
        files=(
            ("accuracy by layer and sparsity", "sensitivity.csv"),
            ("the same as a plot", "sensitivity.svg"),
        ),
    ),
    Stage(
        PLAN,
        "board",
        "pipeline.planning",
        version=2,
        needs=("outline", "sensitivity"),
        reads=("network", "plan", "board.name", *_FOLDING),
        wants=("training", "hardware"),
        memory_mib=3072,
        shows=("fps", "ii", "lut", "accuracy", "pruned"),
        files=(
            ("the plan, a network", "plan.toml"),
            ("candidates, certificates", "candidates.json"),
            ("accuracy by fps", "pareto.csv"),
            ("the same as a plot", "pareto.svg"),
        ),
    ),
)
"""The stages of `./doit prune-plan`. They run only when asked for."""
ASKED = (*EVALUATIONS, *PLANS)
"""All stages beside the chain."""


def deploy_stage(label: str) -> Stage:
    """The stage that deploys a package to one board and judges it; `label` is of the board's host.

    It is not among `BY_NAME`: there is one for each host that a user names.
    """
    return Stage(
        f"deploy.{label}",
        "board",
        "deploy.stage",
        needs=("data", "package", "evaluate-reference"),
        reads=("network.input", "evaluation.images", "board"),
        # a virtual board simulates our RTL
        wants=("hardware", "rtl") if label == VIRTUAL else ("hardware",),
        always=True,
        memory_mib=1024,
        shows=("verdict", "accuracy", "fps"),
        files=(("verdict", "verdict.json"),),
    )


BY_NAME = {stage.name: stage for stage in (*STAGES, *ASKED)}
