"""Virtual boards for tests: the environment and the compiled shells are made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.virtual import VirtualBoard, start
from deploy.virtual.environment import environment
from pipeline.errors import ToolError
from specs.board import BoardSpec
from specs.catalog import find
from tests.deploy.virtual import boards

Begin = Callable[..., VirtualBoard]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of compiled shells, which all workers share."""
    return tmp_path_factory.getbasetemp().parent / "compiled-shells"


@pytest.fixture(scope="session")
def pynq() -> None:
    try:
        environment("3.1")
        environment("4.0")
    except ToolError as error:
        pytest.skip(f"the package index is not reachable: {str(error).splitlines()[0]}")


def package(board: str, folder: Path) -> boards.Files:
    spec = find(BoardSpec, "board", board, Path.cwd())[1]
    return boards.files(folder, spec)


@pytest.fixture(scope="session")
def pynq_z1(tmp_path_factory: pytest.TempPathFactory) -> boards.Files:
    return package("Pynq-Z1", tmp_path_factory.mktemp("pynq-z1"))


@pytest.fixture(scope="session")
def ultra96(tmp_path_factory: pytest.TempPathFactory) -> boards.Files:
    return package("Ultra96", tmp_path_factory.mktemp("ultra96"))


@pytest.fixture
def begin(pynq: None, compiled: Path) -> Iterator[Begin]:
    with ExitStack() as stack:

        def new(
            board: str = "Pynq-Z1", version: str = "3.1", *faults: str, **options: object
        ) -> VirtualBoard:
            made = start(board, version, faults, cache=compiled, **options)  # type: ignore[arg-type]
            return stack.enter_context(made)

        yield new
