"""Variables -> units: names, overrides, refusals."""

import hashlib
from pathlib import Path

import pytest

from pipeline.chain import BY_NAME, STAGES, deploy_stage
from pipeline.data import imagefolder
from pipeline.errors import SpecError
from pipeline.flow import variables
from pipeline.flow.selection import selection
from pipeline.flow.unit import LONGEST_NAME, Unit, select
from pipeline.flow.variables import VARIABLES, settings
from specs import catalog
from specs.board import BoardSpec
from specs.network import NetworkSpec
from specs.training import TrainingSpec
from tests.export.qonnx_files import mlp


def one(**given: str) -> Unit:
    (unit,) = select(given)
    return unit


def recipe(unit: Unit) -> TrainingSpec:
    assert unit.network.training is not None
    return unit.network.training


def test_quick_start() -> None:
    assert one().name == "tfc_1w1a.dataset-digits@Pynq-Z1.open"
    assert one(board="Ultra96").at("network") == one().at("network")


def test_named_network_keeps_its_own_data_set() -> None:
    unit = one(network="tfc_1w2a")
    assert unit.name == "tfc_1w2a@Pynq-Z1.open"
    assert unit.at("dataset").name == "mnist"


def test_overrides_are_part_of_the_name_and_defaults_are_not() -> None:
    unit = one(network="tfc_1w1a", epochs="5", fps="3000", clock_mhz="100", engine="open")
    assert unit.name == "tfc_1w1a.epochs-5@Pynq-Z1.open.fps-3000"
    assert unit.read("network.training")["epochs"] == 5
    assert unit.read("target.fps") == 3000
    default = one(network="tfc_1w1a")
    same = one(network="tfc_1w1a", epochs=str(recipe(default).epochs))
    assert same.name == default.name


def test_fewer_images_are_another_data_set_and_in_the_networks_name() -> None:
    unit = one(network="tfc_1w1a", train_images="500", weight_bits="2")
    assert unit.at("dataset").name == "mnist.train_images-500"
    assert unit.at("network").name == "tfc_1w1a.weight_bits-2.train_images-500"
    assert one(network="tfc_1w1a", weight_bits="2").at("dataset").name == "mnist"


def test_numbers_in_names_are_plain() -> None:
    name = one(network="tfc_1w1a", fps="2e6", clock_mhz="62.5").name
    assert name == "tfc_1w1a@Pynq-Z1.open.fps-2000000.clock_mhz-62.5"


def test_every_field_of_a_training_is_a_variable() -> None:
    given = {
        "optimiser": "sgd",
        "momentum": "0.9",
        "learning_rate": "1e-5",
        "weight_decay": "0.00050",
        "schedule": "step",
        "milestones": "30,60",
        "flip": "yes",
        "batch_size": "100",
    }
    unit = one(network="tfc_1w1a", **given).at("network")
    changed = ".optimiser-sgd.learning_rate-1e-05.momentum-0.9.weight_decay-0.0005.schedule-step"
    assert unit.long_name == f"tfc_1w1a{changed}.milestones-30-60.flip-true"
    assert recipe(unit).milestones == (30, 60)
    assert recipe(unit).learning_rate == 1e-5
    (same,) = select({"network": "tfc_1w1a", **given, "learning_rate": "0.00001"})
    assert same.at("network").name == unit.name
    assert TrainingSpec.model_fields.keys() <= VARIABLES.keys()


def test_a_choice_takes_the_place_of_the_files_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "specs/networks/tfc_1w1a.toml").read_text()
    path = tmp_path / "net.toml"
    path.write_text(text + 'schedule = "step"\nmilestones = [3]\nrate_factor = 0.5\n')
    other = recipe(one(network=str(path), schedule="plateau"))
    assert (other.schedule, other.milestones, other.rate_factor) == ("plateau", (), 0.5)
    assert recipe(one(network=str(path), schedule="cosine")).rate_factor == 0.1
    assert recipe(one(network=str(path), milestones="5")).milestones == (5,)
    with pytest.raises(SpecError, match=r"^milestones = \(5,\): belongs to schedule"):
        one(network=str(path), schedule="cosine", milestones="5")


