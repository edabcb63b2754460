"""A small accelerator as a bitfile, and commands for a virtual board."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.virtual import VirtualBoard
from pipeline.hardware import reference
from pipeline.packaging.bitfile import simulated
from pipeline.rtl.design import Design, Shell
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import generate_shell
from pipeline.rtl.shell.hwh import hwh
from pipeline.simulation import signatures
from pipeline.simulation.beats import pack, unpack
from specs.board import BoardSpec
from tests.rtl import designs

GRAPH = designs.random_chain(7)
IMAGES = designs.random_images(GRAPH, 20, 1)
STREAMS = {GRAPH.source.id: IMAGES, **reference.run(GRAPH, IMAGES)}
"""What every edge has for these images, by the reference."""
OUTPUTS = STREAMS[GRAPH.sink.id]
ON_BOARD = Path(__file__).with_name("on_board.py")


def small_design(folder: Path, port_bits: int, family: str) -> Design:
    folding = designs.random_folding(GRAPH, 7)
    return generate_shell(generate(GRAPH, folding, {}, folder, signatures=True), port_bits, family)


def shell_of(design: Design) -> Shell:
    assert design.shell is not None
    return design.shell


def packed(design: Design) -> np.ndarray:
    """IMAGES as they lie in memory."""
    stream = design.stream(design.input)
    return pack(IMAGES.reshape(-1, *stream.shape), stream.dtype, stream.lanes).reshape(-1)


def out_size(design: Design) -> int:
    return len(IMAGES) * design.stream(design.output).beats * shell_of(design).out_bytes


def unpacked(design: Design, data: np.ndarray) -> np.ndarray:
    stream = design.stream(design.output)
    beats = data[: out_size(design)].reshape(-1, shell_of(design).out_bytes)
    return unpack(beats, stream.dtype, stream.lanes).reshape(len(IMAGES), *stream.shape)


def golden_signatures(design: Design) -> dict[str, int]:
    found: dict[str, int] = signatures.of_batch(design, STREAMS)
    return found


@dataclass(frozen=True)
class Files:
    """What a package brings to the board, and the design that it is of."""

    design: Design
    bit: bytes
    hwh: str
    inputs: np.ndarray


def files(folder: Path, spec: BoardSpec) -> Files:
    design = small_design(folder, spec.memory_port_bits, spec.family)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    text = hwh(spec.part, spec.family, 50, spec.memory_port_bits)
    return Files(design, simulated(spec.part, content.getvalue()), text, packed(design))


def ssh(
    board: VirtualBoard, command: str, given: bytes = b"", timeout: float = 600
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh", "-F", board.config, "-o", "BatchMode=yes", board.alias, command],
        input=given,
        capture_output=True,
        timeout=timeout,
        check=False,
    )


def install(board: VirtualBoard, given: Files, name: str = "accelerator") -> None:
    """Puts the files into the home folder, as tar over SSH."""
    inputs = io.BytesIO()
    np.save(inputs, given.inputs)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path, data in (
            (f"{name}.bit", given.bit),
            (f"{name}.hwh", given.hwh.encode()),
            ("inputs.npy", inputs.getvalue()),
            ("on_board.py", ON_BOARD.read_bytes()),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    done = ssh(board, "tar xf -", content.getvalue())
    assert done.returncode == 0, done.stderr


def run_raw(
    board: VirtualBoard, given: Files, name: str = "accelerator", limit: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """Runs on_board.py as root."""
    streams = len(shell_of(given.design).signatures)
    words = f"{name}.bit inputs.npy {len(IMAGES)} {out_size(given.design)} {streams} {limit}"
    command = f"sudo -S -p '' -i python3 on_board.py {words}"
    return ssh(board, command, b"xilinx\n")


def run(
    board: VirtualBoard, given: Files, name: str = "accelerator", limit: float = 60
) -> dict[str, Any]:
    done = run_raw(board, given, name, limit)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Error" not in done.stderr, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def results(given: Files, run: dict[str, Any]) -> np.ndarray:
    """The output of one run, unpacked."""
    return unpacked(given.design, np.frombuffer(bytes.fromhex(run["outputs"]), np.uint8))
