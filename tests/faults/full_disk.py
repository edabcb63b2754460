"""`python -m tests.faults.full_disk`: a stage on a disk that is full. It runs in a mount namespace.

Arguments: the reference's build folder, an empty folder to mount on, the stage, KiB left to it.
Prints one JSON object: what the doit on the full disk said, what repeating it did.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.faults.workshop import Workshop, needs

_BLOCK = 4096


def main(reference: Path, folder: Path, stage: str, room_kib: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    bench, whole = Workshop(folder / "build"), Workshop(reference)
    bench.build.mkdir()
    bench.copy_of(whole, needs(stage))
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * _BLOCK - room_kib * 1024
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free)
    code, said = bench.end(bench.start(stage))
    ballast.unlink()
    outcome = bench.outcome(whole, bench.doit(stage))
    print(json.dumps({"code": code, "said": said, **vars(outcome), "left": bench.left_over()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
