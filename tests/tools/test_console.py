"""Anything can be printed on any terminal: what it has no sign for stays readable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import ROOT
from tests.flow.bench import Doit

TEXT = "· ü × → │─┐ 日 \udcff"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"PYTHONIOENCODING": "ascii"}, b"- u x -> |-+ \\u65e5 \\xff"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
         b"- u x -> |-+ \\u65e5 \\xff"),
        ({"PYTHONIOENCODING": "latin-1"}, b"\xb7 \xfc \xd7 -> |-+ \\u65e5 \\xff"),
        ({"PYTHONUTF8": "1"}, "· ü × → │─┐ 日 \\xff".encode()),
    ],
)  # fmt: skip
def test_every_encoding(env: dict[str, str], expected: bytes) -> None:
    code = f"from pipeline.tools.console import readable; readable(); t = {TEXT!a}\n"
    code += "import sys; print(t); print(t, file=sys.stderr)"
    rest = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**rest, **env}, capture_output=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == expected
    assert done.stderr.strip() == expected


def test_a_build_on_a_terminal_of_ascii(tmp_path: Path) -> None:
    """Figures with `·` between them, odd words in a stage's log, a name that is no UTF-8."""
    doit = Doit(tmp_path, FAKE_DATA="umlaut", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    lines = doit("run", "train", "network=tfc_1w1a", "dataset=digits")
    assert len([line for line in lines if line.startswith("ran ")]) == 3, lines
    log = (doit.build / "digits" / "data.log").read_bytes()
    assert "·, a byte that is no UTF-8: \\xff, ü".encode() in log
    lines = doit("run", "train", b"network=./\xff.toml".decode("utf-8", "surrogateescape"), code=3)
    assert lines[-1].startswith("ERROR: network=./\\xff.toml")
