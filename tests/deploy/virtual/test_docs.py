"""docs/virtual_board.md lists the faults as they are; PIPELINE_UPDATE_FAULTS=1 writes them."""

from __future__ import annotations

import os

from deploy.virtual.environment import ROOT
from deploy.virtual.faults import FAULTS


def test_the_page_lists_every_fault() -> None:
    page = ROOT / "docs" / "virtual_board.md"
    rows = ["| fault | value if none is given | what happens |", "|---|---|---|"]
    for name, fault in FAULTS.items():
        default = {None: "must be given", "": ""}.get(fault.default, f"`{fault.default}`")
        rows.append(f"| `{name}` | {default} | {fault.meaning} |")
    before, _, rest = page.read_text().partition("<!-- faults -->")
    _, _, after = rest.partition("<!-- end -->")
    text = "\n".join([f"{before}<!-- faults -->", *rows, f"<!-- end -->{after}"])
    if "PIPELINE_UPDATE_FAULTS" in os.environ:
        page.write_text(text)
    assert page.read_text() == text, "run PIPELINE_UPDATE_FAULTS=1 pytest on this file"
