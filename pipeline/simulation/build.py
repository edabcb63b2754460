"""From a design to an executable model: Verilator, then one compilation of one file."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
from pathlib import Path

from pipeline.rtl.design import Design
from pipeline.tools.compiler import compiler
from pipeline.tools.process import run_tool
from pipeline.tools.verilator import run_verilator, verilator_home

HARNESS = Path(__file__).with_name("harness.cpp")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_FLAGS = ("-std=c++17", "-pthread", "-w", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0",
          "-DVM_TIMING=0", "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0")  # fmt: skip
_MODEL = "Vaccelerator"


def build_executable(
    design: Design, work: Path, cache: Path, optimise: str, timing_only: bool
) -> Path:
    """Makes `work`/model, or keeps it where nothing it is made of has changed.

    timing_only: without the arithmetic of the dot products. cache: keeps
    the verilated run-time library, compiled once per compiler and flags.
    """
    work.mkdir(parents=True, exist_ok=True)
    cxx = [*compiler(), optimise, *_FLAGS]
    version = importlib.metadata.version("verilator")
    header = _header(design)
    key = hashlib.sha256(repr((version, cxx, header, timing_only)).encode())
    for path in (HARNESS, *(design.folder / name for name in design.sources)):
        key.update(path.read_bytes())
    mark, model = work / "model.key", work / "model"
    if model.exists() and mark.exists() and mark.read_text() == key.hexdigest():
        return model
    mark.unlink(missing_ok=True)
    generated = work / "verilated"
    shutil.rmtree(generated, ignore_errors=True)
    sources = [(design.folder / name).resolve() for name in design.sources]
    run_verilator(
        ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "unique", "--no-timing",
         "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module", design.top,
         "--prefix", _MODEL, "--Mdir", generated.resolve(),
         *(["-DTIMING_ONLY"] if timing_only else []), *sources],
        work,
        work / "logs" / "verilator.log",
    )  # fmt: skip
    (work / "design.h").write_text(header)
    unity = [f'#include "{path.name}"' for path in sorted(generated.glob("*.cpp"))]
    (work / "unity.cpp").write_text("\n".join([*unity, f'#include "{HARNESS}"']) + "\n")
    include = verilator_home() / "include"
    paths = [f"-I{generated}", f"-I{include}", f"-I{include / 'vltstd'}", f"-I{work}"]
    objects = _runtime(cxx, paths, cache, version, work / "logs")
    run_tool(
        [*cxx, '-DDESIGN_H="design.h"', *paths, work / "unity.cpp", *objects, "-o", model],
        log=work / "logs" / "compile.log",
    )
    mark.write_text(key.hexdigest())
    return model


def _runtime(cxx: list[str], paths: list[str], cache: Path, version: str, logs: Path) -> list[Path]:
    """Object files of Verilator's run-time library, from the cache or compiled into it."""
    digest = hashlib.sha256(repr((version, cxx)).encode()).hexdigest()[:16]
    folder = cache / f"verilated-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    objects = []
    for name in RUNTIME:
        target = folder / f"{Path(name).stem}.o"
        if not target.exists():
            # two processes may compile it at once: each renames a whole file into place
            partial = folder / f"{target.stem}.{os.getpid()}.o"
            source = verilator_home() / "include" / name
            run_tool([*cxx, *paths, "-c", source, "-o", partial], log=logs / f"{name}.log")
            partial.replace(target)
        objects.append(target)
    return objects


def _header(design: Design) -> str:
    """What harness.cpp needs to know of the design."""
    edges = [stream.edge for stream in design.streams]
    streams = " ".join(
        f'X("{s.edge}", {design.top}__DOT__{s.signal}, {s.width}, {s.beats})'
        for s in design.streams
    )
    fifos = " ".join(f"X({design.top}__DOT__{fifo.instance})" for fifo in design.fifos)
    return "\n".join(
        [
            f'#include "{_MODEL}.h"',
            f'#include "{_MODEL}___024root.h"',
            f"#define DESIGN_MODEL {_MODEL}",
            f"#define DESIGN_STREAMS(X) {streams}",
            f"#define DESIGN_FIFOS(X) {fifos}",
            f"#define DESIGN_INPUT {edges.index(design.input)}",
            f"#define DESIGN_OUTPUT {edges.index(design.output)}",
            "",
        ]
    )
