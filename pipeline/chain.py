"""The chain: which stages exist, what each needs and reads, and the tasks a selection means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.flow.stage import Stage, Task
from pipeline.flow.unit import Scope, Unit, select
from pipeline.flow.variables import Settings, settings
from specs.evaluation import PREFIX, EvaluationSpec

STAGES = (
    Stage(
        "data",
        "dataset",
        "pipeline.data",
        reads=("dataset", "data_files", "network.data"),
        memory_mib=1024,
        shows=("train_images", "test_images"),
        version=3,
    ),
    Stage(
        "train",
        "network",
        "pipeline.training",
        needs=("data",),
        reads=("network.model", "network.input", "network.training"),
        resumes=True,
        memory_mib=2560,
        shows=("test_accuracy", "validation_accuracy", "epochs"),
    ),
    Stage(
        "export",
        "network",
        "pipeline.export",
        needs=("data", "train"),
        reads=("network.model", "network.input"),
        memory_mib=3072,
        shows=("equal", "accuracy"),
    ),
    Stage(
        "streamline",
        "network",
        "pipeline.streamlining",
        needs=("data", "export"),
        reads=("network.name", "network.input", "network.output"),
        memory_mib=2048,
        shows=("equal", "accuracy"),
        version=3,
    ),
    Stage(
        "fold",
        "board",
        "pipeline.folding",
        needs=("streamline",),
        reads=(
            "board.lut",
            "board.bram36",
            "board.lut_share",
            "board.bram_share",
            "board.memory_port_bits",
            "target.fps",
            "target.clock_mhz",
        ),
        shows=("ii", "fps", "lut", "bram36"),
        version=3,
    ),
    Stage(
        "fifos",
        "board",
        "pipeline.fifos",
        needs=("streamline", "fold"),
        memory_mib=2048,
        shows=("ii", "fifo_bits"),
        version=2,
    ),
    Stage(
        "rtl",
        "board",
        "pipeline.rtl",
        needs=("streamline", "fold", "fifos"),
        shows=("modules", "memory_bits"),
        version=3,
    ),
    Stage(
        "simulate",
        "board",
        "pipeline.simulation",
        needs=("streamline", "fold", "rtl"),
        reads=("target.clock_mhz",),
        memory_mib=2048,
        shows=("bit_exact", "ii", "latency", "mutants"),
        version=3,
    ),
    Stage(
        "synth",
        "board",
        "pipeline.synthesis",
        needs=("streamline", "fold", "rtl"),
        reads=(
            "board.family",
            "board.lut",
            "board.ff",
            "board.bram36",
            "board.dsp",
        ),
        memory_mib=6144,
        shows=("lut", "ff", "bram36"),
    ),
)


def _evaluation(level: str, needs: tuple[str, ...], *reads: str, scope: Scope = "network") -> Stage:
    return Stage(
        f"{PREFIX}{level}",
        scope,
        "pipeline.evaluation",
        needs=("data", *needs),
        reads=("network.input", "evaluation.images", *reads),
        memory_mib=2048,
        shows=("top1", "top5", "right"),
    )


EVALUATIONS = (
    _evaluation("brevitas", ("train",), "network.model"),
    _evaluation("qonnx", ("export",)),
    _evaluation("reference", ("streamline",)),
    _evaluation("rtl", ("streamline", "rtl"), scope="board"),
)
"""The whole test set at one level each: beside the chain, made when asked for."""
BY_NAME = {stage.name: stage for stage in (*STAGES, *EVALUATIONS)}


@dataclass(frozen=True)
class Selection:
    """What the variables of one call mean: the board units, and the settings of the machine."""

    units: tuple[Unit, ...]
    settings: Settings

    @property
    def evaluation(self) -> EvaluationSpec:
        return self.units[0].evaluation

    def tasks(self, stage: str) -> list[Task]:
        """The tasks of one stage, one for each unit it works on, also of a unit that lacks it."""
        chosen = BY_NAME[stage]
        units = {unit.at(chosen.scope).name: unit.at(chosen.scope) for unit in self.units}
        return [self.task(chosen, unit) for unit in units.values()]

    def task(self, stage: Stage, unit: Unit) -> Task:
        inputs = tuple(
            self.task(BY_NAME[need], unit.at(BY_NAME[need].scope))
            for need in stage.needs
            if unit.absent(need) is None
        )
        return Task(stage, unit, inputs, self.settings)

    def chain(self, unit: Unit) -> Iterator[Task]:
        """Every task of one board unit, in the order of the chain."""
        for stage in STAGES:
            if unit.absent(stage.name) is None:
                yield self.task(stage, unit.at(stage.scope))


def selection(given: Mapping[str, str]) -> Selection:
    """Raises SpecError for anything wrong in the variables, the specs or local.toml."""
    return Selection(tuple(select(given)), settings(given))


def task_names(tasks: Iterable[Task]) -> list[str]:
    return [task.name for task in tasks]
