"""The variables of a pruning, and the units that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.chain import BY_NAME
from pipeline.errors import SpecError
from pipeline.flow.selection import selection
from pipeline.flow.unit import Unit, select
from pipeline.flow.variables import VARIABLES
from specs.pruning import PruningSpec

TABLE = """
name = "net"
dataset = "digits"
[model]
hidden = [32]
weight_bits = 2
activation_bits = 2
input_bits = 2
[training]
epochs = 1
"""


def one(**given: str) -> Unit:
    (unit,) = select({"network": "cnv_1w1a", **given})
    return unit.at("network")


def pruning(**given: str) -> PruningSpec:
    found = one(**given).network.pruning
    assert found is not None
    return found


def own(folder: Path, table: str) -> str:
    path = folder / "net.toml"
    path.write_text(TABLE + table)
    return str(path)


def test_every_field_is_a_variable() -> None:
    fields = {
        VARIABLES[name].rpartition(".")[2] for name in VARIABLES if "pruning" in VARIABLES[name]
    }
    assert fields == {*PruningSpec.model_fields}


def test_the_thesis_line() -> None:
    found = pruning(
        prune="columns", sparsity="0.9", max_sparsity="0.9", simd_list="3, 16,16,16,16,16,16,16,16"
    )
    assert found.simd_list == (3, *[16] * 8)
    assert (found.sparsity, found.max_sparsity) == (0.9, 0.9)


def test_other_variables_have_their_prefix() -> None:
    found = pruning(
        prune="channels", prune_layers="conv1:0.5,conv2:0.25", prune_rounds="2", prune_norm="2",
        prune_epochs="7", prune_learning_rate="0.1", prune_schedule="even", pe_list="8",
    )  # fmt: skip
    assert found.layers == {"conv1": 0.5, "conv2": 0.25}
    assert (found.rounds, found.norm, found.epochs, found.learning_rate) == (2, 2, 7, 0.1)
    assert (found.schedule, found.pe_list) == ("even", (8,))
    assert pruning(prune="columns", prune_skip="first,fc0", prune_scope="global").skip == (
        "first",
        "fc0",
    )


def test_none_unsets_a_field_of_a_pruning() -> None:
    assert pruning(prune="columns", prune_learning_rate="none").learning_rate is None


def test_one_training_serves_every_pruning() -> None:
    names = set()
    for sparsity in ("0.3", "0.6"):
        chosen = selection({"network": "tfc_1w1a", "prune": "columns", "sparsity": sparsity})
        (unit,) = chosen.units
        chain = {task.stage.name: task for task in chosen.chain(unit)}
        names.add(chain["prune"].unit.name)
        assert chain["train"].unit.name == "tfc_1w1a"
        assert (
            chain["train"].specs() == selection({"network": "tfc_1w1a"}).tasks("train")[0].specs()
        )
        inputs = {task.stage.name for task in chain["export"].inputs}
        assert inputs == {"data", "prune"}
    assert len(names) == 2


def test_without_it_the_stage_is_left_out() -> None:
    chosen = selection({"network": "tfc_1w1a"})
    (unit,) = chosen.units
    chain = {task.stage.name: task for task in chosen.chain(unit)}
    assert "prune" not in chain
    assert {task.stage.name for task in chain["export"].inputs} == {"data", "train"}
    assert "prune= says what to take out" in str(unit.absent(BY_NAME["prune"]))


def test_the_table_of_a_file(tmp_path: Path) -> None:
    path = own(
        tmp_path, '[pruning]\ngranularity = "columns"\nsimd_list = [8, 8]\nsparsity = 0.25\n'
    )
    unit = one(network=path)
    assert unit.network.pruning is not None
    assert unit.at("training").network.pruning is None
    assert unit.at("training").name == unit.name
    off = one(network=path, prune="off")
    assert off.network.pruning is None
    assert off.name == f"{unit.name}.prune-off"
    assert off.at("training").name == unit.name
    assert pruning(network=path, prune="weights").simd_list == ()
    assert pruning(network=path, prune="columns").simd_list == (8, 8)
    assert pruning(network=path, prune_layers="fc0:0.5").layers == {"fc0": 0.5}


def test_layers_of_a_file_give_way_to_one_sparsity(tmp_path: Path) -> None:
    path = own(tmp_path, '[pruning]\ngranularity = "columns"\n[pruning.layers]\nfc0 = 0.5\n')
    found = pruning(network=path, sparsity="0.25")
    assert (found.layers, found.sparsity) == ({}, 0.25)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sparsity": "0.5"}, "sparsity=: belongs to a pruning, and this network is not pruned"),
        ({"prune": "off", "simd_list": "3"}, "simd_list=: .* prune=off leaves it out"),
        ({"prune": "rows"}, "prune=rows: .*allowed: channels, columns, off, weights"),
        ({"prune": "none"}, "prune=none: .*allowed: channels, columns, off, weights"),
        ({"prune": "columns", "sparsity": "1"}, "sparsity=1: input should be less than 1"),
        ({"prune": "columns", "sparsity": "0.95"}, "more than max_sparsity = 0.9"),
        ({"prune": "columns", "prune_layers": "fc0:0.95"}, "fc0 = 0.95: more than max_sparsity"),
        ({"prune": "weights", "simd_list": "3"}, "takes single weights out, not blocks"),
        ({"prune": "columns", "prune_layers": "conv1"}, "should be a list as in conv1:0.5"),
        ({"prune": "columns", "prune_layers": "conv1:0.5,conv1:0.2"}, "name each layer once"),
        (
            {"prune": "columns", "prune_layers": "conv1:0.5", "sparsity": "0.2"},
            "sparsity = 0.2: has no meaning with layers",
        ),
        (
            {"prune": "columns", "prune_epochs": "0", "prune_learning_rate": "0.1"},
            "belongs to fine-tuning",
        ),
        ({"network": "resnet18_fp32", "prune": "columns"}, "floating-point numbers"),
    ],
)
def test_what_has_no_meaning_is_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        one(**given)
