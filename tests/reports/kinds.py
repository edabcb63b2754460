"""A kind of report that users of the field's tools file, and the forms of it that are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import nn

from specs.input import InputSpec
from specs.network import Output

PIXELS = InputSpec(shape=(6, 6, 1))
"""Bytes from 0 to 1."""
INTEGERS = InputSpec(shape=(6, 6, 1), dtype="INT8", scale=1.0)
FEATURES = InputSpec(shape=(12,), dtype="INT8", scale=1.0)


@dataclass(frozen=True)
class Form:
    """One network of a kind.

    name: what is special about it. source: writes a file, or builds a module of the user's own. A
    module is tried as such and as the file that Brevitas exports of it. refused: words that the
    refusal must have; None: it builds. ties: float32 may round across a border.
    """

    name: str
    source: Callable[[Path], Path] | Callable[[], nn.Module]
    input: InputSpec = INTEGERS
    output: Output = "logits"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    refused: tuple[str, ...] | None = None
    ties: bool = False
    module: bool = False


@dataclass(frozen=True)
class Kind:
    """what: of the network. reported: trackers and numbers. did: what happened before."""

    what: str
    reported: str
    did: str
    forms: tuple[Form, ...] = field(default_factory=tuple)


def of_module(name: str, build: Callable[[], nn.Module], **more: object) -> Form:
    return Form(name, build, **{"input": PIXELS, "module": True, **more})  # type: ignore[arg-type]
