"""Runs COMMAND with limits of memory and time: python limited.py RESULT SECONDS GIB COMMAND…

Writes into RESULT what COMMAND used. This is a small process of its own, since Linux counts the
memory of the starting process as that of the started one.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(result: Path, seconds: float, gib: float, command: list[str]) -> None:
    most = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    timed_out = False
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(process.pid, signal.SIGTERM)  # doit ends its stages, and then itself
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    found = {
        "code": process.returncode,
        "seconds": round(time.monotonic() - start, 3),
        "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "timed_out": timed_out,
    }
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
