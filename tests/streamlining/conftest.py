"""FINN, bootstrapped once for all its tests."""

import os
from pathlib import Path

import pytest

from pipeline.streamlining import finn


@pytest.fixture(scope="session")
def finn_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FINN's work folder; FINN can be imported from here on."""
    work = tmp_path_factory.mktemp("finn")
    before = dict(os.environ)
    finn.bootstrap(work)
    os.environ.clear()
    os.environ.update(before, FINN_BUILD_DIR=str(work), FINN_SETTINGS=str(work / "settings.yaml"))
    return work
