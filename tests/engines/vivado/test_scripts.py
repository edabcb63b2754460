"""What is generated: golden files, its lint, its calls of Vivado, and what it takes from where."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.engines.vivado.rtl import ENGINE, plans
from pipeline.engines.vivado.rtl.processor import PROCESSORS
from pipeline.engines.vivado.rtl.strategies import STRATEGIES
from pipeline.rtl.design import load_design
from pipeline.rtl.shell import registers
from pipeline.rtl.shell.generate import parameters_of
from pipeline.rtl.shell.top import axi_ports
from pipeline.tools.vendor.executor import executor
from pipeline.tools.verilator import run_verilator
from tests.engines.vivado import cases
from tests.vendor import golden
from tests.vendor.install import block_design, calls, install

GOLDEN = Path(__file__).with_name("golden")
tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="no tclsh here")


@pytest.mark.parametrize("board", cases.BOARDS)
def test_golden_files(board: str, tmp_path: Path) -> None:
    target = cases.target(board)
    step = plans.synthesis(target, cases.design(board, tmp_path))
    (tmp_path / "synth.dcp").write_bytes(b"checkpoint")
    other = plans.implementation(target, tmp_path / "synth.dcp", None)
    for plan in (step.plan, other.plan):
        for name, text in plan.files.items():
            golden.check(text, GOLDEN / board / name)
        known = {
            "argv": list(plan.argv),
            "environment": dict(plan.environment),
            "inputs": sorted(plan.inputs),
            "products": list(plan.products),
            "memory_mib": plan.memory_mib,
        }
        golden.check(json.dumps(known, indent=1) + "\n", GOLDEN / board / f"{plan.name}.plan.json")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_golden_files_of_each_strategy(strategy: str, tmp_path: Path) -> None:
    (tmp_path / "synth.dcp").write_bytes(b"checkpoint")
    target = cases.target("Pynq-Z1", strategy=strategy)
    plan = plans.implementation(target, tmp_path / "synth.dcp", tmp_path / "synth.dcp").plan
    golden.check(plan.files["implement.tcl"], GOLDEN / f"implement.{strategy}.tcl")


@tclsh
@pytest.mark.parametrize("board", cases.BOARDS)
def test_the_top_module_lints_clean(board: str, tmp_path: Path) -> None:
    """Beside the module that the fake makes of the block design, with Vivado's names of its ports.

    Every port of the shell is connected, with its width.
    """
    vivado = install(tmp_path)
    unit = cases.unit(board, tmp_path / "build", vivado)
    folder = _synthesised(unit)
    stub = Path(".gen/sources_1/bd/system/synth/system.v")
    design = json.loads((folder / "design.json").read_text())
    run_verilator(
        [
            *("--lint-only", "-Wall", "--default-language", "1364-2005"),
            # the stub is empty; the block design has ports that the shell has no use for
            *("-Wno-UNUSEDSIGNAL", "-Wno-UNDRIVEN", "-Wno-PINMISSING", "-Wno-DECLFILENAME"),
            *(str(unit.folder / "unit" / "rtl" / design["waivers"]), str(stub)),
            *(*design["shell"]["sources"], "top.v", "--top-module", "top"),
        ],
        folder,
        tmp_path / "lint.log",
    )
    shell = (folder / "top.v").read_text().partition("shell shell (")[2]
    made = load_design(folder)
    assert made.shell is not None
    parameters = parameters_of(made, made.shell.port_bits, made.shell.address_bits)
    assert [name for _, _, name in axi_ports(parameters) if f".{name}(" not in shell] == []


def _synthesised(unit: cases.Unit) -> Path:
    ENGINE.synthesise(unit.job("synth"), unit.graph, unit.folding)
    return unit.work_folders[-1]


@tclsh
@pytest.mark.parametrize("board", cases.BOARDS)
def test_the_block_design_is_what_the_tables_say(board: str, tmp_path: Path) -> None:
    unit = cases.unit(board, tmp_path / "build", install(tmp_path))
    folder = _synthesised(unit)
    found = block_design(folder)
    base, size = registers.BASE[unit.target.family], 1 << registers.ADDRESS_BITS
    assert ["/ps/Data", "/control/Reg", str(base), str(size)] in found["addresses"]
    memory = found["ports"]["/memory"]
    assert memory["CONFIG.DATA_WIDTH"] == str(unit.target.memory_port_bits)
    clocks = next(net for net in found["nets"] if "/clock" in net)
    taken = {end for end in clocks if "aclk" in end.lower() or "sync_clk" in end}
    inputs = {
        name
        for name, pin in found["pins"].items()
        if pin.get("TYPE") == "clk" and pin.get("DIR") == "I"
    }
    assert taken == inputs
    assert ["/memory", memory_pin(unit)] in [sorted(net) for net in found["intf_nets"]]


def memory_pin(unit: cases.Unit) -> str:
    return f"/ps/{PROCESSORS[unit.target.family].memory}"


@tclsh
def test_a_memory_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    """The fake finds every memory of the design in the work folder, as Vivado does, or says so."""
    unit = cases.unit("Pynq-Z1", tmp_path / "build", install(tmp_path))
    folder = _synthesised(unit)
    log = unit.job("synth").folder / "logs" / "synth.log"
    assert "CRITICAL WARNING" not in log.read_text()
    assert "read_mem" not in {call[0] for call in calls(folder)}
    shutil.rmtree(folder / ".run")
    (folder / "act0_unit_weight.hex").unlink()
    plan = plans.synthesis(unit.target, load_design(unit.folder / "unit" / "rtl")).plan
    (folder / plans.CHECKPOINT).unlink()
    executor(unit.settings).run(plan, folder, log)
    assert "could not open $readmem data file 'act0_unit_weight.hex'" in log.read_text()
