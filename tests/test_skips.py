"""No gap in the tests goes unseen: skips outside the committed list fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("def test(): pytest.skip('no uv on PATH or in .uv')", "1 skipped"),
        ("def test(): pytest.skip('no uv on PATH or in .uv, today')", "1 failed"),
        ("@pytest.mark.skipif(True, reason='lazy')\ndef test(): pass", "1 error"),
        ("pytest.importorskip('no_such_module')", "1 error"),
        ("@pytest.mark.xfail(reason='known')\ndef test(): assert False", "1 xfailed"),
    ],
)
def test_only_listed_reasons(tmp_path: Path, body: str, summary: str) -> None:
    for name in ("conftest.py", "allowed_skips.txt"):
        shutil.copy(TESTS / name, tmp_path)
    (tmp_path / "test_it.py").write_text(f"import pytest\n\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "."]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert summary in found.stdout.splitlines()[-1]
