"""The interface of FINN's accelerator in FINN's own Zynq shell, from what its build left."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.driver.board.packing import bytes_of_beat
from pipeline.driver.document import Interface, Target
from pipeline.engines import HWH
from pipeline.engines.vivado.finn.shell import FINN_IO
from pipeline.errors import PipelineError
from pipeline.hardware.graph import HardwareGraph
from pipeline.tools.files import digest_of

FCLK0_MHZ = 100.0
"""FINN's shell makes the accelerator's clock from this one with a clocking wizard, whatever the
accelerator's own clock is (FINN+ 1.6.1, transformation/fpgadataflow/templates.py)."""
_DMA = {"input": "idma0", "output": "odma0"}
_RANGE = re.compile(r"<MEMRANGE\b[^>]{0,2000}>")
_LARGEST = 64 << 20
_PORT_BITS = {"zynq-7000": 64, "zynq-us+": 128}
"""Width of the memory port of FINN's shell, by family."""


class _Side(BaseModel):
    """One end. folded: the shape in elements, of one image; packed: the same in bytes."""

    model_config = ConfigDict(frozen=True)
    dtype: str = Field(pattern=r"^(BIPOLAR|BINARY|TERNARY|U?INT[1-9][0-9]?)$")
    folded: tuple[int, ...] = Field(min_length=2, max_length=8)
    packed: tuple[int, ...] = Field(min_length=2, max_length=8)


class _Ends(BaseModel):
    model_config = ConfigDict(frozen=True)
    input: _Side
    output: _Side


def finn_interface(folder: Path, graph: HardwareGraph, target: Target, fold: Path) -> Interface:
    """That of the accelerator that the stage implement left in `folder`. fold: the folding's file.

    Raises PipelineError if a stream is not as our drivers pack, or a DMA has no address.
    """
    try:
        ends = _Ends.model_validate_json((folder / FINN_IO).read_bytes())
    except (OSError, ValidationError) as error:
        raise PipelineError(f"{folder / FINN_IO}: not what FINN's build leaves: {error}") from None
    found = {side: _address(folder / HWH, name) for side, name in _DMA.items()}
    base = min(found.values())
    offsets = {
        f"{side}_{name}": found[side] - base + at
        for side in found
        for name, at in (
            ("control", 0),
            ("address_low", 0x10),
            ("address_high", 0x14),
            ("images", 0x1C),
        )
    }
    return Interface(
        "finn",
        FCLK0_MHZ,
        base,
        _PORT_BITS[target.family],
        digest_of([graph.name, json.loads(fold.read_text()), ends.model_dump()])[:32],
        offsets,
        _stream(ends.input, graph.source.shape, "input"),
        _stream(ends.output, graph.sink.shape, "output"),
    )


def _stream(side: _Side, shape: tuple[int, ...], what: str) -> dict[str, Any]:
    """The stream as settings.json has it: values of FINN's datatype, which may be a wider one."""
    lanes, beats, size = side.folded[-1], prod(side.folded[:-1]), side.packed[-1]
    if prod(side.folded) != prod(shape) or bytes_of_beat(side.dtype, lanes) != size:
        raise PipelineError(
            f"hardware=finn: FINN's {what} is {side.folded} of {side.dtype} in {size} bytes a beat,"
            f" and the network's has the shape {shape}; please report this with the network"
        )
    return {
        "dtype": side.dtype,
        "shape": list(shape),
        "lanes": lanes,
        "beats": beats,
        "bytes_per_beat": size,
    }


def _address(path: Path, instance: str) -> int:
    """The base address of a DMA, as Vivado's description of the hardware has it."""
    if path.stat().st_size > _LARGEST:
        raise PipelineError(f"{path}: {path.stat().st_size:,} bytes; at most {_LARGEST:,} are read")
    for entry in _RANGE.findall(path.read_text(encoding="utf-8", errors="replace")):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', entry))
        value = fields.get("BASEVALUE", "")
        if fields.get("INSTANCE") == instance and re.fullmatch(r"0x[0-9A-Fa-f]{1,16}", value):
            return int(value, 16)
    raise PipelineError(
        f"{path}: no address of {instance}, FINN's DMA; build the stage implement again"
    )
