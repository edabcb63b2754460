"""Joins the parts of the driver into one file. Its functions are the very text that runs here.

So pre-processing on the board is the function that prepared the training images, and
post-processing is the one that the accuracy was counted with.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from pipeline.data import prepare
from pipeline.driver.board import (
    accelerator,
    bits,
    command,
    diagnosis,
    files,
    finn_shell,
    packing,
    programming,
    settings,
    shell,
)
from pipeline.errors import PipelineError
from pipeline.hardware import post
from pipeline.hardware.datatypes import DataType
from pipeline.rtl.shell import registers
from specs.input import InputSpec

C_FILES = ("accelerator.c", "example.c")
"""The text of the C driver that is the same for every build."""
PARTS = (
    *(prepare, post, packing, settings, shell, finn_shell, programming),
    *(files, diagnosis, accelerator, command),
)
"""The modules whose text makes driver.py, each after those that it uses at import."""
_OURS = ("pipeline", "specs", "__future__")


@dataclass(frozen=True)
class Part:
    title: str
    text: str


def _template(folder: str, name: str) -> Template:
    return Environment(
        loader=PackageLoader("pipeline.driver", folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it writes Python and C, no HTML
    ).get_template(name)


def driver() -> str:
    """The text of driver.py. It is the same for every build; settings.json has the rest."""
    text = _template("board", "driver.py.j2").render(
        imports=_imports(),
        bits=bits,
        error=inspect.getsource(PipelineError).rstrip(),
        contract=[(name, _kind(name)) for name in InputSpec.model_fields],
        parts=[Part(_title(module), _body(module)) for module in PARTS],
    )
    return text.rstrip() + "\n"


def _title(module: ModuleType) -> str:
    return (module.__doc__ or "").splitlines()[0].rstrip(".")


def _kind(name: str) -> str:
    """The plain type of a field of the input contract, for a reader of driver.py."""
    field = InputSpec.model_fields[name]
    default = field.default
    if isinstance(field.annotation, UnionType):
        return str(field.annotation)
    return "tuple[int, ...]" if isinstance(default, tuple) else type(default).__name__


def _body(module: ModuleType) -> str:
    """The module's text without docstring and imports."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        documented = isinstance(node, ast.Expr) and node.lineno == 1
        if documented or isinstance(node, ast.Import | ast.ImportFrom) or _for_types(node):
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip()


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imports() -> str:
    """What the parts import from outside of this project, as one block: NumPy last."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {"dataclasses": {"dataclass"}}
    for module in PARTS:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.Import):
                plain |= {ast.unparse(name) for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names = {name.name for name in node.names} - {"TYPE_CHECKING"}
                if node.module.split(".")[0] not in _OURS and names:
                    named.setdefault(node.module, set()).update(names)
    outside = {name for name in plain if name.startswith("numpy")}
    lines = [f"import {name}" for name in sorted(plain - outside)]
    lines += [f"from {name} import {', '.join(sorted(named[name]))}" for name in sorted(named)]
    return "\n".join([*lines, "", *(f"import {name}" for name in sorted(outside))])


def c_driver(settings: Mapping[str, Any]) -> dict[str, str]:
    """The files of the C driver by name. The header has what settings.json says of the build."""
    predicted, timeouts = settings["predicted"], settings["timeouts"]
    digest = bytes.fromhex(settings["digest"])
    header = _template("c", "accelerator.h.j2").render(
        {
            **settings,
            "bits": bits,
            "errors": registers.ERRORS,
            "extent": bits.EXTENT,
            "signatures_offset": registers.SIGNATURES,
            "digest_words": [
                int.from_bytes(digest[k : k + 4], "little") for k in range(0, len(digest), 4)
            ],
            "margin_latency": int(timeouts["margin"] * predicted["latency_cycles"]),
            "margin_ii": ceil(timeouts["margin"] * predicted["ii_cycles"]),
            "input": _c_stream(settings["input"]),
            "output": _c_stream(settings["output"]),
        }
    )
    folder = Path(__file__).with_name("c")
    return {"accelerator.h": header, **{name: (folder / name).read_text() for name in C_FILES}}


def _c_stream(stream: Mapping[str, Any]) -> dict[str, Any]:
    dtype = DataType(stream["dtype"])
    signed = dtype.signed and not dtype.bipolar
    numbers = {"bits": dtype.bits, "bipolar": int(dtype.bipolar), "signed": int(signed)}
    return {**stream, **numbers}
