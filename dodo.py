"""The task graph: one task for each stage. Imports nothing heavy: `./doit list` must be instant."""

from collections.abc import Iterator
from typing import Any

from pipeline.flow.doit_tasks import (
    board_task,
    build_tasks,
    cache_task,
    calibrate_task,
    check_tasks,
    deploy_tasks,
    evaluate_tasks,
    explain_task,
    notice,
    plan_tasks,
    preflight_tasks,
    report_vivado_task,
    run_tests,
    several,
    stage_tasks,
    why_task,
)
from pipeline.flow.reporter import StageReporter
from pipeline.tools.console import readable

Tasks = Iterator[dict[str, Any]]

readable()

DOIT_CONFIG = {
    "default_tasks": ["build"],
    "reporter": StageReporter,
    # only the manifests remember what was built; doit's own database ends with the call
    "backend": "sqlite3",
    "dep_file": ":memory:",
    "continue": several(),
}


def task_data() -> Tasks:
    """write the data set into one array file (MNIST and CIFAR-10: from data_root= or downloaded)"""
    return stage_tasks("data")


def task_outline() -> Tasks:
    """make the hardware graph of the untrained network: what cannot be built is told in seconds"""
    return stage_tasks("outline")


def task_fits() -> Tasks:
    """find out before training whether any folding fits the board, and reaches fps="""
    return stage_tasks("fits")


def task_train() -> Tasks:
    """train the network, and keep the epoch that is best on a validation split"""
    return stage_tasks("train")


def task_prune() -> Tasks:
    """take columns, channels or weights out of the trained network (prune=), and fine-tune it"""
    return stage_tasks("prune")


def task_export() -> Tasks:
    """export the network as QONNX, and prove it equal to Brevitas on the test images"""
    return stage_tasks("export")


def task_streamline() -> Tasks:
    """turn QONNX into the integer hardware graph with FINN, and prove the two equal"""
    return stage_tasks("streamline")


def task_fold() -> Tasks:
    """choose PE, SIMD and memory of each layer: the fastest in the budget, or cheapest for fps="""
    return stage_tasks("fold")


def task_fifos() -> Tasks:
    """find the depth of each FIFO by simulation, so that the II stays the same"""
    return stage_tasks("fifos")


def task_rtl() -> Tasks:
    """write the accelerator as Verilog with its memory contents, and lint it"""
    return stage_tasks("rtl")


def task_simulate() -> Tasks:
    """prove the RTL bit-exact, stream by stream, and that the check catches a wrong layer"""
    return stage_tasks("simulate")


def task_synth() -> Tasks:
    """synthesise for the board's part: LUT, FF and BRAM of each layer, and the netlist"""
    return stage_tasks("synth")


def task_implement() -> Tasks:
    """place and route for the FPGA, and make the bitfile; engine=vivado only"""
    return stage_tasks("implement")


def task_driver() -> Tasks:
    """write the PYNQ and C drivers, and prove them on the golden vectors"""
    return stage_tasks("driver")


def task_package() -> Tasks:
    """pack everything for the board into one archive; with=testset adds the test set"""
    return stage_tasks("package")


def task_evaluate() -> Tasks:
    """measure the accuracy on the whole test set; level= brevitas, qonnx, reference or rtl"""
    return evaluate_tasks()


def task_sensitivity() -> Tasks:
    """measure the accuracy when one layer alone is pruned, for each layer and sparsity"""
    return stage_tasks("sensitivity")


def task_prune_plan() -> Tasks:
    """find what to prune by how much to reach fps= (or lut=) at the least loss of accuracy"""
    return plan_tasks(task_prune_plan.__doc__)


def task_build() -> Tasks:
    """run all stages, then show one table: accuracy at each level, II, latency, resources"""
    yield {"name": None, "doc": task_build.__doc__, "meta": {"notice": notice()}}
    yield from build_tasks()


def task_deploy() -> Tasks:
    """bring the package to the boards of host= over SSH, run it there, and judge what they do"""
    return deploy_tasks()


def task_calibrate() -> dict[str, Any]:
    """learn from builds with engine=vivado how far the folding's estimates are; costs= uses it"""
    return calibrate_task()


def task_preflight() -> Tasks:
    """look at the vendor's tools for engine=vivado: all findings at once, with remedies"""
    return preflight_tasks()


def task_check_board() -> dict[str, Any]:
    """look at the boards of host=: all findings at once, with remedies"""
    return board_task("check-board", task_check_board.__doc__)


def task_rollback() -> dict[str, Any]:
    """go back to the release before, on the boards of host="""
    return board_task("rollback", task_rollback.__doc__)


def task_check() -> Tasks:
    """hash every output again and compare it with its manifest"""
    return check_tasks()


def task_why() -> dict[str, Any]:
    """say why each stage would run: ./doit why build, ./doit why synth network=..."""
    return why_task()


def task_explain() -> dict[str, Any]:
    """say what is wrong in a log of a vendor tool or container, and what to do: explain LOG"""
    return explain_task()


def task_report_vivado() -> dict[str, Any]:
    """pack the logs of a unit's vendor tools to share them: no paths, names or licences"""
    return report_vivado_task(task_report_vivado.__doc__)


def task_cache() -> dict[str, Any]:
    """show the size of the cache that all builds share; ./doit clean cache removes it"""
    return cache_task()


def task_test() -> dict[str, Any]:
    """run the tests"""
    return {"actions": [run_tests], "verbosity": 2}
