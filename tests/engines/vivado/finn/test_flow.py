"""FINN's own steps with real FINN: to the first vendor call, and with fake tools to the bitfile."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.driver.document import Target
from pipeline.driver.finn import finn_interface
from pipeline.engines import BITFILE, HWH
from pipeline.engines.space import Budget
from pipeline.engines.vivado.finn import ENGINE, builder, needs
from pipeline.engines.vivado.finn.flow import period_ns
from pipeline.errors import MissingTool, PipelineError, Planned, ToolError, VerificationError
from pipeline.folding.search import cheapest, fastest
from pipeline.hardware import graph as hardware
from pipeline.hardware.fold import Folding
from pipeline.hardware.graph import HardwareGraph
from pipeline.packaging.bitfile import kind
from tests.engines.vivado.finn import flow_jobs, published
from tests.engines.vivado.finn.flow_jobs import TARGET, inputs, job, tools
from tests.hardware.networks import dense
from tests.vendor.install import Failure, break_off, calls

if shutil.which("tclsh") is None:
    pytest.skip("no tclsh here", allow_module_level=True)

BOARD = Budget(53200, 280, 64)


def folded(graph: HardwareGraph) -> tuple[Folding, int]:
    """The fastest folding that fits a Pynq-Z1, and its II by the certificate."""
    space, budget = ENGINE.space(graph, signatures=False), Budget(45000, 266, 64)
    ii = fastest(space, budget)
    assert ii is not None
    solution = cheapest(space, ii, budget, BOARD)
    assert solution is not None
    return dict(zip(space.layers, (o.fold for o in solution.choice), strict=True)), solution.ii


@pytest.mark.parametrize("name", ["tfc", "cnv"])
def test_every_node_of_the_published_networks_gets_its_code(
    finn_work: Path, tmp_path: Path, name: str
) -> None:
    """As a dry run: nothing of a vendor is called, and the calls that come first are shown."""
    builder.bootstrap(finn_work)
    graph = getattr(published, name)()
    folding, ii = folded(graph)
    settings = {**tools(tmp_path), "dry_run": "yes"}
    folders = inputs(graph, folding, tmp_path / "in")
    synth = job("synth", tmp_path, folders, settings)
    with pytest.raises(Planned, match=r"vitis_hls .*hls_syn_MVAU_hls_0\.tcl"):
        ENGINE.synthesise(synth, hardware.load(folders["streamline"]), folding)
    (place,) = (synth.cache / "vivado").glob("finn-*")
    nodes = json.loads((place / "names.json").read_text())
    for node in nodes:
        (folder,) = (place / "build").glob(f"code_gen_ipgen_{node}_*")
        assert list(folder.glob("*.cpp" if "_hls_" in node else "*.v")), node
    assert set(nodes.values()) == {layer.id for layer in graph.layers}
    estimates = json.loads((place / "estimates.json").read_text())
    assert max(row["cycles"] for row in estimates.values()) == ii, "FINN's II is the certificate's"
    assert not list(place.glob("logs/*")), "no tool ran"


def test_from_a_failure_to_a_bitfile(finn_work: Path, tmp_path: Path) -> None:
    """A failure of Vivado; then it goes on where it was; then placed, routed, with its figures."""
    builder.bootstrap(finn_work)
    graph = dense((24, 16, 10), seed=4)
    folding = flow_jobs.fastest(graph)
    settings = tools(tmp_path)
    vivado = Path(settings["vivado"])
    folders = inputs(graph, folding, tmp_path / "in")
    graph = hardware.load(folders["streamline"])
    words = "ERROR: [Synth 8-439] module 'MVAU_hls_0' not found"
    break_off(vivado, Failure("synth_design", (words,)))
    synth = job("synth", tmp_path, folders, settings)
    with pytest.raises(ToolError, match=r"\[Synth 8-439\] module 'MVAU_hls_0' not found"):
        ENGINE.synthesise(synth, graph, folding)
    (place,) = (synth.cache / "vivado").glob("finn-*")
    done = {path: path.stat().st_mtime_ns for path in place.glob("build/*_hls_*/fake_calls.jsonl")}
    assert len(done) == 3, "two MVAUs and the label select"
    break_off(vivado, None)
    found = ENGINE.synthesise(synth, graph, folding)
    assert done == {path: path.stat().st_mtime_ns for path in done}, "HLS was not done again"
    assert [*found.rows] == [*(layer.id for layer in graph.layers), "between layers"]
    assert sum(row.lut for row in found.rows.values()) == found.total.lut > 0
    assert (synth.folder / "folding_config.json").is_file()
    assert "fc0" in (synth.folder / "prediction.csv").read_text()

    implement = job("implement", tmp_path, folders, settings)
    made = ENGINE.implement(implement, graph, folding)
    assert [*made.rows] == [*(layer.id for layer in graph.layers), "shell", "between layers"]
    assert sum(row.lut for row in made.rows.values()) == made.total.lut > found.total.lut
    assert {"ii", "slack", "passing_clock", "power"} <= set(made.figures)
    for name in (HWH, "timing.json", "power.json", "prediction.csv", "timing.rpt"):
        assert (implement.folder / name).stat().st_size > 0, name
    data = (implement.folder / BITFILE).read_bytes()
    assert kind(data, TARGET.part) == "simulated", "as the fake says of its own"
    interface = finn_interface(
        implement.folder,
        graph,
        Target("Pynq-Z1", TARGET.part, TARGET.family, 100),
        folders["fold"] / "folding.json",
    )
    assert interface.base_address == 0x4000_0000
    assert interface.registers["output_control"] == 0x1000
    assert [interface.input[key] for key in ("dtype", "lanes", "beats")] == ["UINT8", 1, 24]
    assert [interface.output[key] for key in ("dtype", "lanes", "beats")] == ["UINT8", 1, 1]
    _require_shell(place / (place / "project.txt").read_text().strip())


def _require_shell(project: Path) -> None:
    """FINN's Zynq script went to its end: DMAs at both ends of the network, all addresses given."""
    made = calls(project)
    (launched,) = [call for call in made if call[0] == "launch_runs"]
    assert launched[-3:] == ["-to_step", "write_bitstream", "impl_1"]
    cells = [call[-1] for call in made if call[0] == "create_bd_cell"]
    assert {"zynq_ps", "idma0", "StreamingDataflowPartition_1", "odma0"} <= set(cells)
    assert made[-1] == ["close_project"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"board": "MyBoard"}, "FINN's Zynq shell does not know the board MyBoard; it knows Pynq"),
        ({"incremental": "on"}, "incremental = on: FINN's project starts from nothing"),
        ({"clock_mhz": 66.6}, "clock_mhz = 66.6: FINN's shell takes whole MHz only"),
    ],
)
def test_what_finns_shell_cannot_do_is_refused_at_once(
    change: dict[str, object], words: str
) -> None:
    with pytest.raises(PipelineError, match=words):
        needs.require_board(TARGET.model_copy(update=change))


