"""The accelerator as a user sees it: images in, outputs or classes out."""

from __future__ import annotations

import hashlib
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pipeline.data.prepare import prepare
from pipeline.driver.board.diagnosis import verdict
from pipeline.driver.board.files import read_array, read_signatures, read_test_set
from pipeline.driver.board.finn_shell import FinnShell
from pipeline.driver.board.packing import bytes_of_beat, pack, storage_of, unpack
from pipeline.driver.board.programming import PynqBoard
from pipeline.driver.board.settings import DriverError, load_settings
from pipeline.driver.board.shell import Shell
from pipeline.hardware.post import Post, classes, scores
from specs.input import InputSpec

MOST_BYTES = 8 << 20
"""Bytes of one buffer, if `batch` is not given: four of them fit any board's contiguous memory."""
GRANULE = 64
"""Buffers are whole cache lines, since the DMA may read the whole last word of a batch."""
_SIMULATED_CYCLES = 200_000


class Accelerator:
    """The accelerator of the package in `folder`. It is programmed when an object is made.

    Use it as a context manager: `with Accelerator() as accelerator: accelerator.classify(images)`.
    Every method may raise DriverError. No method waits for ever.

    batch: images of one run of the hardware; more are cut into batches, and while the hardware
    works on one, the processor packs the next and unpacks the last.
    program: False to use what is loaded already, which is only checked.
    board: what gives registers and buffers; without it the board that this runs on.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        batch: int | None = None,
        program: bool = True,
        board: Any = None,
    ) -> None:
        self.folder = Path(__file__ if folder is None else folder).resolve()
        if self.folder.is_file():
            self.folder = self.folder.parent
        self.settings = settings = load_settings(self.folder / "settings.json")
        contract: dict[str, Any] = vars(settings.input.contract)
        for name in ("shape", "mean", "std"):
            if isinstance(contract[name], list):
                contract = {**contract, name: tuple(contract[name])}
        self.contract = InputSpec(**contract)
        output = settings.output
        self.post = Post(output.kind, tuple(output.scale), tuple(output.bias))
        self.batch = self._batch(batch)
        self._buffers: list[tuple[Any, Any]] = []
        self._lost: list[Any] = []
        self.board = PynqBoard(settings, self.folder, program) if board is None else board
        kind = FinnShell if settings.shell == "finn" else Shell
        self.shell = kind(self.board.registers, settings)
        try:
            self.shell.require_identity()
        except DriverError:
            self.board.close()
            raise

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the buffers back. The design stays in the FPGA."""
        for pair in self._buffers:
            for buffer in pair:
                buffer.freebuffer()
        self._buffers = []
        self.board.close()

    def execute(self, images: np.ndarray) -> np.ndarray:
        """The accelerator's outputs [N, *shape] for images or feature vectors, as in training.

        Images uint8 [N, h, w, C] of any size are resized as the input contract says.
        """
        prepared = prepare(images, self.contract)
        outputs = np.empty(
            (len(prepared), *self.settings.output.shape), storage_of(self.settings.output.dtype)
        )
        for part, beats in self._run(prepared):
            stream = self.settings.output
            values = unpack(beats, stream.dtype, stream.lanes)
            outputs[part] = values.reshape(outputs[part].shape)
        return outputs

    def classify(self, images: np.ndarray) -> np.ndarray:
        """The class of each image: int64 [N]."""
        return classes(self.post, self.execute(images))

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The network's scores, float64 [N, classes]. Only of an accelerator that gives logits."""
        if self.post.output == "label":
            raise DriverError(
                "label",
                "this accelerator gives the class and no scores; build it with output=logits",
            )
        return scores(self.post, self.execute(images))

    def validate(self, testset: str | Path | None = None) -> dict[str, Any]:
        """Compares the outputs of the golden inputs with the golden outputs, bit for bit.

        testset: also counts the right classes of a test set: a folder with images.npy and
        labels.npy, or an .npz file with `images` and `labels`.
        """
        expected = self._golden("outputs.npy")
        found = self.execute(self._golden("inputs.npy"))
        wrong = np.flatnonzero((found != expected).reshape(len(found), -1).any(axis=1))
        result: dict[str, Any] = {
            "equal": not len(wrong),
            "images": len(found),
            "wrong": len(wrong),
            "kind": self._kind(),
        }
        if len(wrong):
            first = int(wrong[0])
            result["first"] = {
                "image": first,
                "expected": expected[first].reshape(-1)[:16].tolist(),
                "found": found[first].reshape(-1)[:16].tolist(),
            }
        if testset is not None:
            images, labels = read_test_set(Path(testset))
            told = self.classify(images)
            right = int(np.count_nonzero(told == labels))
            result["testset"] = {
                "images": len(images),
                "right": right,
                "accuracy": 100 * right / len(images),
                "classes_sha256": hashlib.sha256(told.astype("<i8").tobytes()).hexdigest(),
            }
        return result

    def throughput(self, images: int | None = None) -> dict[str, Any]:
        """Speed by the accelerator's own cycle counters, and of `execute` as a whole.

        The counters are those of the last batch. FINN's shell has none: the processor's clock.
        """
        count = self._images_to_measure() if images is None else max(1, images)
        count -= count % self.batch if count > self.batch else 0
        golden = self._golden("inputs.npy")
        begin = time.monotonic()
        self.execute(np.resize(golden, (count, *golden.shape[1:])))
        seconds = time.monotonic() - begin
        few = min(count, self.batch)
        return {
            "images": few,
            **self.shell.speed(few),
            "fps_execute": count / max(seconds, 1e-9),
            "clock_mhz": self.settings.clock_mhz,
            "kind": self._kind(),
        }

    def _images_to_measure(self) -> int:
        """Three batches, so that they overlap; a simulated accelerator is slow, so few images."""
        if self._kind() == "measured":
            return 3 * self.batch
        ii = int(self.settings.predicted.ii_cycles)
        return max(2, min(self.batch, _SIMULATED_CYCLES // ii))

    def latency(self, repeats: int = 10) -> dict[str, Any]:
        """Time of a single image: in the accelerator, with the DMAs, and as a call of `execute`."""
        image = self._golden("inputs.npy")[:1]
        seconds, delays = [], []
        for _ in range(max(1, repeats)):
            begin = time.monotonic()
            self.execute(image)
            seconds.append(time.monotonic() - begin)
            delays.append(self.shell.delay())
        return {
            **{name: statistics.median_low(each[name] for each in delays) for name in delays[0]},
            "us_execute": 1e6 * statistics.median(seconds),
            "kind": self._kind(),
        }

    def diagnose(self) -> dict[str, Any]:
        """Says where the board goes wrong: the first layer whose stream differs, or the board.

        The golden inputs run twice. If the two runs differ, the board is not deterministic: clock,
        power or memory. Else a stream whose signature differs from the golden one names the layer.
        """
        inputs, expected = self._golden("inputs.npy"), self._golden("outputs.npy")
        (first, signs), (second, again) = [self._signed(inputs) for _ in range(2)]
        streams, golden = (
            self.settings.signatures.streams,
            read_signatures(self.folder / "golden" / "signatures.json"),
        )
        steady = bool(np.array_equal(first, second)) and signs == again
        right = bool(np.array_equal(first, expected))
        wanted = golden["batch"] if steady else again
        odd = next((x for x in streams if signs[x.edge] != wanted[x.edge]), None)
        result = {
            "ok": steady and right and odd is None,
            "images": len(inputs),
            "deterministic": steady,
            "outputs_equal": right,
            "signatures": len(streams),
            "layer": None if odd is None else odd.layer,
            "stream": None if odd is None else odd.edge,
            "kind": self._kind(),
            "verdict": verdict(streams, odd, steady, right),
        }
        if steady and odd is not None:
            result["first_image"] = self._first_image(odd.edge, golden["images"])
        return result

    def _first_image(self, edge: str, golden: list[dict[str, int]]) -> int | None:
        """The first of the first golden inputs that by itself gives another stream."""
        inputs = self._golden("inputs.npy")
        for number, signs in enumerate(golden):
            if self._signed(inputs[number : number + 1])[1][edge] != signs[edge]:
                return number
        return None

    def info(self) -> dict[str, Any]:
        """What is loaded, and with what it runs."""
        settings = self.settings
        return {
            "unit": settings.unit,
            "network": settings.network,
            "board": settings.board,
            "part": settings.part,
            "digest": self.shell.digest(),
            "bitfile": settings.bitfile and settings.bitfile.kind,
            "clock_mhz": getattr(self.board, "clock_mhz", settings.clock_mhz),
            "signatures": len(settings.signatures.streams),
            "batch": self.batch,
            "virtual": bool(getattr(self.board, "virtual", False)),
            "numpy": np.__version__,
            "python": platform.python_version(),
        }

    def reset(self) -> None:
        """Soft reset, after an error. Raises DriverError if only programming again helps."""
        self.shell.reset()

    def _batch(self, batch: int | None) -> int:
        most = Shell(None, self.settings).most_images()
        if batch is None:
            each = max(_bytes(self.settings.input), _bytes(self.settings.output))
            return max(1, min(1024, MOST_BYTES // each, most))
        if not 1 <= batch <= most:
            raise DriverError("batch", f"batch = {batch}: allowed are 1 to {most}")
        return batch

    def _run(self, prepared: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Runs all images in batches. Yields each batch's place and its beats from memory.

        Two pairs of buffers take turns: while the hardware works on one, the other is unpacked by
        whoever iterates, and then filled.
        """
        running: tuple[slice, Any] | None = None
        try:
            for number, start in enumerate(range(0, len(prepared), self.batch)):
                part = slice(start, min(start + self.batch, len(prepared)))
                pair = self._pair(number % 2)
                source = self._fill(pair[0], prepared[part])
                if running is not None:
                    self.shell.wait(running[0].stop - running[0].start)
                count = part.stop - part.start
                self.shell.start(source, pair[1].device_address, count)
                done, running = running, (part, pair[1])
                if done is not None:
                    yield done[0], self._drain(*done)
            if running is not None:
                self.shell.wait(running[0].stop - running[0].start)
                done, running = running, None
                yield done[0], self._drain(*done)
        except DriverError as error:
            running = None
            raise self._recovered(error) from None
        finally:
            if running is not None:
                self._stop()

    def _stop(self) -> None:
        """Ends a batch that nobody waits for; keeps the buffers if the hardware may use them."""
        try:
            self.shell.reset()
        except DriverError:
            self._lost += self._buffers
            self._buffers = []

    def _recovered(self, error: DriverError) -> DriverError:
        """The error, with what became of the soft reset after it."""
        if error.kind == "not idle":
            return error
        try:
            self.shell.reset()
        except DriverError as second:
            self._lost += self._buffers  # the hardware may still write to them
            self._buffers = []
            return DriverError(error.kind, f"{error}. {second}")
        return DriverError(error.kind, f"{error}. The accelerator was reset and can be used again")

    def _pair(self, number: int) -> tuple[Any, Any]:
        """The buffers for input and output; the second pair is made when a second batch comes."""
        while len(self._buffers) <= number:
            sizes = [
                self.batch * _bytes(stream)
                for stream in (self.settings.input, self.settings.output)
            ]
            made = tuple(self.board.allocate(-(-size // GRANULE) * GRANULE) for size in sizes)
            made[1].flush()  # no line of it may be written back over the results
            self._buffers.append((made[0], made[1]))
        return self._buffers[number]

    def _fill(self, buffer: Any, images: np.ndarray) -> int:
        """Packs images into the buffer, so that the DMA sees them. Returns the address of them."""
        stream = self.settings.input
        used = buffer[: len(images) * _bytes(stream)]
        beats = np.asarray(used).reshape(-1, stream.bytes_per_beat)
        pack(images, stream.dtype, stream.lanes, beats)
        buffer.flush()
        return int(buffer.device_address)

    def _drain(self, part: slice, buffer: Any) -> np.ndarray:
        """The beats of a batch that is done, as the DMA wrote them."""
        stream = self.settings.output
        buffer.invalidate()
        used = buffer[: (part.stop - part.start) * _bytes(stream)]
        return np.asarray(used).reshape(-1, stream.bytes_per_beat)

    def _signed(self, images: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
        """Outputs and signatures of one batch."""
        if len(images) > self.batch:
            raise DriverError(
                "batch",
                f"signatures are those of one batch, and batch = {self.batch} is less than the "
                f"{len(images)} golden inputs; make the Accelerator with a larger batch",
            )
        self.shell.signatures()  # waits for beats that an earlier batch has left under way
        return self.execute(images), self.shell.signatures()

    def _golden(self, name: str) -> np.ndarray:
        return read_array(self.folder / "golden" / name)

    def _kind(self) -> str:
        """The kind of the numbers: measured on a board, simulated on the virtual one."""
        bitfile = self.settings.bitfile
        return "measured" if bitfile and bitfile.kind == "implemented" else "simulated"


def _bytes(stream: Any) -> int:
    """Bytes of one image in memory."""
    size: int = stream.beats * bytes_of_beat(stream.dtype, stream.lanes)
    return size
