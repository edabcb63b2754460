"""Units, on which stages work: a data set, a network with its overrides, or that on a board."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from pipeline.chain import Scope, Stage, Want
from pipeline.errors import SpecError
from pipeline.flow.variables import (
    PRUNING,
    VARIABLES,
    check_names,
    checkpoint_file,
    override,
    settings,
    user_file,
    user_folder,
)
from specs import catalog, paths
from specs.base import Spec
from specs.board import BoardSpec, TargetSpec, vendor_target
from specs.data import IMAGE_FOLDER, RANDOM, USERS_OWN, Resize
from specs.evaluation import EvaluationSpec
from specs.models import FactoryModel, QonnxModel
from specs.network import NetworkSpec
from specs.package import PackageSpec
from specs.plan import PlanSpec
from specs.pruning import CHANNELS, COLUMNS, Granularity
from specs.training import PUBLISHED
from specs.vivado import VendorTarget, VivadoSpec

LONGEST_NAME = 80
_GRANULARITIES = ", ".join(get_args(Granularity))
QUICK_START = {"network": "tfc_1w1a", "board": "Pynq-Z1", "dataset": "digits"}


@dataclass(frozen=True)
class Unit:
    """What stages work on: a name, which is also its folder in the build, and specs to read."""

    scope: Scope
    name: str
    network: NetworkSpec
    board: BoardSpec | None = None
    target: TargetSpec | None = None
    parent: Unit | None = None
    """Of a board unit its network unit, of that its training unit, of that its data set unit."""
    long_name: str = ""
    """The name before it was shortened."""
    data_files: str | None = None
    """The fingerprint of the user's files, if this is a data set unit of such files."""
    data_size: Resize | None = None
    """What the images are resized to while they are read, if this is a data set unit of images of
    any size."""
    evaluation: EvaluationSpec = field(default_factory=EvaluationSpec)
    """The options of `evaluate`. They are not in the name, since nothing else depends on them."""
    package: PackageSpec = field(default_factory=PackageSpec)
    """The options of `package`. They are not in the name, since nothing else depends on them."""
    plan: PlanSpec = field(default_factory=PlanSpec)
    """What a plan of a pruning aims at. Not in the name, since nothing else depends on it."""
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The paths of the user's own files by their sha256, which is what the specs have of them."""

    def absent(self, stage: Stage) -> str | None:
        """Why the unit does not have this stage; None if it has."""
        return next((why for want in stage.wants if (why := self._lacks(want)) is not None), None)

    def _lacks(self, want: Want) -> str | None:
        """Why the unit lacks what a stage needs; None if it has it."""
        if want == "hardware":
            return self.network.model.no_hardware()
        if want == "training" and isinstance(self.network.model, QonnxModel):
            return "a QONNX model is taken as it is: nothing is trained, and its level is qonnx"
        if want == "pruning" and self.network.pruning is None:
            return f"the network is not pruned: prune= says what to take out ({_GRANULARITIES})"
        if want == "accuracies" and self.plan.accuracies is not None:
            return "accuracies= gives the table that it would measure"
        if want == "data" and self.network.dataset == RANDOM:
            return "dataset = random: inputs are drawn where they are needed"
        if want == "rtl" and self.target is not None and self.target.provider == "vivado.finn":
            return "hardware = finn: FINN makes its own RTL, which needs the vendor's simulator"
        if want == "bitfile" and self.target is not None and self.target.engine == "open":
            return "engine = open makes no bitfile: engine=vivado does"
        if want == "labels" and self.network.dataset == RANDOM:
            return "random inputs have no labels: dataset= names a data set"
        return None

    @property
    def vendor(self) -> VendorTarget | None:
        """What a vendor's tool depends on; None if this unit needs none."""
        if self.board is None or self.target is None:
            return None
        return vendor_target(self.board, self.target)

    def at(self, scope: Scope) -> Unit:
        """The unit itself, or the parent of it that is of this scope."""
        if self.scope == scope:
            return self
        assert self.parent is not None, f"{self.name} has no {scope} unit"
        return self.parent.at(scope)

    def read(self, path: str) -> Any:
        """The JSON value at a dotted path in the specs, e.g. "network.model" or "board.lut"."""
        if path == "dataset":
            return self.network.dataset
        if path == "vendor":
            return None if self.vendor is None else self.vendor.model_dump(mode="json")
        value: Any = self
        for part in path.split("."):
            value = getattr(value, part)
        return value.model_dump(mode="json") if isinstance(value, Spec) else value


