"""The work folder of FINN's flow: made from a job, run in a child process, read afterwards."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline import errors
from pipeline.engines.vivado.finn import flow, shim
from pipeline.engines.vivado.finn.needs import (
    finn_deps,
    finn_package,
    require_board,
    require_place,
)
from pipeline.errors import PipelineError, Planned, ToolError
from pipeline.job import Job, progress
from pipeline.tools.files import digest_of
from pipeline.tools.process import run_tool
from pipeline.tools.vendor.executor import executor
from pipeline.tools.vendor.installation import Installation, planned_with, version_of
from pipeline.tools.vendor.life import occupied
from specs.vivado import VendorTarget

VERSION = 1
"""Raised when the flow's code gives other results than before."""
INPUTS = {
    "streamline": ("dataflow.onnx", "hardware.json", "hardware.npz", "golden.npz"),
    "fold": ("folding.json",),
    "fifos": ("fifo_depths.json",),
}
_STEP = re.compile(r"STEP (\d+) (\d+) (\w+)")


def digest_of_library(folder: Path) -> str:
    """Of the C++ headers that HLS includes."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*-hlslib/**/*")):
        if path.suffix in (".h", ".hpp") and path.is_file():
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


@contextmanager
def prepared(job: Job, until: str) -> Iterator[Path]:
    """The job's work folder, ready to run `until` a step, and meanwhile nobody else's.

    Both stages get the same one, and so does another unit with the same fold.
    """
    vendor = job.spec("vendor", VendorTarget | None)  # type: ignore[arg-type]
    assert vendor is not None, "the unit's engine is vivado"
    board = require_board(vendor)
    installation, deps = planned_with(job.settings), finn_deps(job.settings)
    sources = [job.inputs[stage] / name for stage, names in INPUTS.items() for name in names]
    inputs = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    request = flow.Request(
        vendor.part,
        board,
        vendor.family,
        vendor.clock_mhz,
        vendor.dsp,
        vendor.ram_style,
        vendor.strategy,
        until,
    )
    made_of = {
        "version": VERSION,
        "finn": importlib.metadata.version("finn-plus"),
        "tools": installation.version,
        "inputs": inputs,
        "request": vars(replace(request, until="")),
    }
    work = (
        require_place(job.cache, "build_dir in local.toml")
        / "vivado"
        / f"finn-{digest_of(made_of)}"
    )
    work.mkdir(parents=True, exist_ok=True)
    with occupied(work, progress):
        for path in sources:
            shutil.copyfile(path, work / path.name)
        request.save(work / "request.json")
        shims = _shim_settings(job, work, installation, deps)
        replace(shims, strategy=vendor.strategy).save(work)
        shim.write_shims(work)
        yield work


def _shim_settings(
    job: Job, work: Path, installation: Installation, deps: Path
) -> shim.ShimSettings:
    package = finn_package()
    return shim.ShimSettings(
        cache=str(job.cache),
        version=installation.version,
        library=digest_of_library(deps),
        environment={
            "FINN_BUILD_DIR": str(work / "build"),
            "FINN_DEPS": str(deps),
            "FINN_RTLLIB": str(package / "finn-rtllib"),
            "FINN_CUSTOM_HLS": str(package / "custom_hls"),
        },
        reads=[str(work), str(package), str(deps)],
        settings=dict(job.settings),
    )


def run(job: Job, work: Path, log: Path) -> None:
    """Runs FINN's flow in `work` in a process of its own. Raises what it failed with.

    With dry_run=yes it goes as far as FINN's generated code, and raises Planned with the first runs
    of tools.
    """
    dry = job.settings.get("dry_run") == "yes"
    if dry:
        request = flow.Request.load(work / "request.json")
        replace(request, until="generated").save(work / "request.json")
    shutil.rmtree(work / shim.ERRORS, ignore_errors=True)
    shims = shim.ShimSettings.load(work)
    environment = {
        **shims.environment,
        "FINN_TOOL_DIR_OVERRIDE": str(work / "tools"),
        "XILINX_VIVADO": _versioned(planned_with(job.settings)),
        "NUM_DEFAULT_WORKERS": str(executor(job.settings).jobs),
        "PYTHONUNBUFFERED": "1",
    }
    module = "pipeline.engines.vivado.finn.flow"
    try:
        run_tool(
            [sys.executable, "-m", module, work],
            log=log,
            cwd=work,
            env=environment,
            on_line=_told,
            tool_errors=False,
        )
    except ToolError as error:
        raise failed(work, error) from None
    if dry:
        raise Planned(described(job, work))


def _versioned(installation: Installation) -> str:
    """XILINX_VIVADO for FINN, which reads the version from the path."""
    path = str(installation.vivado)
    return path if installation.version in path else f"{path}/{installation.version}"


def _told(line: str) -> None:
    if found := _STEP.fullmatch(line):
        number, count, name = found.groups()
        progress(f"FINN: {WORDS[name]}", (int(number) - 1) / int(count))


WORDS = {
    "folded": "our fold, bit widths",
    "specialised": "HLS or RTL for each node",
    "minimised": "bit widths, golden images",
    "buffered": "width converters, FIFOs",
    "generated": "code of every node",
    "ips": "HLS of each node",
    "stitched": "stitched IP, synthesised",
    "bitfile": "Zynq shell, bitfile",
}
"""By step of the flow."""


def failed(work: Path, error: ToolError) -> PipelineError:
    """The error of a tool that a shim ran, else that of the flow, else that of its process."""
    for path in sorted((work / shim.ERRORS).glob("*.json")):
        document = json.loads(path.read_text())
        kind: Callable[[str], PipelineError] = getattr(errors, document["kind"], PipelineError)
        return kind(document["text"])
    words = work / flow.FAILURE
    if not words.is_file():
        return error
    kind_text = json.loads(words.read_text())
    known: Callable[[str], PipelineError] = getattr(errors, kind_text["kind"], ToolError)
    return known(kind_text["text"])


def described(job: Job, work: Path) -> str:
    """The plans of the HLS runs, as dry_run=yes shows them, and what follows them."""
    runs, shims = executor(job.settings), shim.ShimSettings.load(work)
    tool = (
        "vitis-run" if version_of(planned_with(job.settings).version) >= (2025, 1) else "vitis_hls"
    )
    words = ["--mode", "hls", "--tcl"] if tool == "vitis-run" else []
    shown = []
    for script in sorted((work / "build").glob("code_gen_ipgen_*/hls_syn_*.tcl")):
        plan = shim.hls_plan(tool, [*words, str(script)], script.parent, shims)
        shown.append(runs.describe(plan, script.parent))
    return "\n\n".join(
        [
            f"FINN's code of every node is in {work / 'build'}. These runs of {tool} come first:",
            *shown,
            "Then FINN stitches the IPs and makes its Zynq project with vivado; it writes those "
            "scripts when the IPs are there.",
        ]
    )
