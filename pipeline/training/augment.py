"""Augments whole batches: random crops and flips as one gather."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.models.twin import Black


def augment(
    images: Tensor, padding: int, flip: bool, black: Black, part: tuple[int, int] = (0, 1)
) -> Tensor:
    """Shifts each of images [N, C, H, W] at random by up to `padding` pixels; flips half of them.

    Random numbers come from torch's global generator. black: what is padded with. part: (i, n) if
    the images are the i-th of n equal parts of a batch; numbers are drawn for the whole batch.
    """
    if not padding and not flip:
        return images
    count, _, height, width = images.shape
    device = images.device
    drawn, own = count * part[1], slice(count * part[0], count * (part[0] + 1))
    rows = torch.arange(height, device=device).expand(count, -1)
    columns = torch.arange(width, device=device).expand(count, -1)
    if flip:
        mirrored = torch.rand(drawn, 1, device=device)[own] < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    if padding:
        inner = images
        border = torch.as_tensor(black, dtype=images.dtype, device=device).reshape(1, -1, 1, 1)
        size = (height + 2 * padding, width + 2 * padding)
        images = border.expand(count, inner.shape[1], *size).clone()
        images[:, :, padding:-padding, padding:-padding] = inner
        rows = rows + torch.randint(0, 2 * padding + 1, (drawn, 1), device=device)[own]
        columns = columns + torch.randint(0, 2 * padding + 1, (drawn, 1), device=device)[own]
    # channels last: one gather moves whole pixels
    pixels = images.permute(0, 2, 3, 1).contiguous()
    which = torch.arange(count, device=device)[:, None, None]
    return pixels[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
