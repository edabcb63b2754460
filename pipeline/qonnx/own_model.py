"""Makes a network spec for the QONNX file that qonnx=PATH names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import SpecError
from pipeline.qonnx.description import Description, describe
from specs import catalog
from specs.input import InputSpec
from specs.models import Layout, QonnxModel
from specs.network import NetworkSpec


def from_file(path: Path, given: Mapping[str, str]) -> tuple[str, NetworkSpec]:
    """The label and spec of a file without network=. The file and variables describe its input.

    SpecError: neither the file nor a variable says something that is needed.
    """
    said = describe(path)
    layout = _layout(given)
    shape = said.shape(layout)
    missing = []
    if shape is None:
        dims = "x".join(map(str, said.dims))
        missing.append(
            f"whether its images of {dims} have their channels first or last: input_layout=NCHW "
            "or NHWC"
        )
    if said.scale is None and "input_scale" not in given:
        missing.append(
            "what an integer at its input means: input_scale=1/255 for bytes that stand for 0 to "
            "1, or another"
        )
    if missing:
        raise SpecError(
            "\n".join(
                [
                    f"qonnx={given['qonnx']}: the file does not say",
                    *(f"  {line}" for line in missing),
                    "or name a network of the same input with network=",
                ]
            )
        )
    contract = InputSpec.model_validate(
        {
            "shape": shape,
            **({"dtype": said.dtype} if said.dtype is not None else {}),
            **({"scale": said.scale} if said.scale is not None else {}),
        }
    )
    spec = NetworkSpec(
        name=_name(path),
        description=f"the QONNX model {path.name}",
        dataset="random",  # dataset= and input_layout= override it, and are in the unit's name
        input=contract,
        model=QonnxModel(family="qonnx", file=str(path)),
    )
    return f"{catalog.plain(path.stem)}-{_digest(path)}", spec


def in_place_of(
    label: str, spec: NetworkSpec, path: Path, given: Mapping[str, str]
) -> tuple[str, NetworkSpec]:
    """The file with data set, input and output of a network. SpecError: the inputs differ."""
    said = describe(path)
    layout = _layout(given)
    shape = said.shape(layout) or said.shape(_fitting(said, spec))
    if shape != spec.input.shape:
        raise SpecError(
            f"qonnx={given['qonnx']}: its input is {said.dims}, that of network={label} "
            f"{spec.input.shape} (height, width, channels)"
        )
    model = QonnxModel(family="qonnx", file=str(path), layout=_fitting(said, spec))
    own = spec.model_copy(update={"model": model, "training": None})
    return f"{label}.qonnx-{catalog.plain(path.stem)}-{_digest(path)}", own


def _fitting(said: Description, spec: NetworkSpec) -> Layout | None:
    """The layout with which the file's input has the shape of the network's, if just one has."""
    both: tuple[Layout, ...] = ("NCHW", "NHWC")
    fits = [layout for layout in both if said.shape(layout) == spec.input.shape]
    return said.layout or (fits[0] if len(fits) == 1 else None)


def _layout(given: Mapping[str, str]) -> Layout | None:
    layout = given.get("input_layout")
    if layout in (None, "NCHW", "NHWC"):
        return layout  # type: ignore[return-value] # it is one of them
    raise SpecError(f"input_layout={layout}: allowed: NCHW, NHWC")


def _name(path: Path) -> str:
    return catalog.plain(path.stem).lstrip("_-") or "network"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]
