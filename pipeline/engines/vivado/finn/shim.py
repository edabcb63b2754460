"""What FINN calls in place of the vendor's tools: it runs them as plans, and keeps HLS results.

FINN calls `<work>/tools/<tool> <arguments>` from its shell scripts, in the folder of the run. HLS
of the same code for the same part and clock with the same tool is done once, for all builds.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import sys
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from pipeline.diagnosis import all_rules, explained
from pipeline.engines.vivado.finn.instances import FinnInstances
from pipeline.errors import PipelineError, ToolError
from pipeline.tools.cache import remembered
from pipeline.tools.vendor.executor import Executor, executor
from pipeline.tools.vendor.plan import Plan

TOOLS = ("vivado", "vitis_hls", "vitis-run", "v++", "xelab")
"""All that FINN may call."""
HLS_TOOLS = ("vitis_hls", "vitis-run")
OWNER = "PIPELINE_FINN_PROCESS"
"""The environment variable with the process of the flow. A tool ends when that is gone."""
SETTINGS, ERRORS, LOGS = "shims.json", "errors", "logs"
HLS_SOURCES = (".cpp", ".h", ".hpp", ".tcl")
"""What HLS reads of a node's folder. Weights in a memory beside the node are not among it, so that
new weights need no new HLS."""
NAMES = "names.json"
"""In a work folder: the layer of each of FINN's nodes."""
_HLS_MIB = 2048
STRATEGIES = {
    "quick": ("Flow_RuntimeOptimized", "Flow_RuntimeOptimized"),
    "area": ("Flow_AreaOptimized_high", "Area_Explore"),
    "speed": ("Flow_PerfOptimized_high", "Performance_ExtraTimingOpt"),
}
"""By ours, those of synthesis (UG901) and of implementation (UG904)."""
KEPT = ("sol1/impl", "sol1/syn/report")
"""What FINN and Vivado read of an HLS project."""


@dataclass(frozen=True)
class ShimSettings:
    """What the shims of a work folder have to know.

    version: of the tools. library: digest of the C++ libraries that HLS includes. reads: folders
    that the tools read. settings: those of the machine. strategy: of the whole design's runs.
    """

    cache: str
    version: str
    library: str
    environment: Mapping[str, str]
    reads: Sequence[str]
    settings: Mapping[str, Any]
    strategy: str = "default"

    def save(self, work: Path) -> None:
        (work / SETTINGS).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def load(work: Path) -> ShimSettings:
        return ShimSettings(**json.loads((work / SETTINGS).read_text()))


def write_shims(work: Path) -> Path:
    """Writes an executable for each tool; returns their folder."""
    folder = work / "tools"
    folder.mkdir(exist_ok=True)
    for tool in TOOLS:
        path = folder / tool
        call = f'"{sys.executable}" -m pipeline.engines.vivado.finn.shim "{work}" {tool} "$@"'
        path.write_text(f"#!/bin/sh\nexec {call}\n")
        path.chmod(0o755)
    return folder


def hls_sources(folder: Path, deps: str) -> dict[str, str]:
    """The sha256 of each file that HLS reads of a node's folder, without this machine's paths."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in HLS_SOURCES:
            content = path.read_text().replace(str(folder), "@HERE@").replace(deps, "@DEPS@")
            found[path.name] = hashlib.sha256(content.encode()).hexdigest()
    return found


def hls_plan(tool: str, words: Sequence[str], folder: Path, shims: ShimSettings) -> Plan:
    """The plan of an HLS run; the last of `words` is its script."""
    script = Path(words[-1])
    node = script.stem.removeprefix("hls_syn_")
    return Plan(
        name=f"hls.{node}",
        files={},
        argv=(tool, *words[:-1], script.name),
        environment=shims.environment,
        reads=tuple(map(Path, shims.reads)),
        inputs={**hls_sources(folder, shims.environment["FINN_DEPS"]), "library": shims.library},
        products=(f"project_{node}/sol1/impl/ip/component.xml",),
        memory_mib=_HLS_MIB,
    )


def run_hls(plan: Plan, folder: Path, log: Path, shims: ShimSettings, runs: Executor) -> None:
    """Makes the project folder of an HLS run, from the cache if it is known there."""
    project = folder / Path(plan.products[0]).parts[0]

    def make() -> bytes:
        runs.run(plan, folder, log)
        return _packed(project)

    made_of = {"tool": f"{plan.argv[0]} {shims.version}", "inputs": dict(plan.inputs)}
    packed = remembered(Path(shims.cache) / "vivado" / "hls", made_of, make)
    if not (folder / plan.products[0]).is_file():
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")


def _packed(project: Path) -> bytes:
    """A project as a tar file, which is the same for the same content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for kept in KEPT:
            for path in sorted((project / kept).rglob("*")):
                entry = tarfile.TarInfo(f"{project.name}/{path.relative_to(project)}")
                if path.is_file():
                    content = path.read_bytes()
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
                elif path.is_dir():
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(entry)
    return out.getvalue()


