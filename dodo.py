"""The task graph: one task for each stage. Imports nothing heavy: `./doit list` must be instant."""

from collections.abc import Iterator
from typing import Any

from pipeline.flow.doit_tasks import (
    build_tasks,
    cache_task,
    check_tasks,
    evaluate_tasks,
    notice,
    run_tests,
    stage_tasks,
    why_task,
)
from pipeline.flow.reporter import StageReporter

Tasks = Iterator[dict[str, Any]]

DOIT_CONFIG = {
    "default_tasks": ["build"],
    "reporter": StageReporter,
    # what was built is remembered by the manifests alone; doit's own memory ends with the call
    "backend": "sqlite3",
    "dep_file": ":memory:",
}


def task_data() -> Tasks:
    """bring the data set into one array file (digits is embedded; mnist: data_root= or download)"""
    return stage_tasks("data")


def task_train() -> Tasks:
    """train the network; the best epoch is chosen on a validation split"""
    return stage_tasks("train")


def task_export() -> Tasks:
    """export QONNX, proved equal to Brevitas on the test images"""
    return stage_tasks("export")


def task_streamline() -> Tasks:
    """streamline with FINN into the integer hardware graph, proved equal at each level"""
    return stage_tasks("streamline")


def task_fold() -> Tasks:
    """choose PE, SIMD and weight memory of each layer: optimal under the board's budget, or fps="""
    return stage_tasks("fold")


def task_fifos() -> Tasks:
    """size each FIFO by simulation: the smallest depths that keep the II"""
    return stage_tasks("fifos")


def task_rtl() -> Tasks:
    """write the accelerator as Verilog with its memories, linted by Verilator and Yosys"""
    return stage_tasks("rtl")


def task_simulate() -> Tasks:
    """prove the RTL bit-exact, stream by stream, with and without stalls; mutants must be caught"""
    return stage_tasks("simulate")


def task_synth() -> Tasks:
    """synthesise with Yosys for the board's part: LUT, FF, BRAM by layer, and the netlist"""
    return stage_tasks("synth")


def task_evaluate() -> Tasks:
    """accuracy on the whole test set: level=brevitas, qonnx, reference, rtl, or several"""
    return evaluate_tasks()


def task_build() -> Tasks:
    """all of the above, then one table: accuracy at each level, II, latency, resources"""
    yield {"name": None, "doc": task_build.__doc__, "meta": {"notice": notice()}}
    yield from build_tasks()


def task_check() -> Tasks:
    """hash every output again and compare it with its manifest"""
    return check_tasks()


def task_why() -> dict[str, Any]:
    """tell why tasks would run: ./doit why build, ./doit why synth network=..."""
    return why_task()


def task_cache() -> dict[str, Any]:
    """show the size of what all units share; ./doit clean cache removes it"""
    return cache_task()


def task_test() -> dict[str, Any]:
    """run the tests"""
    return {"actions": [run_tests], "verbosity": 2}
