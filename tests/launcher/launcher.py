"""A copy of the launcher among fake programs that log how they are called: no network needed."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "cat chmod cksum date dirname flock grep ln mkdir mv readlink rm sed sh sleep tail"

# What every fake does: log how it was called, then act. FAIL: a pattern of calls that fail;
# SLOW: a pattern of calls that wait until they are killed or released.
FAKE = """#!/bin/sh
call="${0##*/} $*"
sources="UV_FIND_LINKS=${UV_FIND_LINKS:-} UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-}"
case $call in
*--version* | *"import sys"* | *"config list"*) ;;
*) echo "$call | $sources" >>"$CALLS" ;;
esac
case $call in ${FAIL:-none}) echo "error: ${REASON:-told to fail}: $call"; exit 1 ;; esac
case $call in ${SLOW:-none})
    echo $$ >"$CALLS.pid"
    until [ -e "$CALLS.go" ]; do sleep 0.05; done
esac
program() { mkdir -p "${1%/*}" && cat >"$1" && chmod +x "$1"; }
"""

DOIT = """#!/bin/sh
echo "doit in $PWD for $PIPELINE_CWD:" "$@"
exit ${DOIT_EXIT:-0}
"""

UV = (
    FAKE
    + """
case $call in
*--version*) echo "uv VERSION (fake)" ;;
*" venv "*) echo "echo ${TAG:-cp311 x86_64}" | program .venv/bin/python ;;
*"pip install"*" -e .") program .venv/bin/doit <<'END'
"""
    + DOIT
    + """END
esac
"""
)

PYTHON = (
    FAKE
    + """
case $call in
*"import sys"*) printf '%s %s' 'ANSWER' "$0" ;;
*"config list"*) printf '%s\\n' "${PIP_CONFIG_LIST:-}" ;;
*"-m venv "*) program "$3/bin/python" <"$0" ;;
*"pip install"*"requirements/uv.txt"*) program .uv/bin/uv <<'END'
"""
    + UV.replace("VERSION", "0.9.1").replace("'END'", "'END2'").replace("\nEND\n", "\nEND2\n")
    + """END
;;
*"pip install"*" -e .") program .venv/bin/doit <<'END'
"""
    + DOIT
    + """END
esac
"""
)


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Tree:
    """A checkout with only what the launcher reads, and a PATH with only what is put there."""

    root: Path
    bin: Path
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Tree":
        tree = cls(folder / "a tree", folder / "bin")
        tree.root.mkdir()
        tree.bin.mkdir()
        for name in ("doit", "pyproject.toml", "uv.lock", "requirements"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, tree.root / name)
        for name in SYSTEM.split():
            if found := shutil.which(name):
                (tree.bin / name).symlink_to(found)
        tree.env = {"PATH": str(tree.bin), "CALLS": str(folder / "calls")}
        return tree

    def program(self, name: str, text: str = "#!/bin/sh\n") -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def uv(self, version: str = "0.13.8") -> None:
        self.program("uv", UV.replace("VERSION", version))

    def python(self, name: str = "python3", answer: str = "fits venv 3.11.7") -> None:
        """answer: what the launcher's question to it yields, without the path."""
        self.program(name, PYTHON.replace("ANSWER", answer))

    def start(
        self, *arguments: str, cwd: Path | None = None, program: Path | None = None, **env: str
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [program or self.root / "doit", *arguments],
            cwd=cwd or self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, cwd: Path | None = None, program: Path | None = None, **env: str
    ) -> Result:
        process = self.start(*arguments, cwd=cwd, program=program, **env)
        out, err = process.communicate(timeout=60)
        return Result(process.returncode, out, err)

    @property
    def calls(self) -> list[str]:
        path = Path(self.env["CALLS"])
        return path.read_text().splitlines() if path.exists() else []

    def called(self, *words: str) -> int:
        """How many calls contain all these words."""
        return sum(all(word in call for word in words) for call in self.calls)

    @property
    def busy(self) -> int:
        """The process of the call that SLOW holds; 0 while there is none."""
        path = Path(self.env["CALLS"] + ".pid")
        text = path.read_text().strip() if path.exists() else ""
        return int(text or 0)

    def release(self) -> None:
        Path(self.env["CALLS"] + ".go").touch()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
