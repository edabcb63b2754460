"""Datatypes: ranges, and codes that come back."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.hardware.datatypes import BIPOLAR, DataType

names = st.one_of(
    st.just("BIPOLAR"),
    st.builds(lambda u, n: f"{u}INT{n}", st.sampled_from(["", "U"]), st.integers(1, 62)),
)


@given(names, st.data())
def test_codes_come_back(name: str, data: st.DataObject) -> None:
    dtype = DataType(name)
    domain = st.sampled_from([-1, 1]) if dtype.bipolar else st.integers(dtype.min, dtype.max)
    values = np.array(data.draw(st.lists(domain, max_size=20)), np.int64)
    codes = dtype.encode(values)
    assert dtype.holds(values)
    assert np.all(codes < (1 << dtype.bits))
    assert np.array_equal(dtype.decode(codes), values)


@example(-1, 0)
@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40))
def test_smallest_holds_and_nothing_smaller_does(low: int, span: int) -> None:
    dtype = DataType.smallest(low, low + span)
    both = np.array([low, low + span])
    assert dtype.holds(both)
    if dtype.bits > 1:
        prefix = "INT" if dtype.signed else "UINT"
        assert not DataType(f"{prefix}{dtype.bits - 1}").holds(both)


@pytest.mark.parametrize("name", ["INT0", "UINT65", "FLOAT32", "int8", "BINARY"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(PipelineError, match=name):
        DataType(name)


def test_bipolar_has_no_zero() -> None:
    assert not BIPOLAR.holds(np.array([0]))
    assert not BIPOLAR.holds(np.array([2]))
