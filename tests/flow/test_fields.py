"""Every field of every spec, and exactly the stages that a change of it rebuilds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from pipeline.chain import ASKED, STAGES
from pipeline.flow.selection import Selection, selection
from pipeline.flow.unit import Unit
from specs.base import Spec
from specs.board import BoardSpec, TargetSpec
from specs.evaluation import EvaluationSpec
from specs.models import CnvModel, FactoryModel, FcModel, QonnxModel, ResNetModel
from specs.network import NetworkSpec
from specs.package import PackageSpec
from specs.plan import PlanSpec
from tests.export.qonnx_files import mlp
from tests.flow.bench import Bench

MODEL, INPUT = {"outline", "train", "export"}, {"outline", "train", "export", "streamline"}

# spec field -> another value of it, and the stages whose own slice of the specs it changes: those
# that run again, and then only those whose inputs' files differ
FIELDS: dict[str, tuple[object, set[str]]] = {
    "network.name": ("other", {"outline", "streamline"}),
    "network.description": ("other", set()),
    "network.dataset": ("mnist", {"data"}),
    "network.output": ("logits", {"outline", "streamline"}),
    "network.data.broken": ("skip", {"data"}),
    "network.data.images_per_class": (9, {"data"}),
    "network.data.train_images": (9, {"data"}),
    "network.data.test_images": (9, {"data"}),
    "network.data.seed": (9, {"data"}),
    "network.input.shape": ((8, 8, 1), INPUT),
    "network.input.layout": ("other", INPUT),
    "network.input.dtype": ("other", INPUT),
    "network.input.resize": ("nearest", INPUT),
    "network.input.scale": (1.0, INPUT),
    "network.input.mean": (0.5, INPUT),
    "network.input.std": (2.0, INPUT),
    "network.model.family": ("other", MODEL),
    "network.model.hidden": ((32,), MODEL),
    "network.model.classes": (12, MODEL),
    "network.model.weight_bits": (2, MODEL),
    "network.model.activation_bits": (2, MODEL),
    "network.model.input_bits": (2, MODEL),
    "network.model.dropout": (0.1, MODEL),
    "network.model.convolutions.channels": (8, MODEL),
    "network.model.convolutions.kernel": (2, MODEL),
    "network.model.convolutions.stride": (2, MODEL),
    "network.model.convolutions.padding": (1, MODEL),
    "network.model.convolutions.pool": (2, MODEL),
    "network.model.convolutions.weight_bits": (2, MODEL),
    "network.model.convolutions.activation_bits": (2, MODEL),
    "network.model.dense.width": (8, MODEL),
    "network.model.dense.weight_bits": (2, MODEL),
    "network.model.dense.activation_bits": (2, MODEL),
    "network.model.classifier_weight_bits": (7, MODEL),
    "network.model.width": (8, MODEL),
    "network.model.blocks": ((1, 1), MODEL),
    "network.model.first_weight_bits": (4, MODEL),
    "network.model.file": ("0" * 64, MODEL),
    "network.model.function": ("other", MODEL),
    "network.model.arguments": ({"width": 3}, MODEL),
    "network.model.layout": ("NHWC", {"export"}),  # of a QONNX model, which is not trained
    "network.model.number_format": ("e4m3", {"train", "export"}),  # it has no hardware
    "network.training.checkpoint": ("published", {"train"}),
    "network.training.epochs": (3, {"train"}),
    "network.training.batch_size": (50, {"train"}),
    "network.training.optimiser": ("sgd", {"train"}),
    "network.training.learning_rate": (0.1, {"train"}),
    "network.training.momentum": (0.9, {"train"}),
    "network.training.weight_decay": (0.1, {"train"}),
    "network.training.loss": ("cross_entropy", {"train"}),
    "network.training.label_smoothing": (0.1, {"train"}),
    "network.training.schedule": ("halve", {"train"}),
    "network.training.halve_every": (7, {"train"}),
    "network.training.milestones": ((1, 2), {"train"}),
    "network.training.rate_factor": (0.5, {"train"}),
    "network.training.plateau_patience": (7, {"train"}),
    "network.training.warmup_share": (0.5, {"train"}),
    "network.training.validation_share": (0.2, {"train"}),
    "network.training.patience": (3, {"train"}),
    "network.training.seed": (7, {"train"}),
    "network.training.crop_padding": (4, {"train"}),
    "network.training.flip": (True, {"train"}),
    "network.training.precision": ("bf16", {"train"}),
    "network.training.device": ("cuda", {"train"}),
    "network.training.processes": (2, {"train"}),
    "network.training.machines": (2, {"train"}),
    "network.training.threads": (2, {"train"}),
    "network.pruning.granularity": ("channels", {"outline", "prune"}),
    "network.pruning.sparsity": (0.25, {"outline", "prune"}),
    "network.pruning.layers": ({"fc0": 0.5}, {"outline", "prune"}),
    "network.pruning.skip": (("fc0",), {"outline", "prune"}),
    "network.pruning.scope": ("global", {"outline", "prune"}),
    "network.pruning.max_sparsity": (0.8, {"outline", "prune"}),
    "network.pruning.norm": (2.0, {"outline", "prune"}),
    "network.pruning.simd_list": ((4,), {"outline", "prune"}),
    "network.pruning.pe_list": ((4,), {"outline", "prune"}),
    "network.pruning.rounds": (7, {"outline", "prune"}),
    "network.pruning.schedule": ("even", {"outline", "prune"}),
    "network.pruning.epochs": (7, {"outline", "prune"}),
    "network.pruning.learning_rate": (0.1, {"outline", "prune"}),
    "board.name": ("other", {"driver"}),
    "board.description": ("other", set()),
    "board.part": ("other", {"driver"}),
    "board.family": ("zynq-us+", {"fits", "fold", "rtl", "synth", "driver"}),
    "board.lut": (1, {"fits", "fold", "synth"}),
    "board.ff": (1, {"synth"}),
    "board.bram36": (1, {"fits", "fold", "synth"}),
    "board.dsp": (1, {"synth"}),
    "board.uram": (1, set()),
    "board.memory_port_bits": (128, {"fits", "fold", "rtl"}),
    "board.clock_mhz": (50.0, set()),  # by itself; see the test of the target that defaults to it
    "board.lut_share": (0.5, {"fits", "fold"}),
    "board.bram_share": (0.5, {"fits", "fold"}),
    "board.board_part": ("a:b:part0:1.0", set()),  # only a vendor's tool reads it
    "target.engine": ("vivado", {"fits", "fold", "fifos", "synth"}),
    # FINN's own flow has no RTL of ours; what is left out is not rebuilt
    "target.vivado.hardware": ("finn", {"fits", "fold", "fifos", "synth", "implement"}),
    "target.costs": ("0" * 64, {"fits", "fold"}),
    "target.vivado.strategy": ("quick", {"synth", "implement"}),
    "target.vivado.incremental": ("on", {"synth", "implement"}),
    "target.vivado.ram_style": ("block", {"synth", "implement"}),
    "target.fps": (5.0, {"fits", "fold"}),
    "target.clock_mhz": (50.0, {"fits", "fold", "simulate", "driver"}),
    "target.signatures": ("on", {"fits", "fold", "rtl"}),
    "package.extra": ("testset", {"package"}),
    "evaluation.level": ("rtl", set()),  # says which of the stages beside the chain
    "evaluation.images": (7, set()),
    # only the plan of a pruning, which is beside the chain, reads these
    "plan.lut": (7, set()),
    "plan.max_loss": (7.0, set()),
    "plan.granularity": ("channels", set()),
    "plan.steps": (7, set()),
    "plan.accuracies": ("0" * 64, set()),
}


def leaves(model: type[Spec], path: str) -> Iterator[str]:
    """Dotted paths of all fields; those of nested specs, a union's and a list's, in their place."""
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        nested = [part for part in (kind, *get_args(kind)) if _is_spec(part)]
        for part in nested:
            yield from leaves(part, f"{path}.{name}")
        if not nested:
            yield f"{path}.{name}"


def _is_spec(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Spec)


def unit_with(path: str, folder: Path) -> tuple[Selection, Unit]:
    """The quick start, or the first network of another family whose model has the field."""
    chosen = selection({"engine": "vivado"} if path.startswith("target.vivado.") else {})
    if path.startswith("network.model.") and path.split(".")[2] in {*FactoryModel.model_fields} - {
        *FcModel.model_fields
    }:
        (folder / "net.py").write_text("")
        (folder / "net.toml").write_text(
            'name = "net"\ndataset = "digits"\n[model]\nfamily = "factory"\nfile = "net.py"\n'
            "[training]\nepochs = 1\n"
        )
        chosen = selection({"network": str(folder / "net.toml")})
    if path == "network.model.layout":
        chosen = selection({"qonnx": str(mlp(folder / "net.onnx"))})
    families: dict[str, type[Spec]] = {"cnv_1w1a": CnvModel, "resnet18_4w4a": ResNetModel}
    own = {*FactoryModel.model_fields, *QonnxModel.model_fields}
    known = {*FcModel.model_fields, *own}
    if path.startswith("network.model.") and path.split(".")[2] not in known:
        has = (name for name, model in families.items() if path.split(".")[2] in model.model_fields)
        chosen = selection({"network": next(has)})
    if path.startswith("network.pruning."):
        chosen = selection({"prune": "columns"})
    (unit,) = chosen.units
    return chosen, unit


def changed_unit(unit: Unit, path: str, value: object) -> Unit:
    """`unit`, and the units it stands on, with one spec field changed."""
    section, *fields = path.split(".")

    def change(spec: Any, names: list[str]) -> Any:
        if spec is None:  # what is trained is not pruned
            return None
        if isinstance(spec, tuple):  # of layers: the first
            return (change(spec[0], names), *spec[1:])
        new = value if len(names) == 1 else change(getattr(spec, names[0]), names[1:])
        return spec.model_copy(update={names[0]: new})

    parent = None if unit.parent is None else changed_unit(unit.parent, path, value)
    spec = getattr(unit, section)
    return Unit(
        unit.scope,
        unit.name,
        change(unit.network, fields) if section == "network" else unit.network,
        change(spec, fields) if section == "board" and spec else unit.board,
        change(spec, fields) if section == "target" and spec else unit.target,
        parent,
        unit.long_name,
        unit.data_files,
        unit.data_size,
        change(unit.evaluation, fields) if section == "evaluation" else unit.evaluation,
        change(unit.package, fields) if section == "package" else unit.package,
        change(unit.plan, fields) if section == "plan" else unit.plan,
        unit.files,
    )


def rebuilt(chosen: Selection, unit: Unit, other: Unit) -> set[str]:
    """The stages that both units have, and whose slice of the specs differs between them."""
    now = {task.stage.name: task.specs() for task in chosen.chain(other)}
    return {
        task.stage.name
        for task in chosen.chain(unit)
        if task.stage.name in now and task.specs() != now[task.stage.name]
    }


def test_the_table_has_every_field_of_every_spec_and_no_other() -> None:
    models: dict[str, type[Spec]]
    models = {"network": NetworkSpec, "board": BoardSpec, "target": TargetSpec}
    models["evaluation"] = EvaluationSpec
    models["package"] = PackageSpec
    models["plan"] = PlanSpec
    assert {path for name, model in models.items() for path in leaves(model, name)} == set(FIELDS)


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_rebuilds_exactly_the_stages_that_read_it(path: str, tmp_path: Path) -> None:
    value, stages = FIELDS[path]
    chosen, unit = unit_with(path, tmp_path)
    other = changed_unit(unit, path, value)
    assert other != unit
    assert rebuilt(chosen, unit, other) == stages


def test_a_boards_clock_rebuilds_what_reads_the_targets_that_defaults_to_it(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "specs/boards/Pynq-Z1.toml").read_text()
    path = tmp_path / "board.toml"
    slices = []
    for clock in ("100", "50"):
        lines = [line for line in text.splitlines() if not line.startswith("clock_mhz")]
        path.write_text("\n".join([f"clock_mhz = {clock}", *lines]))
        chosen = selection({"board": str(path)})
        (unit,) = chosen.units
        slices.append({task.stage.name: task.specs() for task in chosen.chain(unit)})
    assert {name for name in slices[0] if slices[0][name] != slices[1][name]} == FIELDS[
        "target.clock_mhz"
    ][1]


def test_a_change_really_runs_exactly_that_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole chain of fakes, whose files depend on the epochs alone: identical files end it."""
    (unit,) = selection({}).units
    bench = Bench(tmp_path, tuple(x.name for x in STAGES if unit.absent(x) is None))
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    every = bench.stages
    assert bench.run(bench.chain(unit)) == [*every]
    for path in ("network.name", "network.model.hidden", "board.lut", "target.clock_mhz"):
        value, stages = FIELDS[path]
        changed = bench.chain(changed_unit(unit, path, value))
        assert set(bench.run(changed)) == stages, path
        assert bench.run(changed) == []
        assert set(bench.run(bench.chain(unit))) == stages, f"{path} changed back"
    changed = bench.chain(changed_unit(unit, "network.training.epochs", 3))
    assert bench.run(changed) == [
        name for name in every if name not in ("data", "outline", "fits")
    ], "other files, all run"


def test_every_declared_path_can_be_read() -> None:
    (unit,) = selection({}).units
    for stage in (*STAGES, *ASKED):
        for path in stage.reads:
            json.dumps(unit.at(stage.scope).read(path))
