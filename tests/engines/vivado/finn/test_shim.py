"""The programs that FINN calls: an HLS run is done once, and failures are told by the tool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipeline.engines.vivado.finn import shim
from pipeline.engines.vivado.finn.shim import ShimSettings
from pipeline.errors import PipelineError
from tests.engines.vivado.finn.flow_jobs import tools
from tests.vendor.install import Failure, break_off

if shutil.which("tclsh") is None:
    pytest.skip("no tclsh here", allow_module_level=True)

CPP = """
#include "bnn-library.h"
void MVAU_hls_0(hls::stream<ap_uint<16>> &in0_V, hls::stream<ap_uint<8>> &out0_V)
{
#pragma HLS INTERFACE axis port=in0_V
#pragma HLS INTERFACE axis port=out0_V
#pragma HLS INTERFACE ap_ctrl_none port=return
}
"""
TCL = """
open_project project_MVAU_hls_0
add_files {folder}/top_MVAU_hls_0.cpp -cflags "-std=c++14 -I{deps}/finn-hlslib"
set_top MVAU_hls_0
open_solution sol1
set_part xc7z020clg400-1
create_clock -period {period} -name default
csynth_design
export_design -format ip_catalog
exit 0
"""


class Work:
    """A work folder of FINN's flow with one node, which is called as FINN calls it."""

    def __init__(self, root: Path, version: str = "2024.2", cache: Path | None = None) -> None:
        self.root = root / "work"
        self.root.mkdir()
        self.settings = tools(root, version)
        self.vivado = Path(self.settings["vivado"])
        self.new = version > "2024.2"
        (self.root / "build").mkdir()
        self.shims = ShimSettings(
            cache=str(cache or root / "cache"),
            version=version,
            library="abc",
            environment={"FINN_DEPS": self.settings["finn_deps"], "FINN_CUSTOM_HLS": "/nowhere"},
            reads=[str(self.root)],
            settings=self.settings,
        )
        self.shims.save(self.root)
        shim.write_shims(self.root)

    @property
    def hls(self) -> Path:
        """The folder of the product that has the HLS tool."""
        root = self.vivado.parent.parent
        return root / ("Vitis" if self.new else "Vitis_HLS") / self.vivado.name

    def node(self, name: str, cpp: str = CPP, period: float = 10.0) -> Path:
        folder = self.root / "build" / name
        folder.mkdir()
        (folder / "top_MVAU_hls_0.cpp").write_text(cpp)
        deps = self.settings["finn_deps"]
        script = TCL.format(folder=folder, deps=deps, period=period)
        (folder / "hls_syn_MVAU_hls_0.tcl").write_text(script)
        (folder / "memblock.dat").write_text(name)
        return folder

    def call(self, folder: Path, owner: int | None = None) -> subprocess.Popen[str]:
        script = str(folder / "hls_syn_MVAU_hls_0.tcl")
        words = ["vitis-run", "--mode", "hls", "--tcl"] if self.new else ["vitis_hls"]
        return subprocess.Popen(
            ["bash", "-c", '"$@"; cd /', "-", self.root / "tools" / words[0], *words[1:], script],
            cwd=folder,
            env={**os.environ, shim.OWNER: str(owner or os.getpid())},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, folder: Path) -> str:
        process = self.call(folder)
        text, _ = process.communicate(timeout=60)
        return text

    def component(self, folder: Path) -> Path:
        return folder / "project_MVAU_hls_0" / "sol1" / "impl" / "ip" / "component.xml"


def ran(folder: Path) -> bool:
    """Whether the tool itself ran there, and not only the cache gave its result."""
    return (folder / "fake_calls.jsonl").is_file()


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.mark.parametrize("version", ["2022.2", "2024.2", "2025.1"])
def test_hls_runs_with_the_tool_of_each_version(tmp_path: Path, version: str) -> None:
    work = Work(tmp_path, version)
    folder = work.node("a")
    assert "ERROR" not in work.run(folder)
    assert work.component(folder).is_file()
    first = json.loads((folder / "fake_calls.jsonl").read_text().splitlines()[0])
    assert first[1] == ("vitis-run" if version == "2025.1" else "vitis_hls")


