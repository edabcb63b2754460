"""Loads the weights that training starts from: ones that Brevitas publishes, or a user's file."""

from __future__ import annotations

import configparser
import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs
import torch
from torch import nn

from pipeline.data.archives import ArchiveError
from pipeline.data.download import UnreachableError, download
from pipeline.errors import PipelineError, SpecError
from pipeline.job import progress
from pipeline.training import weight_files
from pipeline.training.weight_files import Stored
from specs.input import InputSpec
from specs.models import AnyModel, CnvModel, ConvLayer, DenseLayer, FcModel, ResNetModel
from specs.paths import read_file, shown
from specs.training import PUBLISHED

_TIMES, _MORE = 16, 1 << 24
"""A file of weights may have _TIMES the bytes of the model's parameters (for fp64 and the state of
an optimiser), and _MORE bytes in addition."""
_PARTS = 8
"""How many parts a prefix of names may have, and one more."""
_TOLD, _LONGEST = 20, 200
"""How many names of a kind an error lists, and how many characters of each."""


@dataclass(frozen=True)
class Published:
    """A file that Brevitas publishes. Its name ends with the first 8 hex digits of its sha256."""

    url: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def digest(self) -> str:
        return PurePosixPath(self.url).stem.rpartition("-")[2]


def start_weights(
    checkpoint: str | None,
    model: nn.Module,
    spec: AnyModel,
    contract: InputSpec,
    settings: Mapping[str, Any],
) -> str:
    """Loads the weights of TrainingSpec.checkpoint into `model`; returns their name for a figure.

    SpecError: there is no such file, or its parameters are not the network's. PipelineError: it
    cannot be downloaded, or it has more than tensors.
    """
    if checkpoint is None:
        return "random"
    if checkpoint == PUBLISHED:
        path = fetch(published(spec, contract))
        content = path.read_bytes()
    else:
        size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
        path, content = _own_file(checkpoint, settings.get("checkpoint"), _TIMES * size + _MORE)
    weights = weight_files.read(path, content)
    prefix = fill(model, weights.tensors, path.name)
    taken = [f"entry {weights.entry}"] if weights.entry else []
    taken += [f"prefix {shown(prefix)} of its names taken off"] if prefix else []
    if taken:
        progress(f"{path.name}: {', '.join(taken)}")
    return ", ".join([path.name, f"sha256 {hashlib.sha256(content).hexdigest()}", *taken])


def published(spec: AnyModel, contract: InputSpec) -> Published:
    """The file that Brevitas publishes for a network of this structure.

    The network's name does not matter. The list of files is in the package brevitas_examples.
    """
    known = []
    folder = importlib.resources.files("brevitas_examples.bnn_pynq") / "cfg"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".ini"):
            continue
        config = configparser.ConfigParser()
        config.read_string(file.read_text())
        if config["MODEL"]["ARCH"] not in _MODELS:
            continue
        known.append(file.name.removesuffix(".ini"))
        if _MODELS[config["MODEL"]["ARCH"]](config) == (contract.shape, _shape(spec)):
            return Published(config["MODEL"]["PRETRAINED_URL"])
    raise SpecError(
        f"checkpoint={PUBLISHED}: Brevitas publishes no weights of this network, only "
        f"those of {', '.join(known)}; give any other file with checkpoint=PATH"
    )


Shape = tuple[tuple[int, int, int], dict[str, Any]]
"""The shape of an image, and the network's spec without fields that change no parameter."""


def _shape(spec: AnyModel) -> dict[str, Any]:
    return spec.model_dump(exclude={"dropout"})


def _fc(config: configparser.ConfigParser) -> Shape:
    hidden = json.loads(config["MODEL"]["OUT_FEATURES"])
    return (28, 28, 1), _shape(FcModel(hidden=hidden, **_bits(config)))


def _cnv(config: configparser.ConfigParser) -> Shape:
    # widths and pools are constants in brevitas_examples.bnn_pynq.models.CNV
    widths = [(64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 1)]
    spec = CnvModel(
        family="cnv",
        convolutions=tuple(ConvLayer(channels=channels, pool=pool) for channels, pool in widths),
        dense=(DenseLayer(width=512), DenseLayer(width=512)),
        **_bits(config),
    )
    return (32, 32, int(config["MODEL"]["IN_CHANNELS"])), _shape(spec)


def _bits(config: configparser.ConfigParser) -> dict[str, Any]:
    return {
        "classes": int(config["MODEL"]["NUM_CLASSES"]),
        "weight_bits": int(config["QUANT"]["WEIGHT_BIT_WIDTH"]),
        "activation_bits": int(config["QUANT"]["ACT_BIT_WIDTH"]),
        "input_bits": config["QUANT"].getint("IN_BIT_WIDTH"),
    }


