"""The stage outline: builds what training would lead to, and refuses the rest in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from brevitas.nn import QuantIdentity
from torch import nn

from pipeline.chain import BY_NAME
from pipeline.data.inputs import draw, planes
from pipeline.engines import engine
from pipeline.errors import DoesNotFit, PipelineError
from pipeline.export.stage import to_qonnx
from pipeline.folding import ground
from pipeline.folding import run as fold
from pipeline.folding.search import fastest
from pipeline.hardware import graph as hardware
from pipeline.hardware.graph import HardwareGraph
from pipeline.hardware.layers import Mvau
from pipeline.job import Job
from pipeline.models import build
from pipeline.outline import fits, run, stage
from pipeline.qonnx.clean import without_tail
from pipeline.qonnx.support import require_supported
from pipeline.streamlining.graph import hardware_graph
from pipeline.tools.files import sha256
from specs import catalog
from specs.input import InputSpec
from specs.models import AnyModel, FactoryModel
from specs.network import NetworkSpec
from tests.folding.test_stage import BOARD
from tests.outline import own_networks

CONTRACT = InputSpec(shape=(8, 8, 1))
OWN = Path(own_networks.__file__)


def job(
    folder: Path,
    model: AnyModel,
    contract: InputSpec = CONTRACT,
    output: str = "label",
    pruning: dict[str, Any] | None = None,
) -> Job:
    specs = {
        "network.name": "net",
        "network.model": model.model_dump(mode="json"),
        "network.input": contract.model_dump(mode="json"),
        "network.output": output,
        "network.pruning": pruning,
    }
    assert specs.keys() == {*BY_NAME["outline"].reads}
    (folder / "outline").mkdir()
    return Job("outline", "net", specs, {}, folder / "outline", {"files": {sha256(OWN): str(OWN)}})


def own(function: str) -> FactoryModel:
    return FactoryModel(family="factory", file=sha256(OWN), function=function)


@pytest.mark.parametrize(
    ("function", "layers"),
    [
        ("plain", "input_quant fc0 fc1 label_select"),
        ("input_quantisers", "input_quant fc0 fc1 fc2 fc3 label_select"),
        ("softmax_at_the_end", "input_quant fc0 fc1 label_select"),
        ("biased_convolution", "input_quant conv0_swg conv0 pool0 fc0 label_select"),
    ],
)
def test_what_can_be_built_is(tmp_path: Path, function: str, layers: str) -> None:
    figures = run(job(tmp_path, own(function)))
    graph = hardware.load(tmp_path / "outline")
    assert [layer.id for layer in graph.layers] == layers.split()
    assert figures["layers"].value == len(graph.layers)
    assert not (tmp_path / "outline" / "work").exists()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("leaky", r"LeakyRelu_0 \(LeakyRelu, layer 4, .*no hardware layer"),
        ("leaky_inside", r"LeakyRelu_0 \(LeakyRelu, layer 4\.1\.0, .*no hardware layer"),
        ("last_batch_norm", r'output = "label": MatMul_1 \(MatMul, layer 0\.5\).*or negative fac'),
        ("floats", r"Gemm_1 \(Gemm, layer 3, .*its weights are floats; quantise them"),
        ("two_scales", r"Add_0 \(Add\): adds two streams whose scales are .*shared quantiser"),
        ("no_onnx", r"torch cannot export the network to QONNX: .*aten::i0"),
    ],
)
def test_what_cannot_be_built_is_told_with_its_layer(
    tmp_path: Path, function: str, words: str
) -> None:
    with pytest.raises(PipelineError, match=f"(?s){words}"):
        run(job(tmp_path, own(function)))


def test_the_same_network_with_its_scores_or_one_scale_is_taken(tmp_path: Path) -> None:
    run(job(tmp_path, own("last_batch_norm"), output="logits"))
    (tmp_path / "other").mkdir()
    run(job(tmp_path / "other", own("one_scale")))


def graph_of(module: nn.Module, contract: InputSpec, folder: Path) -> HardwareGraph:
    images = torch.from_numpy(planes(draw(contract, 1), contract))
    exported, _ = without_tail(to_qonnx(module.eval(), images, folder / "net.onnx"))
    require_supported(exported, "the network")
    return hardware_graph(exported, "net", contract, "label").graph


def trained(module: nn.Module, seed: int) -> None:
    """Other weights and statistics, with zeros among the gammas.

    None is negative: behind a max-pool that takes a layer of thresholds in addition.
    """
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight).abs_().mul_(torch.rand_like(part.weight) > 0.2)
            nn.init.normal_(part.bias)
        elif isinstance(weight := getattr(part, "weight", None), nn.Parameter):
            weight.data.uniform_(-1, 1).pow_(3)


def structure(graph: HardwareGraph) -> list[tuple[Any, ...]]:
    return [
        (layer.kind, layer.id, layer.input, *(edge.shape for edge in graph.edges.values()
         if edge.id == layer.output))
        for layer in graph.layers
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["tfc_1w1a", "cnv_2w2a", "plain", "biased_convolution"])
def test_training_does_not_change_the_structure(tmp_path: Path, name: str) -> None:
    if hasattr(own_networks, name):
        contract, module = CONTRACT, getattr(own_networks, name)()
        model: AnyModel = own(name)
    else:
        _, spec = catalog.find(NetworkSpec, "network", name, Path.cwd())
        contract, model, module = spec.input, spec.model, build(spec.model, spec.input)
    run(job(tmp_path, model, contract))
    before = hardware.load(tmp_path / "outline")
    for seed in range(2):
        with torch.no_grad():
            trained(module, seed)
            stage.settle(module, torch.from_numpy(planes(draw(contract, 4), contract)))
        after = graph_of(module, contract, tmp_path)
        assert structure(after) == structure(before)


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    graphs: list[list[Path]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        torch.manual_seed(len(name) + len(graphs))
        run(job(tmp_path / name, own("plain")))
        graphs.append([*(tmp_path / name / "outline").glob("hardware.*")])
    assert [sha256(x) for x in sorted(graphs[0])] == [sha256(x) for x in sorted(graphs[1])]


def test_fits_says_what_fold_would(tmp_path: Path) -> None:
    """The figures and the refusal, from the outline in place of the streamlined network."""
    run(job(tmp_path, own("plain")))

    def both(**changes: object) -> list[Any]:
        found: list[Any] = []
        for name, needs, work in (("fits", "outline", fits.run), ("fold", "streamline", fold)):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            specs = {**BOARD, **{key.replace("__", "."): value for key, value in changes.items()}}
            assert specs.keys() == {*BY_NAME[name].reads}
            made = Job(name, "net", specs, {needs: tmp_path / "outline"}, folder)
            try:
                found.append(work(made))
            except DoesNotFit as error:
                found.append(str(error))
            assert made.read == specs.keys(), "a field that is never read would rebuild it"
        assert [*(tmp_path / "fits").iterdir()] == []
        return found

    first, second = both()
    assert first == second
    assert first["lut"].value > 0
    for changes, words in (
        ({"target__fps": 1e9}, "fps=1000000000 at 100 MHz needs an II of at most 0 cycles"),
        ({"board__lut": 900}, "not even the slowest folding"),
    ):
        first, second = both(**changes)
        assert first == second
        assert words in first


def test_first_statistics_set_scales_apart() -> None:
    """Without them two quantisers would have one scale, and a wrong sum would be found late."""
    images = torch.from_numpy(planes(draw(CONTRACT, stage.IMAGES), CONTRACT))
    module = own_networks.two_scales()

    def scales() -> list[float]:
        quantisers = [x for x in module.eval().modules() if isinstance(x, QuantIdentity)]
        return [float(x.act_quant.scale()) for x in quantisers[1:]]

    first, second = scales()
    assert first == second
    stage.settle(module, images)
    first, second = scales()
    assert abs(first - second) > 0.01 * first


PRUNED = [
    ("cnv_2w2a", {"granularity": "columns", "layers": {"conv1": 0.5}}, {"conv1": 288}),
    ("cnv_1w1a", {"granularity": "columns", "layers": {"conv5": 0.5}}, {"conv5": 1152}),
    ("cnv_2w2a", {"granularity": "channels", "layers": {"conv0": 0.5}}, {"conv1": 288}),
    ("tfc_2w2a", {"granularity": "columns", "layers": {"fc0": 0.5, "fc1": 0.5}}, {"fc0": 400}),
]


@pytest.mark.parametrize(("name", "pruning", "columns"), PRUNED)
def test_of_a_pruned_network_both_graphs_are_known(
    tmp_path: Path, name: str, pruning: dict[str, Any], columns: dict[str, int]
) -> None:
    """`fits` looks at the pruned one: it takes what the whole network is refused for."""
    _, spec = catalog.find(NetworkSpec, "network", name, Path.cwd())
    run(job(tmp_path, spec.model, spec.input, pruning=pruning))
    folder = tmp_path / "outline"
    whole, pruned = hardware.load(folder), hardware.load(folder / "pruned")
    for layer, count in columns.items():
        before, after = whole.layer(layer), pruned.layer(layer)
        assert isinstance(before, Mvau)
        assert isinstance(after, Mvau)
        assert after.mw == count < before.mw

    space = engine("open").space(pruned, signatures=False)
    reached = fits.run(Job("fits", "n", BOARD, {"outline": folder}, tmp_path))["ii"].value
    assert reached == fastest(space, ground(Job("fits", "n", BOARD, {}, tmp_path)).budget), (
        "of the pruned network"
    )
