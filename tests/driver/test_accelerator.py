"""The rendered driver.py on a board in memory: right results, and every fault told in words."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.prepare import prepare
from pipeline.driver.proof import load
from pipeline.hardware import post, reference
from pipeline.hardware.graph import HardwareGraph
from tests.driver import fakes
from tests.hardware import networks

COUNT = 23


class Bench:
    """A package of a small network, its board, and the driver module."""

    def __init__(self, folder: Path, graph: HardwareGraph, signed: bool = True) -> None:
        self.graph = graph
        self.images = networks.images(graph, COUNT)
        self.raw = fakes.raw(graph, self.images)
        self.design = fakes.package(folder, graph, self.images, signed)
        self.folder = folder
        self.driver: Any = load(folder / "driver.py")

    def open(self, batch: int | None = None, **faults: Any) -> Any:
        self.board = fakes.FakeBoard(self.graph, self.design)
        for name, value in faults.items():
            assert hasattr(self.board, name)
            setattr(self.board, name, value)
        return self.driver.Accelerator(self.folder, batch=batch, board=self.board)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("package"), fakes.network())


@pytest.mark.parametrize("batch", [None, 1, 5, COUNT, 100])
def test_it_gives_the_reference_outputs_whatever_the_batch(bench: Bench, batch: int | None) -> None:
    expected = reference.run(bench.graph, bench.images)[bench.graph.sink.id]
    with bench.open(batch) as accelerator:
        np.testing.assert_array_equal(accelerator.execute(bench.raw), expected)
    assert sum(bench.board.batches) == COUNT
    assert bench.board.closed


def test_numbers_by_channel_come_with_the_contract(tmp_path: Path) -> None:
    graph = fakes.network()
    graph = replace(graph, input=graph.input.model_copy(update={"mean": (0.5, 0.25)}))
    bench = Bench(tmp_path, graph)
    with bench.open() as accelerator:
        accelerator.execute(bench.raw)
        assert vars(accelerator.contract) == vars(graph.input)


def test_raw_images_are_prepared_as_in_training(bench: Bench) -> None:
    raw = np.random.default_rng(1).integers(0, 256, (9, 5, 31, 1)).astype(np.uint8)
    prepared = prepare(raw, bench.graph.input).reshape(-1, *bench.graph.source.shape)
    expected = reference.run(bench.graph, prepared)[bench.graph.sink.id]
    with bench.open(4) as accelerator:
        np.testing.assert_array_equal(accelerator.execute(raw), expected)
        np.testing.assert_array_equal(
            accelerator.classify(raw), post.classes(bench.graph.post, expected)
        )


def test_logits_become_scores_as_in_the_pipeline(tmp_path: Path) -> None:
    from dataclasses import replace

    graph = fakes.network(label=False)
    rng = np.random.default_rng(0)
    logits = post.Post("logits", tuple(rng.normal(size=6)), tuple(rng.normal(size=6)))
    bench = Bench(tmp_path, replace(graph, post=logits))
    outputs = reference.run(bench.graph, bench.images)[bench.graph.sink.id]
    with bench.open() as accelerator:
        images = bench.raw
        np.testing.assert_array_equal(accelerator.scores(images), post.scores(logits, outputs))
        np.testing.assert_array_equal(accelerator.classify(images), post.classes(logits, outputs))


def test_validate_compares_bit_for_bit_and_counts_a_test_set(bench: Bench, tmp_path: Path) -> None:
    expected = reference.run(bench.graph, bench.images)[bench.graph.sink.id].reshape(-1)
    labels = expected.copy()
    labels[:3] += 1
    archive = tmp_path / "set.npz"
    np.savez(archive, images=bench.raw, labels=labels)
    with bench.open() as accelerator:
        found = accelerator.validate(archive)
        assert found["equal"]
        assert found["testset"] == {
            "images": COUNT,
            "right": COUNT - 3,
            "accuracy": 100 * (COUNT - 3) / COUNT,
            "classes_sha256": hashlib.sha256(expected.astype("<i8").tobytes()).hexdigest(),
        }
        bench.board.flip = bench.graph.sink.id
        found = accelerator.validate()
        assert not found["equal"]
        assert found["first"]["image"] == COUNT - 1


def test_speed_is_that_of_the_counters(bench: Bench) -> None:
    with bench.open(8) as accelerator:
        found = accelerator.throughput(20)
        assert (found["images"], found["ii_cycles"], found["fps"]) == (8, fakes.II, 1e8 / fakes.II)
        assert accelerator.latency()["cycles"] == fakes.LATENCY
        assert found["kind"] == "simulated"


@pytest.fixture
def finn(tmp_path: Path) -> Bench:
    """The same package with FINN's shell, which has only the registers of the two DMAs."""
    bench = Bench(tmp_path, fakes.network(), signed=False)
    path = tmp_path / "settings.json"
    document = json.loads(path.read_text())
    ours = {k: x for k, x in document["registers"].items() if k.startswith(("input_", "output_"))}
    path.write_text(json.dumps({**document, "shell": "finn", "registers": ours}))
    return bench


