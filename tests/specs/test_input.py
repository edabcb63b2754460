"""The input's mean and std: one number, or one for each channel."""

from typing import Any

import pytest

from pipeline.errors import SpecError
from specs.base import validate
from specs.input import InputSpec


def contract(**fields: Any) -> InputSpec:
    return validate(InputSpec, {"shape": [8, 8, 3], **fields}, "net.toml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0.5, 0.5),
        ("0.5", 0.5),
        (1, 1.0),
        ("1/255", 1 / 255),
        ([0.5, 0.25, 1], (0.5, 0.25, 1.0)),
        ("0.5,0.25,1/4", (0.5, 0.25, 0.25)),
        ([0.5, 0.5, 0.5], 0.5),
        ([0.5], 0.5),
    ],
)
@pytest.mark.parametrize("field", ["mean", "std"])
def test_numbers_as_they_are_written(field: str, written: object, meant: object) -> None:
    found = contract(**{field: written})
    assert getattr(found, field) == meant
    assert InputSpec.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"mean": [0.5, 0.25]},
            "mean = [0.5, 0.25]: 2 numbers; give one, or one for each of the 3",
        ),
        ({"std": "1,2,3,4"}, "std = '1,2,3,4': 4 numbers"),
        ({"mean": "0.5,,0.5"}, "give a number, or a list with one for each channel"),
        ({"mean": []}, "give a number, or a list"),
        ({"mean": [[0.5], 1, 2]}, "give a number, or a list"),
        ({"mean": True}, "give a number, or a list"),
        ({"mean": float("inf")}, "give a number, or a list"),
        ({"mean": "1/0"}, "give a number, or a list"),
        ({"std": 0}, "std = 0: give a positive number, or a list with one for each channel"),
        ({"std": [1, 1, -1]}, "give a positive number"),
        ({"shape": [4], "mean": [1, 2, 3]}, "one for each of the 4 channels"),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        contract(**fields)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_feature_vector_has_a_number_for_each_feature() -> None:
    assert contract(shape=[4], mean=[1, 2, 3, 4]).mean == (1.0, 2.0, 3.0, 4.0)
