"""The failures of tests/vendor/failures.toml: played by the fakes on the real path, and told."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines.vivado.rtl import ENGINE
from pipeline.engines.vivado.runs import run_planned
from pipeline.errors import PipelineError
from pipeline.tools.vendor.plan import Plan
from tests.engines.vivado import cases
from tests.vendor.install import Failure, break_off

FILE = Path(__file__).parents[1] / "vendor" / "failures.toml"
HLS = Plan(
    name="hls.MVAU_hls_0",
    files={
        "top.cpp": (
            "#include <hls_stream.h>\n#include <ap_int.h>\n"
            "void top(hls::stream<ap_uint<8>> &in0_V, hls::stream<ap_uint<8>> &out_V) {\n"
            "#pragma HLS INTERFACE axis port=in0_V\n#pragma HLS INTERFACE axis port=out_V\n"
            "#pragma HLS INTERFACE ap_ctrl_none port=return\nout_V.write(in0_V.read());\n}\n"
        ),
        "hls_syn.tcl": (
            "open_project project\nadd_files top.cpp\nset_top top\nopen_solution sol1\n"
            "set_part xc7z020clg400-1\ncreate_clock -period 10\ncsynth_design\nexport_design\n"
        ),
    },
    argv=("vitis_hls", "hls_syn.tcl"),
    products=("project/sol1/impl/ip/component.xml",),
)


@dataclass(frozen=True)
class Played:
    """One failure of the file; see there."""

    name: str
    run: str
    rule: str
    phase: str = ""
    lines: tuple[str, ...] = ()
    code: int = 1
    action: str = ""
    engine: str = ""
    option: str = ""
    source: str = ""

    @property
    def failure(self) -> Failure | None:
        if not self.phase:
            return None
        code = None if self.code < 0 else self.code
        tool = "vitis_hls" if self.run == "hls" else "vivado"
        return Failure(self.phase, self.lines, code, self.action, tool)

    @property
    def where(self) -> str:
        return f"{self.run}, {self.phase or self.engine.partition(',')[0] or 'afterwards'}"

    @property
    def ends(self) -> str:
        if self.action:
            return {"hang": "hangs", "kill": "SIGKILL", "disk": "writes on"}[self.action]
        if "lost" in self.engine:
            return "container removed"
        if self.option:
            return "exit code 0"
        return f"exit code {max(0, self.code)}"


def all_failures() -> dict[str, Played]:
    document: Mapping[str, Any] = tomllib.loads(FILE.read_text())
    found = [Played(**{**row, "lines": tuple(row.get("lines", ()))}) for row in document["failure"]]
    assert len({row.name for row in found}) == len(found)
    return {row.name: row for row in found}


@dataclass(frozen=True)
class Bench:
    """A unit that is synthesised, and the tools that shall fail. bin: a folder on PATH."""

    unit: cases.Unit
    vivado: Path
    hls: Path
    bin: Path

    def error(self, played: Played, patch: pytest.MonkeyPatch) -> str:
        """The text of the error that a user sees."""
        tool = self.hls if played.run == "hls" else self.vivado
        options = tool / "fake" / "options.txt"
        before = options.read_text()
        break_off(tool, played.failure)
        # writing to /dev/full, the kernel says that there is no space
        more = "fail.file /dev/full" if played.action == "disk" else played.option
        options.write_text(f"{options.read_text()}{more}\n")
        settings = dict(self.unit.settings)
        if played.action == "hang":
            settings["time_limit_hours"] = 1.0 / 3600
        if played.engine:
            settings |= self._engine(played, patch)
        unit = replace(self.unit, settings=settings)
        self._forget()
        try:
            with pytest.raises(PipelineError) as caught:
                run(unit, played.run)
        finally:
            options.write_text(before)
        return str(caught.value)

    def _forget(self) -> None:
        """Removes the work folders, so that no step is done already."""
        for path in self.unit.folder.glob(".cache/vivado/*"):
            if path.is_dir():
                shutil.rmtree(path)

    def _engine(self, played: Played, patch: pytest.MonkeyPatch) -> dict[str, str]:
        """Puts a program on PATH that behaves as the failing engine, and the settings for it."""
        name, _, how = played.engine.partition(", ")
        shown = "".join(f"printf '%s\\n' {_quoted(line)} >&2\n" for line in played.lines)
        if how == "lost":
            # the container's process is gone while the client waits for it
            shown = 'while [ "$1" != bash ]; do shift; done\n"$@" & sleep 0.3\nkill -9 $!\n'
        program = self.bin / name
        program.write_text(f'#!/bin/sh\n[ "$1" = rm ] && exit 0\n{shown}exit {played.code}\n')
        program.chmod(0o755)
        patch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        if name in ("srun", "ssh"):
            return {"launcher": f"{name} somewhere"}
        return {"container": name}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def run(unit: cases.Unit, what: str) -> None:
    """One run of the engine, or of HLS, as a stage does it."""
    if what == "hls":
        job = unit.job("implement")
        run_planned(job, HLS, job.folder / "logs" / f"{HLS.name}.log")
    elif what == "synth":
        ENGINE.synthesise(unit.job("again"), unit.graph, unit.folding)
    else:
        ENGINE.implement(unit.job("implement"), unit.graph, unit.folding)


def told(error: str, folder: Path) -> tuple[str, str]:
    """Cause and remedy as an error shows them, without what differs from run to run."""
    first, *rest = error.splitlines()
    more = [line.strip() for line in rest]
    remedy = next((line for line in more if line.startswith("what to do: ")), "")
    if remedy:
        start = re.sub(r"^.*?\(.*?\): |^.*?: (?=[A-Z])", "", first)
        cause = " ".join([start, *more[: more.index(remedy)]])
    elif "whole log" not in error:  # in the words of the engine: places, remedy, report
        cause, remedy = " ".join([first, *more[:-2]]), more[-2]
    else:
        cause = " ".join([first, *(line[2:] for line in more if line.startswith("| "))])
        remedy = more[-1]
    plain = [
        text.replace(str(folder), "...").replace("|", "/")
        for text in (cause, remedy.removeprefix("what to do: "))
    ]
    return plain[0], plain[1]
