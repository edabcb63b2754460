"""Reads each archive as `deploy` does before it sends one: python -m tests.hostile.unpack FILE...

Prints a line of JSON for each: the error, and the seconds it took.
"""

import json
import sys
import time
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.packaging import archive


def main(paths: list[str]) -> None:
    for path in paths:
        start = time.monotonic()
        try:
            archive.read(Path(path))
            told = "accepted"
        except PipelineError as error:
            told = str(error)
        print(json.dumps({"told": told, "seconds": time.monotonic() - start}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
