"""Hostile QONNX files are refused before any library reads them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

from pipeline.flow.unit import select
from pipeline.qonnx.description import read
from tests.export.qonnx_files import mlp
from tests.hostile import measure, table
from tests.hostile.measure import PEAK_MIB, Outcome, require_harmless
from tests.hostile.qonnx_cases import MARK, Case, cases
from tests.hostile.table import Row

CASES = {case.name: case for case in cases()}
SECONDS = 30.0
"""The time for one file. Other tests may run on the same machine."""
COMMANDS = ("backend node with a program", "loop of a thousand years", "constant expanded")
"""The cases that a whole command reads. The others are read only by the selection of units."""


@dataclass(frozen=True)
class Told:
    """What was said of a file. told: the error."""

    path: Path
    told: str
    seconds: float


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    paths = [str(case.write(folder / "files" / name)) for name, case in CASES.items()]
    found = measure.python(folder, "tests.hostile.choose", "qonnx", *paths, seconds=240)
    assert found.code == 0, found.text
    return found


@pytest.fixture(scope="module")
def told(outcome: Outcome) -> dict[str, Told]:
    documents = [json.loads(line) for line in outcome.text.splitlines()]
    found = [Told(Path(x["path"]), x["told"], x["seconds"]) for x in documents]
    return {x.path.parent.name: x for x in found}


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_clear_error(told: dict[str, Told], name: str) -> None:
    found = told[name]
    assert CASES[name].words in found.told
    assert found.told.startswith(f"qonnx={found.path}: ")
    assert found.told.isprintable(), "one line, nothing that moves the cursor"
    assert len(found.told) < len(str(found.path)) + 600
    assert found.seconds < SECONDS


def test_all_of_them_took_little_memory_and_wrote_nothing(outcome: Outcome) -> None:
    assert outcome.peak_mib < PEAK_MIB
    assert outcome.written == ()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_with_it(tmp_path: Path, name: str) -> None:
    path = CASES[name].write(tmp_path)
    require_harmless(measure.doit(tmp_path, "streamline", f"qonnx={path}"), CASES[name].words)


def test_annotations_are_not_evaluated(tmp_path: Path) -> None:
    """A proper file with parts that are not needed is accepted, and these parts are named."""
    path = mlp(tmp_path / "model.onnx")
    model = onnx.load(str(path))
    names = {name for node in model.graph.node for name in (*node.input, *node.output)}
    for name in sorted(names):
        note = model.graph.quantization_annotation.add(tensor_name=name)
        text = f"open({str(tmp_path / MARK)!r}, 'w') and None"
        for key in ("tensor_layout", "tensor_sparsity"):
            note.quant_parameter_tensor_names.add(key=key, value=text)
    onnx.save(model, str(path))
    found = measure.doit(tmp_path, "export", f"qonnx={path}")
    assert (found.code, found.written) == (0, ()), found.text
    assert found.peak_mib < PEAK_MIB
    (manifest,) = (tmp_path / "build").glob("*/export/manifest.json")
    figures = json.loads(manifest.read_text())["metrics"]
    count = len(names)
    assert figures["left_out"]["value"] == (
        f"annotation tensor_layout ({count}), annotation tensor_sparsity ({count})"
    )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    os.mkfifo(path)
    found = measure.doit(tmp_path, "streamline", f"qonnx={path}")
    require_harmless(found, "a named pipe")


def test_what_says_nothing_of_the_network_is_left_out_and_told(tmp_path: Path) -> None:
    path = mlp(tmp_path / "model.onnx")
    model = onnx.load(str(path))
    model.doc_string = model.graph.node[0].doc_string = "x" * 1000
    model.metadata_props.add(key="a", value="b")
    model.training_info.add().initialization.name = "t"
    model.opset_import.add(domain="com.example", version=1)
    note = model.graph.quantization_annotation.add(tensor_name="features")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="INT8")
    note.quant_parameter_tensor_names.add(key="finn_datatype", value="INT4")
    note.quant_parameter_tensor_names.add(key="tensor_layout", value='["N", "C"]')
    onnx.save(model, str(path))
    found = read(path)
    assert set(found.left_out) == {
        "doc strings (2)", "metadata", "training information", "opset of com.example",
        "annotation finn_datatype",
    }  # fmt: skip
    (kept,) = found.model.graph.quantization_annotation
    pairs = [(pair.key, pair.value) for pair in kept.quant_parameter_tensor_names]
    assert pairs == [("finn_datatype", "INT8"), ("tensor_layout", "['N', 'C']")]
    assert not found.model.graph.node[0].doc_string
    assert select({"qonnx": str(path)})


def test_the_table_in_the_docs_is_what_was_found(told: dict[str, Told]) -> None:
    assert told.keys() == CASES.keys()
    rows = [_row(case) for case in CASES.values()]
    if table.UPDATE in os.environ:
        table.write("QONNX", rows)
    assert [row for row in table.committed() if row.kind == "QONNX"] == rows


def _row(case: Case) -> Row:
    return Row("QONNX", case.name, case.before, case.words)