@pytest.mark.parametrize("sign", [" ", '"', "'", "$", "[", ";", "(", "`", "\\"])
def test_a_path_that_finns_scripts_cannot_name_is_refused(tmp_path: Path, sign: str) -> None:
    odd = tmp_path / f"a{sign}b"
    with pytest.raises(PipelineError, match=r"(?s)FINN's scripts take no path with .*build_dir"):
        needs.require_place(odd, "build_dir")
    (odd / "finn-hlslib").mkdir(parents=True)
    (odd / "finn-hlslib" / "bnn-library.h").touch()
    with pytest.raises(PipelineError, match=r"(?s)FINN's scripts take no path with .*finn_deps="):
        needs.finn_deps({"finn_deps": str(odd)})
    assert needs.require_place(tmp_path, "") == tmp_path


def test_without_finns_library_three_ways_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FINN_DEPS", raising=False)
    with pytest.raises(MissingTool, match=r"(?s)finn-hlslib: not in .*1\. .*2\. .*3\. "):
        needs.finn_deps({})
    with pytest.raises(MissingTool, match=str(tmp_path)):
        needs.finn_deps({"finn_deps": str(tmp_path)})


def test_finns_shell_gets_the_clock_that_was_asked_for() -> None:
    for mhz in range(10, 500):
        period = period_ns(mhz)
        assert int(1 / (period * 0.001)) == mhz
        assert abs(period - 1000 / mhz) < 1e-9
    assert int(1 / (1000 / 120 * 0.001)) == 119, "FINN's own rounding; if not, drop `period_ns`"


def test_the_golden_images_catch_a_graph_that_computes_something_else(
    finn_work: Path, tmp_path: Path
) -> None:
    """The first image differs as soon as one weight of FINN's graph does."""
    from qonnx.core.modelwrapper import ModelWrapper

    from pipeline.engines.vivado.finn.flow import Flow, Request

    builder.bootstrap(finn_work)
    graph = dense((24, 16, 10), "INT2", "UINT2", seed=4, label=False)
    folders = inputs(graph, flow_jobs.fastest(graph), tmp_path / "in")
    place = tmp_path / "work"
    place.mkdir()
    for folder in folders.values():
        for path in folder.iterdir():
            shutil.copy(path, place)
    chip = ("xc7z020clg400-1", "Pynq-Z1", "zynq-7000", 100, 220)
    request = Request(*chip, "fold", "default", "minimised")
    Flow(place, request).run()
    shutil.rmtree(place / "steps")
    model = ModelWrapper(str(place / "dataflow.onnx"))
    name = next(node.input[1] for node in model.graph.node if node.op_type == "MVAU")
    model.set_initializer(name, np.roll(model.get_initializer(name), 1, axis=0))
    model.save(str(place / "dataflow.onnx"))
    with pytest.raises(VerificationError, match=r"image \d+ gives .*of 8 images differ"):
        Flow(place, replace(request)).run()
