"""Every layer kind has its entry everywhere, and every entry a kind."""

import json

import pytest

from pipeline.engines.open.costs import COEFFICIENTS
from pipeline.engines.open.terms import TERMS
from pipeline.hardware.layers import KINDS, Layer
from pipeline.layer_kinds import ENTRIES


@pytest.mark.parametrize("what", ENTRIES)
def test_no_kind_lacks_an_entry(what: str) -> None:
    file, entries = ENTRIES[what]
    assert set(entries) == set(KINDS), f"pipeline/{file}"


def test_every_layer_class_is_a_kind() -> None:
    def below(cls: type[Layer]) -> set[type[Layer]]:
        return {cls, *(found for sub in cls.__subclasses__() for found in below(sub))}

    assert below(Layer) - {Layer} == set(KINDS.values())


def test_every_module_that_costs_has_terms_and_fitted_coefficients() -> None:
    assert set(TERMS) == set(json.loads(COEFFICIENTS.read_text()))
    assert set(KINDS) <= set(TERMS)