def test_the_same_code_is_synthesised_once_wherever_it_lies(work: Work, tmp_path: Path) -> None:
    first, second = work.node("a"), work.node("b")
    work.run(first)
    work.run(second)
    assert ran(first)
    assert not ran(second), "other weights in a memory beside the node change nothing"
    assert work.component(second).read_bytes() == work.component(first).read_bytes()
    report = "project_MVAU_hls_0/sol1/syn/report/MVAU_hls_0_csynth.xml"
    assert (second / report).read_bytes() == (first / report).read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Work(elsewhere, cache=Path(work.shims.cache))
    third = other.node("c")
    other.run(third)
    assert not ran(third), "another build, with the libraries elsewhere"


def test_what_decides_the_result_makes_it_anew(work: Work) -> None:
    work.run(work.node("a"))
    code = work.node("code", CPP.replace("ap_uint<16>", "ap_uint<24>"))
    clock = work.node("clock", period=5.0)
    header = work.node("header")
    (header / "thresh.h").write_text("// thresholds\n")
    for folder in (code, clock, header):
        work.run(folder)
        assert ran(folder), folder.name
    for name, shims in (
        ("library", replace(work.shims, library="def")),
        ("version", replace(work.shims, version="2023.1")),
    ):
        shims.save(work.root)
        folder = work.node(name)
        work.run(folder)
        assert ran(folder), name


def test_a_failure_is_told_by_the_tool_though_the_script_ends_well(work: Work) -> None:
    words = "ERROR: [HLS 200-70] Pre-synthesis failed."
    break_off(work.hls, Failure("csynth_design", (words,)))
    folder = work.node("a")
    process = work.call(folder)
    process.communicate(timeout=60)
    assert process.returncode == 0, "as FINN's own scripts, which end with `cd`"
    (path,) = (work.root / shim.ERRORS).glob("*.json")
    document = json.loads(path.read_text())
    assert document["kind"] == "ToolError"
    assert words in document["text"]
    assert str(work.root / shim.LOGS / "hls.MVAU_hls_0.log") in document["text"]
    break_off(work.hls, None)
    work.run(folder)
    assert work.component(folder).is_file(), "a failure is not kept"


def test_a_missing_product_is_a_failure_too(work: Work) -> None:
    break_off(work.hls, Failure("export_design", ("INFO: all is well",), code=0))
    work.run(work.node("a"))
    (path,) = (work.root / shim.ERRORS).glob("*.json")
    assert "component.xml" in json.loads(path.read_text())["text"]


def test_no_tool_outlives_the_flow(work: Work) -> None:
    break_off(work.hls, Failure("csynth_design", action="hang"))
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process = work.call(work.node("a"), owner.pid)
    log = work.root / shim.LOGS / "hls.MVAU_hls_0.log"
    begin = time.monotonic()
    while not ((log.is_file() and "set_part" in log.read_text()) or "Setting up" in _text(log)):
        assert time.monotonic() - begin < 30, _text(log)
        time.sleep(0.1)
    below = psutil.Process(process.pid).children(recursive=True)
    assert any("tclsh" in p.name() for p in below), "the tool hangs"
    owner.kill()
    owner.wait()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive, alive
    process.communicate(timeout=10)


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def test_other_tools_are_refused(work: Work) -> None:
    done = subprocess.run(
        [work.root / "tools" / "xelab", "top"],
        env={**os.environ, shim.OWNER: str(os.getpid())},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "FINN calls xelab, which no step here needs" in done.stderr


def test_a_strategy_stands_before_the_runs_and_in_the_plan(work: Work) -> None:
    folder = work.root / "build" / "vivado_zynq_proj_abcd1234"
    folder.mkdir()
    script = "create_project x\n    launch_runs -jobs 2 impl_1\n"
    (folder / "ip_config.tcl").write_text(script)
    words = ["-mode", "batch", "-source", str(folder / "ip_config.tcl")]
    plain = shim.vivado_plan(words, folder, work.shims)
    assert plain.files == {"ip_config.tcl": script}
    assert plain.argv == ("vivado", "-mode", "batch", "-source", "ip_config.tcl")
    fast = shim.vivado_plan(words, folder, replace(work.shims, strategy="speed"))
    assert fast.files["ip_config.tcl"].splitlines()[1:3] == [
        "    set_property strategy Flow_PerfOptimized_high [get_runs synth_1]",
        "    set_property strategy Performance_ExtraTimingOpt [get_runs impl_1]",
    ]
    assert fast.digest() != plain.digest()
    with pytest.raises(PipelineError, match="launches its runs otherwise"):
        shim.with_strategy("launch_all", "area")