def select(given: Mapping[str, str]) -> list[Unit]:
    """The board units that the variables select, each with its parents.

    Without `network` it is the quick start with the embedded digits. Raises SpecError.
    """
    check_names(given)
    if "qonnx" not in given and "network" not in given:
        given = {"network": QUICK_START["network"], "dataset": QUICK_START["dataset"], **given}

    @cache  # the files are looked at once, and only if a network needs them
    def images(dataset: str) -> tuple[str, str]:
        return _users_folder(dataset, given)

    return [
        _board_unit(network, board_label, board, given)
        for network in (
            _network_unit(label, spec, given, images) for label, spec in _networks(given)
        )
        for board_label, board in _find(BoardSpec, "board", given)
    ]


def _find(
    model: type[NetworkSpec] | type[BoardSpec], variable: str, given: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    words = given.get(variable, QUICK_START[variable]).split(",")
    if not all(words):
        raise SpecError(
            f"{variable}={given[variable]}: a name is missing beside a comma; allowed: one name or "
            "path, several with a comma between them, or all"
        )
    everything = words == ["all"]
    for word in dict.fromkeys(catalog.names(model) if everything else words):
        label, spec = catalog.find(model, variable, word, user_folder())
        # "all" omits networks on data of the user's, as one data_root cannot serve all of them
        theirs = isinstance(spec, NetworkSpec) and spec.dataset in USERS_OWN
        if not (everything and theirs and "dataset" not in given):
            yield label, spec


def _networks(given: Mapping[str, str]) -> Iterator[tuple[str, NetworkSpec]]:
    """Label and spec of each network. qonnx= puts the user's model in place of the network's."""
    if "qonnx" not in given:
        yield from _find(NetworkSpec, "network", given)
        return
    # this imports onnx, which no other call needs before its stages run
    from pipeline.qonnx.own_model import from_file, in_place_of  # noqa: PLC0415

    path = user_file("qonnx", given["qonnx"], "allowed: the path of a QONNX file (.onnx)")
    if "checkpoint" in given:
        raise SpecError("qonnx= and checkpoint=: a QONNX model is taken as it is; give one of them")
    if "network" not in given:
        yield from_file(path, given)
        return
    bases = [*_find(NetworkSpec, "network", given)]
    if len(bases) > 1:
        raise SpecError("qonnx=: takes the place of one network; network= names several")
    yield in_place_of(*bases[0], path, given)


def _network_unit(
    label: str,
    spec: NetworkSpec,
    given: Mapping[str, str],
    images: Callable[[str], tuple[str, str]],
) -> Unit:
    if "checkpoint" in given:
        label, spec = _starting_from(label, spec, given)
    spec, files = _known_by_content(spec)
    changed_spec, changed = override(spec, "network", given)
    network = cast(NetworkSpec, changed_spec)
    own = network.dataset in USERS_OWN
    name, held = images(network.dataset) if own else (network.dataset, None)
    # other options for the same files make another unit
    name = _name(name, {key: str(value) for key, value in network.data.changed().items()})
    size = _size(network)
    sized = name if size is None else f"{name}.{size.method}-{size.height}x{size.width}"
    data = Unit(
        "dataset", _short(sized), network, long_name=sized, data_files=held, data_size=size
    )  # fmt: skip
    if own:
        # it is in the network's name, too, even if the network's own file names the data set
        of_data = ("network.dataset", "network.data.")
        kept = {key: changed[key] for key in changed if not VARIABLES[key].startswith(of_data)}
        changed = {"dataset": name, **kept}
    of_training = {x: changed[x] for x in changed if not VARIABLES[x].startswith(PRUNING)}
    whole = _name(label, of_training)
    training = Unit(
        "training", _short(whole), network.model_copy(update={"pruning": None}), parent=data,
        long_name=whole, files=files,
    )  # fmt: skip
    long = _name(label, changed)
    evaluation = _evaluation(given)
    plan, table = _plan(given)
    return Unit(
        "network", _short(long), network, parent=training, long_name=long,
        files={**files, **table}, evaluation=evaluation, plan=plan,
    )  # fmt: skip


def _size(network: NetworkSpec) -> Resize | None:
    """The size of the network's images, if those of the data set may have any."""
    method = network.input.resize
    if network.dataset != IMAGE_FOLDER or len(network.input.shape) == 1 or method == "none":
        return None
    height, width, _ = network.input.shape
    return Resize(height=height, width=width, method=method)


def _evaluation(given: Mapping[str, str]) -> EvaluationSpec:
    return cast(EvaluationSpec, override(EvaluationSpec(), "evaluation", given)[0])


def _plan(given: Mapping[str, str]) -> tuple[PlanSpec, dict[str, str]]:
    """What a plan aims at; the path of the table of accuracies by its sha256."""
    plan = cast(PlanSpec, override(PlanSpec(), "plan", given)[0])
    if (file := given.get("accuracies")) is None:
        return plan, {}
    path = user_file("accuracies", file, "allowed: a CSV file: layer,sparsity,accuracy")
    digest = paths.sha256(path)
    return plan.model_copy(update={"accuracies": digest}), {digest: str(path)}


def _known_by_content(spec: NetworkSpec) -> tuple[NetworkSpec, dict[str, str]]:
    """The spec with its model's file named by sha256, not by path; and the path by sha256."""
    model = spec.model
    if not isinstance(model, FactoryModel | QonnxModel):
        return spec, {}
    try:
        digest = paths.sha256(Path(model.file))
    except OSError as error:
        raise SpecError(f"{model.file}: cannot be read: {error.strerror}") from None
    known = model.model_copy(update={"file": digest})
    return spec.model_copy(update={"model": known}), {digest: model.file}


def _users_folder(dataset: str, given: Mapping[str, str]) -> tuple[str, str]:
    """The unit name of the data set in the user's folder, and the fingerprint of its files.

    Each folder is another data set, so that networks on different folders never share a unit.
    """
    # this imports numpy, which no other call needs before its stages run
    from pipeline.data.sets import FOLDERS, fingerprint  # noqa: PLC0415

    if (place := settings(given).data_root) is None:
        raise SpecError(
            f"dataset={dataset}: give the folder that holds {FOLDERS[dataset]} with "
            "data_root=FOLDER"
        )
    root = Path(place)
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return f"{dataset}-{catalog.plain(root.name)}-{digest}", fingerprint(dataset, root)


def _starting_from(
    label: str, spec: NetworkSpec, given: Mapping[str, str]
) -> tuple[str, NetworkSpec]:
    """The network that starts from the weights of checkpoint=. Without epochs= it is not trained.

    A file is named by its content: moving it changes nothing, changing it makes another unit.
    """
    if (path := checkpoint_file(given)) is None:
        checkpoint = word = PUBLISHED
    else:
        try:
            checkpoint = paths.sha256(path)
        except OSError as error:
            raise SpecError(
                f"checkpoint={given['checkpoint']}: cannot be read: {error.strerror}"
            ) from None
        word = f"{catalog.plain(path.stem)}-{checkpoint[:8]}"
    if spec.training is None:
        raise SpecError("checkpoint=: a QONNX model is taken as it is, with its own weights")
    training = spec.training.model_copy(update={"checkpoint": checkpoint, "epochs": 0})
    return f"{label}.checkpoint-{word}", spec.model_copy(update={"training": training})


def _board_unit(network: Unit, label: str, board: BoardSpec, given: Mapping[str, str]) -> Unit:
    changed_target, changed = override(TargetSpec(), "target", given)
    target = cast(TargetSpec, changed_target)
    if target.engine != "vivado" and (odd := [x for x in VivadoSpec.model_fields if x in given]):
        raise SpecError(f"{odd[0]}=: only the vendor's tools have it: give engine=vivado, too")
    if target.clock_mhz == board.clock_mhz:
        changed.pop("clock_mhz", None)
    if target.clock_mhz is None:
        target = target.model_copy(update={"clock_mhz": board.clock_mhz})
    changed.pop("engine", None)
    files = dict[str, str]()
    if (file := given.get("costs")) is not None:
        path = user_file("costs", file, "allowed: a file that ./doit calibrate wrote")
        digest = paths.sha256(path)
        target = target.model_copy(update={"costs": digest})
        files[digest] = str(path)
        changed["costs"] = f"{catalog.plain(path.stem)}-{digest[:8]}"
    _refuse_columns(network.network, target)
    long = _name(f"{network.long_name}@{label}.{target.engine}", changed)
    return Unit(
        "board", _short(long), network.network, board, target, network, long,
        evaluation=network.evaluation, plan=network.plan, files=files,
        package=cast(PackageSpec, override(PackageSpec(), "package", given)[0]),
    )  # fmt: skip


def _refuse_columns(network: NetworkSpec, target: TargetSpec) -> None:
    """Raises SpecError for a pruning that the target's hardware has no layers for."""
    pruning = network.pruning
    if pruning is None or target.provider != "vivado.finn" or pruning.granularity != COLUMNS:
        return
    raise SpecError(
        f"hardware=finn: network {network.name} is pruned by columns, and FINN's sliding window "
        f"walks every position; use prune={CHANNELS}, which leaves FINN smaller layers, or "
        "hardware=rtl, whose sliding window skips pruned positions"
    )


def _name(label: str, changed: Mapping[str, str]) -> str:
    name = ".".join([label, *(f"{key}-{value}" for key, value in changed.items())])
    if not all(c.isascii() and (c.isalnum() or c in "_.@-") for c in name):
        raise SpecError(f"{name}: cannot be a unit's name; allowed: letters, digits and _ . @ -")
    return name


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
