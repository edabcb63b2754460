"""Compiles a design with its AXI shell into a library for shell.py.

`python -m pipeline.simulation.build_shell <design> <library> <cache> [flips]` does so by itself.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
import tempfile
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.rtl.design import Design, Shell, load_design
from pipeline.rtl.shell import registers
from pipeline.simulation.build import FLAGS, VERILATE, link
from pipeline.tools.cache import remembered
from pipeline.tools.compiler import compiler, identity
from pipeline.tools.files import sha256
from pipeline.tools.verilator import run_verilator

HARNESS = Path(__file__).with_name("shell_harness.cpp")
_VERSION = 2
_MODEL = "Vshell"
_VERILATOR = (*VERILATE, "--prefix", _MODEL)


def build_shell(
    folder: Path, library: Path, cache: Path, *, flips: bool = False, optimise: str = "-O1"
) -> None:
    """Compiles the design in `folder`, which has a shell, to the shared library `library`.

    cache: keeps what was compiled before. The memory files are no part of it: they are read when
    the shell starts. flips: bits of the streams can be flipped, as a fault. Raises PipelineError,
    MissingTool and ToolError.
    """
    design = load_design(folder)
    if design.shell is None:
        raise PipelineError(f"{folder}: this design has no AXI shell; run the rtl stage again")
    shell = design.shell
    with tempfile.TemporaryDirectory(prefix="shell-") as name:
        work = Path(name)
        cxx = [*compiler(), optimise, "-fPIC", *FLAGS]
        made_of = {
            "version": _VERSION,
            "sources": {source: sha256(folder / source) for source in shell.sources},
            "harness": sha256(HARNESS),
            "flips": flips,
            "verilator": [importlib.metadata.version("verilator"), *_VERILATOR],
            "compiler": [*cxx, *identity(cxx, work / "logs" / "compiler.log")],
        }

        def made() -> bytes:
            return _compile(design, shell, cxx, work, cache, flips)

        content = remembered(cache / "shells", made_of, made)
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = library.with_name(f".{library.name}.{work.name}")
        beside.write_bytes(content)
        beside.replace(library)


def _compile(
    design: Design, shell: Shell, cxx: list[str], work: Path, cache: Path, flips: bool
) -> bytes:
    sources = work / "sources"
    sources.mkdir()
    for source in shell.sources:
        shutil.copy(design.folder / source, sources)
    flipped = []
    if flips:
        top = sources / f"{design.top}.v"
        text = top.read_text()
        for stream in design.streams:
            text = _with_flip(text, stream.signal, stream.width)
        top.write_text(text)
        flipped = [(stream.edge, stream.signal) for stream in design.streams]
    generated = work / "verilated"
    run_verilator(
        [*_VERILATOR, "--top-module", shell.top, "--Mdir", generated, *shell.sources],
        sources,
        work / "logs" / "verilator.log",
    )
    (work / "shell.h").write_text(_header(generated, flipped))
    library = work / "shell.so"
    link(cxx, ["-shared", '-DSHELL_H="shell.h"'], HARNESS, work, cache, library)
    return library.read_bytes()


def _with_flip(text: str, signal: str, width: int) -> str:
    """The top module with a mask between a stream's producer and all that reads the stream."""
    data = f"{signal}_tdata"
    wires = (
        f"  wire [{width - 1}:0] {signal}_right;\n"
        f"  reg [{width - 1}:0] {signal}_flip  /*verilator public_flat_rw*/;\n"
        f"  reg [{width - 1}:0] {signal}_mask;\n"
        f"  initial {signal}_flip = 0;\n"
        f"  always @(posedge clk) {signal}_mask <= {signal}_flip;\n"
    )
    masked = f"  assign {data} = {signal}_right ^ {signal}_mask;\n"
    # a layer writes it (port m or n), or a port of the accelerator
    text, ports = re.subn(rf"\.([mn]_tdata)\({data}\)", rf".\1({signal}_right)", text)
    text, inputs = re.subn(rf"(?m)^  assign {data} =", f"  assign {signal}_right =", text)
    if ports + inputs != 1:
        raise PipelineError(f"{signal}: {ports + inputs} producers of this stream were found")
    declared = re.search(rf"(?m)^  wire \[\d+:0\] {data}\b.*\n", text)
    assert declared is not None
    return text[: declared.start()] + wires + declared[0] + masked + text[declared.end() :]


def _header(generated: Path, flipped: list[tuple[str, str]]) -> str:
    """The header that tells shell_harness.cpp about the model."""
    root = (generated / f"{_MODEL}___024root.h").read_text()
    entries = []
    for edge, signal in flipped:
        found = re.search(rf"\b(\w+__DOT__{signal})_flip\b", root)
        assert found is not None, signal
        entries.append(f'X("{edge}", {found[1]})')
    numbers = {
        "INPUT_CONTROL": registers.BY_NAME["input_control"].offset,
        "OUTPUT_CONTROL": registers.BY_NAME["output_control"].offset,
        "START": 1 << registers.START,
        "DONE": 1 << registers.DONE,
        "IDLE": 1 << registers.IDLE,
    }
    return "\n".join(
        [
            f'#include "{_MODEL}.h"',
            f'#include "{_MODEL}___024root.h"',
            *(f"constexpr uint32_t {name} = {value};" for name, value in numbers.items()),
            f"#define SHELL_FLIPS(X) {' '.join(entries)}",
            "",
        ]
    )


if __name__ == "__main__":
    try:
        build_shell(*map(Path, sys.argv[1:4]), flips="flips" in sys.argv[4:])
    except PipelineError as error:
        sys.exit(str(error))
