from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Verilator's run-time library, compiled once."""
    return tmp_path_factory.mktemp("verilated")
