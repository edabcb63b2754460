"""The command line of driver.py. The last line of its output is one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.driver.board.accelerator import Accelerator
from pipeline.driver.board.files import read_array
from pipeline.driver.board.settings import DriverError
from pipeline.errors import PipelineError

COMMANDS = {
    "info": "what is loaded, and with what it runs",
    "execute": "write the outputs for an array of images",
    "validate": "compare the outputs of the golden inputs with the golden ones",
    "throughput": "images per second",
    "latency": "time of a single image",
    "diagnose": "find the first layer that goes wrong, or an unsteady board",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. Returns 0 only if all is well."""
    options = _parser().parse_args(arguments)
    try:
        with Accelerator(options.folder, options.batch, not options.loaded) as accelerator:
            result, good = _command(accelerator, options)
    except (PipelineError, TypeError) as error:
        kind = error.kind if isinstance(error, DriverError) else "input"
        result, good = {"error": {"kind": kind, "message": str(error)}}, False
    if not options.json:
        _show(result)
    print(json.dumps(result))
    return 0 if good else 1


def _command(accelerator: Accelerator, options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    if options.command == "execute":
        if options.input is None or options.output is None:
            raise DriverError("input", "execute needs --input IMAGES.npy and --output FILE.npy")
        outputs = accelerator.execute(read_array(Path(options.input)))
        np.save(options.output, outputs)
        return {"images": len(outputs), "output": options.output}, True
    if options.command == "validate":
        found = accelerator.validate(options.testset)
        return found, bool(found["equal"])
    if options.command == "throughput":
        return accelerator.throughput(options.images), True
    if options.command == "latency":
        return accelerator.latency(), True
    if options.command == "diagnose":
        found = accelerator.diagnose()
        return found, bool(found["ok"])
    return accelerator.info(), True


def _show(result: dict[str, Any]) -> None:
    for name, value in result.items():
        print(f"{name:<16} {value}")


def _parser() -> argparse.ArgumentParser:
    told = "\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        description="Drives the accelerator of this folder.",
        epilog=f"commands:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--folder", help="folder of the package; default: that of this file")
    parser.add_argument("--batch", type=int, help="images of one run of the hardware")
    parser.add_argument("--images", type=int, help="images that throughput measures")
    parser.add_argument("--testset", help="test set that validate also classifies")
    parser.add_argument("--input", help="array of images for execute (.npy)")
    parser.add_argument("--output", help="where execute writes the outputs (.npy)")
    parser.add_argument(
        "--loaded", action="store_true", help="do not program; use what is in the FPGA"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
