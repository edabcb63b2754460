"""Integer datatypes of streams, weights and accumulators, named as QONNX names them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import PipelineError

_NAME = re.compile(r"(U?)INT([1-9][0-9]?)")


@dataclass(frozen=True)
class DataType:
    """BIPOLAR ({-1, +1} in one bit, 0 means -1), UINT<n> or INT<n> (two's complement), n <= 64."""

    name: str

    def __post_init__(self) -> None:
        if self.name != "BIPOLAR":
            match = _NAME.fullmatch(self.name)
            if match is None or int(match[2]) > 64:
                raise PipelineError(
                    f"unknown datatype {self.name!r}; allowed: BIPOLAR, UINT1..UINT64, INT1..INT64"
                )

    @property
    def bipolar(self) -> bool:
        return self.name == "BIPOLAR"

    @property
    def signed(self) -> bool:
        """Whether negative values exist. This includes BIPOLAR, whose code is a plain bit."""
        return not self.name.startswith("U")

    @property
    def bits(self) -> int:
        return 1 if self.bipolar else int(self.name.split("INT")[1])

    @property
    def min(self) -> int:
        if self.bipolar:
            return -1
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        if self.bipolar:
            return 1
        return (1 << (self.bits - (1 if self.signed else 0))) - 1

    def holds(self, values: np.ndarray) -> bool:
        """Whether this type can hold every value of the array."""
        if values.size == 0:
            return True
        if self.bipolar:
            return bool(np.all(np.abs(values) == 1))
        return bool(values.min() >= self.min and values.max() <= self.max)

    @property
    def storage(self) -> type[np.signedinteger[Any]]:
        """The narrowest signed numpy integer type that holds every value of this type."""
        return next(
            kind
            for kind in (np.int8, np.int16, np.int32, np.int64)
            if np.iinfo(kind).min <= self.min and self.max <= np.iinfo(kind).max
        )

    def encode(self, values: np.ndarray) -> np.ndarray:
        """The bit codes of logical values, as they travel on a wire: uint64, `bits` wide."""
        values = np.asarray(values, dtype=np.int64)
        if self.bipolar:
            return (values > 0).astype(np.uint64)
        return values.astype(np.uint64) & np.uint64((1 << self.bits) - 1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The logical values (int64) of bit codes. This is the inverse of `encode`."""
        codes = np.asarray(codes, dtype=np.uint64)
        if self.bipolar:
            return codes.astype(np.int64) * 2 - 1
        if not self.signed:
            return codes.astype(np.int64)
        shift = np.int64(64 - self.bits)
        return (codes.astype(np.int64) << shift) >> shift

    @staticmethod
    def smallest(low: int, high: int) -> DataType:
        """The narrowest UINT or INT type that holds every integer in [low, high]."""
        if low >= 0:
            return DataType(f"UINT{max(1, high.bit_length())}")
        return DataType(f"INT{max((-low - 1).bit_length(), max(high, 0).bit_length()) + 1}")


BIPOLAR = DataType("BIPOLAR")
UINT8 = DataType("UINT8")
