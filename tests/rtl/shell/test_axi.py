"""The shell against AXI models that are not ours, with stand-in accelerators and a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.hardware import reference
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import generate_shell
from pipeline.rtl.shell.top import Beats
from pipeline.simulation.beats import pack
from pipeline.simulation.signatures import of_batch
from tests.rtl import designs
from tests.rtl.shell.bench import Shape, images_of, run_cases, stand_in

CASES = ("identity", "batches", "refusals", "errors", "resets", "rate")
SHAPES = (
    Shape(64, "zynq-7000", 24, 11, 4, 1),  # pixels of three bytes, a label
    Shape(128, "zynq-us+", 56, 9, 20, 10),  # beats that end anywhere in a word; logits
)
SIZES = (
    Shape(32, "zynq-7000", 24, 5, 16, 1),
    Shape(64, "zynq-7000", 8, 9, 56, 2),
    Shape(64, "zynq-us+", 64, 3, 128, 1),  # results of two words
    Shape(64, "zynq-7000", 159, 2, 32, 3),  # images in beats wider than the port
    Shape(128, "zynq-us+", 128, 5, 24, 4),
    Shape(128, "zynq-us+", 32, 7, 128, 3),
    Shape(128, "zynq-7000", 16, 3, 64, 3),
)


def run(shape: Shape, cases: tuple[str, ...], tmp_path: Path, cache: Path) -> None:
    design = stand_in(shape, tmp_path / "design")
    port_bytes = shape.port_bits // 8
    interval = max(
        beats * Beats(bits, beats).parts(port_bytes)
        for bits, beats in ((shape.in_bits, shape.in_beats), (shape.out_bits, shape.out_beats))
    )
    run_cases(design, images_of(shape, 20), interval, tmp_path / "work", cache, cases)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.label)
def test_batches_errors_and_resets(shape: Shape, tmp_path: Path, cache: Path) -> None:
    run(shape, CASES, tmp_path, cache)


@pytest.mark.parametrize("shape", SIZES, ids=lambda shape: shape.label)
def test_beats_of_other_sizes(shape: Shape, tmp_path: Path, cache: Path) -> None:
    run(shape, ("batches", "rate"), tmp_path, cache)


@pytest.mark.parametrize(
    ("seed", "port_bits", "family"), [(3, 64, "zynq-7000"), (9, 128, "zynq-us+")]
)
def test_a_network(seed: int, port_bits: int, family: str, tmp_path: Path, cache: Path) -> None:
    graph = designs.random_chain(seed)
    folding = designs.random_folding(graph, seed)
    design = generate(graph, folding, {}, tmp_path / "design", signatures=True)
    design = generate_shell(design, port_bits, family)
    images = designs.random_images(graph, 12, seed)
    streams = {**reference.run(graph, images), graph.source.id: images}
    packed = [
        pack(streams[edge], (at := design.stream(edge)).dtype, at.lanes).reshape(12, -1)
        for edge in (design.input, design.output)
    ]
    pool = [(image.tobytes(), result.tobytes()) for image, result in zip(*packed, strict=True)]
    golden = of_batch(design, streams)
    assert len(golden) == len(graph.edges)
    cases = ("identity", "batches", "resets", "signatures")
    interval = max(design.cycles.values())
    run_cases(design, pool, interval, tmp_path / "work", cache, cases, list(golden.values()))
