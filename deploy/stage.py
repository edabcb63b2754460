"""Stage `deploy.<host>`: checks a board, installs the package there, and judges what it does."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deploy.check import check
from deploy.driver import Answer, Driver
from deploy.hosts import reached
from deploy.install import Board, install, send_testset
from deploy.package import open_package
from deploy.verdict import Answers, Expected, Row, error_of, judge, metrics, passed
from pipeline.data.choice import in_proportion
from pipeline.data.inputs import evaluation_inputs
from pipeline.errors import BoardError
from pipeline.job import Job, Kind, Metrics, progress
from pipeline.tools.findings import Finding
from pipeline.tools.ssh import VIRTUAL
from specs.board import BoardSpec
from specs.input import InputSpec

VERDICT = "verdict.json"
TEST_SET = "testset.npz"
_SIMULATED_CYCLES = 8_000_000
"""A virtual board classifies as many test images as take so many cycles, unless images= is given: a
simulation does about a hundred thousand a second."""
_SECONDS = {"measured": 600, "simulated": 7200}
"""The time limit of one call of the driver."""


def run(job: Job) -> Metrics:
    """Writes verdict.json: the findings, and a row for each thing that was judged.

    Raises BoardError if the board cannot be judged at all. A verdict of "fail" is a result.
    """
    spec = job.spec("board", BoardSpec)
    settings = job.settings
    password = sys.stdin.readline().rstrip("\n") if _asked(settings) else None
    package, document = open_package(job.inputs["package"] / f"{job.unit}.tar", job.unit)
    if settings["host"] == VIRTUAL:
        _require_simulated(document)
    logs = job.folder / "logs"
    with reached(settings["host"], spec, settings, logs, progress, password) as board:
        progress("looking at the board")
        findings = _sound(board, check(board, spec))
        kind: Kind = "simulated" if board.virtual else "measured"
        install(board, package)
        expected, file = _test_set(job, document, kind)
        options = _sent(board, file)
        driver = Driver(board, package.release, _SECONDS[kind])
        rows = _judged(driver, expected, options, kind)
    found = {
        "verdict": "pass" if passed(rows) else "fail",
        "release": package.release,
        "findings": [asdict(finding) for finding in findings],
        "rows": [asdict(row) for row in rows],
    }
    (job.folder / VERDICT).write_text(json.dumps(found, indent=1) + "\n")
    (job.folder / TEST_SET).unlink(missing_ok=True)
    return metrics(rows, kind)


def _require_simulated(document: Mapping[str, Any]) -> None:
    """Raises BoardError unless a virtual board can run what the package holds."""
    if document["bitfile"]["kind"] != "simulated":
        raise BoardError(
            "host=virtual: this package's bitfile is for the FPGA, and a virtual board has none; "
            "deploy it to a board, or build with engine=open: the RTL is the same"
        )


def _asked(settings: Mapping[str, Any]) -> bool:
    """Whether sudo's password comes as the first line of the input."""
    return bool(settings["sudo"] == "ask") and settings["host"] != VIRTUAL


def _sound(board: Board, findings: list[Finding]) -> list[Finding]:
    """The findings. Raises BoardError with all of them that are problems."""
    problems = [finding for finding in findings if finding.level == "problem"]
    if problems:
        lines = "".join(f"\n  {x.what}: {x.found}. {x.remedy}" for x in problems)
        raise BoardError(f"{board.machine.word}: nothing was installed, because of{lines}")
    return findings


def _test_set(job: Job, document: dict[str, Any], kind: Kind) -> tuple[Expected, Path | None]:
    """What is predicted, and the file of test images; None: there is no data set."""
    contract = job.spec("network.input", InputSpec)
    most: int | None = job.spec("evaluation.images", int | None)  # type: ignore[arg-type]
    if "evaluate-reference" not in job.inputs:
        return Expected(document), None
    data = evaluation_inputs(job, contract)
    assert data.labels is not None, "a network with labels"
    classes = np.load(job.inputs["evaluate-reference"] / "predictions.npy")
    count = len(classes)
    if kind == "simulated" and most is None:
        count = min(count, max(1, _SIMULATED_CYCLES // int(document["predicted"]["ii_cycles"])))
    chosen = in_proportion(data.labels, count)
    images, labels = data.images[chosen], data.labels[chosen]
    if most is None:  # else the predictions are of the chosen images already
        classes = classes[chosen]
    file = job.folder / TEST_SET
    np.savez(file, images=images, labels=labels)
    digest = hashlib.sha256(classes.astype("<i8").tobytes()).hexdigest()
    right = int((classes == labels).sum())
    return Expected(document, count, right, digest), file


def _sent(board: Board, file: Path | None) -> list[str]:
    if file is None:
        return []
    name = send_testset(board, file)
    return ["--testset", f"../../testsets/{name}.npz"]


def _judged(driver: Driver, expected: Expected, options: list[str], kind: Kind) -> list[Row]:
    """Asks the driver one thing after the other; after an error of the driver, no more."""
    progress("programming the FPGA")
    answers: dict[str, Answer] = {"info": driver("info")}
    for command in ("validate", "throughput", "latency"):
        if any(map(error_of, answers.values())):
            break
        progress(f"driver.py {command}")
        answers[command] = driver(command, *(options if command == "validate" else []))
    differs = "validate" in answers and answers["validate"].get("equal") is False
    if differs and expected.settings["signatures"]["on"]:
        progress("driver.py diagnose")
        answers["diagnose"] = driver("diagnose")
    if kind == "measured" and not any(map(error_of, answers.values())):
        answers["power"] = driver.power()
    try:
        return judge(Answers(**answers), expected, kind)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BoardError(
            f"{driver.board.machine.word}: the driver's answer is none that this version knows "
            f"({type(error).__name__}: {error}); logs: {driver.board.logs}"
        ) from None
