"""Compiles a design into an executable model: Verilator, then one C++ compilation."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.rtl.design import Design
from pipeline.tools.cache import remembered
from pipeline.tools.compiler import compiler, identity
from pipeline.tools.process import run_tool
from pipeline.tools.verilator import run_verilator, verilator_home

HARNESS = Path(__file__).with_name("harness.cpp")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
FLAGS = ("-std=c++17", "-pthread", "-w", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0",
         "-DVM_TIMING=0", "-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0")  # fmt: skip
VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "unique", "--no-timing",
            "-Wno-fatal", "-Wno-lint", "-Wno-style")  # fmt: skip
_MODEL = "Vaccelerator"


def build_executable(
    design: Design, work: Path, cache: Path, optimise: str, timing_only: bool
) -> Path:
    """Compiles `design` to the executable `work`/model.

    timing_only: leaves out the arithmetic of the dot products. cache: keeps Verilator's run-time
    library, which is compiled once for each compiler and set of flags.
    """
    work.mkdir(parents=True, exist_ok=True)
    cxx = [*compiler(), optimise, *FLAGS]
    generated = work / "verilated"
    shutil.rmtree(generated, ignore_errors=True)
    # in the design's folder: the names it puts into the code are then plain ones
    run_verilator(
        [*VERILATE, "--top-module", design.top, "--prefix", _MODEL, "--Mdir", generated.resolve(),
         *(["-DTIMING_ONLY"] if timing_only else []), *design.sources],
        design.folder,
        work / "logs" / "verilator.log",
    )  # fmt: skip
    (work / "design.h").write_text(_header(design))
    model = work / "model"
    link(cxx, ['-DDESIGN_H="design.h"'], HARNESS, work, cache, model)
    return model


def link(
    cxx: list[str], options: list[str], harness: Path, work: Path, cache: Path, target: Path
) -> None:
    """Compiles `harness` and what Verilator left in `work`/verilated as one unit, to `target`.

    options: of this step only; Verilator's run-time library is compiled without them.
    """
    generated = work / "verilated"
    # bare names, found by -I: there is no way to quote a path in an #include
    included = [*(path.name for path in sorted(generated.glob("*.cpp"))), harness.name]
    (work / "unity.cpp").write_text("".join(f'#include "{name}"\n' for name in included))
    runtime = runtime_includes()
    own = [f"-I{folder}" for folder in (generated, work, harness.parent)]
    objects = runtime_objects([*cxx, *runtime], work, cache)
    run_tool(
        [*cxx, *options, *own, *runtime, work / "unity.cpp", *objects, "-o", target],
        log=work / "logs" / "compile.log",
    )


def runtime_includes() -> list[str]:
    """The compiler's arguments for the headers of Verilator's run-time library."""
    include = verilator_home() / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}"]


def runtime_objects(
    cxx: list[str], work: Path, cache: Path, names: Sequence[str] = RUNTIME
) -> list[Path]:
    """Object files in `work` of Verilator's run-time library, from the cache or compiled."""
    logs = work / "logs"
    versions = [importlib.metadata.version("verilator"), *identity(cxx, logs / "compiler.log")]
    objects = []
    for name in names:
        source, target = verilator_home() / "include" / name, work / f"{Path(name).stem}.o"

        def compiled(source: Path = source, target: Path = target) -> bytes:
            run_tool([*cxx, "-c", source, "-o", target], log=logs / f"{source.name}.log")
            return target.read_bytes()

        made_of = {"source": name, "versions": versions, "command": cxx}
        target.write_bytes(remembered(cache / "verilated", made_of, compiled))
        objects.append(target)
    return objects


def _header(design: Design) -> str:
    """The header that tells harness.cpp about the design."""
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
            f"#define DESIGN_SIGNATURES {len(design.signatures)}",
            "",
        ]
    )
