"""Loads each data set as its stage does: python -m tests.hostile.load DATASET FOLDER...

Prints a line of JSON for each: the error, and the seconds it took.
"""

import json
import sys
import time

from pipeline.data.sets import load
from pipeline.errors import PipelineError
from specs.data import DataSpec


def main(words: list[str]) -> None:
    for dataset, folder in zip(words[::2], words[1::2], strict=True):
        start = time.monotonic()
        try:
            load(dataset, {"data_root": folder}, DataSpec())
            told = "accepted"
        except PipelineError as error:
            told = str(error)
        # the stage's progress has lines of its own
        print("\n" + json.dumps({"told": told, "seconds": time.monotonic() - start}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
