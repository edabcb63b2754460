"""The compiled shell: golden results, the memory's speed, and each fault at the lowest level."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.rtl.design import Design, load_design, save_design
from pipeline.rtl.shell import registers
from pipeline.simulation import build_shell as building
from pipeline.simulation import shell as shell_module
from pipeline.simulation.build_shell import build_shell
from pipeline.simulation.shell import Shell, Side
from tests.deploy.virtual import boards

SOURCE, TARGET, BASE, SIZE = 0x1000_0000, 0x1008_0000, 0x1000_0000, 1 << 20
AT = {register.name: register.offset for register in registers.REGISTERS}
Start = Callable[..., Shell]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell")


@pytest.fixture(scope="module")
def design(folder: Path) -> Design:
    return boards.small_design(folder / "design", 64, "zynq-7000")


@pytest.fixture(scope="module")
def libraries(folder: Path, design: Design, cache: Path) -> dict[bool, Path]:
    found = {flips: folder / f"shell-{flips}.so" for flips in (False, True)}
    for flips, library in found.items():
        build_shell(design.folder, library, cache, flips=flips, optimise="-O0")
    return found


@pytest.fixture
def memory(design: Design) -> np.ndarray:
    memory = np.zeros(SIZE, np.uint8)
    images = boards.packed(design)
    memory[: images.size] = images
    return memory


@pytest.fixture
def begin(libraries: dict[bool, Path], design: Design, memory: np.ndarray) -> Iterator[Start]:
    opened: list[Shell] = []

    def new(flips: bool = False) -> Shell:
        opened.append(Shell(libraries[flips], design.folder, memory, BASE))
        return opened[-1]

    yield new
    for shell in opened:
        shell.close()


def batch(shell: Shell) -> bool:
    shell.start(SOURCE, TARGET, len(boards.IMAGES))
    return shell.wait(0.5)


def outputs(design: Design, memory: np.ndarray) -> np.ndarray:
    return boards.unpacked(design, memory[TARGET - BASE :])


def signatures(shell: Shell, design: Design) -> dict[str, int]:
    edges = boards.shell_of(design).signatures
    return {edge: shell.read(registers.signature_offset(k)) for k, edge in enumerate(edges)}


def test_it_says_which_design_it_is(begin: Start, design: Design) -> None:
    shell = begin()
    words = [shell.read(AT[f"digest_{k}"]) for k in range(registers.DIGEST_WORDS)]
    found = b"".join(word.to_bytes(4, "little") for word in words).hex()
    assert found == boards.shell_of(design).digest
    assert shell.read(AT["magic"]) == registers.MAGIC


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_a_batch_is_exact_and_keeps_the_rules(
    begin: Start, design: Design, memory: np.ndarray, stall: float
) -> None:
    shell = begin()
    for side in ("input", "output"):
        shell.memory_speed(side, stall=stall)
    for _ in range(2):
        memory[TARGET - BASE :] = 0xEE
        assert batch(shell)
        np.testing.assert_array_equal(outputs(design, memory), boards.OUTPUTS)
        # nothing behind the last byte is touched
        assert (memory[TARGET - BASE + boards.out_size(design) :] == 0xEE).all()
        assert signatures(shell, design) == boards.golden_signatures(design)
        assert shell.violation == ""
        assert shell.read(AT["images_done"]) == len(boards.IMAGES)


def test_a_slow_memory_costs_cycles(begin: Start) -> None:
    cycles = []
    for latency in (10, 60, 1000):
        shell = begin()
        shell.memory_speed("input", latency=latency, outstanding=1)
        assert batch(shell)
        cycles.append(shell.read(AT["cycles_busy"]))
    assert cycles[0] < cycles[1] < cycles[2]
    assert cycles[2] > 1000


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_memory_that_stops_answering_hangs_the_dma(begin: Start, side: Side) -> None:
    shell = begin()
    shell.stop_answering(side)
    assert not batch(shell)
    assert shell.read(AT["status"]) & registers.ERRORS == 0


@pytest.mark.parametrize(
    ("side", "response", "bit"), [("input", 2, 0), ("input", 3, 1), ("output", 2, 2),
                                  ("output", 3, 3)]
)  # fmt: skip
def test_a_bus_error_shows(begin: Start, side: Side, response: int, bit: int) -> None:
    shell = begin()
    shell.answer_wrongly(side, response)
    batch(shell)
    assert shell.read(AT["status"]) & registers.ERRORS == 1 << bit


def test_an_address_without_memory_is_a_decode_error(begin: Start) -> None:
    shell = begin()
    shell.start(BASE + SIZE - 64, TARGET, len(boards.IMAGES))
    shell.wait(0.5)
    assert shell.read(AT["status"]) & registers.ERRORS == 1 << 1


def test_a_flipped_stream_and_those_after_it_differ(begin: Start, design: Design) -> None:
    edges = [stream.edge for stream in design.streams]
    golden = boards.golden_signatures(design)
    for k, edge in enumerate(edges):
        shell = begin(flips=True)
        shell.flip(edge)
        assert batch(shell)
        found = signatures(shell, design)
        assert [found[e] == golden[e] for e in edges[: k + 1]] == [True] * k + [False]


def test_flips_by_chance_differ_from_run_to_run(begin: Start, design: Design) -> None:
    shell = begin(flips=True)
    assert batch(shell)
    assert signatures(shell, design) == boards.golden_signatures(design)
    edge = design.streams[0].edge
    shell.flip(edge, first=5, chance=0.3)
    runs = []
    for _ in range(3):
        assert batch(shell)
        runs.append(signatures(shell, design)[edge])
    assert len(set(runs)) == 3


def test_what_a_shell_does_not_have_is_refused(begin: Start, design: Design) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        begin(flips=True).flip("nowhere")
    with pytest.raises(ValueError, match=design.streams[0].edge):
        begin().flip(design.streams[0].edge)  # compiled without


def test_a_shell_is_compiled_once(
    design: Design, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(building, "_compile", never)
    build_shell(design.folder, tmp_path / "again.so", cache, optimise="-O0")
    changed = tmp_path / "changed"
    shutil.copytree(design.folder, changed)
    (changed / design.memories[0]).write_text("")  # read when the shell starts
    build_shell(changed, tmp_path / "again.so", cache, optimise="-O0")
    top = changed / "accelerator.v"
    top.write_text(top.read_text() + "// changed\n")
    with pytest.raises(AssertionError, match="compiled again"):
        build_shell(changed, tmp_path / "again.so", cache, optimise="-O0")


def test_a_design_without_a_shell_is_refused(design: Design, tmp_path: Path, cache: Path) -> None:
    import dataclasses

    shutil.copytree(design.folder, tmp_path / "bare")
    bare = dataclasses.replace(load_design(tmp_path / "bare"), shell=None)
    save_design(bare)
    with pytest.raises(PipelineError, match="no AXI shell"):
        build_shell(tmp_path / "bare", tmp_path / "x.so", cache)


def test_the_wrapper_has_the_offsets_of_the_register_table() -> None:
    """It writes them itself, since the virtual board loads it without the rest of this project."""
    for prefix, base in (("input", shell_module.INPUT), ("output", shell_module.OUTPUT)):
        assert base + shell_module.CONTROL == AT[f"{prefix}_control"]
        assert base + shell_module.ADDRESS_LOW == AT[f"{prefix}_address_low"]
        assert base + shell_module.ADDRESS_HIGH == AT[f"{prefix}_address_high"]
        assert base + shell_module.IMAGES == AT[f"{prefix}_images"]
    bits = (registers.START, registers.DONE, registers.IDLE)
    found = (shell_module.START, shell_module.DONE, shell_module.IDLE)
    assert found == tuple(1 << bit for bit in bits)
