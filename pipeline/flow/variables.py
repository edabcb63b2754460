"""The variables of the command line (`name=value`), and the settings of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from pipeline import ROOT
from pipeline.errors import SpecError, nearest
from pipeline.tools import ssh
from specs import paths
from specs.base import Spec, parse, validate
from specs.pruning import OFF, WEIGHTS, Granularity, PruningSpec
from specs.training import BELONGS, PUBLISHED, TrainingSpec
from specs.vivado import VivadoSpec

OF_TOOLS = (
    *("vivado", "vitis", "container", "container_image", "launcher", "licence", "licences", "jobs"),
    *("finn_deps", "rules", "dry_run"),
)
"""Settings of the vendor's tools. They are variables of the command line, too."""
OWN_WORDS = ("sparsity", "max_sparsity", "simd_list", "pe_list")
"""Fields of PruningSpec that are variables under their own name; others are prune_<name>."""
PRUNING = "network.pruning."
VARIABLES = {
    "network": "",
    "board": "",
    "dataset": "network.dataset",
    "epochs": "network.training.epochs",
    "seed": "network.training.seed",
    "checkpoint": "",
    "qonnx": "",
    "weight_bits": "network.model.weight_bits",
    "activation_bits": "network.model.activation_bits",
    "input_bits": "network.model.input_bits",
    "train_images": "network.data.train_images",
    "test_images": "network.data.test_images",
    "broken": "network.data.broken",
    "output": "network.output",
    "input_scale": "network.input.scale",
    "input_mean": "network.input.mean",
    "input_std": "network.input.std",
    "input_dtype": "network.input.dtype",
    "input_layout": "network.model.layout",
    "engine": "target.engine",
    "fps": "target.fps",
    "clock_mhz": "target.clock_mhz",
    "signatures": "target.signatures",
    "costs": "",
    **{name: f"target.vivado.{name}" for name in VivadoSpec.model_fields},
    "with": "package.extra",
    "lut": "plan.lut",
    "max_loss": "plan.max_loss",
    "plan_granularity": "plan.granularity",
    "plan_steps": "plan.steps",
    "accuracies": "",
    "level": "evaluation.level",
    "images": "evaluation.images",
    "data_root": "",
    "host": "",
    "pynq": "",
    "fault": "",
    "sudo": "",
    **dict.fromkeys(OF_TOOLS, ""),
    "prune": f"{PRUNING}granularity",
    **{
        name if name in OWN_WORDS else f"prune_{name}": f"{PRUNING}{name}"
        for name in PruningSpec.model_fields
        if name != "granularity"
    },
    **{
        name: f"network.training.{name}"
        for name in TrainingSpec.model_fields
        if name not in ("checkpoint", "epochs", "seed")
    },
}
"""Each variable with the spec field that it overrides; empty if it selects a spec or is a
setting."""

VARIABLE_OF = {
    field.removeprefix(PRUNING): name
    for name, field in VARIABLES.items()
    if field.startswith(PRUNING)
}
ALTERNATIVES = {
    "layers": {"sparsity", "prune_scope", "prune_skip"},
    "sparsity": {"prune_layers"},
    "scope": {"prune_layers"},
    "skip": {"prune_layers"},
}
"""Fields of a network's pruning that these variables replace, so that they get their defaults."""


class Settings(Spec):
    """The settings of this machine, from local.toml and the environment. None causes a rebuild."""

    build_dir: str = "build"
    data_root: str | None = None
    """The folder of the data sets. Only for the user's own data does it decide the content; then it
    is part of the units' names."""
    checkpoint: str | None = None
    """The path of the file whose sha256 is TrainingSpec.checkpoint."""
    rendezvous: str | None = Field(default=None, pattern=r"^[^:/]+:[0-9]+$")
    """HOST:PORT of the first machine, to which the TrainingSpec.machines machines connect."""
    machine_rank: int = Field(default=0, ge=0)
    """The number of this machine among them, from 0."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Memory that the stages of all builds may take together; None: most of the machine's."""
    memory_headroom: float = Field(default=2, ge=1)
    """A stage may take this many times the memory that it declares, and 2 GiB more."""
    host: str | None = None
    """The boards of `deploy`, `check-board` and `rollback`: names that ssh knows, several with
    commas; or "virtual"."""
    ssh_config: str | None = None
    """The file to read in place of ~/.ssh/config."""
    deploy_folder: str = Field(default="qnn", pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_/-]*$")
    """The folder on the board, absolute or below the home folder of the board's user."""
    pynq: Literal["3.1", "4.0"] = "3.1"
    """The version of PYNQ on the virtual board."""
    fault: str | None = None
    """Misbehaviour of the virtual board, several with commas: docs/virtual_board.md lists them."""
    sudo: Literal["plain", "ask"] = "plain"
    """Whether the password of sudo on the board is asked for on the terminal."""
    time_limit_hours: float | None = Field(default=None, gt=0)
    """The time limit of every stage; None: each stage has a limit of its own."""
    vivado: str | None = None
    """The folder of one version of Vivado: /tools/Xilinx/Vivado/2024.2. Without it: that of
    XILINX_VIVADO, the one on PATH, or the newest below /tools/Xilinx and /opt/Xilinx."""
    vitis: str | None = None
    """Likewise of Vitis HLS or Vitis; without it, the one beside Vivado."""
    container: Literal["none", "docker", "podman", "apptainer"] = "none"
    """The container engine that runs the vendor's tools; docker/README.md explains it."""
    container_image: str = "qnn-vendor-tools"
    """The image for the vendor's tools."""
    launcher: str | None = None
    """What the command of a vendor's tool is put behind: "srun -c 8", "bsub -I", "ssh host"."""
    licence: str | None = None
    """The value of XILINXD_LICENSE_FILE: a file, or port@host."""
    licences: int = Field(default=1, ge=1)
    """How many runs of vendor tools there may be at a time, over all builds of a build folder."""
    jobs: int | None = Field(default=None, ge=1)
    """Threads of one vendor tool; None: as many as there are cores, at most 8."""
    finn_deps: str | None = None
    """For hardware=finn: the folder with finn-hlslib and board_files. Without it: that of
    FINN_DEPS, or where FINN's own `finn deps update` puts them."""
    rules: str | None = None
    """A file of the user's own rules for logs: docs/vivado.md."""
    dry_run: Literal["no", "yes"] = "no"
    """Whether the runs of vendor tools are only shown."""


