"""A test may be skipped only for a reason listed in allowed_skips.txt; any other skip fails."""

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

# a loaded machine is slow, not wrong; in CI hypothesis also draws the same examples again
hypothesis.settings.register_profile("pipeline", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("pipeline")

LISTED = Path(__file__).with_name("allowed_skips.txt")
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
ALLOWED = [line for line in LISTED.read_text().splitlines() if line and not line.startswith("#")]


def _judge(report: Report) -> Report:
    # An expected failure counts as a skip, too, but is no gap: xfail_strict watches it.
    if report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        assert isinstance(report.longrepr, tuple)
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not any(re.fullmatch(pattern, reason) for pattern in ALLOWED):
            report.outcome = "failed"
            report.longrepr = f"skipped for a reason that {LISTED.name} does not list: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _judge((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _judge((yield))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verilator's run-time library, compiled once for all models."""
    return tmp_path_factory.mktemp("verilated")
