"""The shell around a design: its digest, its part of design.json, and what it takes."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.engines.open.synthesis import longest_path, synthesise
from pipeline.rtl.design import Design, Shell, load_design
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import ADDRESS_BITS, generate_shell, write_alone
from pipeline.rtl.shell.top import TOP, Beats, Parameters
from tests.rtl import designs


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    graph = designs.random_chain(3)
    folder = tmp_path_factory.mktemp("design")
    return generate(graph, designs.random_folding(graph, 3), {}, folder)


def shell_of(design: Design, folder: Path, port_bits: int = 64, family: str = "zynq-7000") -> Shell:
    """The shell of a copy of the design in `folder`."""
    if design.folder != folder:
        shutil.copytree(design.folder, folder)
    made = generate_shell(replace(design, folder=folder), port_bits, family)
    assert load_design(folder) == made
    assert made.shell is not None
    return made.shell


def test_a_design_without_a_shell_reads_back(design: Design) -> None:
    assert load_design(design.folder) == design
    assert design.shell is None


def test_the_digest_is_that_of_the_content(design: Design, tmp_path: Path) -> None:
    one = shell_of(design, tmp_path / "one")
    assert shell_of(design, tmp_path / "other place") == one
    again = replace(design, folder=tmp_path / "one")
    assert shell_of(again, tmp_path / "one") == one, "made twice in one folder"
    assert len(bytes.fromhex(one.digest)) == 16
    text = (tmp_path / "one" / "shell.v").read_text()
    assert f"DIGEST = 128'h{bytes.fromhex(one.digest)[::-1].hex()}" in text
    assert {(tmp_path / "one" / name).exists() for name in one.sources} == {True}


def test_whatever_changes_changes_the_digest(design: Design, tmp_path: Path) -> None:
    digests = {
        shell_of(design, tmp_path / f"{port_bits}{family}", port_bits, family).digest
        for port_bits in (32, 64, 128)
        for family in ADDRESS_BITS
    }
    for k, name in enumerate((design.memories[0], "accelerator.v")):
        changed = shutil.copytree(design.folder, tmp_path / f"changed{k}")
        (changed / name).write_text((changed / name).read_text().replace("0", "1", 1))
        digests.add(shell_of(replace(design, folder=changed), changed).digest)
    assert len(digests) == 8


@pytest.mark.parametrize(("family", "port_bits"), [("zynq-7000", 64), ("zynq-us+", 128)])
def test_it_is_small_and_fast(family: str, port_bits: int, tmp_path: Path) -> None:
    """725 and 976 LUTs, 2.7 ns when written; an accelerator's longest path is about 3 ns."""
    beats = Beats(24 if port_bits == 64 else 56, 100), Beats(8, 10)
    parameters = Parameters(port_bits, ADDRESS_BITS[family], *beats)
    sources = write_alone(parameters, tmp_path)
    used = synthesise(sources, TOP, family, tmp_path, tmp_path / "out", tmp_path / "log")
    assert used.lut <= 1050
    assert used.dsp == used.bram36 == 0
    path = longest_path(tmp_path / "out.sta")
    assert path is not None
    assert path < 3


@pytest.mark.parametrize(
    ("width", "port_bytes", "parts"),
    [(8, 8, 1), (64, 8, 1), (65, 8, 3), (128, 8, 2), (160, 8, 4), (88, 8, 11), (160, 16, 2)],
)
def test_wide_beats_are_cut_into_equal_parts(width: int, port_bytes: int, parts: int) -> None:
    assert Beats(width, 1).parts(port_bytes) == parts