def test_none_takes_a_files_value_away(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "specs/networks/tfc_1w1a.toml").read_text()
    path = tmp_path / "net.toml"
    path.write_text(text + "patience = 3\n")
    assert recipe(one(network=str(path))).patience == 3
    unit = one(network=str(path), patience="none").at("network")
    assert recipe(unit).patience is None
    assert unit.long_name.endswith(".patience-none")
    with pytest.raises(SpecError, match="epochs=none"):
        one(network=str(path), epochs="none")


def test_lists_and_all() -> None:
    names = [
        unit.name for unit in select({"network": "tfc_1w1a,tfc_2w2a", "board": "Pynq-Z1,Ultra96"})
    ]
    assert names == [
        "tfc_1w1a@Pynq-Z1.open",
        "tfc_1w1a@Ultra96.open",
        "tfc_2w2a@Pynq-Z1.open",
        "tfc_2w2a@Ultra96.open",
    ]
    every = {unit.name for unit in select({"network": "tfc_1w1a", "board": "all"})}
    assert every == {f"tfc_1w1a@{board}.open" for board in catalog.names(BoardSpec)}


def test_long_names_get_a_digest_and_stay_apart(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "specs/networks/tfc_1w1a.toml").read_text()
    path = tmp_path / f"{'n' * 90}.toml"
    path.write_text(text)
    first, second = one(network=str(path)), one(network=str(path), epochs="3")
    assert len(first.name) == LONGEST_NAME
    assert first.name != second.name
    assert second.long_name.endswith("epochs-3@Pynq-Z1.open")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"netwrk": "tfc_1w1a"}, "did you mean 'network'"),
        ({"network": "tfc_1w1"}, "did you mean 'tfc_1w1a'"),
        ({"board": "Pynq"}, "did you mean 'Pynq-Z1'"),
        ({"epochs": "many"}, "epochs=many: input should be a valid integer"),
        ({"epochs": "0"}, "epochs=0: input should be greater than or equal to 1"),
        ({"fps": "-1"}, "fps=-1: input should be greater than 0"),
        ({"fps": "nan"}, "fps=nan: input should be a finite number"),
        ({"dataset": "minst"}, "dataset=minst: input should be"),
        ({"engine": "vitis"}, "engine=vitis: input should be 'open' or 'vivado'"),
        ({"strategy": "quick"}, "strategy=: only the vendor's tools have it: give engine=vivado"),
        ({"engine": "vivado", "hardware": "hls"}, "hardware=hls: input should be 'rtl' or 'finn'"),
        ({"board": ""}, "board=: has no value"),
        ({"optimiser": "adm"}, "optimiser=adm: input should be 'adam', 'adamw' or 'sgd'"),
        ({"momentum": "0.9"}, 'momentum = 0.9: belongs to optimiser = "sgd", not "adam"'),
        ({"schedule": "step", "milestones": "3,x"}, "milestones=3,x: input should be a valid int"),
        ({"precision": "fp64", "epochs": "3"}, "precision=fp64: input should be"),
        ({"fps": "1e30"}, "fps=1e30: input should be less than or equal to 1000000000"),
    ],
)
def test_refusals_name_the_variable(given: dict[str, str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        select(given)


def test_data_root_is_a_setting_and_relative_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raw").mkdir()
    monkeypatch.setenv("PIPELINE_CWD", str(tmp_path))
    assert settings({"data_root": "raw"}).data_root == str(tmp_path / "raw")
    with pytest.raises(SpecError, match="data_root=nowhere: no such folder"):
        settings({"data_root": "nowhere"})
    assert one(data_root="raw").name == one().name


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MEMORY_GIB", "-1", "memory_gib = '-1': input should be greater than 0"),
        ("MEMORY_GIB", "nan", "memory_gib = 'nan': input should be"),
        ("MEMORY_GIB", "inf", "memory_gib = 'inf': input should be"),
        ("MEMORY_HEADROOM", "0.5", "memory_headroom = '0.5': input should be greater than or"),
        ("TIME_LIMIT_HOURS", "0", "time_limit_hours = '0': input should be greater than 0"),
        ("MACHINE_RANK", "x", "machine_rank = 'x': input should be a valid integer"),
    ],
)
def test_a_setting_that_is_wrong_names_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setattr(variables, "ROOT", tmp_path)
    monkeypatch.setenv(f"PIPELINE_{variable}", value)
    with pytest.raises(SpecError) as wrong:
        settings({})
    assert str(wrong.value).startswith(f"PIPELINE_{variable} of the environment: {words}")
    monkeypatch.delenv(f"PIPELINE_{variable}")
    (tmp_path / "local.toml").write_text(f'{variable.lower()} = "{value}"\n')
    with pytest.raises(SpecError) as wrong:
        settings({})
    assert str(wrong.value).startswith(f"{tmp_path / 'local.toml'}: {words}")


