"""Values on a border: float32 decides them by its last bits, and each execution as it likes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from pipeline.data.inputs import draw, planes
from pipeline.errors import VerificationError
from pipeline.hardware import reference
from pipeline.hardware.post import scores
from pipeline.streamlining.graph import hardware_graph
from pipeline.streamlining.proof import compare_with_logits
from tests.export import independent, product
from tests.reports import files
from tests.reports.catalogue import STATISTICS

INPUTS = 60
LAST_BIT = 2e-7


def test_a_tie_that_another_execution_decides_otherwise(tmp_path: Path) -> None:
    """As with another number of images at a time; but not an image without a value on a border."""
    path = files.statistics(8)(tmp_path / "model.onnx")
    model = product.model_of(path)
    found = hardware_graph(model, "net", STATISTICS, "logits")
    inputs = draw(STATISTICS, INPUTS)
    floats = planes(inputs, STATISTICS)
    integers = reference.run(found.graph, inputs)[found.graph.sink.id]
    ours = scores(found.graph.post, integers.reshape(INPUTS, -1))
    raw = onnx.load(str(path))
    name, step = raw.graph.output[0].name, np.abs(found.tail.scale).max()
    logits = ours.astype(np.float32)
    on_border = np.zeros(INPUTS, bool)
    for nudge in (-LAST_BIT, LAST_BIT):  # as if each sum were rounded down, or up
        run = independent.evaluator(raw, name, nudge)
        (moved,) = run.run([name], {"input": floats.astype(np.float64)})
        apart = np.abs(np.asarray(moved) - ours).max(axis=1) > step / 4
        logits[apart], on_border = np.asarray(moved)[apart], on_border | apart
    assert on_border.any(), "else this shows nothing"
    assert compare_with_logits(found, model, inputs, logits).ties == on_border.sum()
    logits[np.argmin(on_border)] += 3 * step
    with pytest.raises(VerificationError, match=f"1 of {INPUTS} inputs differ"):
        compare_with_logits(found, model, inputs, logits)