def test_finns_shell_gives_the_same_outputs_and_is_timed_by_the_processor(finn: Bench) -> None:
    expected = reference.run(finn.graph, finn.images)[finn.graph.sink.id]
    with finn.open(5) as accelerator:
        np.testing.assert_array_equal(accelerator.execute(finn.raw), expected)
        assert accelerator.validate()["equal"]
        speed = accelerator.throughput(10)
        assert speed["fps_with_dma"] > 0
        assert "ii_cycles" not in speed
        assert accelerator.latency()["us_with_dma"] > 0
        assert "has none" in accelerator.info()["digest"]
    with finn.open() as accelerator:
        assert accelerator.diagnose()["ok"]


def test_faults_of_finns_shell_are_told(finn: Bench) -> None:
    with finn.open(5) as accelerator:
        finn.board.hang = True
        with pytest.raises(finn.driver.DriverError, match=r"did not end in.*no soft reset"):
            accelerator.execute(finn.raw)
    board = fakes.FakeBoard(finn.graph, finn.design)
    board.values["output_control"] = 0
    with pytest.raises(finn.driver.DriverError, match="no idle output DMA of FINN"):
        finn.driver.Accelerator(finn.folder, board=board)


def test_diagnose_names_the_layer_whose_stream_differs(bench: Bench) -> None:
    with bench.open() as accelerator:
        found = accelerator.diagnose()
        assert found["ok"]
        for layer in bench.graph.layers:
            bench.board.flip, bench.board.unsteady = layer.output, False
            found = accelerator.diagnose()
            assert (found["ok"], found["deterministic"]) == (False, True)
            assert (found["layer"], found["stream"]) == (layer.id, layer.output)
            assert layer.id in found["verdict"]
            bench.board.unsteady = True
            found = accelerator.diagnose()
            assert not found["deterministic"]
            assert found["layer"] == layer.id
            assert "not deterministic" in found["verdict"]
        bench.board.flip, bench.board.dirty = None, True
        assert "input stream differs" in accelerator.diagnose()["verdict"]


def test_without_signatures_diagnose_says_what_to_do(tmp_path: Path) -> None:
    bench = Bench(tmp_path, networks.dense((12, 6)), signed=False)
    with bench.open() as accelerator:
        assert accelerator.diagnose()["ok"]
        bench.board.flip = bench.graph.sink.id
        found = accelerator.diagnose()
        assert not found["ok"]
        assert "signatures=on" in found["verdict"]


@pytest.mark.parametrize(
    ("faults", "kind", "text"),
    [
        ({"hang": True}, "timeout", r"0 of 23 images .* was reset and can be used again"),
        ({"still": True}, "clock", "clock stands still"),
        ({"error": 1}, "dma", "A read was answered with DECERR"),
        ({"error": 2}, "dma", "A write was answered with SLVERR"),
        ({"hang": True, "stuck": True}, "timeout", "soft reset does not end"),
    ],
)
def test_a_fault_is_told_and_the_next_batch_works(
    bench: Bench, faults: dict[str, Any], kind: str, text: str
) -> None:
    images = bench.raw
    with bench.open(**faults) as accelerator:
        with pytest.raises(bench.driver.DriverError, match=text) as caught:
            accelerator.execute(images)
        assert caught.value.kind == kind
        if "stuck" not in faults:
            for name in faults:
                setattr(bench.board, name, None if name == "error" else False)
            np.testing.assert_array_equal(
                accelerator.execute(images), accelerator._golden("outputs.npy")
            )


def test_a_busy_accelerator_is_not_started(bench: Bench) -> None:
    with bench.open() as accelerator:
        bench.board.values["input_control"] = 1
        with pytest.raises(bench.driver.DriverError, match="the input DMA is not idle"):
            accelerator.execute(bench.raw)
        assert not bench.board.batches
        accelerator.reset()
        accelerator.execute(bench.raw)


@pytest.mark.parametrize(
    ("register", "value", "text"),
    [
        ("magic", 0, "no accelerator of this pipeline"),
        ("abi", 99, "register map 99"),
        ("digest_2", 1, "another build of the accelerator is loaded"),
        ("shape", 0, "does not belong to this bitfile"),
    ],
)
def test_another_design_is_refused(bench: Bench, register: str, value: int, text: str) -> None:
    board = fakes.FakeBoard(bench.graph, bench.design)
    board.values[register] = value
    with pytest.raises(bench.driver.DriverError, match=text):
        bench.driver.Accelerator(bench.folder, board=board)
    assert board.closed


def test_the_command_line_ends_in_one_json_object(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def last(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = bench.driver.main([*arguments, "--folder", str(bench.folder), "--json"])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    code, found = last("info")
    assert (code, found["error"]["kind"]) == (1, "bitfile")  # this package has no bitfile
    board = fakes.FakeBoard(bench.graph, bench.design)
    monkeypatch.setattr(bench.driver, "PynqBoard", lambda *_: board)
    for command in ("info", "validate", "throughput", "latency", "diagnose"):
        code, found = last(command)
        assert code == 0, found
    board.flip = bench.graph.sink.id
    assert last("validate")[0] == 1
    assert last("diagnose")[0] == 1


def test_the_text_suits_the_oldest_python_of_a_board(bench: Bench) -> None:
    text = (bench.folder / "driver.py").read_text()
    tree = ast.parse(text, feature_version=(3, 10))
    modules = {
        name.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    import sys

    assert modules - sys.stdlib_module_names == {"numpy", "pynq"}
    assert max(map(len, text.splitlines())) <= 100
