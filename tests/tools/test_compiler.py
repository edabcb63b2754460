import pytest

from pipeline.errors import MissingTool
from pipeline.tools.compiler import compiler


def test_a_missing_compiler_is_named_with_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -v")
    with pytest.raises(MissingTool, match=r"no-such-compiler.*g\+\+.*CXX.*ziglang"):
        compiler()
