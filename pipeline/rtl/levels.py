"""Thresholds in the form that levels.v takes: parameters and memories of each style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.fold import ThresholdStyle
from pipeline.rtl.memories import Memory
from pipeline.rtl.ram import block_level, search_levels

STYLES: tuple[ThresholdStyle, ...] = ("compare", "table", "search")
"""In the order of levels.v's parameter STYLE."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Thresholds of a layer, for levels.v.

    limits: int64 [C, T], ascending in t, of type `values` except for a table.
    values: UINT or INT; the type of the values that arrive and are compared.
    lanes: channels per word; they divide C.
    offset: code of the smallest output, which has `bits` bits.
    falling: bool [C], the channels whose levels fall; None if none does.
    """

    limits: np.ndarray
    values: DataType
    lanes: int
    offset: int
    bits: int
    style: ThresholdStyle
    falling: np.ndarray | None = None

    @property
    def folds(self) -> int:
        return len(self.limits) // self.lanes

    @property
    def steps(self) -> int:
        return int(self.limits.shape[1])

    @property
    def _padding(self) -> int:
        """Number of thresholds that a search adds, always reached, to make 2**n - 1 of them."""
        return (1 << search_levels(self.steps)) - 1 - self.steps

    def parameters(self) -> dict[str, int]:
        """The parameters of levels.v, without PE, FOLDS, SHARED, BITS and SIGNED.

        If any channel may fall, also those for it of threshold.v.
        """
        searched = self.style == "search"
        # what is always reached counts: the least output is lower by as much
        offset = (self.offset - self._padding) % (1 << self.bits) if searched else self.offset
        return {
            "STEPS": self.steps,
            "OUTPUT_BITS": self.bits,
            "OFFSET": offset,
            "STYLE": STYLES.index(self.style),
            "BLOCK_LEVEL": block_level(self.folds, self.values.bits, self.steps) if searched else 0,
            **({} if self._turned is None else {"FALLS": 1, "TURN": self._turn}),
        }

    def bank(self) -> dict[str, Memory]:
        """The memories, by what follows the stem of their file names."""
        if self.style == "table":
            return self._table()
        found = self._search() if self.style == "search" else self._compare()
        if self._turned is not None:
            found["_falls"] = Memory.of(self._turned.reshape(self.folds, self.lanes), 1)
        return found

    @property
    def _turned(self) -> np.ndarray | None:
        """The channels whose levels are turned round behind the comparison; a table has them so."""
        return None if self.style == "table" else self.falling

    @property
    def _turn(self) -> int:
        """What is added to the complement of a level to turn it round: least + greatest + 1."""
        return (2 * self.offset + self.steps + 1) % (1 << self.bits)

    def _compare(self) -> dict[str, Memory]:
        return {"": Memory.of(self.limits.reshape(self.folds, -1), self.values.bits)}

    def _table(self) -> dict[str, Memory]:
        values = self.values.decode(np.arange(1 << self.values.bits))
        reached = (values[:, None] >= self.limits[:, None, :]).sum(axis=2)  # [C, values]
        if self.falling is not None:
            reached = np.where(self.falling[:, None], self.steps - reached, reached)
        return self._by_lane("", self.offset + reached, self.bits)

    def _search(self) -> dict[str, Memory]:
        always = np.full((len(self.limits), self._padding), self.values.min, np.int64)
        padded = np.concatenate([always, self.limits], axis=1)
        found: dict[str, Memory] = {}
        count = search_levels(self.steps)
        for level in range(count):
            # the one in the middle of those that the bits found so far leave
            middle = (2 * np.arange(1 << level) + 1) * (1 << (count - level - 1)) - 1
            found |= self._by_lane(f"_{level}", padded[:, middle], self.values.bits)
        return found

    def _by_lane(self, prefix: str, words: np.ndarray, bits: int) -> dict[str, Memory]:
        """One memory per lane, fold by fold, from words [C, words of a channel]."""
        lanes = words.reshape(self.folds, self.lanes, -1)
        return {
            f"{prefix}_{lane:04d}": Memory.of(lanes[:, lane].reshape(-1, 1), bits)
            for lane in range(self.lanes)
        }
