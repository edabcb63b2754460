"""What software does with the accelerator's outputs. The driver has the same text: NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Post:
    """What software has to do with the accelerator's output.

    label: nothing; the output is the class. logits: output * scale + bias are the network's scores.
    scale and bias have one value for each class.
    """

    output: str = "label"
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()


def classes(post: Post, output: np.ndarray) -> np.ndarray:
    """Class of each image, int64 [N], from the accelerator's outputs [N, *shape of the sink]."""
    flat: np.ndarray = output.reshape(len(output), -1)
    if post.output == "label":
        return flat[:, 0].astype(np.int64)
    found: np.ndarray = np.argmax(scores(post, flat), axis=1)
    return found


def scores(post: Post, output: np.ndarray) -> np.ndarray:
    """The network's scores, float64 [N, classes], from the accelerator's logits."""
    scale, bias = np.asarray(post.scale), np.asarray(post.bias)
    found: np.ndarray = output.reshape(len(output), -1) * scale + bias
    return found
