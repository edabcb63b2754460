"""Compares what a board does with what was predicted: one row for each thing, pass or fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from deploy.driver import Answer
from pipeline.job import Figure, Kind, Metrics

Judgement = Literal["pass", "fail", "note"]

SPEED_SHARE = 0.05
"""How far speed and latency may be from their prediction. The accelerator has no choice, but other
programs use the memory, too."""
CLOCK_SHARE = 0.01
"""How far the clock may be from the one built: the dividers of a board do not reach every one."""


@dataclass(frozen=True)
class Row:
    """One thing that was looked at. note: it is told and not judged; `why` says more."""

    name: str
    what: str
    found: Figure | None
    predicted: Figure | None
    judgement: Judgement
    why: str = ""


@dataclass(frozen=True)
class Expected:
    """What is predicted, from settings.json and the integer reference.

    classes: the sha256 of the reference's classes of the test images, and right: how many of them
    are right; None: there are no labels.
    """

    settings: Mapping[str, Any]
    images: int = 0
    right: int | None = None
    classes: str | None = None

    def figure(self, name: str) -> Figure:
        """What is predicted of this name. Raises KeyError, or ValueError if it is no figure."""
        entry = self.settings["predicted"]["figures"][name]
        return TypeAdapter(Figure).validate_python(entry)


@dataclass(frozen=True)
class Answers:
    """What the driver said to each command; None: it was not asked."""

    info: Answer
    validate: Answer | None = None
    throughput: Answer | None = None
    latency: Answer | None = None
    diagnose: Answer | None = None
    power: Answer | None = None


def judge(answers: Answers, expected: Expected, kind: Kind) -> list[Row]:
    """All rows. kind: measured, or simulated for a virtual board."""
    return [
        *_clock(answers.info, expected, kind),
        *_outputs(answers.validate, answers.diagnose, kind),
        *_accuracy(answers.validate, expected, kind),
        *_speed(answers.throughput, expected, kind),
        *_latency(answers.latency, expected, kind),
        *_power(answers.power, kind),
    ]


def passed(rows: list[Row]) -> bool:
    return all(row.judgement != "fail" for row in rows)


def metrics(rows: list[Row], kind: Kind) -> Metrics:
    """The rows' figures, and the verdict itself."""
    verdict = Figure("pass" if passed(rows) else "fail", "", kind)
    return {"verdict": verdict, **{row.name: row.found for row in rows if row.found is not None}}


def error_of(answer: Answer | None) -> str | None:
    """What the driver says went wrong; None: nothing."""
    if answer is None or "error" not in answer:
        return None
    error = answer["error"]
    return str(error.get("message")) if isinstance(error, dict) else str(error)


def _failed(name: str, what: str, answer: Answer) -> Row:
    return Row(name, what, None, None, "fail", error_of(answer) or "")


def _clock(info: Answer, expected: Expected, kind: Kind) -> Iterator[Row]:
    if error_of(info) is not None:
        yield _failed("clock", "programming the FPGA", info)
        return
    built, found = float(expected.settings["clock_mhz"]), float(info["clock_mhz"])
    good = abs(found / built - 1) <= CLOCK_SHARE
    why = "" if good else f"more than {100 * CLOCK_SHARE:g} % from what was built"
    yield Row(
        "clock", "clock, read back", Figure(found, "MHz", kind), Figure(built, "MHz", "estimated"),
        "pass" if good else "fail", why,
    )  # fmt: skip


def _outputs(answer: Answer | None, diagnosis: Answer | None, kind: Kind) -> Iterator[Row]:
    if answer is None:
        return
    if error_of(answer) is not None:
        yield _failed("outputs", "outputs, golden inputs", answer)
        return
    images, wrong = int(answer["images"]), int(answer["wrong"])
    found = Figure(f"{images - wrong:,} of {images:,}", "equal", kind)
    why = ""
    if wrong:
        first = answer["first"]
        why = f"first at image {first['image']}: {first['found']}, not {first['expected']}"
        if diagnosis is not None:
            why = error_of(diagnosis) or str(diagnosis.get("verdict", why))
    wanted = Figure(f"{images:,} of {images:,}", "equal", "simulated")
    yield Row("outputs", "outputs, golden inputs", found, wanted, "fail" if wrong else "pass", why)


