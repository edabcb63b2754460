"""Selects a unit for each file, as a command does: python -m tests.hostile.choose VARIABLE PATH...

Prints a line of JSON for each: the error, and the seconds it took. One process reads many files,
since a command takes a second to start.
"""

import json
import sys
import time

from pipeline.errors import SpecError
from pipeline.flow.unit import select


def main(variable: str, paths: list[str]) -> None:
    for path in paths:
        start = time.monotonic()
        try:
            select({variable: path})
            told = "accepted"
        except SpecError as error:
            told = str(error)
        seconds = time.monotonic() - start
        print(json.dumps({"path": path, "told": told, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
