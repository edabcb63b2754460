"""The main command on virtual boards, well and misbehaving."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.virtual.environment import environment
from pipeline.errors import ToolError
from tests.deploy import table
from tests.deploy.deploys import FAULTS, PASSES, WHOLE, Site, outcome
from tests.deploy.faults import Outcome
from tests.faults.workshop import Workshop

rows: dict[str, Outcome] = {}
HARMLESS = {"virtual: stale bitfile", "virtual: slow link"}
"""What a deploy overcomes by itself: the verdict is pass all the same."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A tiny network, packed with signatures, and deployed once to a board that is well."""
    for version in ("3.1", "4.0"):
        try:
            environment(version)
        except ToolError as error:
            pytest.skip(f"the package index is not reachable: {str(error).splitlines()[0]}")
    whole = Workshop(tmp_path_factory.mktemp("reference") / "build")
    whole.build.mkdir()
    code, text = Site(whole).deploy()
    assert code == 0, text
    return whole


def test_a_verdict_is_stored_as_a_stage_s_result(reference: Workshop) -> None:
    (folder,) = reference.build.glob("*/deploy.virtual")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["verdict"] == "pass"
    rows = {row["name"]: row for row in verdict["rows"]}
    assert {"clock", "outputs", "accuracy", "ii", "fps", "latency"} <= rows.keys()
    assert all(row["judgement"] in ("pass", "note") for row in rows.values())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["stage"] == "deploy.virtual"
    assert {x["kind"] for x in manifest["metrics"].values()} == {"simulated"}
    assert manifest["metrics"]["ii"]["value"] == rows["ii"]["predicted"]["value"]
    assert (folder / "run.json").exists()
    assert Site(reference).left() == WHOLE


def test_the_second_deploy_sends_nothing_and_runs_again(
    reference: Workshop, tmp_path: Path
) -> None:
    """Also on the other PYNQ, which is another board."""
    code, text = Site(reference).deploy()
    assert code == 0, text
    assert "the package is there already" in text
    assert "the test set is there already" in text
    code, text = Site(reference).deploy("pynq=4.0", "images=5")
    assert code == 0, text
    assert "MiB sent" in text
    (folder,) = reference.build.glob("*/deploy.virtual")
    verdict = json.loads((folder / "verdict.json").read_text())
    (accuracy,) = (row for row in verdict["rows"] if row["name"] == "accuracy")
    assert accuracy["why"].startswith("5 test images")


@pytest.fixture(scope="module")
def outcomes(
    reference: Workshop, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """All faults that this session asks for, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            name: pool.submit(
                outcome, Site.copy_of(reference, tmp_path_factory.mktemp("site") / "build"), word
            )
            for name, word in FAULTS.items()
            if any(f"[{name}]" in item.nodeid for item in request.session.items)
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_fault(outcomes: dict[str, Future[Outcome]], name: str) -> None:
    found = rows[name] = outcomes[name].result()
    assert found.left in (WHOLE, "nothing")
    assert found.again == "succeeds"
    assert (found.said == PASSES) == (name in HARMLESS)
    if table.UPDATE not in os.environ:
        assert found == table.committed()[name]


def test_the_table_has_every_fault() -> None:
    table.hold(rows, FAULTS, first=False)
