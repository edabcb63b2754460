"""Yosys takes files of any name, from and in folders of any name."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.tools.yosys import run_script

HOSTILE = 'it\'s; a "bäd" $dir'
MODULE = (
    "module m(input clk, input a, output reg q);\nalways @(posedge clk) q <= ~(q & a);\nendmodule\n"
)
MAP = [
    ["hierarchy", "-check", "-top", "m"],
    "synth -run begin:fine",
    "techmap",
    "abc -lut 4",
    ["delete", "t:$scopeinfo"],
]


@pytest.mark.parametrize("temporary", ["there", "elsewhere"])
def test_files_and_folders_of_any_name(
    temporary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ABC's too, which Yosys names to it unquoted."""
    design, out = tmp_path / HOSTILE / "design", tmp_path / HOSTILE / "out"
    other = {"there": out, "elsewhere": tmp_path / "an other; place"}[temporary]
    for folder in (design, out, other):
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(other))
    (design / HOSTILE).write_text(MODULE)
    found = [f"{out / HOSTILE}.{kind}" for kind in ("json", "v")]
    commands = [
        ["read_verilog", HOSTILE],
        *MAP,
        ["tee", "-q", "-o", found[0], "stat", "-json"],
        ["write_verilog", "-noattr", found[1]],
    ]
    log = out / "yosys.log"
    run_script(commands, design, log)
    assert "ABC RESULTS:" in log.read_text()
    assert '"m"' in Path(found[0]).read_text().replace("\\\\", "")
    left = {path.name for path in [*design.iterdir(), *out.iterdir(), *other.iterdir()]}
    assert left == {
        HOSTILE,
        f"{HOSTILE}.json",
        f"{HOSTILE}.v",
        "yosys.log",
        "yosys.log.sh",
        "yosys.ys",
    }
    # and again by hand
    Path(found[1]).unlink()
    subprocess.run(["sh", f"{log}.sh"], check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
    assert Path(found[1]).exists()


def test_slang_reads_names_word_by_word(tmp_path: Path) -> None:
    (tmp_path / "it's a.v").write_text(MODULE)
    run_script([["read_slang", "--top", "m", "it's a.v"]], tmp_path, tmp_path / "slang.log")
