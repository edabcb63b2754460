"""The README's first command in a temporary clone: installed, trained, proved, synthesised."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.chain import PREVIEWS, STAGES
from tests.export import qonnx_files

ROOT = Path(__file__).resolve().parent.parent
UNIT = "tfc_1w1a.dataset-digits"
PLACE = 'it\'s; a "bäd" place'
BOARD_UNIT = f"{UNIT}@Pynq-Z1.open"
EVERY = {stage.name for stage in STAGES} - {"implement", "prune"}
"""The stages of a network that is not pruned, with the open engine, which makes no bitfile."""


def files_of_the_tree() -> list[str]:
    """What a clone would hold once everything here is committed."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


class Clone:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in files_of_the_tree():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        outer = {"VIRTUAL_ENV", "PYTHONPATH"}
        self.env = {
            name: value
            for name, value in os.environ.items()
            if name not in outer and not name.startswith(("PIPELINE_", "FINN_", "PYTEST_"))
        }

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["./doit", *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def manifest(self, unit: str, stage: str) -> dict[str, Any]:
        path = self.folder / "build" / unit / stage / "manifest.json"
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    def figure(self, stage: str, name: str, unit: str = BOARD_UNIT) -> Any:
        return self.manifest(unit, stage)["metrics"][name]["value"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which `./doit build` has run once, in a folder that is hard to name."""
    clone = Clone(tmp_path_factory.mktemp("clone") / PLACE)
    done = clone.doit("build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "quick start: network=tfc_1w1a board=Pynq-Z1 dataset=digits" in done.stdout
    for words in ("accuracy, RTL", "II simulated", "mutants caught", "netlist.v", "360 of 360"):
        assert words in done.stdout
    return clone


def lines(done: subprocess.CompletedProcess[str], mark: str) -> list[str]:
    """Stages whose line begins with `mark`: ran or kept."""
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith(mark)]


def test_the_accelerator_is_proved(clone: Clone) -> None:
    assert clone.figure("train", "test_accuracy", UNIT) > 85
    assert clone.figure("streamline", "images", UNIT) == 360
    assert clone.figure("simulate", "bit_exact") == "360 of 360"
    assert clone.figure("simulate", "traced") == 64
    assert clone.figure("simulate", "ii") == clone.figure("fold", "ii")
    mutants = list(
        csv.DictReader((clone.folder / f"build/{BOARD_UNIT}/simulate/mutants.csv").open())
    )
    assert {row["layer"] for row in mutants} == {"input_quant", "fc0", "fc1", "fc2", "fc3"}
    assert {row["kind"] for row in mutants} == {"weight", "threshold", "lane"}
    assert all(row["layer"] in row["first_difference"] for row in mutants)


def test_resources_by_layer_add_up_and_fit(clone: Clone) -> None:
    path = clone.folder / f"build/{BOARD_UNIT}/synth/utilisation.csv"
    rows = {row["layer"]: row for row in csv.DictReader(path.open())}
    total = int(rows.pop("total")["lut"])
    assert sum(int(row["lut"]) for row in rows.values()) == total == clone.figure("synth", "lut")
    assert 500 < total < 53_200


def test_every_number_has_its_kind_and_no_manifest_a_path(clone: Clone) -> None:
    manifests = list((clone.folder / "build").glob("*/*/manifest.json"))
    assert {path.parent.name for path in manifests} == EVERY
    for path in manifests:
        text = path.read_text()
        assert clone.folder.parent.name not in text
        for figure in json.loads(text)["metrics"].values():
            assert figure["kind"] in {"estimated", "simulated", "synthesised", "measured"}


def test_a_second_call_does_nothing(clone: Clone) -> None:
    again = clone.doit("build")
    assert again.returncode == 0
    assert lines(again, "ran") == []
    assert {*lines(again, "kept")} == EVERY - PREVIEWS, "it is trained"


def test_the_package_runs_on_a_virtual_board(clone: Clone) -> None:
    done = clone.doit("deploy", "host=virtual")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "on virtual: pass" in done.stdout
    assert "360 of 360 equal" in done.stdout
    (path,) = (clone.folder / "build").glob("*/deploy.virtual/manifest.json")
    kinds = {figure["kind"] for figure in json.loads(path.read_text())["metrics"].values()}
    assert kinds == {"simulated"}, "a virtual board measures nothing"


def test_another_board_retrains_nothing(clone: Clone) -> None:
    other = clone.doit("fold", "board=Ultra96")
    assert other.returncode == 0, other.stdout
    assert lines(other, "ran") == ["fold"]
    assert lines(other, "kept") == ["data", "train", "export", "streamline"]


def test_what_cannot_be_fast_enough_is_told_with_figures(clone: Clone) -> None:
    done = clone.doit("build", "fps=2000000")
    assert done.returncode != 0
    assert "fps=2000000 at 100 MHz needs an II of at most 50 cycles" in done.stdout
    assert "128 bits a clock of the memory port needed, 64 there" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert lines(done, "ran") == [], "nothing long ran before it was told"


def test_check_finds_damage(clone: Clone) -> None:
    assert clone.doit("check").returncode == 0
    path = clone.folder / f"build/{BOARD_UNIT}/rtl/accelerator.v"
    stat, text = path.stat(), path.read_text()
    path.write_text(text.replace("generated", "GENERATED"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    damaged = clone.doit("check")
    path.write_text(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert damaged.returncode != 0
    assert "accelerator.v: content differs" in damaged.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["netwrk=tfc_1w1a"], "netwrk=: unknown variable; did you mean 'network'"),
        (["network=tfc_1w1"], "did you mean 'tfc_1w1a'"),
        (["board=Pynq"], "did you mean 'Pynq-Z1' or 'Pynq-Z2'"),
        (["epochs=ten"], "epochs=ten"),
        (["engine=vitis"], "engine=vitis: input should be 'open' or 'vivado'"),
        (["strategy=quick"], "strategy=: only the vendor's tools have it: give engine=vivado"),
        (["network=./wrong.toml"], "wrong.toml: model.hiden: unknown field; did you mean 'hidden'"),
        (["network=./nowhere.toml"], "network=./nowhere.toml: no such file"),
        (["data_root=nowhere"], "data_root=nowhere: no such folder"),
    ],
)
def test_a_mistake_gives_a_clear_line_and_no_traceback(
    clone: Clone, arguments: list[str], words: str
) -> None:
    text = (ROOT / "specs/networks/tfc_1w1a.toml").read_text()
    (clone.folder / "wrong.toml").write_text(text.replace("hidden", "hiden"))
    done = clone.doit("build", *arguments)
    assert done.returncode == 3
    assert words in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_graph_is_listed_without_anything_heavy(clone: Clone) -> None:
    code = (
        "import sys, runpy; runpy.run_path('dodo.py');"
        "from pipeline.flow.selection import selection;"
        "selection({'network': 'all', 'board': 'all'});"
        "print(*sorted({'torch', 'brevitas', 'finn', 'qonnx', 'onnx', 'scipy', 'sklearn',"
        " 'pyosys'} & set(sys.modules)))"
    )
    python = clone.folder / ".venv/bin/python"
    done = subprocess.run(
        [python, "-c", code], cwd=clone.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
    listed = clone.doit("list")
    assert {"build", "train", "simulate", "synth", "test"} <= {
        line.split()[0] for line in listed.stdout.splitlines()
    }
    assert all(
        len(line.split()) > 3 or line.startswith("test") for line in listed.stdout.splitlines()
    )


def test_own_weights_are_taken_from_wherever_they_lie(clone: Clone) -> None:
    weights = clone.folder / f"build/{UNIT}/train/weights.safetensors"
    done = clone.doit("train", f"checkpoint={weights}")
    assert done.returncode == 0, done.stdout + done.stderr
    (unit,) = (
        path.name for path in (clone.folder / "build").glob("*.checkpoint-*") if path.is_dir()
    )
    accuracies = [clone.figure("train", "test_accuracy", name) for name in (UNIT, unit)]
    assert accuracies[0] == accuracies[1]


CONVOLUTIONS = """
name = "small"
dataset = "digits"
[input]
shape = [8, 8, 1]
[model]
family = "cnv"
convolutions = [{ channels = 8, activation_bits = 2 }, { channels = 16, padding = 1, pool = 2 }]
dense = [{ width = 16 }]
weight_bits = 1
activation_bits = 1
[training]
epochs = 6
crop_padding = 1
"""


def test_a_network_of_convolutions_is_built_as_well(clone: Clone) -> None:
    """A user's own, from a file: windows, padding and a max-pool to the netlist."""
    (clone.folder / "small.toml").write_text(CONVOLUTIONS)
    done = clone.doit("build", "network=small.toml", "fps=100000")
    assert done.returncode == 0, done.stdout + done.stderr
    (unit,) = (path.name for path in (clone.folder / "build").glob("small-*@*") if path.is_dir())
    assert clone.figure("simulate", "bit_exact", unit) == "100 of 100"
    ii = clone.figure("simulate", "ii", unit)
    assert ii == clone.figure("simulate", "ii_predicted", unit) <= 1000
    with (clone.folder / "build" / unit / "simulate" / "mutants.csv").open() as file:
        caught = {(row["layer"], row["kind"]) for row in csv.DictReader(file)}
    assert {("conv0", "weight"), ("conv1", "threshold"), ("fc0", "lane")} <= caught
    with (clone.folder / "build" / unit / "synth" / "utilisation.csv").open() as file:
        layers = {row["layer"]: int(row["lut"]) for row in csv.DictReader(file)}
    assert {"conv0_swg", "conv1_pad", "pool0", "conv1"} <= layers.keys()
    assert layers["conv1_swg"] > 20


def test_every_level_is_evaluated_on_all_test_images(clone: Clone) -> None:
    done = clone.doit("evaluate", "level=brevitas,qonnx,reference,rtl")
    assert done.returncode == 0, done.stdout + done.stderr
    levels = ("brevitas", "qonnx", "reference")
    units = {**dict.fromkeys(levels, UNIT), "rtl": BOARD_UNIT}
    right = {level: clone.figure(f"evaluate-{level}", "right", units[level]) for level in units}
    assert set(right.values()) == {right["rtl"]}, "equal from level to level"
    assert right["rtl"].endswith(" of 360")
    assert clone.figure("evaluate-reference", "top5", UNIT) > 90
    with (clone.folder / f"build/{BOARD_UNIT}/evaluate-rtl/confusion.csv").open() as file:
        counts = [int(value) for row in csv.DictReader(file) for value in list(row.values())[1:]]
    assert sum(counts) == 360
    # a share of them is another evaluation, and builds nothing else again
    part = clone.doit("evaluate", "level=rtl", "images=50")
    assert lines(part, "ran") == ["evaluate-rtl"]
    assert clone.figure("evaluate-rtl", "right").endswith(" of 50")


def test_the_users_own_qonnx_model_is_built_without_a_data_set(clone: Clone) -> None:
    """Signed features, 3-bit weights, a single output: software gets its score."""
    path = qonnx_files.mlp(clone.folder / "mine.onnx", (13, 7), outputs=1)
    refused = clone.doit("build", "qonnx=mine.onnx")
    assert refused.returncode != 0
    assert 'use output = "logits"' in refused.stdout
    done = clone.doit("build", "qonnx=mine.onnx", "output=logits", "fps=1000000")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("no data set: checked on 1,000 random", "mutants caught", "netlist.v"):
        assert words in done.stdout
    (unit,) = (path.name for path in (clone.folder / "build").glob("mine-*@*") if path.is_dir())
    assert clone.figure("simulate", "bit_exact", unit) == "1,000 of 1,000"
    network = unit.partition("@")[0]
    graph = json.loads((clone.folder / f"build/{network}/streamline/hardware.json").read_text())
    assert graph["post"]["output"] == "logits"
    assert len(graph["post"]["scale"]) == 1
    assert (clone.folder / "build" / network / "export").is_dir()
    assert not (clone.folder / "build" / network / "train").exists()
    assert path.is_file()


def test_floats_end_at_once_where_hardware_is_asked_for(clone: Clone) -> None:
    done = clone.doit("build", "network=resnet18_fp32", "data_root=.")
    assert done.returncode != 0
    assert "number_format = 'fp32': no accelerator can be built" in done.stdout
    assert "as network=resnet18_4w4a" in done.stdout
    assert lines(done, "ran") == []
