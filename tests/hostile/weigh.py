"""Starts training from each file of weights: python -m tests.hostile.weigh PATH...

Prints a line of JSON for each: the error, and the seconds it took.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.models import build
from pipeline.training.start import start_weights
from specs import catalog
from specs.network import NetworkSpec


def main(paths: list[str]) -> None:
    network = catalog.find(NetworkSpec, "network", "tfc_1w1a", Path())[1]
    for path in paths:
        model = build(network.model, network.input)
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        start = time.monotonic()
        try:
            start_weights(digest, model, network.model, network.input, {"checkpoint": path})
            told = "accepted"
        except PipelineError as error:
            told = str(error)
        print(json.dumps({"told": told, "seconds": time.monotonic() - start}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
