"""The vendor's tools are looked at before all else, and only where they will be needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.bench import Doit
from tests.vendor.install import install

UNIT = "tfc_1w1a.dataset-digits@Pynq-Z1.vivado"
EMPTY = {"PATH": "/usr/bin:/bin", "XILINX_VIVADO": ""}


def ran(doit: Doit) -> list[str]:
    stages = doit.counter.read_text().split() if doit.counter.exists() else []
    doit.counter.unlink(missing_ok=True)
    return stages


def test_without_vivado_a_build_ends_before_training_with_three_ways(tmp_path: Path) -> None:
    doit = Doit(tmp_path, **EMPTY)
    lines = doit("run", "build", "engine=vivado", code=1)
    assert ran(doit) == []
    text = "\n".join(lines)
    assert f"failed preflight:{UNIT}" in lines
    assert "vivado: not found" in text
    assert all(
        any(line.lstrip().startswith(f"{number}. ") for line in lines) for number in (1, 2, 3)
    )


@pytest.mark.parametrize("command", ["train", "simulate", "driver"])
def test_what_needs_no_vendor_tool_runs_without_one(tmp_path: Path, command: str) -> None:
    doit = Doit(tmp_path)
    doit("run", command, "engine=vivado")
    assert ran(doit)[-1] == command


def test_a_fake_vivado_is_looked_at_and_found(tmp_path: Path) -> None:
    vivado = install(tmp_path / "Xilinx")
    doit = Doit(tmp_path, **EMPTY)
    lines = doit("run", "preflight", "engine=vivado", f"vivado={vivado}")
    assert any("2024.2 in" in line for line in lines)
    lines = doit("run", "preflight", "engine=vivado", f"vivado={vivado}", "board=ZCU104", code=0)
    assert any("xczu7ev" in line for line in lines)
    lines = doit("run", "preflight", code=1)
    assert "engine=open needs no vendor tool" in lines[-1]


def test_a_plan_needs_no_vivado_and_ends_well(tmp_path: Path) -> None:
    doit = Doit(tmp_path, **EMPTY, FAKE_SYNTH="plan")
    lines = doit("run", "build", "engine=vivado", "dry_run=yes")
    stages = ran(doit)
    assert "driver" in stages
    assert f"plan synth      {UNIT}  " in lines
    assert "the plan of it" in lines
    assert "not planned: a stage that it needs was only planned" in lines
    assert not list((tmp_path / "build").glob("*/synth/manifest.json"))
