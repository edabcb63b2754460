"""The simulated accelerator: compile a design once, run it on images many times."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError, VerificationError
from pipeline.rtl.design import Design, Stream, load_design
from pipeline.simulation.beats import beat_bytes, pack, unpack
from pipeline.simulation.build import build_executable
from pipeline.tools.process import run_tool

NO_LIMIT = 1 << 62


class StuckError(VerificationError):
    """A run did not end: no stream moved any more, or it took too many cycles."""


@dataclass(frozen=True)
class Stalls:
    """Random stalls; the same seed gives the same ones.

    input: probability that a new beat is withheld in a cycle. output: probability that none is
    taken.
    """

    seed: int
    input: float = 0.3
    output: float = 0.3


@dataclass(frozen=True, eq=False)
class Result:
    """The results of a run. Cycles count from the end of reset.

    output: int64 [N, *shape] of the last edge.
    streams: int64 [traced, *shape] by edge id, as the producer gave it out.
    first_input: the cycle in which the first beat was accepted.
    completed: int64 [N], the cycle of each image's last output beat.
    peaks: the most beats that each edge's FIFO held.
    signatures: by edge, what its signature register holds after all images; empty without them.
    """

    output: np.ndarray
    streams: dict[str, np.ndarray]
    first_input: int
    completed: np.ndarray
    cycles: int
    peaks: dict[str, int]
    signatures: dict[str, int]

    @property
    def latency(self) -> int:
        """Cycles from the first accepted input beat to the last output beat of the first image."""
        return int(self.completed[0]) - self.first_input

    def interval(self, warm_up: int = 8) -> int | float:
        """The steady-state II: the mean number of cycles between the ends of successive images.

        It is an int if these are all equal. The first `warm_up` images are left out, or half of
        all.
        """
        if len(self.completed) < 2:
            raise PipelineError("the steady-state interval needs at least two images")
        settled = self.completed[min(warm_up, (len(self.completed) - 1) // 2) :]
        gaps = np.diff(settled)
        return int(gaps[0]) if np.all(gaps == gaps[0]) else float(gaps.mean())


@dataclass(frozen=True)
class Model:
    """An executable model of `design`."""

    design: Design
    executable: Path
    work: Path

    def run(
        self,
        images: np.ndarray,
        *,
        stalls: Stalls | None = None,
        fifo_limits: Mapping[str, int] | None = None,
        memory_folder: Path | None = None,
        trace: int = 0,
        patience: int | None = None,
        most_cycles: int | None = None,
    ) -> Result:
        """Runs the accelerator on `images`, back to back.

        images: integers of the input datatype, [N, ...], reshaped to [N, *shape].
        fifo_limits: by edge id, 1..depth; each FIFO behaves as if it had that depth.
        memory_folder: the folder of the memory files, in place of the design's.
        trace: the number of images whose every stream is kept.
        patience: so many cycles without a handshake on any stream count as a deadlock.

        Raises StuckError, naming the stuck streams, on a deadlock or after `most_cycles`. With
        `trace` it raises VerificationError if a beat changes or vanishes before it is taken.
        """
        source = self.design.stream(self.design.input)
        images = np.asarray(images).reshape(-1, *source.shape)
        stalls = stalls or Stalls(seed=1, input=0.0, output=0.0)
        trace = min(trace, len(images))
        patience = patience or 1000 + 4 * max(self.design.cycles.values())
        numbers = [len(images), trace, stalls.seed, _share(stalls.input), _share(stalls.output),
                   patience, most_cycles or NO_LIMIT, *self._limits(fifo_limits or {})]  # fmt: skip
        # a search runs hundreds of times: only a failure leaves its log, and what its command reads
        folder = Path(tempfile.mkdtemp(dir=self.work, prefix="run-")).resolve()
        pack(images, source.dtype, source.lanes).tofile(folder / "input.bin")
        log = self.work / "logs" / f"{folder.name}.log"
        run_tool(
            [self.executable.resolve(), folder, *map(str, numbers)],
            log=log,
            cwd=memory_folder or self.design.folder,
        )
        log.unlink()
        log.with_name(log.name + ".sh").unlink()
        try:
            return self._read(folder, len(images), trace)
        finally:
            shutil.rmtree(folder)

    def _limits(self, limits: Mapping[str, int]) -> list[int]:
        depths = {fifo.edge: fifo.depth for fifo in self.design.fifos}
        wrong = [
            f"{edge}: {limit} (allowed: 1..{depths.get(edge, 0)})"
            for edge, limit in limits.items()
            if not 1 <= limit <= depths.get(edge, 0)
        ]
        if wrong:
            raise PipelineError(f"FIFO limits: {', '.join(wrong)}")
        # the terminating 0 keeps the argument count above its least where there is no FIFO
        return [*(limits.get(fifo.edge, 0) for fifo in self.design.fifos)] or [0]

    def _read(self, folder: Path, images: int, trace: int) -> Result:
        lines = [line.split() for line in (folder / "result.txt").read_text().splitlines()]
        values = {line[0]: int(line[1]) for line in lines if line[0] not in ("stream", "peak")}
        if not values["finished"]:
            raise StuckError(_stuck(values, lines))
        broken = [f"{line[1]} in cycle {line[5]}" for line in lines if line[5:] and line[5] != "-1"]
        if broken:
            raise VerificationError(
                f"simulation: a beat changed or vanished before it was taken: {', '.join(broken)}"
            )
        peaks = [int(line[1]) for line in lines if line[0] == "peak"]
        streams = {
            stream.edge: _decode(stream, folder / f"stream_{k}.bin", trace)
            for k, stream in enumerate(self.design.streams)
            if trace
        }
        output = self.design.stream(self.design.output)
        return Result(
            output=_decode(output, folder / "output.bin", images),
            streams=streams,
            first_input=values["first_accepted"],
            completed=np.fromfile(folder / "done.bin", np.int64),
            cycles=values["cycles"],
            peaks={f.edge: peak for f, peak in zip(self.design.fifos, peaks, strict=True)},
            signatures=self._signatures(folder / "signatures.bin"),
        )

    def _signatures(self, file: Path) -> dict[str, int]:
        if not self.design.signatures:
            return {}
        values = map(int, np.fromfile(file, "<u4"))
        return dict(zip(self.design.signatures, values, strict=True))


def build_model(
    design_folder: Path,
    work_folder: Path,
    cache_folder: Path,
    *,
    optimise: str = "-O2",
    timing_only: bool = False,
) -> Model:
    """Compiles the design in `design_folder` into `work_folder`.

    timing_only: a model several times faster, whose handshakes and cycles are right but whose
    values mean nothing. cache_folder: keeps what all models share. Raises MissingTool and
    ToolError.
    """
    design = load_design(design_folder)
    executable = build_executable(design, work_folder, cache_folder, optimise, timing_only)
    return Model(design, executable, work_folder)


def _share(probability: float) -> int:
    """The probability times 2**32, as the harness takes it. With 1 a run would never end."""
    if not 0 <= probability < 1:
        raise PipelineError(f"stall probability {probability}: allowed are 0 <= p < 1")
    return int(probability * (1 << 32))


def _decode(stream: Stream, file: Path, images: int) -> np.ndarray:
    beats = np.fromfile(file, np.uint8).reshape(-1, beat_bytes(stream.dtype, stream.lanes))
    return unpack(beats, stream.dtype, stream.lanes).reshape(images, *stream.shape)


def _stuck(values: dict[str, int], lines: list[list[str]]) -> str:
    what = f"no stream moved for {values['quiet']} cycles" if values["quiet"] > 1 else "not done"
    state = {("0", "0"): "idle, not ready", ("0", "1"): "waiting for data",
             ("1", "0"): "STUCK: valid, not ready", ("1", "1"): "moving"}  # fmt: skip
    told = "".join(
        f"\n  {line[1]}: {state[(line[3], line[4])]}, {line[2]} beats so far"
        for line in lines
        if line[0] == "stream"
    )
    return f"simulation stopped in cycle {values['cycles']}: {what}. Streams:{told}"
