"""Whole deploys to virtual boards that misbehave: real doit, ssh, pynq and the Verilated shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.faults import Outcome
from tests.faults.workshop import Workshop

FAULTS = {
    "virtual: DMA never ends": "dma-hang",
    "virtual: bus error": "bus-error",
    "virtual: wrong part": "wrong-part",
    "virtual: missing flush": "no-flush",
    "virtual: a bit flips in fc1": "bit-flip=fc1_out",
    "virtual: stale bitfile": "stale-bitfile",
    "virtual: slow link": "slow-link=400",
    "virtual: dropped connection": "dropped-connection=64",
    "virtual: full disk": "full-disk",
    "virtual: wrong host key": "wrong-host-key",
}
"""Each row of the table with its word in fault=."""
PASSES, WHOLE, NOTHING = "verdict: pass", "the new release, whole", "nothing"


@dataclass(frozen=True)
class Site:
    """A build folder with a package, and the virtual board that keeps its files there."""

    workshop: Workshop

    @classmethod
    def copy_of(cls, reference: Workshop, folder: Path) -> Site:
        """With all that the reference has built, but a board where nothing was deployed."""
        ignored = shutil.ignore_patterns(".virtual", "deploy.*")
        shutil.copytree(reference.build, folder, ignore=ignored)
        return cls(Workshop(folder))

    def deploy(self, *words: str) -> tuple[int, str]:
        asked = ("deploy", "host=virtual", "signatures=on", *words)
        return self.workshop.end(self.workshop.start(*asked))

    def left(self) -> str:
        """What is on the board: every release has all its files, and `current` leads to one."""
        folders = [*self.workshop.build.glob(".virtual/*/home/xilinx/qnn/releases/*")]
        if not folders:
            return NOTHING
        (folder,) = folders
        check = ["sha256sum", "-c", "--quiet", ".sums"]
        done = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"a release that is not whole: {done.stdout}"
        current = folder.parents[1] / "current"
        return WHOLE if current.resolve() == folder.resolve() else "a release that is not current"


def outcome(site: Site, word: str) -> Outcome:
    """A deploy while the fault is there, and the same command when it is gone."""
    code, text = site.deploy(f"fault={word}")
    assert "Traceback" not in text, text
    left = site.left()
    said = PASSES if code == 0 else told(text)
    again, text = site.deploy()
    assert again == 0, text
    assert site.left() == WHOLE
    return Outcome(said, left, "succeeds")


def told(text: str) -> str:
    """The words of the failure, without what differs from run to run."""
    _, _, words = text.partition("failed deploy:")
    words = words.partition("\n")[2].partition("\n  ssh said:")[0]
    # numbers depend on the network, and on how fast this machine is
    words = re.sub(r"[\d,.]+(?= MiB free| cycles| s\)| of )|(?<= of )[\d,]+", "...", words)
    return " ".join(words.replace("|", "/").split())  # a cell of a table ends with |
