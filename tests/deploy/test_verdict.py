"""The verdict: each thing beside its prediction, and the reason of every fail."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.verdict import SPEED_SHARE, Answers, Expected, Row, judge, metrics, passed
from pipeline.job import Figure

FIGURES = {
    "ii": {"value": 100, "unit": "cycles", "kind": "simulated"},
    "fps": {"value": 1_000_000.0, "unit": "fps", "kind": "estimated"},
    "latency": {"value": 300, "unit": "cycles", "kind": "simulated"},
}
SETTINGS: dict[str, Any] = {"clock_mhz": 100.0, "predicted": {"figures": FIGURES}}
EXPECTED = Expected(SETTINGS, images=50, right=45, classes="c0")
GOOD: dict[str, dict[str, Any]] = {
    "info": {"clock_mhz": 100.0},
    "validate": {
        "equal": True, "images": 20, "wrong": 0,
        "testset": {"images": 50, "right": 45, "classes_sha256": "c0"},
    },
    "throughput": {"ii_cycles": 100.0, "fps": 1e6, "fps_execute": 5e5, "clock_mhz": 100.0},
    "latency": {"cycles": 300, "us_with_dma": 4.5},
}  # fmt: skip


def rows(**changes: dict[str, Any]) -> dict[str, Row]:
    answers = {name: {**GOOD.get(name, {}), **changes.get(name, {})} for name in {*GOOD, *changes}}
    return {row.name: row for row in judge(Answers(**answers), EXPECTED, "measured")}


def failing(**changes: dict[str, Any]) -> list[str]:
    return [name for name, row in rows(**changes).items() if row.judgement == "fail"]


def test_a_board_that_does_what_was_predicted_passes() -> None:
    found = [*rows().values()]
    assert passed(found)
    figures = metrics(found, "measured")
    assert figures["verdict"].value == "pass"
    assert figures["accuracy"].value == 90
    assert {figure.kind for figure in figures.values()} == {"measured"}


TESTSET = GOOD["validate"]["testset"]


@pytest.mark.parametrize(
    ("changes", "row", "why"),
    [
        ({"info": {"clock_mhz": 98.0}}, "clock", "more than 1 % from what was built"),
        ({"throughput": {"ii_cycles": 106.0}}, "ii", "+6.0 %, more than the ±5 % allowed"),
        ({"throughput": {"fps": 0.9e6}}, "fps", "-10.0 %"),
        ({"latency": {"cycles": 400}}, "latency", "+33.3 %"),
        (
            {"validate": {"testset": {**TESTSET, "right": 44}}},
            "accuracy",
            "44 of 50 right, by the reference 45 of 50",
        ),
        (
            {"validate": {"testset": {**TESTSET, "classes_sha256": "c1"}}},
            "accuracy",
            "as many are right as by the reference, but not the same images",
        ),
        (
            {"validate": {"equal": False, "wrong": 1,
                          "first": {"image": 3, "expected": [1], "found": [2]}}},
            "outputs",
            "first at image 3: [2], not [1]",
        ),
        ({"latency": {"error": {"kind": "timeout", "message": "it hangs"}}}, "latency", "it hangs"),
    ],
)  # fmt: skip
def test_each_difference_fails_with_its_reason(
    changes: dict[str, dict[str, Any]], row: str, why: str
) -> None:
    assert failing(**changes) == [row]
    assert why in rows(**changes)[row].why


def test_the_diagnosis_names_the_layer() -> None:
    wrong = {"equal": False, "wrong": 2, "first": {"image": 0, "expected": [1], "found": [2]}}
    found = rows(validate=wrong, diagnose={"verdict": "the stream of fc1 differs"})
    assert found["outputs"].why == "the stream of fc1 differs"


def test_power_is_told_and_not_judged() -> None:
    none = rows(power={"rails": {}})["power"]
    assert none.judgement == "note"
    assert "no power sensors" in none.why
    rail = rows(power={"rails": {"INT": {"idle": 1.0, "busy": 1.5}}})["power_INT"]
    assert rail.found is not None
    assert (rail.found.value, rail.found.unit, rail.judgement) == (1.5, "W", "note")


def test_a_virtual_board_has_no_speed_of_python() -> None:
    """Its clock on the wall says nothing of a board."""
    answers = Answers(**GOOD)
    names = {row.name for row in judge(answers, EXPECTED, "simulated")}
    assert "fps" in names
    assert "fps_python" not in names


def test_without_labels_the_accuracy_is_unknown() -> None:
    (row,) = (x for x in judge(Answers(**GOOD), Expected(SETTINGS), "measured")
              if x.name == "accuracy")  # fmt: skip
    assert (row.judgement, row.found) == ("note", None)


@given(st.floats(1, 1e9))
def test_speed_passes_only_near_its_prediction(fps: float) -> None:
    near = abs(fps / 1e6 - 1) <= SPEED_SHARE
    assert (failing(throughput={"fps": fps}) == []) == near


def test_the_speed_of_finns_shell_is_timed_and_not_judged() -> None:
    answers = {
        **GOOD,
        "throughput": {"fps_with_dma": 9e5, "fps_execute": 5e5, "clock_mhz": 100.0},
        "latency": {"us_with_dma": 12.5},
    }
    found = {row.name: row for row in judge(Answers(**answers), EXPECTED, "measured")}
    assert found["fps"].judgement == "note"
    assert "no counters" in found["fps"].why
    assert found["latency_dma"].found == Figure(12.5, "us", "measured")
    assert not {"ii", "latency"} & set(found)
