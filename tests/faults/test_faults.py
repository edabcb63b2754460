"""Every fault in every stage it can strike: nothing finished is repeated, the result is equal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.cases import Case, can_mount, cases, workers
from tests.faults.table import Row
from tests.faults.workshop import NAMES, Outcome, Workshop, ran

CASES = {case.id + f"-{number}": case for number, case in enumerate(cases())}
FULL_DISK = "full disk"
rows: dict[str, Row] = {}


def hostile(folder: Path) -> Path:
    """A folder within whose name every stage and every repair has to bear."""
    within = folder / 'it\'s; a "bäd" dir'
    within.mkdir()
    return within


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """An undisturbed build of the tiny network."""
    whole = Workshop(hostile(tmp_path_factory.mktemp("reference")))
    text = whole.doit("build")
    assert ran(text) == tuple(NAMES)
    assert len(whole.manifests()) == len(NAMES)
    return whole


@pytest.fixture(scope="session")
def outcomes(
    reference: Workshop, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """All cases that this session asks for, as many at a time as there are processors."""
    asked = {name for name in CASES if any(f"[{name}]" in x.nodeid for x in request.session.items)}
    mount = can_mount()
    with ThreadPoolExecutor(workers()) as pool:
        yield {
            name: pool.submit(case.run, reference, hostile(tmp_path_factory.mktemp("case")))
            for name, case in CASES.items()
            if name in asked and (mount or case.fault != FULL_DISK)
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_fault(outcomes: dict[str, Future[Outcome]], name: str) -> None:
    case = CASES[name]
    if name not in outcomes:
        pytest.skip("a file system cannot be mounted in a namespace of its own here")
    outcome = outcomes[name].result()
    rows[name] = row(case, outcome)
    assert outcome == Outcome(case.expected, equal=True)


def row(case: Case, outcome: Outcome) -> Row:
    repeated = ", ".join(outcome.repeated) or "nothing"
    return Row(case.fault, case.stage, case.when, repeated, "yes" if outcome.equal else "NO")


def test_the_table_in_the_docs_is_what_was_found() -> None:
    """Of the cases that ran; the others keep their rows, and none may be missing."""
    if table.UPDATE in os.environ:
        assert rows.keys() == CASES.keys(), "all of them have to run"
        table.write([rows[name] for name in CASES])
    told = dict(zip(CASES, table.committed(), strict=True))
    expected = {name: row(case, Outcome(case.expected, True)) for name, case in CASES.items()}
    assert told == {**expected, **rows}


def test_a_fault_that_changed_the_result_would_be_seen(reference: Workshop, tmp_path: Path) -> None:
    bench = Workshop(tmp_path)
    bench.copy_of(reference, ["data"])
    assert bench.outcome(reference, "") == Outcome((), True)
    path = bench.task("data").folder / "manifest.json"
    path.write_text(path.read_text().replace('"unit"', '"UNIT"'))
    assert not bench.outcome(reference, "").equal
