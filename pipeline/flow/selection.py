"""The units that the variables of one call select, and the tasks for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.chain import BY_NAME, STAGES, Stage
from pipeline.flow.task import Task
from pipeline.flow.unit import Unit, select
from pipeline.flow.variables import Settings, settings
from specs.evaluation import EvaluationSpec


@dataclass(frozen=True)
class Selection:
    """The board units that one call selects, and the settings of the machine."""

    units: tuple[Unit, ...]
    settings: Settings

    @property
    def evaluation(self) -> EvaluationSpec:
        return self.units[0].evaluation

    def tasks(self, stage: str) -> list[Task]:
        """The tasks of one stage, one for each unit it works on, even for a unit that lacks it."""
        chosen = BY_NAME[stage]
        units = {unit.at(chosen.scope).name: unit.at(chosen.scope) for unit in self.units}
        return [self.task(chosen, unit) for unit in units.values()]

    def task(self, stage: Stage, unit: Unit) -> Task:
        found = (_first(unit, need.split("|")) for need in stage.needs)
        inputs = (self.task(need, unit.at(need.scope)) for need in found if need is not None)
        return Task(stage, unit, tuple(inputs), self.settings)

    def before(self, task: Task, boards: bool) -> list[Task]:
        """The tasks that may refuse `task` before it runs, those of boards only for `boards`."""
        units = [unit for unit in self.units if unit.at(task.unit.scope).name == task.unit.name]
        found = [
            self.task(stage, unit.at(stage.scope))
            for stage in (BY_NAME[name] for name in task.stage.after)
            for unit in units
            if unit.absent(stage) is None and (boards or stage.scope != "board")
        ]
        return [*dict.fromkeys(found)]

    def chain(self, unit: Unit) -> Iterator[Task]:
        """All tasks of one board unit, in the order of the chain."""
        for stage in STAGES:
            if unit.absent(stage) is None:
                yield self.task(stage, unit.at(stage.scope))


def _first(unit: Unit, names: Iterable[str]) -> Stage | None:
    """The first of these stages that the unit has, if any."""
    return next((BY_NAME[name] for name in names if unit.absent(BY_NAME[name]) is None), None)


def selection(given: Mapping[str, str]) -> Selection:
    """The selection of the given variables.

    Raises SpecError for anything wrong in the variables, the specs or local.toml.
    """
    return Selection(tuple(select(given)), settings(given))


def task_names(tasks: Iterable[Task]) -> list[str]:
    return [task.name for task in tasks]
