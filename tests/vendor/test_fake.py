"""The fake Vivado refuses what a real one would refuse, and fails as it is told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vendor.install import Failure, break_off, calls, install

if shutil.which("tclsh") is None:
    pytest.skip("no tclsh here", allow_module_level=True)

OPEN = "create_project -in_memory -part xc7z020clg400-1\n"
DESIGN = OPEN + "create_bd_design system\n"
PS = DESIGN + "create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 ps\n"
PORT = PS + (
    "set_property -dict {CONFIG.PCW_USE_S_AXI_HP0 1} [get_bd_cells ps]\n"
    "create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:aximm_rtl:1.0 memory\n"
    "create_bd_port -dir O -type clk clock\n"
    "connect_bd_net [get_bd_pins ps/FCLK_CLK0] [get_bd_ports clock] [get_bd_pins ps/*_ACLK]\n"
    "connect_bd_intf_net [get_bd_intf_ports memory] [get_bd_intf_pins ps/S_AXI_HP0]\n"
)
"""A port of the design at the processor's memory port: 32 bits and AXI4, which has 64 and AXI3."""
REGISTERS = PS + (
    "foreach name {a b} {\n"
    "  create_bd_intf_port -mode Master -vlnv xilinx.com:interface:aximm_rtl:1.0 $name\n"
    "  assign_bd_address -offset 0x40000000 -range 4K -target_address_space "
    "[get_bd_addr_spaces ps/Data] [get_bd_addr_segs $name/Reg]\n"
    "}\n"
)
LARGE = OPEN + (
    "set file [open large.v w]\n"
    'puts $file "module other; top #(.FILE(\\"large.hex\\")) a (.clk(1)); endmodule"\n'
    "close $file\n"
    "set file [open large.hex w]\n"
    "puts $file [string repeat 0 250001]\n"
    "close $file\n"
    "read_verilog {top.v large.v}\n"
    "synth_design -top other\n"
)
SMALL = "module top (input clk, input d, output reg q); always @(posedge clk) q <= d; endmodule\n"


@pytest.fixture(scope="module")
def vivado(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("tools"))


def run(vivado: Path, folder: Path, script: str) -> tuple[int, str]:
    (folder / "top.v").write_text(SMALL)
    (folder / "run.tcl").write_text(script)
    done = subprocess.run(
        [vivado / "bin" / "vivado", "-mode", "batch", "-source", "run.tcl"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("no_such_command a b", 'invalid command name "no_such_command"'),
        (OPEN + "synth_design -tpo top", "[Common 17-170] Unknown option '-tpo'"),
        (OPEN + "synth_design -top", "[Common 17-163] Missing value for option 'top'"),
        (OPEN + "synth_design -top top -directive Best", "[Common 17-161]"),
        (OPEN + "set_part one two", "[Common 17-165] Too many positional options"),
        ("create_project -in_memory -part xc7z999", "[Coretcl 2-106]"),
        (OPEN + "set_property board_part nobody:x:part0:1.0 [current_project]", "[Board 49-71]"),
        (OPEN + "read_verilog missing.v", "File 'missing.v' does not exist"),
        (OPEN + "read_verilog top.v\nsynth_design -top other", "[Synth 8-3331]"),
        (OPEN + "place_design", "[Common 17-53]"),
        (OPEN + "read_verilog top.v\nsynth_design -top top\nroute_design", "[Vivado_Tcl 4-23]"),
        (DESIGN + "create_bd_cell -type ip -vlnv xilinx.com:ip:nothing n", "[BD 5-216]"),
        (PS + "set_property CONFIG.PCW_NO_SUCH 1 [get_bd_cells ps]", "[Common 17-54]"),
        (PS + "connect_bd_net [get_bd_pins ps/FCLK_CLK0] [get_bd_pins ps/none]", "[BD 5-106]"),
        (PS + "validate_bd_design", "[BD 41-758]"),
        (PORT + "validate_bd_design", "DATA_WIDTH does not match between /memory(32)"),
        (
            PORT + "set_property CONFIG.DATA_WIDTH 64 [get_bd_intf_ports memory]\n"
            "validate_bd_design",
            "PROTOCOL does not match between /memory(AXI4) and /ps/S_AXI_HP0(AXI3)",
        ),
        (
            PORT + "connect_bd_intf_net [get_bd_intf_ports memory] [get_bd_intf_pins ps/S_AXI_HP0]",
            "[BD 41-1306]",
        ),
        (REGISTERS, "'/b/Reg' at 0x40000000 overlaps '/a/Reg'"),
        (DESIGN + "create_bd_design system", "[BD 5-216]"),
        ("set_param no.such_thing 1", "there is no parameter 'no.such_thing'"),
        (LARGE, "[Synth 8-4556] size of variable 'large.hex' is too large to handle"),
    ],
)  # fmt: skip
def test_it_refuses(vivado: Path, tmp_path: Path, script: str, words: str) -> None:
    code, log = run(vivado, tmp_path, script)
    assert code == 1
    assert words in log


def test_a_large_memory_is_taken_with_the_parameter(vivado: Path, tmp_path: Path) -> None:
    script = LARGE.replace(
        "synth_design",
        'set_param synth.elaboration.rodinMoreOptions "rt::set_parameter var_size_limit 1000004"\n'
        "synth_design",
    )
    code, log = run(vivado, tmp_path, script)
    assert code == 0, log


def test_it_runs_a_small_design(vivado: Path, tmp_path: Path) -> None:
    script = OPEN + "read_verilog top.v\nsynth_design -top top\nwrite_checkpoint a\n"
    steps = "open_checkpoint a.dcp\nopt_design\nplace_design\nroute_design\nwrite_bitstream a.bit\n"
    code, log = run(vivado, tmp_path, script + steps)
    assert code == 0, log
    assert [call[0] for call in calls(tmp_path)][-1] == "write_bitstream"
    assert b"xc7z020"[2:] in (tmp_path / "a.bit").read_bytes()[:200]


@pytest.mark.parametrize("code", [7, None])
def test_it_fails_at_a_phase(tmp_path: Path, code: int | None) -> None:
    vivado = install(tmp_path / "tools", fail=Failure("synth_design", ("ERROR: [X 1-1] no",), code))
    script = OPEN + "read_verilog top.v\nsynth_design -top top\n"
    found, log = run(vivado, tmp_path, script)
    assert found == (code or 0)
    assert "ERROR: [X 1-1] no" in log
    break_off(vivado, None)
    found, log = run(vivado, tmp_path, script)
    assert found == 0
    assert "ERROR" not in log