def vivado_plan(words: Sequence[str], folder: Path, shims: ShimSettings) -> Plan:
    """The plan of a Vivado run of one of FINN's scripts."""
    kind = re.sub(r"_[A-Za-z0-9_]{8}$", "", folder.name)  # FINN ends its folders at random
    product, files = "ip/component.xml", {}
    script = folder / words[-1]
    if folder.name.startswith("vivado_zynq_proj"):
        product = "finn_zynq_link.runs/impl_1/top_wrapper.bit"
        files = {script.name: with_strategy(script.read_text(), shims.strategy)}
    return Plan(
        name=re.sub(r"[^A-Za-z0-9_.-]", "-", kind)[:80],
        files=files,
        argv=("vivado", *words[:-1], script.name),
        environment=shims.environment,
        reads=tuple(map(Path, shims.reads)),
        inputs={script.name: hashlib.sha256(script.read_bytes()).hexdigest()},
        products=(product,),
    )


def with_strategy(script: str, strategy: str) -> str:
    """FINN's script of the whole design with a strategy, for which it only has comments.

    Raises PipelineError if the place for it is not there.
    """
    if strategy == "default":
        return script
    lines = [
        f"    set_property strategy {name} [get_runs {run}]\n"
        for run, name in zip(("synth_1", "impl_1"), STRATEGIES[strategy], strict=True)
    ]
    place = "    launch_runs "
    if script.count(place) != 1:
        raise PipelineError(
            f"strategy={strategy}: this version of FINN launches its runs otherwise; please report "
            "this, and use strategy=default"
        )
    return script.replace(place, "".join(lines) + place)


def main(work: Path, tool: str, words: Sequence[str]) -> int:
    end_with(int(os.environ[OWNER]))
    shims, folder = ShimSettings.load(work), Path.cwd()
    for name in (LOGS, ERRORS):
        (work / name).mkdir(exist_ok=True)
    try:
        runs = replace(executor(shims.settings), slots=Path(shims.cache) / "vivado" / ".slots")
        if tool in HLS_TOOLS:
            plan = hls_plan(tool, words, folder, shims)
            # HLS takes no licence: as many at a time as there may be threads
            runs = replace(runs, pool="hls", licences=runs.jobs)
        elif tool == "vivado":
            plan = vivado_plan(words, folder, shims)
        else:
            raise PipelineError(f"hardware=finn: FINN calls {tool}, which no step here needs")
        log = work / LOGS / f"{plan.name}.log"
        try:
            if tool in HLS_TOOLS:
                run_hls(plan, folder, log, shims, runs)
            else:
                runs.run(plan, folder, log)
        except ToolError as error:
            raise _explained(error, work, tool, [log, *sorted(folder.glob("*.rpt"))]) from None
    except PipelineError as error:
        document = {"kind": type(error).__name__, "text": str(error)}
        (work / ERRORS / f"{time.time_ns()}.json").write_text(json.dumps(document))
        sys.stderr.write(f"ERROR: {error}\n")
        return 1
    return 0


def _explained(error: ToolError, work: Path, tool: str, logs: Sequence[Path]) -> ToolError:
    """The error with its root cause and remedy, by the rules of the log doctor and the user's."""
    rules = ShimSettings.load(work).settings.get("rules")
    names = work / NAMES
    instances = FinnInstances(json.loads(names.read_text()) if names.is_file() else {})
    known = all_rules(Path(rules) if rules else None)
    return explained(error, logs, instances.layer, known, tool)


def end_with(owner: int) -> None:
    """Ends this process, and what it started, once the process `owner` is gone.

    FINN starts it through a shell, so the kernel's signal at the parent's end would not do.
    """
    try:
        process = psutil.Process(owner)
    except psutil.NoSuchProcess:
        os.kill(os.getpid(), signal.SIGKILL)
        return

    def watch() -> None:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
