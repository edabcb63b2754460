"""The kinds of layers, and the tables that must have an entry for each kind.

A new kind needs a class in hardware/layers/, an entry in each of these tables, a module in
rtl/library, and tests. tests/test_layer_kinds.py fails if an entry is missing. docs/architecture.md
shows the table.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.engines.open.shapes import SHAPES
from pipeline.engines.vivado.finn.layers import NODES
from pipeline.hardware.layers import KINDS
from pipeline.hardware.reference import REFERENCES
from pipeline.rtl.folds import FOLDS
from pipeline.rtl.layers import EMITTERS
from pipeline.streamlining.dialect import WRITERS
from pipeline.verification.mutants import MUTATIONS

ENTRIES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "graph": ("hardware/layers/__init__.py", KINDS),
    "reference": ("hardware/reference.py", REFERENCES),
    "FINN's words": ("streamlining/dialect.py", WRITERS),
    "folds and cycles": ("rtl/folds.py", FOLDS),
    "RTL": ("rtl/layers.py", EMITTERS),
    "costs, open engine": ("engines/open/shapes.py", SHAPES),
    "costs, FINN": ("engines/vivado/finn/layers.py", NODES),
    "mutants": ("verification/mutants.py", MUTATIONS),
}
"""By what a kind needs: the file below pipeline/ that has the table, and the table by kind."""
