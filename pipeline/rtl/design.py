"""A generated design, in memory and as files: what simulation and synthesis must know about it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import DataType

SCHEMA_VERSION = 1
TOP = "accelerator"


@dataclass(frozen=True)
class Stream:
    """One edge, where its producer writes it.

    Beats have `lanes` elements, channels ascending, the lowest in the lowest lane. signal: the
    wires of the top module are `<signal>_tdata`, `_tvalid` and `_tready`. shape: of one image,
    channels innermost. beats: beats of one image.
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
    """The FIFO of an edge: `instance` is its name in the top module, `depth` counts beats."""

    edge: str
    instance: str
    depth: int
    width: int


@dataclass(frozen=True)
class Shell:
    """The AXI shell around a design, in the same folder.

    sources: the Verilog files of shell and design, in the order of compilation.
    port_bits, address_bits: of the memory port.
    digest: identifies the design with its memories and its shell; hex, see registers.py.
    in_bytes, out_bytes: of a beat in memory.
    signatures: the edges whose streams have one, in the order of their registers.
    """

    top: str
    sources: tuple[str, ...]
    port_bits: int
    address_bits: int
    digest: str
    in_bytes: int
    out_bytes: int
    signatures: tuple[str, ...]


@dataclass(frozen=True)
class Design:
    """A generated design in `folder`.

    sources: the Verilog files, in the order of compilation.
    waivers: Verilator's file of accepted warnings.
    memories: the files that `$readmemh` reads. Their names are relative to `folder`, so tools must
        run there.
    memory_bits: bits of all memories together.
    input, output: the edges of the top module's ports `s_axis` and `m_axis`.
    cycles: the predicted II (cycles per image) of every layer, by id.
    signatures: the edges whose streams have a signature register, in the order of the registers.
    shell: None for an accelerator by itself.
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
    signatures: tuple[str, ...] = ()
    shell: Shell | None = None

    def stream(self, edge: str) -> Stream:
        return next(stream for stream in self.streams if stream.edge == edge)

    @property
    def whole(self) -> Design:
        """The design from its shell down, if it has one."""
        if self.shell is None:
            return self
        return replace(self, sources=self.shell.sources, top=self.shell.top)


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
    """Reads the design in `folder`. Raises PipelineError if another version wrote it."""
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
    for key in ("sources", "memories", "signatures"):
        document[key] = tuple(document[key])
    if document.get("shell"):
        entry = document["shell"]
        for key in ("sources", "signatures"):
            entry[key] = tuple(entry[key])
        document["shell"] = Shell(**entry)
    return Design(folder=folder, **document)