def test_a_folder_of_images_is_part_of_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "my pets.v2", tmp_path / "other" / "my pets.v2"]
    for folder in folders:
        folder.mkdir(parents=True)
    monkeypatch.setenv("PIPELINE_CWD", str(tmp_path))
    given = {"network": "tfc_1w1a", "dataset": "imagefolder", "epochs": "5"}
    first, second = (
        one(**given, data_root=str(folder.relative_to(tmp_path))) for folder in folders
    )
    names = [
        f"imagefolder-my-pets-v2-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        for folder in folders
    ]
    for unit, name in zip((first, second), names, strict=True):
        assert unit.at("dataset").name == f"{name}.bilinear-28x28"
        assert unit.name == f"tfc_1w1a.dataset-{name}.epochs-5@Pynq-Z1.open"
        assert unit.at("dataset").read("dataset") == "imagefolder"
    monkeypatch.setenv("PIPELINE_DATA_ROOT", str(folders[1]))
    assert one(**given) == second
    assert one(dataset="digits").at("dataset").read("data_files") is None


def test_all_networks_are_those_whose_data_can_be_had() -> None:
    names = catalog.names(NetworkSpec)
    shipped = {name: catalog.find(NetworkSpec, "network", name, Path())[1] for name in names}
    masks = {name for name, spec in shipped.items() if spec.dataset == "maskedface"}
    assert masks == {f"mask_1w1a{width}" for width in ("", "_w050", "_w025", "_w0125")}
    found = {unit.network.name for unit in select({"network": "all"})}
    assert found == shipped.keys() - masks
    found = {unit.network.name for unit in select({"network": "all", "dataset": "cifar10"})}
    assert found == shipped.keys()


def test_a_network_of_an_image_folder_names_it_too(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    text = (Path(__file__).parents[2] / "specs/networks/tfc_1w1a.toml").read_text()
    (tmp_path / "net.toml").write_text(text.replace('"mnist"', '"imagefolder"'))
    unit = one(network=str(tmp_path / "net.toml"), data_root=str(tmp_path / "pets"))
    data = unit.at("dataset").name.removesuffix(".bilinear-28x28")
    assert f".dataset-{data}@Pynq-Z1" in unit.name
    other = one(
        network=str(tmp_path / "net.toml"), data_root=str(tmp_path / "pets"), dataset="digits"
    )
    assert other.at("dataset").name == "digits"


def test_long_folder_names_are_cut_for_the_data_set_too(tmp_path: Path) -> None:
    (tmp_path / ("p" * 90)).mkdir()
    unit = one(network="tfc_1w1a", dataset="imagefolder", data_root=str(tmp_path / ("p" * 90)))
    assert len(unit.at("dataset").name) == LONGEST_NAME
    assert unit.at("dataset").long_name.removesuffix(".bilinear-28x28") in unit.long_name


def test_numbers_by_channel_are_written_with_commas() -> None:
    unit = one(network="cnv_1w1a", input_mean="0.5,0.25,-0.125", input_std="0.5,0.5,0.5")
    assert unit.network.input.mean == (0.5, 0.25, -0.125)
    assert unit.network.input.std == 0.5
    assert unit.at("network").name == "cnv_1w1a.input_mean-0.5-0.25--0.125.input_std-0.5"
    assert one(network="cnv_1w1a", input_mean="0,0,0").name == one(network="cnv_1w1a").name
    with pytest.raises(SpecError, match=r"^input_mean=0.5,0.25: 2 numbers; give one, or one for"):
        one(network="cnv_1w1a", input_mean="0.5,0.25")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("shape = [8, 9, 3]", {"height": 8, "width": 9, "method": "bilinear"}),
        (
            'shape = [8, 9, 3]\nresize = "nearest"',
            {"height": 8, "width": 9, "method": "nearest"},
        ),
        ('shape = [8, 9, 3]\nresize = "none"', None),
        ("shape = [72]", None),
    ],
)
def test_the_size_of_the_input_is_that_of_a_folders_images(
    tmp_path: Path, fields: str, size: dict[str, object] | None
) -> None:
    (tmp_path / "pets").mkdir()
    text = (Path(__file__).parents[2] / "specs/networks/tfc_1w1a.toml").read_text()
    (tmp_path / "net.toml").write_text(
        text.replace('"mnist"', '"imagefolder"') + f"\n[input]\n{fields}\n"
    )
    unit = one(network=str(tmp_path / "net.toml"), data_root=str(tmp_path / "pets")).at("dataset")
    assert unit.read("data_size") == size
    ending = "" if size is None else f".{size['method']}-8x9"
    assert unit.name.partition(".")[1:] == (ending[:1], ending[1:])
    assert one(dataset="digits").at("dataset").read("data_size") is None


