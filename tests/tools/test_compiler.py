import shutil
from pathlib import Path

import pytest

from pipeline.errors import MissingTool
from pipeline.tools.compiler import compiler, identity


def test_a_missing_compiler_is_named_with_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -v")
    with pytest.raises(MissingTool, match=r"no-such-compiler.*g\+\+.*CXX.*ziglang"):
        compiler()


@pytest.mark.parametrize("quoted", [False, True], ids=["path", "command"])
def test_a_compiler_may_lie_anywhere(
    quoted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "it's my c++"
    program.symlink_to(shutil.which("true") or "")
    word = f'"{program}" -march=native' if quoted else str(program)
    monkeypatch.setenv("CXX", word)
    assert compiler() == [str(program), *(["-march=native"] if quoted else [])]


def test_half_a_quote_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "it's-no-compiler")
    with pytest.raises(MissingTool, match="it's-no-compiler: no C"):
        compiler()


def test_blanks_alone_name_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "  ")
    assert compiler()


def test_a_compiler_says_what_it_is(tmp_path: Path) -> None:
    said = identity(compiler(), tmp_path / "compiler.log")
    assert any(char.isdigit() for char in said[0])
    assert "-" in said[-1], "the machine it compiles for"
