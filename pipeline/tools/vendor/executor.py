"""Runs plans: here, in a container, or behind a launcher such as srun, bsub or ssh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.tools.vendor.plan import Plan


class Executor:
    """SKELETON, being written: the interface is final.

    A run has in its environment what the plan adds and PIPELINE_JOBS, the number of threads that
    Vivado may use (the setting `jobs`); scripts read it, so that it is not part of the digest.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def run(
        self,
        plan: Plan,
        folder: Path,
        log: Path,
        on_line: Callable[[str], None] | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Runs the plan in `folder`, unless the folder already has its intact products.

        Then it gives the log of that earlier run. Raises ToolError as run_tool does, also if a
        product is missing after exit code 0. `tell` gets the reason why it waits.
        """
        raise NotImplementedError

    def command(self, plan: Plan, folder: Path) -> list[str]:
        """The whole argv: launcher, container engine with its mounts, run.sh."""
        raise NotImplementedError

    def describe(self, plan: Plan, folder: Path) -> str:
        """What dry_run=yes prints: files, argv, mounts, environment, digest."""
        raise NotImplementedError


def executor(settings: Mapping[str, Any]) -> Executor:
    """The executor that the settings ask for. Raises MissingTool, SpecError."""
    return Executor(settings)
