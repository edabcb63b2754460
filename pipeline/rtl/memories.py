"""The contents of the design's memories, as bits and as text for `$readmemh`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.hardware.datatypes import DataType
from pipeline.hardware.layers import Mvau


@dataclass(frozen=True, eq=False)
class Memory:
    """words: uint8 0 or 1, [depth, width], bit 0 first."""

    words: np.ndarray

    @staticmethod
    def of(codes: np.ndarray, bits: int) -> Memory:
        """From integers [depth, elements], each cut to `bits`. Element 0 is least significant."""
        codes = np.asarray(codes).astype(np.int64)
        planes = (codes[..., None] >> np.arange(bits)) & 1
        return Memory(planes.reshape(len(codes), -1).astype(np.uint8))

    def text(self) -> str:
        """The text for `$readmemh`: one hexadecimal word per line."""
        depth, width = self.words.shape
        padded = np.zeros((depth, -(-width // 8) * 8), np.uint8)
        padded[:, :width] = self.words
        rows = np.packbits(padded[:, ::-1], axis=1)
        digits = -(-width // 4)
        return "".join(row.tobytes().hex()[-digits:] + "\n" for row in rows)


def weight_memory(layer: Mvau, pe: int, simd: int) -> Memory:
    """The weights of an MVAU, one word per tile, at the addresses that weight_rom.v uses.

    A word has PE x SIMD weights, column lanes innermost. Unused addresses are zero.
    """
    folds, steps = layer.mh // pe, layer.mw // simd
    codes = layer.weight_dtype.encode(layer.weights)
    tiles = codes.reshape(folds, pe, steps, simd).transpose(0, 2, 1, 3)
    stride = steps
    if clog2(steps) + clog2(folds) == clog2(steps * folds):
        stride = 1 << clog2(steps)
    table = np.zeros((folds, stride, pe * simd), np.uint64)
    table[:, :steps] = tiles.reshape(folds, steps, pe * simd)
    return Memory.of(table.reshape(folds * stride, pe * simd), layer.weight_dtype.bits)


def row_correction(layer: Mvau, source: DataType) -> np.ndarray:
    """By row, int64 [MH]: acc - (sum of dot_product.v << sum_shift), for any input."""
    correction = _plane_correction(layer, source)
    return correction if layer.bias is None else correction + layer.bias


def _plane_correction(layer: Mvau, source: DataType) -> np.ndarray:
    weights = layer.weights
    if layer.weight_dtype.bipolar:
        if source.bipolar:
            return np.full(layer.mh, 0 if layer.popcount else -layer.mw, np.int64)
        # x + sign is the unsigned number on the wires; below a -1 weight its complement is summed
        sign = 1 << (source.bits - 1) if source.signed else 0
        negative = (weights < 0).sum(axis=1)
        correction: np.ndarray = negative * (sign - (1 << source.bits) + 1) - sign * (
            layer.mw - negative
        )
        return correction
    negated = _negated_planes(source, layer.weight_dtype)
    if source.bipolar:
        return np.asarray(-2 * layer.mw * negated - weights.sum(axis=1), np.int64)
    return np.full(layer.mh, -layer.mw * negated, np.int64)


def sum_shift(layer: Mvau, source: DataType) -> int:
    """By how many bits the sum of dot_product.v is shifted in acc: 1 where x = 2 bit - 1."""
    return int(source.bipolar and not layer.popcount)


def _negated_planes(source: DataType, weight: DataType) -> int:
    """Sum of the weights 2**k of the plane pairs that dot_product.v counts by NAND."""
    total = 0
    for x in range(source.bits):
        for w in range(weight.bits):
            x_sign = source.signed and not source.bipolar and x == source.bits - 1
            w_sign = weight.signed and w == weight.bits - 1
            if x_sign != w_sign:
                total += 1 << (x + w)
    return total


def clog2(value: int) -> int:
    """Verilog's $clog2: the number of bits that distinguish `value` things."""
    return (value - 1).bit_length()
