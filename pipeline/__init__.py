"""The chain from a trained quantised network to a proved accelerator; one room per stage."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""Of the repository: where programs of ours are started."""