def _resnet18(config: configparser.ConfigParser) -> Shape:
    # the width, the blocks and the 8 bits at both ends are constants in brevitas_examples
    bits = {name: bits for name, bits in _bits(config).items() if name != "input_bits"}
    return (32, 32, 3), _shape(ResNetModel(family="resnet", **bits))


_MODELS = {"FC": _fc, "CNV": _cnv, "RESNET18": _resnet18}
"""The architectures of Brevitas that a spec can describe."""


def fetch(file: Published, cache: Path | None = None) -> Path:
    """The file in the user's cache folder. It is downloaded if it is missing or damaged."""
    folder = cache or Path(platformdirs.user_cache_dir("qnn-to-fpga")) / "brevitas"
    path = folder / file.name

    def fault(at: Path) -> str | None:
        found = hashlib.sha256(at.read_bytes()).hexdigest()
        if found.startswith(file.digest):
            return None
        return f"wrong content: sha256 {found}, expected {file.digest}..."

    if path.is_file() and fault(path) is None:
        return path
    try:
        download(file.url, path, fault)
    except UnreachableError as error:
        raise PipelineError(
            f"{file.name} could not be downloaded.\n{error}\n"
            "Give a copy of it with checkpoint=PATH, or train without checkpoint=."
        ) from None
    return path


def _own_file(sha256: str, place: str | None, most: int) -> tuple[Path, bytes]:
    if place is None:
        raise SpecError(
            f"training.checkpoint = {sha256}: give the file of this sha256 with checkpoint=PATH"
        )
    path = Path(place)
    try:
        content = read_file(path, most)
    except OSError as error:
        raise SpecError(f"checkpoint={place}: cannot be read: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SpecError(
            f"checkpoint={place}: its sha256 is {found}, not {sha256}; "
            "it was changed, or is not the file that training.checkpoint names"
        )
    return path, content


def fill(model: nn.Module, weights: Mapping[str, Stored], origin: str) -> str:
    """Loads weights into the model. SpecError lists all names, shapes and types that differ.

    Returns the prefix that all names of the file have before those of the model, as "module." of
    a model that was trained on several GPUs; "": none. Only torch's count of batches
    (num_batches_tracked) may be missing, since no result depends on it. Only tensors that fit are
    built: a file may claim far larger ones than it holds.
    """
    own = model.state_dict()
    prefix = _prefix(weights, own)
    weights = {name.removeprefix(prefix): stored for name, stored in weights.items()}
    counts = {name for name in own if name.endswith(".num_batches_tracked")}
    both = {name: (weights[name], value) for name, value in own.items() if name in weights}
    shapes = [name for name, (stored, value) in both.items() if stored.shape != value.shape]
    types = [name for name, (of, value) in both.items() if not _becomes(of.dtype, value.dtype)]
    try:
        tensors = {
            name: stored.tensor()
            for name, (stored, _) in both.items()
            if name not in shapes and name not in types
        }
    except ArchiveError as error:
        raise PipelineError(f"{origin}: damaged: {error}") from None
    faults = {
        "missing": [name for name in own if name not in weights and name not in counts],
        "unexpected": [name for name in weights if name not in own],
        "of another shape": [
            f"{name} ({_size(weights[name].shape)} instead of {_size(own[name].shape)})"
            for name in shapes
        ],
        "of another type": [
            f"{name} ({_kind(weights[name].dtype)} instead of {_kind(own[name].dtype)})"
            for name in types
        ],
        "not finite": [name for name, value in tensors.items() if not value.isfinite().all()],
    }
    lines = [f"{kind}: {_listed(names)}" for kind, names in faults.items() if names]
    if lines:
        raise SpecError("\n".join([f"{origin}: its parameters are not the network's", *lines]))
    model.load_state_dict({**{name: own[name] for name in counts}, **tensors})
    return prefix


def _prefix(weights: Iterable[str], own: Iterable[str]) -> str:
    """The beginning, up to a dot, of all names of the file without which most are the model's."""
    names, wanted = list(weights), set(own)
    parts = names[0].split(".")[:_PARTS] if names else []
    beginnings = ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts))]
    shared = [word for word in beginnings if all(name.startswith(word) for name in names)]
    return max(
        shared,
        key=lambda word: sum(name.removeprefix(word) in wanted for name in names),
        default="",
    )


def _listed(names: list[str]) -> str:
    more = [f"and {len(names) - _TOLD:,} more"] if len(names) > _TOLD else []
    return ", ".join([*(shown(name[:_LONGEST]) for name in names[:_TOLD]), *more])


def _becomes(found: torch.dtype, wanted: torch.dtype) -> bool:
    """Whether a parameter of the wanted type may get such values, at most by rounding them."""
    if wanted.is_floating_point:
        return found.is_floating_point
    return not (found.is_floating_point or found.is_complex)


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
