"""An installation whose `vivado` is a bash script of the test's own."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from pipeline.tools.vendor.plan import Plan

LINGERS = """
sleep 600 &
setsid sleep 600 &
(setsid nohup sleep 600 >/dev/null 2>&1 &)
echo started
sleep 600
"""
"""A tool that starts others in every way, and hangs."""


def install(root: Path, script: str = "", version: str = "2024.2", tool: str = "vivado") -> Path:
    """Makes <root>/Vivado/<version> with bin/<tool>, and returns it."""
    folder = root / "Vivado" / version
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    program = folder / "bin" / tool
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    (folder / "settings64.sh").write_text(f'export PATH="{folder}/bin:$PATH"\n')
    return folder


def plan(**changed: object) -> Plan:
    fields: dict[str, object] = {
        "name": "synth",
        "files": {"synth.tcl": "puts done\n", "xdc/clock.xdc": "create_clock -period 10\n"},
        "argv": ("vivado", "-mode", "batch", "-source", "synth.tcl"),
        "products": ("synth.dcp",),
        "memory_mib": 64,
        **changed,
    }
    return Plan(**fields)  # type: ignore[arg-type]


def of_run(folder: Path) -> list[psutil.Process]:
    """The processes that a run in `folder` has started, and those that watch it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            script = any(word.startswith(f"{folder}/") for word in words)
            marked = process.environ().get("PIPELINE_RUN_IN") == str(folder)
            if process.status() != psutil.STATUS_ZOMBIE and (script or marked):
                found.append(process)
    return found
