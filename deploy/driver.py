"""Calls the driver of the release on a board."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deploy.install import CALL_SECONDS, Board
from deploy.scripts import REMOTE
from pipeline.errors import BoardError

Answer = dict[str, Any]


@dataclass(frozen=True)
class Driver:
    """The driver of a release that is installed on a board."""

    board: Board
    release: str
    seconds: int

    def __call__(self, command: str, *options: str) -> Answer:
        """Runs a command of driver.py and returns the JSON object that it ends with.

        An error of the driver is in it as "error", with kind and message. Raises BoardError if
        there is no such object.
        """
        return self._python(command, "driver.py", command, "--json", *options)

    def power(self) -> Answer:
        """The power of each rail in watts, idle and while the driver works."""
        program = (REMOTE / "power.py").read_text()
        return self._python("power", "-c", program, "driver.py", "throughput", "--json")

    def _python(self, what: str, *words: str) -> Answer:
        """The last JSON object of what Python prints. All else is only in the log."""
        log = self.board.logs / f"{what}.log"
        last: list[str] = []

        def on_line(line: str) -> None:
            if line.startswith("{"):
                last[:] = [line]

        _, code = self.board.run_with_root(
            "run",
            self.release,
            self.seconds,
            *words,
            seconds=self.seconds + CALL_SECONDS,
            log=log,
            on_line=on_line,
            expected=("failed",),
        )
        try:
            answer = json.loads(last[0]) if last else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise BoardError(
                f"{self.board.machine.word}: the driver's {what} ended with exit code "
                f"{code or 0} and without a result; log: {log}"
            )
        return answer
