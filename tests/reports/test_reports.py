"""Every kind of report: built and bit-exact down to RTL, or refused with a reason."""

from __future__ import annotations

import os
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.inputs import draw, planes
from pipeline.errors import PipelineError
from pipeline.hardware import reference
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Fork, Mvau
from pipeline.hardware.post import scores
from pipeline.simulation.model import Stalls
from pipeline.streamlining import finn
from tests.chain.test_random_networks import random_folding
from tests.export import product
from tests.export.independent import Judged, judge
from tests.reports import table
from tests.reports.catalogue import KINDS, forms
from tests.reports.kinds import Form
from tests.rtl import designs

FORMS = forms()
INPUTS = 24
SIMULATED = 4
found: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("name", FORMS)
def test_form(name: str, tmp_path: Path, cache: Path, finn_work: Path) -> None:
    kind, form = FORMS[name]
    if form.refused is not None:
        with pytest.raises(PipelineError) as refusal:
            built(form, tmp_path)
        message = str(refusal.value).replace(f"{tmp_path}/model.onnx", "the file")
        found[kind.what, form.name] = told(message)
        assert [word for word in form.refused if word not in message] == [], message
        return
    graph, path = built(form, tmp_path)
    inputs = draw(form.input, INPUTS)
    judged = judge(path, graph, inputs, form.layout)
    assert judged.equal >= INPUTS // 2 if form.ties else judged == Judged(INPUTS, 0)
    finn.compare(graph, finn.dataflow(graph), inputs[:1])
    found[kind.what, form.name] = table.BUILDS
    seed = zlib.crc32(name.encode())
    folding = random_folding(graph, random.Random(seed))
    # ways that meet would get stuck without room for what the other one is still at
    ways = [edge for layer in graph.layers if isinstance(layer, Fork) for edge in layer.outputs]
    depths = {edge: graph.edges[edge].elements for edge in ways}
    accelerator = designs.build(graph, folding, tmp_path / "rtl", cache, depths)
    designs.require_exact(accelerator, graph, inputs[:SIMULATED])
    designs.require_exact(accelerator, graph, inputs[:SIMULATED], Stalls(seed % 100, 0.4, 0.4))


def built(form: Form, folder: Path) -> tuple[HardwareGraph, Path]:
    """The hardware graph, and the raw file with the same network.

    A module becomes a graph in both ways, which must be equal; and it gives the graph's scores.
    """
    path = folder / "model.onnx"
    if not form.module:
        form.source(path)  # type: ignore[call-arg]
        return product.of_file(path, form.input, form.output), path
    module = form.source()  # type: ignore[call-arg]
    assert isinstance(module, nn.Module)
    own = product.of_module(module, folder / "own.onnx", form.input, form.output)
    product.exported(module, path, form.input)
    inputs = draw(form.input, INPUTS)
    designs.require_same(own, product.of_file(path, form.input, form.output), inputs)
    return own, path


def told(message: str) -> str:
    """The first line of a refusal, and the next one if it only introduces a list."""
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def test_the_table_in_the_docs_is_what_was_found() -> None:
    """Of the forms that ran: all of them, unless pytest was asked for some."""
    if len(found) < len(FORMS):
        pytest.skip("not every form ran")
    text = table.text(KINDS, found)
    if table.UPDATE in os.environ:
        table.FILE.write_text(text)
    assert table.FILE.read_text() == text


def test_a_wrong_graph_would_be_seen(tmp_path: Path) -> None:
    """A threshold or a weight that is wrong changes scores that `judge` sees."""
    form = FORMS[next(iter(FORMS))][1]
    graph, path = built(form, tmp_path)
    inputs = draw(form.input, INPUTS)
    assert judge(path, graph, inputs) == Judged(INPUTS, 0)
    layer = next(layer for layer in graph.layers if isinstance(layer, Mvau))
    assert layer.thresholds is not None
    layer.thresholds[0] += 3
    with pytest.raises(AssertionError, match="the file gives"):
        judge(path, graph, inputs)
    layer.thresholds[0] -= 3
    layer.weights[1] *= -1
    with pytest.raises(AssertionError, match="the file gives"):
        judge(path, graph, inputs)


def test_modules_give_what_their_file_gives(tmp_path: Path) -> None:
    """Brevitas, too, gives the scores of the graph: the file is what was trained."""
    modules = [form for _, form in FORMS.values() if form.module and form.refused is None]
    for form in modules[:3]:
        graph, _ = built(form, tmp_path)
        module = form.source()  # type: ignore[call-arg]
        assert isinstance(module, nn.Module)
        inputs = draw(form.input, INPUTS)
        with torch.no_grad():
            theirs = module(torch.from_numpy(planes(inputs, form.input))).numpy()
        ours = reference.run(graph, inputs)[graph.sink.id].reshape(INPUTS, -1)
        np.testing.assert_allclose(scores(graph.post, ours), theirs, rtol=1e-4, atol=1e-5)
