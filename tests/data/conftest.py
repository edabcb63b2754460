from pathlib import Path

import pytest


@pytest.fixture
def shared_data() -> Path:
    """The folder of data sets that some working copies have beside the repository."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no data sets beside the repository")
    return folder
