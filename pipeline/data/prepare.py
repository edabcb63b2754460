"""Prepares original images as input of the accelerator and of the network.

Training, golden vectors, driver and virtual board all use `prepare`. It needs only NumPy, 1.x or
2.x, and uses integer arithmetic, so that every machine gets the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import PipelineError

if TYPE_CHECKING:  # a board has no pydantic; there any object with these fields is enough
    from specs.input import InputSpec

_BITS = 11
"""Fraction bits of an interpolation weight. Sums of 8 + 2 * 11 bits stay below 2**31."""
_ONE = 1 << _BITS
_BLOCK = 1 << 22
"""Values of an intermediate array (int32) at a time: 16 MiB, whatever the number of images."""


def prepare(raw: np.ndarray, contract: InputSpec) -> np.ndarray:
    """Prepares images of any size, or feature vectors, as the input contract requires.

    raw: images uint8 [N, h, w, C], which are resized to uint8 [N, H, W, C]; or, if the contract's
    integers are signed, maps int8 [N, H, W, C] of the contract's size; or feature vectors, uint8 or
    int8 [N, F]. These stay as they are. Pixel centres are at half-integers, and the border
    is repeated. bilinear: weights in 1/2048, one rounding (half up) at the end, no smoothing before
    shrinking. TypeError: raw is neither. PipelineError: the contract does not allow these inputs.
    """
    if len(contract.shape) == 1:
        return _vectors(raw, contract)
    signed = contract.dtype.startswith("INT")
    if raw.ndim != 4 or raw.dtype not in ((np.uint8, np.int8) if signed else (np.uint8,)):
        raise TypeError(
            f"images must be {'int8' if signed else 'uint8'} [N, h, w, C], not {raw.dtype} "
            f"{list(raw.shape)}"
        )
    height, width, channels = contract.shape
    size, wanted = raw.shape[1:], f"{height}x{width}x{channels}"
    if size[2] != channels:
        told = f"input.shape = {wanted}: the images have {size[2]} channels"
        if size[0] == channels:
            told += (
                f"; {list(raw.shape)} looks like [N, C, H, W], and [N, H, W, C] is wanted: "
                "images.transpose(0, 2, 3, 1)"
            )
        raise PipelineError(told)
    if 0 in size:
        raise PipelineError(f"input.shape = {wanted}: the images are empty")
    _require_range(raw, contract)
    if size == (height, width, channels):
        return np.ascontiguousarray(raw)
    if signed:
        raise PipelineError(
            f"input.dtype = {contract.dtype}: images are {size[0]}x{size[1]}, not "
            f"{height}x{width}, and only unsigned pixels are resized"
        )
    if contract.resize == "none":
        raise PipelineError(
            f'input.shape = {wanted}: the images are {size[0]}x{size[1]} and input.resize = "none"'
        )
    if contract.resize == "nearest":
        rows, columns = _nearest(size[0], height), _nearest(size[1], width)
        return np.ascontiguousarray(raw[:, rows[:, None], columns])
    out = np.empty((len(raw), height, width, channels), dtype=np.uint8)
    step = max(1, _BLOCK // (max(height, size[0]) * max(width, size[1]) * channels))
    for start in range(0, len(raw), step):
        out[start : start + step] = _bilinear(raw[start : start + step], height, width)
    return out


def _vectors(raw: np.ndarray, contract: InputSpec) -> np.ndarray:
    if raw.dtype not in (np.uint8, np.int8):
        raise TypeError(f"feature vectors must be uint8 or int8 [N, F], not {raw.dtype}")
    raw = raw.reshape(len(raw), -1)
    if raw.shape[1:] != contract.shape:
        raise PipelineError(
            f"input.shape = {contract.shape[0]}: the data has {raw.shape[1]} values per input"
        )
    _require_range(raw, contract)
    return np.ascontiguousarray(raw)


def _require_range(raw: np.ndarray, contract: InputSpec) -> None:
    """Raises PipelineError if a value is not in the range of the input's datatype."""
    bits = int(contract.dtype.lstrip("UINT"))
    signed = contract.dtype.startswith("INT")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    least, most = int(raw.min(initial=0)), int(raw.max(initial=0))
    if least < low or most > high:
        raise PipelineError(
            f"input.dtype = {contract.dtype}: holds {low} to {high}, and the data has values from "
            f"{least} to {most}"
        )


def network_input(prepared: np.ndarray, contract: InputSpec) -> np.ndarray:
    """The network's input for prepared images: (value * scale - mean) / std, float32.

    The last axis is that of the channels, for which mean and std may have one number each.
    """
    values = prepared.astype(np.float32)
    values *= np.float32(contract.scale)
    values -= np.asarray(contract.mean, np.float32)
    values /= np.asarray(contract.std, np.float32)
    return values


def _nearest(source: int, target: int) -> np.ndarray:
    """The index [target] of the source pixel under the centre of each target pixel."""
    centres: np.ndarray = 2 * np.arange(target) + 1
    return centres * source // (2 * target)


def _bilinear(raw: np.ndarray, height: int, width: int) -> np.ndarray:
    low, high, part = _neighbours(raw.shape[1], height)
    part = part[:, None, None]
    rows = raw[:, low] * (_ONE - part) + raw[:, high] * part
    low, high, part = _neighbours(raw.shape[2], width)
    part = part[:, None]
    both: np.ndarray = rows[:, :, low] * (_ONE - part) + rows[:, :, high] * part
    both += 1 << (2 * _BITS - 1)
    both >>= 2 * _BITS
    return both.astype(np.uint8)


def _neighbours(source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two source pixels beside each target centre, and the weight (of 2048) of the second."""
    # position = (i + 1/2) * source / target - 1/2, as an exact fraction of 2 * target
    position = (2 * np.arange(target, dtype=np.int64) + 1) * source - target
    position = np.clip(position, 0, 2 * target * (source - 1))
    low, rest = np.divmod(position, 2 * target)
    part = (rest * _ONE + target) // (2 * target)
    return low, np.minimum(low + 1, source - 1), part.astype(np.int32)
