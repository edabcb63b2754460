"""Hostile files of weights are refused before any tensor is built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from pipeline.training.weight_files import read
from tests.hostile import measure, table
from tests.hostile.file_case import Told, read_all, require_little, require_one_line
from tests.hostile.measure import require_harmless
from tests.hostile.table import Row
from tests.hostile.weight_cases import MARK, cases, honest

KIND = "weights"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("weights")
    paths = cases.written(folder / "files")
    return read_all(folder, "tests.hostile.weigh", {name: [str(paths[name])] for name in paths})


@pytest.mark.parametrize("name", cases)
def test_refused_in_one_clear_error(told: Told, name: str) -> None:
    require_one_line(told.by_case[name], cases[name].words)
    assert told.seconds[name] < 30


def test_all_of_them_took_little_memory_and_wrote_nothing(told: Told) -> None:
    require_little(told.outcome)


@pytest.mark.parametrize("name", ["zero stride", "code in a pickle"])
def test_a_command_ends_with_it(tmp_path: Path, name: str) -> None:
    path = cases[name].write(tmp_path)
    words = ("train", "network=tfc_1w1a", "dataset=digits", f"checkpoint={path}")
    require_harmless(measure.doit(tmp_path, *words), cases[name].words)
    assert not (tmp_path / MARK).exists()


def test_the_table_in_the_docs_is_what_was_found(told: Told) -> None:
    rows = [Row(KIND, case.name, case.before, case.words) for case in cases.values()]
    if table.UPDATE in os.environ:
        table.write(KIND, rows)
    assert [row for row in table.committed() if row.kind == KIND] == rows


@pytest.mark.parametrize(
    "how", ["zip", "legacy", "safetensors", "half", "transposed", "expanded", "shared"]
)
def test_honest_files_are_read_to_the_bit(tmp_path: Path, how: str) -> None:
    weights = honest()
    weights["features.2.weight"].view(-1)[:3] = torch.tensor([-0.0, 1e-45, float("inf")])
    weights = _changed(weights, how)
    path = tmp_path / ("a.safetensors" if how == "safetensors" else "a.pt")
    if how == "safetensors":
        safetensors.torch.save_file(weights, path)
        wanted = safetensors.torch.load_file(path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=how != "legacy")
        wanted = torch.load(path, weights_only=True)
    found = read(path, path.read_bytes()).tensors
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        tensor = found[name].tensor()
        assert (tensor.dtype, tensor.shape) == (value.dtype, value.shape)
        same = tensor.contiguous().flatten().view(torch.uint8)
        assert torch.equal(same, value.contiguous().flatten().view(torch.uint8))


def _changed(weights: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = "features.2.weight"
    views = {
        "half": weights[name].to(torch.bfloat16),
        "transposed": weights[name].t().contiguous().t(),
        "expanded": torch.rand(64, 1).expand(64, 784),
        "shared": torch.rand(3, 64, 784)[1],
    }
    return {**weights, name: views.get(how, weights[name])}
