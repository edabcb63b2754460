"""Writes the shell around a design: Verilog in the design's folder, and its part of design.json."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from pipeline.rtl.design import Design, Shell, save_design
from pipeline.rtl.modules import copy_modules, needed_modules
from pipeline.rtl.shell import registers
from pipeline.rtl.shell.top import TOP, Beats, Parameters, text

ADDRESS_BITS = {"zynq-7000": 32, "zynq-us+": 40}
"""Bits of an address in the processor's memory, by family."""


def generate_shell(design: Design, port_bits: int, family: str) -> Design:
    """Writes the shell into the design's folder, and returns the design with it.

    port_bits: of the memory port.
    """
    parameters = parameters_of(design, port_bits, ADDRESS_BITS[family])
    blank = text(parameters, design.top, bytes(4 * registers.DIGEST_WORDS))
    added = [name for name in needed_modules(blank) if f"{name}.v" not in design.sources]
    sources = (*design.sources, *copy_modules(added, design.folder))
    digest = _digest(design.folder, (*sources, *design.memories), blank)
    (design.folder / f"{TOP}.v").write_text(text(parameters, design.top, digest))
    shell = Shell(
        top=TOP,
        sources=(*sources, f"{TOP}.v"),
        port_bits=port_bits,
        address_bits=parameters.address_bits,
        digest=digest.hex(),
        in_bytes=parameters.input.bytes,
        out_bytes=parameters.output.bytes,
        signatures=design.signatures,
    )
    with_shell = replace(design, shell=shell)
    save_design(with_shell)
    return with_shell


def parameters_of(design: Design, port_bits: int, address_bits: int) -> Parameters:
    """What the shell of this design depends on."""
    ends = (design.stream(design.input), design.stream(design.output))
    source, sink = (Beats(stream.width, stream.beats) for stream in ends)
    return Parameters(port_bits, address_bits, source, sink, len(design.signatures))


def write_alone(parameters: Parameters, folder: Path) -> tuple[str, ...]:
    """Writes a shell whose streams to the accelerator are ports into `folder`, to be measured.

    Returns its sources, in the order of compilation; the top module is TOP.
    """
    folder.mkdir(parents=True, exist_ok=True)
    top = text(replace(parameters, alone=True), "", bytes(range(4 * registers.DIGEST_WORDS)))
    (folder / f"{TOP}.v").write_text(top)
    return (*copy_modules(needed_modules(top), folder), f"{TOP}.v")


def _digest(folder: Path, files: tuple[str, ...], top: str) -> bytes:
    """Identifies a design: all its files by name, and the shell's text with a digest of zeros."""
    total = hashlib.sha256()
    for name in sorted(files):
        content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        total.update(f"{name} {content}\n".encode())
    total.update(top.encode())
    return total.digest()[: 4 * registers.DIGEST_WORDS]
