"""Writes and reads the file of a network's weights, which stages pass on."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_FILE = "weights.safetensors"


def save_weights(weights: dict[str, Tensor], folder: Path, file: str = _FILE) -> None:
    """Writes a state dict. The same values give the same bytes.

    file: another name than the one that `load_weights` reads.
    """
    # a parameter that two layers share has two names, which the file knows as two values
    own = {name: value.contiguous().clone() for name, value in weights.items()}
    save_file(own, folder / file)


def load_weights(model: nn.Module, folder: Path) -> None:
    """Fills `model` with the weights in a stage's folder, and puts it into evaluation mode."""
    model.load_state_dict(load_file(folder / _FILE))
    model.eval()
