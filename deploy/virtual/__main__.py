"""`python -m deploy.virtual` starts a virtual board and tells how to reach it."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

from deploy.virtual import start
from deploy.virtual.board import PASSWORD
from deploy.virtual.environment import VERSIONS
from deploy.virtual.faults import FAULTS
from pipeline.errors import PipelineError


def main(words: list[str]) -> int:
    faults = "\n".join(f"  {name:20} {fault.meaning}" for name, fault in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m deploy.virtual",
        description=__doc__,
        epilog=f"faults:\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--board", default="Pynq-Z1", help="its name, or the path of a .toml file")
    parser.add_argument("--pynq", default=VERSIONS[0], choices=VERSIONS)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("--folder", type=Path, help="keeps the board's files; default: none")
    given = parser.parse_args(words)
    try:
        with start(given.board, given.pynq, given.fault, folder=given.folder) as board:
            command = shlex.join(["ssh", "-F", str(board.config), board.alias])
            print(f"{given.board} with pynq {given.pynq}: {command}")
            print(f"password of sudo: {PASSWORD}. Ctrl-C ends it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the board is put away then, too
    sys.exit(main(sys.argv[1:]))