def test_the_folder_is_looked_at_once_for_all_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []

    def look(root: Path) -> str:
        looked.append(root)
        return "files"

    monkeypatch.setattr(imagefolder, "fingerprint", look)
    units = select(
        {"network": "tfc_1w1a,tfc_1w2a", "dataset": "imagefolder", "data_root": str(tmp_path)}
    )
    assert units[0].at("dataset").name == units[1].at("dataset").name
    assert looked == [tmp_path]


def test_stages_that_a_unit_has_not_and_why(tmp_path: Path) -> None:
    floats = one(network="resnet18_fp32").at("network")
    assert floats.absent(BY_NAME["train"]) is floats.absent(BY_NAME["evaluate-qonnx"]) is None
    for stage in ("outline", "fits", "streamline", "synth", "evaluate-rtl"):
        assert "no accelerator can be built" in str(floats.absent(BY_NAME[stage]))
    own = one(qonnx=str(mlp(tmp_path / "mlp.onnx")))
    assert "nothing is trained" in str(own.absent(BY_NAME["train"]))
    assert "drawn where they are needed" in str(own.absent(BY_NAME["data"]))
    assert "no labels" in str(own.absent(BY_NAME["evaluate-reference"]))
    assert own.absent(BY_NAME["synth"]) is None
    tasks = {
        task.stage.name for task in selection({"qonnx": str(tmp_path / "mlp.onnx")}).chain(own)
    }
    without = {"data", "outline", "fits", "train", "prune", "implement"}
    assert tasks == {stage.name for stage in STAGES} - without


def test_stages_of_the_vendors_tools() -> None:
    free, ours, virtual = one(), one(engine="vivado"), deploy_stage("virtual")
    theirs = one(engine="vivado", hardware="finn")
    assert "engine=vivado does" in str(free.absent(BY_NAME["implement"]))
    assert ours.absent(BY_NAME["implement"]) is theirs.absent(BY_NAME["implement"]) is None
    assert ours.absent(BY_NAME["rtl"]) is None
    for stage in (*(BY_NAME[name] for name in ("rtl", "simulate", "evaluate-rtl")), virtual):
        assert "FINN makes its own RTL" in str(theirs.absent(stage))
    assert ours.absent(virtual) is theirs.absent(deploy_stage("pynq")) is None
    assert ours.name.endswith("@Pynq-Z1.vivado")
    assert theirs.name.endswith("@Pynq-Z1.vivado.hardware-finn")
    assert free.read("vendor") is None
    found = one(engine="vivado", clock_mhz="50", strategy="area").read("vendor")
    assert found["clock_mhz"] == 50
    assert (found["part"], found["strategy"]) == ("xc7z020clg400-1", "area")


def test_what_is_evaluated_is_no_part_of_a_name() -> None:
    unit = one(network="tfc_1w1a", level="rtl", images="50")
    assert unit.name == one(network="tfc_1w1a").name
    assert unit.read("evaluation.images") == 50
    with pytest.raises(SpecError, match="level=rtl,board: unknown: board; allowed: brevitas"):
        one(level="rtl,board")


def test_columns_are_refused_where_finn_makes_the_hardware() -> None:
    pruned = {"network": "cnv_2w2a", "engine": "vivado"}
    with pytest.raises(SpecError, match=r"pruned by columns, .*; use prune=channels"):
        select({**pruned, "prune": "columns", "hardware": "finn"})
    for prune, hardware in (("columns", "rtl"), ("channels", "finn"), ("weights", "finn")):
        assert select({**pruned, "prune": prune, "hardware": hardware})
