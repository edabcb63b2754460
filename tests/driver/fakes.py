"""A board in memory for tests of the driver: registers, DDR, caches, and the integer reference.

The real pynq and the Verilated shell are tested elsewhere; this one is quick, and can go wrong in
every way that the driver must notice.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pipeline.driver.document import Target, own_interface, settings, with_bitfile
from pipeline.driver.render import driver
from pipeline.hardware import reference
from pipeline.hardware.fold import Fold
from pipeline.hardware.graph import HardwareGraph
from pipeline.job import Figure
from pipeline.rtl.design import Design
from pipeline.rtl.generator import generate
from pipeline.rtl.shell import registers
from pipeline.rtl.shell.generate import generate_shell
from pipeline.simulation import signatures
from pipeline.simulation.beats import beat_bytes, pack, unpack
from tests.hardware import networks

LATENCY, II = 30, 10
PORT_BYTES = 8


def network(label: bool = True) -> HardwareGraph:
    """A small network whose outputs differ from image to image."""
    graph = networks.dense((12, 10, 6), "INT2", "UINT2", seed=8, label=label)
    outputs = reference.run(graph, networks.images(graph, 20))[graph.sink.id]
    assert len(np.unique(outputs, axis=0)) >= 4
    return graph


def package(
    folder: Path, graph: HardwareGraph, images: np.ndarray, signed: bool = True, pe: int = 1
) -> Design:
    """Writes driver.py, settings.json and golden/ of a graph, and its RTL, into `folder`."""
    folding = {layer.id: Fold(pe, pe) for layer in graph.layers}
    (folder / "rtl").mkdir(parents=True)
    bare = generate(graph, folding, {}, folder / "rtl", signatures=signed)
    design = generate_shell(bare, 8 * PORT_BYTES, "zynq-7000")
    target = Target("Pynq-Z1", "xc7z020clg400-1", "zynq-7000", 100.0)
    document = settings(
        "unit",
        graph,
        own_interface(graph, design, target),
        target,
        {"ii": Figure(II, "cycles", "simulated"), "latency": Figure(LATENCY, "", "simulated")},
    )
    document = with_bitfile(document, "accelerator.bit", "accelerator.hwh", "", "simulated")
    document["timeouts"] |= {"least_s": 1, "stall_s": 0.2, "reset_s": 0.2}
    (folder / "settings.json").write_text(json.dumps(document))
    (folder / "driver.py").write_text(driver())
    golden = folder / "golden"
    golden.mkdir()
    streams = {graph.source.id: images, **reference.run(graph, images)}
    np.save(golden / "inputs.npy", raw(graph, images))
    np.save(golden / "outputs.npy", streams[graph.sink.id])
    single = signatures.of_images(design, {edge: values[:2] for edge, values in streams.items()})
    signs = {
        "batch": {e: f"{s:08x}" for e, s in signatures.of_batch(design, streams).items()},
        "images": [{e: f"{s[k]:08x}" for e, s in single.items()} for k in range(2)],
    }
    (golden / "signatures.json").write_text(json.dumps(signs))
    return design


def raw(graph: HardwareGraph, images: np.ndarray) -> np.ndarray:
    """Images of the shape of the input contract."""
    return images.astype(np.uint8).reshape(-1, *graph.input.shape)


class Buffer(np.ndarray):
    """A buffer whose cache must be flushed and invalidated by hand."""

    device_address: int
    memory: np.ndarray

    def flush(self) -> None:
        self.memory[:] = self

    def invalidate(self) -> None:
        self[:] = self.memory

    def freebuffer(self) -> None:
        self.memory = np.empty(0, np.uint8)


class FakeBoard:
    """What the driver needs of a board. Set its attributes to make it go wrong.

    hang: batches never end. still: not even the clock runs. error: a bit of `status` after a
    batch. stuck: the soft reset never ends. flip: the stream of this edge goes wrong, in every run
    or (unsteady) only in the first. dirty: the DMA reads other bytes than were packed.
    """

    virtual = True

    def __init__(self, graph: HardwareGraph, design: Design) -> None:
        self.graph, self.design = graph, design
        self.registers = self
        self.hang = self.still = self.stuck = self.unsteady = self.dirty = False
        self.error: int | None = None
        self.flip: str | None = None
        self.values = {x.name: 0 for x in registers.REGISTERS}
        self.names = {x.offset: x.name for x in registers.REGISTERS}
        assert design.shell is not None
        words = np.frombuffer(bytes.fromhex(design.shell.digest), "<u4")
        self.values |= {f"digest_{k}": int(word) for k, word in enumerate(words)}
        self.values |= {"magic": registers.MAGIC, "abi": registers.ABI}
        self.values["shape"] = len(design.signatures) | PORT_BYTES << 16
        self.values |= {"input_control": 4, "output_control": 4}
        self.signs: dict[str, int] = {}
        self.buffers: dict[int, Buffer] = {}
        self.batches: list[int] = []
        self.closed = self.waiting = False

    def allocate(self, size: int) -> Buffer:
        buffer = np.full(size, 0xAA, np.uint8).view(Buffer)
        buffer.memory = np.full(size, 0x55, np.uint8)
        buffer.device_address = 0x1000_0000 + 0x100_0000 * len(self.buffers)
        self.buffers[buffer.device_address] = buffer
        return buffer

    def close(self) -> None:
        self.closed = True

    def read(self, offset: int) -> int:
        if offset >= registers.SIGNATURES:
            edge = self.design.signatures[(offset - registers.SIGNATURES) // 4]
            return self.signs.get(edge, 0)
        name = self.names[offset]
        if name == "output_control" and self.waiting:
            self._run()  # as late as can be: until then the buffers are in use
        if name == "cycles_busy" and not self.values["output_control"] & 4 and not self.still:
            self.values[name] += 5_000
        value = self.values[name]
        if name.endswith("_control"):
            self.values[name] &= ~2
        return value

    def write(self, offset: int, value: int) -> None:
        name = self.names[offset]
        if name == "status":
            self.values[name] &= ~value
        elif name == "reset":
            self.values |= {"reset": int(self.stuck)}
            if not self.stuck:
                self.values |= {"input_control": 4, "output_control": 4}
        elif name.endswith("_control"):
            self.values[name] = 1
            self.waiting = name == "input_control"
        else:
            self.values[name] = value

    def _run(self) -> None:
        self.waiting = False
        count = self.values["input_images"]
        self.batches.append(count)
        self.values |= {"cycles_busy": 0, "images_done": 0}
        if self.hang or self.still:
            return
        source, sink = (self.design.stream(x) for x in (self.design.input, self.design.output))
        memory = self.buffers[self.values["input_address_low"]].memory
        size = count * source.beats * beat_bytes(source.dtype, source.lanes)
        beats = memory[:size].reshape(count * source.beats, -1)
        if self.dirty:
            beats = beats ^ 1
        images = unpack(beats, source.dtype, source.lanes).reshape(count, *source.shape)
        streams = {self.graph.source.id: images, **reference.run(self.graph, images)}
        if self.flip is not None:
            streams[self.flip] = streams[self.flip].copy()
            last = streams[self.flip].reshape(-1)[-1:]
            last[:] = -last if self.graph.edges[self.flip].dtype.bipolar else last ^ 1
            if self.unsteady:
                self.flip = None
        self.signs = signatures.of_batch(self.design, streams)
        out = pack(streams[sink.edge], sink.dtype, sink.lanes).reshape(-1)
        self.buffers[self.values["output_address_low"]].memory[: len(out)] = out
        if self.error is not None:
            self.values["status"] |= 1 << self.error
        end = LATENCY + II * (count - 1)
        self.values |= {"input_control": 6, "output_control": 6, "images_done": count}
        self.values |= {"cycles_input": 2, "cycles_first": LATENCY + 2, "cycles_last": end + 2}
        self.values["cycles_busy"] = end + 20
