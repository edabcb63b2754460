"""A generated design as files and in memory: what simulation and synthesis need to know of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType

SCHEMA_VERSION = 1
TOP = "accelerator"


@dataclass(frozen=True)
class Stream:
    """One edge, at its producer: beats of `lanes` elements, channels ascending, lowest lane first.

    signal: the wires are `<signal>_tdata`, `_tvalid`, `_tready` of the top module.
    shape: of one image, channels innermost. beats: per image.
    """

    edge: str
    signal: str
    dtype: DataType
    shape: tuple[int, ...]
    lanes: int
    beats: int

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.dtype.bits * self.lanes


@dataclass(frozen=True)
class Fifo:
    """The FIFO of an edge: `instance` in the top module, `depth` in beats of `width` bits."""

    edge: str
    instance: str
    depth: int
    width: int


@dataclass(frozen=True)
class Design:
    """sources: Verilog files in compilation order, beside design.json; waivers: Verilator's.

    memories: the files `$readmemh` reads, by name relative to `folder`: run tools there.
    memory_bits: what they hold together.
    input, output: edges of the top ports `s_axis` and `m_axis`.
    cycles: predicted II (cycles per image) of every layer, by id.
    """

    folder: Path
    top: str
    sources: tuple[str, ...]
    waivers: str
    memories: tuple[str, ...]
    memory_bits: int
    input: str
    output: str
    streams: tuple[Stream, ...]
    fifos: tuple[Fifo, ...]
    cycles: dict[str, int]

    def stream(self, edge: str) -> Stream:
        return next(stream for stream in self.streams if stream.edge == edge)


def save_design(design: Design) -> None:
    document = asdict(design)
    del document["folder"]
    for entry, stream in zip(document["streams"], design.streams, strict=True):
        entry["dtype"] = stream.dtype.name
        entry["bits"] = stream.dtype.bits
        entry["width"] = stream.width
    document = {"schema_version": SCHEMA_VERSION, **document}
    (design.folder / "design.json").write_text(json.dumps(document, indent=1) + "\n")


def load_design(folder: Path) -> Design:
    """Reads the design that `generate` wrote into `folder`. PipelineError: another version's."""
    document = json.loads((folder / "design.json").read_text())
    if document.pop("schema_version", None) != SCHEMA_VERSION:
        raise PipelineError(
            f"{folder / 'design.json'}: not schema_version {SCHEMA_VERSION}; "
            "run the rtl stage again"
        )
    for entry in document["streams"]:
        del entry["bits"], entry["width"]
        entry["dtype"] = DataType(entry["dtype"])
        entry["shape"] = tuple(entry["shape"])
    document["streams"] = tuple(Stream(**entry) for entry in document["streams"])
    document["fifos"] = tuple(Fifo(**entry) for entry in document["fifos"])
    for key in ("sources", "memories"):
        document[key] = tuple(document[key])
    return Design(folder=folder, **document)
