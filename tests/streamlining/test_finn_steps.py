"""FINN's own streamlining, an independent witness: it gives the same classes as ours."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import finn_steps
from pipeline.export.stage import to_qonnx
from pipeline.hardware import reference
from pipeline.models import build
from pipeline.streamlining import finn
from pipeline.streamlining.graph import hardware_graph
from specs.input import InputSpec
from specs.models import CnvModel, ConvLayer, DenseLayer
from tests.streamlining.test_streamlining import network


def convolutional(contract: InputSpec) -> torch.nn.Module:
    torch.manual_seed(2)
    spec = CnvModel(
        family="cnv",
        convolutions=(ConvLayer(channels=4, pool=2), ConvLayer(channels=6)),
        dense=(DenseLayer(width=5),),
        classes=4,
        weight_bits=1,
        activation_bits=2,
    )
    model = build(spec, contract).train()
    for _ in range(10):
        model(torch.rand(50, contract.shape[2], *contract.shape[:2]))
    return model.eval()


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_finns_own_steps_give_the_same_classes(finn_work: Path, tmp_path: Path, kind: str) -> None:
    contract = InputSpec(shape=(9, 8, 3))
    model = network((1, 2, 2), contract, (12, 8)) if kind == "dense" else convolutional(contract)
    qonnx = to_qonnx(model, torch.rand(1, 3, 9, 8), tmp_path / "model.onnx")
    graph = hardware_graph(qonnx, "net", contract, "label").graph
    images = np.random.default_rng(7).integers(0, 256, (40, *contract.shape), np.uint8)
    ours = reference.run(graph, images)[graph.sink.id].reshape(-1)
    finn_steps.bootstrap(finn_work)
    theirs = finn_steps.dataflow(tmp_path / "model.onnx", contract, tmp_path)
    target = theirs.graph.output[0].name
    planes = images.transpose(0, 3, 1, 2)
    found = [int(context[target].item()) for context in finn.execute(theirs, planes)]
    assert len(set(found)) > 1
    # of equal sums both take the first class
    assert found == ours.tolist()