_OF_DEPLOY = ("host", "pynq", "fault", "sudo")
"""Settings that are variables of the command line, too."""


def boards(text: str) -> list[str]:
    """The names in host=, each once. Raises SpecError for one that is none."""
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name != ssh.VIRTUAL:
            ssh.host(name)
    return names


def _require_boards(found: Settings, given: Mapping[str, str]) -> None:
    """Raises SpecError for a host= that names no machine, and for what only a virtual board has."""
    words = [] if found.host is None else boards(found.host)
    for name in ("pynq", "fault"):
        if name in given and ssh.VIRTUAL not in words:
            raise SpecError(f"{name}=: only a virtual board has it: give host={ssh.VIRTUAL}, too")
    if "fault" in given:
        from deploy.virtual.faults import parse  # noqa: PLC0415 - no other call needs it

        parse(given["fault"].split(","))


def user_folder() -> Path:
    """The folder where the user gave the command. The launcher changes to the repository's root."""
    return Path(os.environ.get("PIPELINE_CWD", "."))


def check_names(given: Mapping[str, str]) -> None:
    """Raises SpecError for variables that are unknown, empty or not plain text.

    doit itself would ignore unknown ones.
    """
    unknown = [paths.shown(name) for name in given if name not in VARIABLES]
    if unknown:
        raise SpecError(
            "\n".join(f"{name}=: unknown variable; {nearest(name, VARIABLES)}" for name in unknown)
        )
    odd = [
        f"{name}={word}" for name, value in given.items() if (word := paths.shown(value)) != value
    ]
    if odd:
        raise SpecError("\n".join(f"{told}: not plain text in UTF-8" for told in odd))
    empty = [name for name, value in given.items() if not value]
    if empty:
        raise SpecError("\n".join(f"{name}=: has no value" for name in empty))


def settings(given: Mapping[str, str]) -> Settings:
    """The settings of this machine.

    local.toml at the root is overridden by PIPELINE_* of the environment, and that by variables of
    the command line. Relative paths start at the repository's root; on the command line, at the
    user's folder.
    """
    path = ROOT / "local.toml"
    document = parse(path) if path.is_file() else {}
    validate(Settings, document, str(path))
    for name in Settings.model_fields:
        variable = f"PIPELINE_{name.upper()}"
        if value := os.environ.get(variable):
            validate(Settings, {name: value}, f"{variable} of the environment")
            document[name] = value
    if "data_root" in given:
        root = paths.directory(given["data_root"], user_folder(), f"data_root={given['data_root']}")
        document["data_root"] = str(root)
    if (checkpoint := checkpoint_file(given)) is not None:
        document["checkpoint"] = str(checkpoint)
    document |= {name: given[name] for name in (*_OF_DEPLOY, *OF_TOOLS) if name in given}
    found = validate(Settings, document, "the command line")
    _require_boards(found, given)
    relative = {
        name: str(paths.resolve(place, ROOT, f"{name} = {place!r}"))
        for name in ("build_dir", "data_root", "checkpoint", "ssh_config")
        if name not in given and (place := getattr(found, name)) is not None
    }
    for name in ("vivado", "vitis", "finn_deps", "rules"):
        if (place := getattr(found, name)) is not None:
            folder = user_folder() if name in given else ROOT
            relative[name] = str(paths.resolve(place, folder, f"{name} = {place!r}"))
    if "rules" in relative:
        from pipeline.diagnosis import all_rules  # noqa: PLC0415 - it brings RE2

        all_rules(Path(relative["rules"]))  # a mistake in it is told now, not after a long run
    return found.model_copy(update=relative)


