"""Golden files: what the product generates, compared with a file that was read and kept.

`PIPELINE_UPDATE_GOLDEN=1 pytest tests/…` writes them anew; read the difference before you commit.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path


def check(found: str, path: Path) -> None:
    """Fails with the difference unless `found` is the content of the golden file `path`."""
    if os.environ.get("PIPELINE_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found)
        return
    assert path.is_file(), f"{path}: no golden file; write it with PIPELINE_UPDATE_GOLDEN=1"
    kept = path.read_text()
    difference = difflib.unified_diff(
        kept.splitlines(), found.splitlines(), "golden", "generated", lineterm=""
    )
    assert found == kept, f"{path}:\n" + "\n".join(difference)
