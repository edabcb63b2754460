"""From a trained quantised network to a proved accelerator. Each stage has a folder here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The repository's root folder. Our own programs are started there."""
