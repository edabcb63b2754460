"""The vendor's tools are looked at before all else, and only where they will be needed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.flow.bench import Doit

UNIT = "tfc_1w1a.dataset-digits@Pynq-Z1.vivado"
NOWHERE = {"PATH": "/usr/bin:/bin"}


def ran(doit: Doit) -> list[str]:
    stages = doit.counter.read_text().split() if doit.counter.exists() else []
    doit.counter.unlink(missing_ok=True)
    return stages


def test_without_vivado_a_build_ends_before_training_with_three_ways(tmp_path: Path) -> None:
    if shutil.which("vivado"):
        pytest.skip("a Vivado is installed here")
    doit = Doit(tmp_path)
    begin = time.process_time()
    lines = doit("run", "build", "engine=vivado", code=1)
    assert ran(doit) == []
    text = "\n".join(lines)
    assert f"failed preflight:{UNIT}" in lines
    assert "vivado: not found" in text
    assert all(f"  {number}. " in text for number in (1, 2, 3))
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("command", ["train", "simulate", "driver"])
def test_what_needs_no_vendor_tool_runs_without_one(tmp_path: Path, command: str) -> None:
    doit = Doit(tmp_path)
    doit("run", command, "engine=vivado")
    assert ran(doit)[-1] == command
