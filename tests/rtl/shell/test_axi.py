"""The shell against AXI models that are not ours, with stand-in accelerators and a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.hardware import reference
from pipeline.rtl.generator import generate
from pipeline.rtl.shell.generate import generate_shell
from pipeline.simulation.beats import pack
from pipeline.simulation.signatures import of_batch
from tests.rtl import designs
from tests.rtl.shell.bench import Shape, images_of, run_cases, stand_in

CASES = ("identity", "batches", "refusals", "errors", "resets", "rate")
SHAPES = (
    Shape(64, "zynq-7000", 24, 11, 4, 1),  # pixels of three bytes, a label
    Shape(128, "zynq-us+", 56, 9, 20, 10),  # beats that end anywhere in a word; logits
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.label)
def test_batches_errors_and_resets(shape: Shape, tmp_path: Path, cache: Path) -> None:
    design = stand_in(shape, tmp_path / "design")
    interval = max(shape.in_beats, shape.out_beats)
    run_cases(design, images_of(shape, 20), interval, tmp_path / "work", cache, CASES)


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
    cases = ("identity", "batches", "errors", "resets", "signatures")
    interval = max(design.cycles.values())
    run_cases(design, pool, interval, tmp_path / "work", cache, cases, list(golden.values()))
