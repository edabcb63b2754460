import numpy as np
import pytest

from pipeline.hardware.datatypes import DataType
from pipeline.simulation.beats import beat_bytes, pack, unpack


@pytest.mark.parametrize("name", ["BIPOLAR", "UINT1", "INT2", "UINT3", "INT8", "UINT8", "INT13"])
@pytest.mark.parametrize("lanes", [1, 3, 8, 28])
def test_unpack_undoes_pack(name: str, lanes: int) -> None:
    dtype = DataType(name)
    rng = np.random.default_rng(lanes)
    values = rng.integers(dtype.min, dtype.max + 1, (5, lanes))
    values = rng.choice([-1, 1], (5, lanes)) if dtype.bipolar else values
    beats = pack(values, dtype, lanes)
    assert beats.shape == (5, beat_bytes(dtype, lanes))
    np.testing.assert_array_equal(unpack(beats, dtype, lanes), values)


def test_element_zero_is_in_the_lowest_bits() -> None:
    assert pack(np.array([1, 0, 3]), DataType("UINT2"), 3).tolist() == [[0b110001]]
    assert pack(np.array([-1, 1]), DataType("BIPOLAR"), 2).tolist() == [[0b10]]
    assert pack(np.array([-1, 1]), DataType("INT5"), 2).tolist() == [[0b00111111, 0b00]]
