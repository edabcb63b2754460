"""The table at the end of a build: its figures, each with its kind, and where the files are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.flow import state
from pipeline.flow.task import Task
from pipeline.flow.unit import Unit
from pipeline.flow.variables import user_folder
from pipeline.job import Figure, Metrics

Row = tuple[str, str, str, str]
"""A row of the table: name, value, kind of the figure, remark."""

WIDTH = 110
"""Width of the table in characters if the output is not a terminal."""


def show(chain: list[Task]) -> None:
    """Prints the table of one board unit. All its stages must be built."""
    unit = chain[-1].unit
    metrics = {task.stage.name: state.metrics(task.folder) for task in chain}
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    table = Table(title=unit.name, title_justify="left", pad_edge=False)
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("kind", style="dim")
    table.add_column("", style="dim")
    for section in (
        _accuracy(metrics),
        _speed(metrics, unit),
        _resources(metrics, unit),
        _proof(metrics),
    ):
        for row in section:
            table.add_row(*map(escape, row))
        table.add_section()
    console.print(table)
    for task in chain:
        there = {what: x for what, x in task.stage.may_leave if (task.folder / x).is_file()}
        for what, name in {**task.files, **there}.items():
            console.print(f"{what:<22} {_short(task.folder / name)}", soft_wrap=True)
    if metrics["package"]["bitfile"].value == "simulated":
        why = "engine=vivado makes one for the FPGA"
        if "implement" in metrics:
            why = "a stand-in for Vivado made it, and no FPGA takes it"
        console.print(
            f"{'bitfile':<22} simulated: for the virtual board (./doit deploy host=virtual); {why}",
            soft_wrap=True,
        )


def _row(what: str, figure: Figure, remark: str = "") -> Row:
    return what, str(figure), figure.kind, remark


def _accuracy(metrics: dict[str, Metrics]) -> Iterator[Row]:
    if "accuracy" not in metrics["streamline"]:
        images = metrics["streamline"]["images"]
        yield "accuracy", "unknown", "", f"no data set: checked on {images} (dataset= names one)"
        return
    everything = f"all {metrics['streamline']['images'].value:,} test images"
    if "train" in metrics:
        whole = "accuracy, Brevitas" if "prune" not in metrics else "accuracy, before pruning"
        yield _row(whole, metrics["train"]["test_accuracy"], everything)
    if (pruned := metrics.get("prune")) is not None:
        gone = f"{pruned['sparsity']} of the weights gone, {pruned['macs_left']} of the MACs left"
        yield _row("accuracy, pruned", pruned["test_accuracy"], gone)
    yield _row("accuracy, QONNX", metrics["export"]["accuracy"], everything)
    yield _row("accuracy, integer reference", metrics["streamline"]["accuracy"], everything)
    if (simulated := metrics.get("simulate")) is None:
        return
    part = f"{simulated['images'].value:,} test images, drawn over all classes"
    yield _row("accuracy, RTL", simulated["accuracy"], part)


def _speed(metrics: dict[str, Metrics], unit: Unit) -> Iterator[Row]:
    fold, driver = metrics["fold"], metrics["driver"]
    yield _row("II predicted", fold["ii"], f"bound by {fold['bottleneck'].value}")
    mhz = f"at {unit.read('target.clock_mhz'):g} MHz"
    clock = f"{mhz}, not yet implemented"
    if "implement" in metrics:
        timing = metrics["implement"]
        clock = f"{mhz}, whose timing is met with {timing['slack']} to spare"
    if (simulated := metrics.get("simulate")) is not None:
        yield _row("II simulated", simulated["ii"])
        yield _row("II with the AXI shell", driver["ii"], "a memory that answers after 60 cycles")
    fps = fold["fps"]
    if "implement" in metrics and simulated is not None:
        # the II was simulated and the clock is implemented, so this speed is
        fps = Figure(fps.value, fps.unit, "implemented")
    yield _row("speed", fps, clock)
    if simulated is not None:
        remark = f"first image; {simulated['latency_us']} {clock}"
        yield _row("latency", simulated["latency"], remark)


def _resources(metrics: dict[str, Metrics], unit: Unit) -> Iterator[Row]:
    fold, synth = metrics["fold"], metrics["synth"]
    budgets = {"lut": "board.lut_share", "bram36": "board.bram_share"}
    for name in ("lut", "ff", "bram36", "dsp"):
        share = float(synth[f"{name}_share"].value)
        remark = f"{share:.2f} % of the board"
        if name in budgets:
            budget = 100 * unit.read(budgets[name])
            over = ": OVER IT" if share > budget else ""
            remark += f" (budget {budget:g} %{over}); estimated {fold[name].value:,}"
        yield _row(name.upper(), synth[name], remark)
    if "shell_lut" in synth:
        yield _row("of it the AXI shell", synth["shell_lut"], "registers and DMAs")
    for name in ("muxf", "carry", "inv"):
        yield _row(name.upper(), synth[name], "not counted as LUT")
    if "longest_cell_path" in synth:
        yield _row("longest path", synth["longest_cell_path"], "before placement and routing")
    if (built := metrics.get("implement")) is not None:
        for name in ("lut", "ff", "bram36", "dsp"):
            remark = f"{float(built[f'{name}_share'].value):.2f} % of the board"
            yield _row(f"{name.upper()}, routed", built[name], remark)
        yield _row("slack", built["slack"], "of the worst path; the timing is met")
        if "power" in built:
            yield _row("power", built["power"], "the tool's estimate for the routed design")


def _proof(metrics: dict[str, Metrics]) -> Iterator[Row]:
    if (simulated := metrics.get("simulate")) is None:
        yield "bit-exact", "not shown", "", "FINN's RTL needs the vendor's simulator"
        return
    yield _row("bit-exact", simulated["bit_exact"], "outputs, end to end")
    yield _row(
        "bit-exact, every stream",
        simulated["streams"],
        f"without stalls; {simulated['stalled'].value} with {simulated['stall_patterns'].value} "
        "patterns of them",
    )
    unseen = simulated["mutants_unseen"].value
    where = f"these show on no random input: {unseen}" if unseen else "each in its own layer"
    yield _row("mutants caught", simulated["mutants"], where)
    driver = metrics["driver"]
    yield _row(
        "driver, bit-exact", driver["bit_exact"], "driver.py through the Verilated AXI shell"
    )


def _short(path: Path) -> str:
    """The path relative to the user's folder if it is below that, else as it is."""
    here = user_folder().resolve()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