def checkpoint_file(given: Mapping[str, str]) -> Path | None:
    """The file that checkpoint=PATH names; None for checkpoint=published or no checkpoint=.

    Raises SpecError if there is no such file.
    """
    word = given.get("checkpoint", PUBLISHED)
    if word == PUBLISHED:
        return None
    return user_file("checkpoint", word, f"allowed: {PUBLISHED}, or a file of weights")


def user_file(variable: str, word: str, allowed: str) -> Path:
    """The file that a variable names. Raises SpecError if there is none."""
    return paths.file(word, user_folder(), f"{variable}={word}", allowed)


def override(spec: Spec, section: str, given: Mapping[str, str]) -> tuple[Spec, dict[str, str]]:
    """`spec` with the variables of `section` (e.g. "network") applied; and those that changed it.

    Raises SpecError for a value that the field does not allow.
    """
    document = spec.model_dump()
    if section == "network":
        given = _settle_pruning(document, given)
    places = {
        name: tuple(field.split(".")[1:])
        for name, field in VARIABLES.items()
        if name in given and field.startswith(f"{section}.")
    }
    for name, (*path, leaf) in places.items():
        part = _at(document, path)
        if part is None:
            raise SpecError(f"{name}=: a QONNX model is taken as it is, and has no {path[-1]}")
        if leaf not in part:
            raise SpecError(f"{name}=: this network has no field {'.'.join([*path, leaf])}")
        part[leaf] = None if _means_none(spec, path, leaf, given[name]) else given[name]
    if document.get("training") is not None:
        _drop_what_belonged(document["training"], given)
    try:
        after = type(spec).model_validate(document)
    except ValidationError as error:
        found = error.errors()[0]
        message = found["msg"].removeprefix("Value error, ")
        for name, place in places.items():
            if found["loc"][: len(place)] == place:
                message = f"{name}={given[name]}: {message[:1].lower()}{message[1:]}"
        raise SpecError(message) from None
    before, now = spec.model_dump(), after.model_dump()
    changed = {
        name: _written(_at(now, place))
        for name, place in places.items()
        if _at(now, place) != _at(before, place)
    }
    if before.get("pruning") is not None and now["pruning"] is None:
        changed["prune"] = OFF
    return after, changed


def _settle_pruning(document: dict[str, Any], given: Mapping[str, str]) -> Mapping[str, str]:
    """Adds or removes the table `pruning`, as prune= says; returns the variables that are left.

    Raises SpecError for variables of a pruning if there is none.
    """
    word, kinds = given.get("prune"), get_args(Granularity)
    if word is not None and word not in (*kinds, OFF):
        raise SpecError(f"prune={word}: {nearest(word, [*kinds, OFF])}")
    if word == OFF:
        document["pruning"] = None
        given = {name: value for name, value in given.items() if name != "prune"}
    elif word is not None and document["pruning"] is None:
        document["pruning"] = PruningSpec.model_construct(granularity=word).model_dump()
    fields = [name for name in given if VARIABLES[name].startswith(PRUNING)]
    if fields and document["pruning"] is None:
        why = f"and prune={OFF} leaves it out" if word else "and this network is not pruned"
        raise SpecError(
            f"{fields[0]}=: belongs to a pruning, {why}; give prune=, too; allowed: "
            f"{', '.join(kinds)}"
        )
    for field, variables in ALTERNATIVES.items():
        if document["pruning"] and variables & given.keys() and VARIABLE_OF[field] not in given:
            default = PruningSpec.model_fields[field].get_default(call_default_factory=True)
            document["pruning"][field] = default
    if word == WEIGHTS:  # it has no blocks
        document["pruning"] |= {name: () for name in ("simd_list", "pe_list") if name not in given}
    return given


def _means_none(spec: Spec, path: Iterable[str], leaf: str, word: str) -> bool:
    """Whether `word` is "none" and the field's default is None: then it unsets the field."""
    owner: Spec | None = spec
    for part in path:
        owner = getattr(owner, part)
    # a table that the network does not have is that of a pruning, see `_settle_pruning`
    kind: type[Spec] = PruningSpec if owner is None else type(owner)
    return word == "none" and kind.model_fields[leaf].default is None


def _at(document: Any, place: Iterable[str]) -> Any:
    for part in place:
        document = None if document is None else document.get(part)
    return document


def _drop_what_belonged(training: dict[str, Any], given: Mapping[str, str]) -> None:
    """Resets the fields that belong to a choice of the file which the command line replaces.

    Otherwise schedule=cosine would be refused because of the `milestones` in the file.
    """
    for field, (choice, values) in BELONGS.items():
        if choice in given and given[choice] not in values and field not in given:
            training[field] = TrainingSpec.model_fields[field].default


def _written(value: object) -> str:
    """A value in a unit's name: 3000, not 3000.0 or 3e+03; a list is 30-60; None is none."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "-".join(f"{key}-{_written(item)}" for key, item in value.items())
    if isinstance(value, tuple):
        return "-".join(map(_written, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
