"""The harness: figures, limits, what it says when a design does not go on."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError, ToolError, VerificationError
from pipeline.hardware.graph import HardwareGraph
from pipeline.rtl.generator import generate
from pipeline.simulation import build
from pipeline.simulation.model import Model, Result, Stalls, build_model
from pipeline.tools.compiler import compiler
from pipeline.tools.verilator import verilator_home
from tests.rtl import designs

GRAPH: HardwareGraph = designs.random_chain(7)
FOLDING = designs.random_folding(GRAPH, 7)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Model:
    folder = tmp_path_factory.mktemp("model") / 'it\'s; a "bäd" $dir'
    return designs.build(GRAPH, FOLDING, folder, cache, {"act0": 20, "act2": 20})


def test_figures_agree_with_one_another(model: Model) -> None:
    images = designs.random_images(GRAPH, 20, 1)
    result = designs.require_exact(model, GRAPH, images)
    assert len(result.completed) == 20
    assert result.first_input <= 1
    assert result.latency == result.completed[0] - result.first_input
    assert result.cycles == result.completed[-1] + 1
    assert result.interval() >= max(model.design.cycles.values())
    assert set(result.peaks) == {"act0", "act2"}


def test_interval_is_exact_only_where_it_is_constant() -> None:
    def ended(*completed: int) -> Result:
        return Result(np.zeros(0), {}, 0, np.array(completed), 0, {}, {})

    assert ended(90, 100, 110, 120).interval() == 10
    assert isinstance(ended(90, 100, 110, 120).interval(), int)
    assert ended(90, 100, 110, 121).interval(warm_up=1) == 10.5
    assert ended(7, 100, 110, 120).interval(warm_up=1) == 10
    with pytest.raises(PipelineError, match="two images"):
        ended(90).interval()


def test_the_same_seed_gives_the_same_stalls(model: Model) -> None:
    images = designs.random_images(GRAPH, 6, 1)
    a, b, c = (model.run(images, stalls=Stalls(seed, 0.98, 0.98)).completed for seed in (4, 4, 5))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert a[-1] > model.run(images).completed[-1]


def test_a_design_that_stands_still_is_reported_by_stream(model: Model) -> None:
    images = designs.random_images(GRAPH, 30, 1)
    with pytest.raises(VerificationError, match=r"(?s)no stream moved.*logits: .*STUCK"):
        model.run(images, stalls=Stalls(1, 0.0, 0.9999999), patience=2000)
    with pytest.raises(
        VerificationError, match=r"stopped in cycle 25: (?s:.*)pixels: .* beats so far"
    ):
        model.run(images, most_cycles=25)


def test_limits_and_stalls_are_checked(model: Model) -> None:
    images = designs.random_images(GRAPH, 2, 1)
    with pytest.raises(PipelineError, match=r"act0: 21 \(allowed: 1\.\.20\)"):
        model.run(images, fifo_limits={"act0": 21})
    with pytest.raises(PipelineError, match=r"act1: 1 \(allowed: 1\.\.0\)"):
        model.run(images, fifo_limits={"act1": 1})
    with pytest.raises(PipelineError, match="stall probability 1"):
        model.run(images, stalls=Stalls(1, 1.0, 0.0))


def test_a_damaged_run_time_object_is_compiled_again(tmp_path: Path) -> None:
    work, shared = tmp_path / "work", tmp_path / 'it\'s a "cache"'
    work.mkdir()
    cxx = [*compiler(), "-O0", "-w", f"-I{verilator_home() / 'include'}"]
    objects = build.runtime_objects(cxx, work, shared)
    whole = [path.read_bytes() for path in objects]
    first, second = sorted((shared / "verilated").iterdir())
    good = first.read_bytes()
    first.write_bytes(b"")  # as a full disk leaves it: the linker's `file too short`, for ever
    second.write_bytes(good)
    for path in objects:
        path.write_bytes(b"")
    build.runtime_objects(cxx, work, shared)
    assert [path.read_bytes() for path in objects] == whole
    assert first.read_bytes() == good


def test_a_run_that_fails_can_be_run_again_by_hand(model: Model) -> None:
    """What its command reads stays; that of a run that worked does not."""
    images = designs.random_images(GRAPH, 2, 1)
    before = set(model.work.iterdir())
    model.run(images)
    with pytest.raises(PipelineError, match="FIFO limits"):
        model.run(images, fifo_limits={"act0": 21})
    assert set(model.work.iterdir()) == before
    broken = model.work / "broken model"
    broken.write_text('#!/bin/sh\ntest -s "$1/input.bin" || exit 9\nexit 7\n')
    broken.chmod(0o755)
    with pytest.raises(ToolError, match=r"(?s)exit code 7.*run it again by hand") as failure:
        Model(model.design, broken, model.work).run(images)
    advice = str(failure.value).rpartition("by hand: ")[2]
    assert subprocess.run(["sh", "-c", advice], check=False).returncode == 7


def test_a_design_verilator_refuses_is_a_tool_error(tmp_path: Path, cache: Path) -> None:
    generate(GRAPH, FOLDING, {}, tmp_path / "design")
    (tmp_path / "design" / "mvau.v").write_text("module mvau (;\nendmodule\n")
    with pytest.raises(ToolError, match=r"(?s)verilator_bin failed.*mvau\.v.*whole log"):
        build_model(tmp_path / "design", tmp_path / "work", cache)