def _accuracy(answer: Answer | None, expected: Expected, kind: Kind) -> Iterator[Row]:
    if answer is None or error_of(answer) is not None:
        return
    if expected.right is None or "testset" not in answer:
        yield Row("accuracy", "accuracy", None, None, "note", "unknown: there is no data set")
        return
    tested = answer["testset"]
    right, images = int(tested["right"]), int(tested["images"])
    found = Figure(100 * right / images, "%", kind)
    wanted = Figure(100 * expected.right / expected.images, "%", "measured")
    why = f"{images:,} test images; the prediction is the integer reference's"
    if (images, right) != (expected.images, expected.right):
        wanted_right = f"by the reference {expected.right:,} of {expected.images:,}"
        why = f"{right:,} of {images:,} right, {wanted_right}"
    elif tested.get("classes_sha256") != expected.classes:
        why = "as many are right as by the reference, but not the same images"
    else:
        yield Row("accuracy", "accuracy", found, wanted, "pass", why)
        return
    yield Row("accuracy", "accuracy", found, wanted, "fail", why)


def _near(found: float, predicted: float) -> tuple[Judgement, str]:
    difference = found / predicted - 1
    if abs(difference) <= SPEED_SHARE:
        return "pass", f"{100 * difference:+.1f} %, allowed ±{100 * SPEED_SHARE:g} %"
    return "fail", f"{100 * difference:+.1f} %, more than the ±{100 * SPEED_SHARE:g} % allowed"


def _speed(answer: Answer | None, expected: Expected, kind: Kind) -> Iterator[Row]:
    if answer is None:
        return
    if error_of(answer) is not None:
        yield _failed("fps", "speed", answer)
        return
    if "ii_cycles" not in answer:
        yield _speed_by_clock(answer, expected, kind)
        return
    ii, predicted = float(answer["ii_cycles"]), expected.figure("ii")
    judgement, why = _near(ii, float(predicted.value))
    yield Row("ii", "II, by its counters", Figure(ii, "cycles", kind), predicted, judgement, why)
    fps, predicted = float(answer["fps"]), expected.figure("fps")
    judgement, why = _near(fps, float(predicted.value))
    yield Row(
        "fps", "speed", Figure(round(fps), predicted.unit, kind), predicted, judgement,
        f"{why}; its counters at {answer['clock_mhz']:g} MHz",
    )  # fmt: skip
    if kind == "measured":
        python = Figure(round(float(answer["fps_execute"])), predicted.unit, kind)
        why = "with packing, on the board's processor"
        yield Row("fps_python", "speed of execute()", python, None, "note", why)


def _speed_by_clock(answer: Answer, expected: Expected, kind: Kind) -> Row:
    """The speed of FINN's shell, which has no counters."""
    fps, predicted = float(answer["fps_with_dma"]), expected.figure("fps")
    why = "by the processor's clock, DMA included: FINN's shell has no counters"
    return Row("fps", "speed", Figure(round(fps), predicted.unit, kind), predicted, "note", why)


def _latency(answer: Answer | None, expected: Expected, kind: Kind) -> Iterator[Row]:
    if answer is None:
        return
    if error_of(answer) is not None:
        yield _failed("latency", "latency", answer)
        return
    if "cycles" in answer:
        cycles, predicted = float(answer["cycles"]), expected.figure("latency")
        judgement, why = _near(cycles, float(predicted.value))
        yield Row("latency", "latency", Figure(cycles, "cycles", kind), predicted, judgement, why)
    yield Row(
        "latency_dma", "latency with DMA", Figure(float(answer["us_with_dma"]), "us", kind), None,
        "note", "from the start of the DMA until the result is in memory",
    )  # fmt: skip


def _power(answer: Answer | None, kind: Kind) -> Iterator[Row]:
    if answer is None:
        return
    if not answer.get("rails"):
        why = str(answer.get("why") or "this board has no power sensors that PYNQ reads")
        yield Row("power", "power", None, None, "note", why)
        return
    for name, watts in sorted(answer["rails"].items()):
        yield Row(
            f"power_{name}", f"power, {name}", Figure(float(watts["busy"]), "W", kind), None,
            "note",
            f"while it runs; {float(watts['idle']):.3g} W idle",
        )  # fmt: skip
