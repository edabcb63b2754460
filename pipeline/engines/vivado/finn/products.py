"""What FINN's reports say, by layer of the hardware graph, and the interface of its shell."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engines.rows import BETWEEN, SHELL, TOTAL
from pipeline.tools.files import write_atomically

RESOURCES = ("LUT", "FF", "BRAM_36K", "BRAM_18K", "DSP")


def write(path: Path, document: Any) -> None:
    """Writes a JSON file whole or not at all."""
    write_atomically(path, json.dumps(document, indent=1) + "\n")


def estimates(model: Any, names: Mapping[str, str], part: str) -> dict[str, Any]:
    """FINN's own estimates by layer: cycles, LUTs, RAMB18s and DSPs."""
    from qonnx.custom_op.registry import getCustomOp  # noqa: PLC0415

    found: dict[str, dict[str, int]] = {}
    for node in model.graph.node:
        inst = getCustomOp(node)
        used = inst.node_res_estimation(part)
        row = found.setdefault(
            names.get(node.name, BETWEEN), {"cycles": 0, "lut": 0, "bram18": 0, "dsp": 0}
        )
        row["cycles"] = max(row["cycles"], int(inst.get_exp_cycles()))
        for ours, theirs in (("lut", "LUT"), ("bram18", "BRAM_18K"), ("dsp", "DSP")):
            row[ours] += math.ceil(used[theirs])
    return found


def utilisation(model: Any, names: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Resources by layer from Vivado's report of a stitched or a whole design, as FINN reads it.

    TOTAL is the whole design, with the shell if it has one.
    """
    from finn.analysis.fpgadataflow.post_synth_res import post_synth_res  # noqa: PLC0415

    (report,) = model.analysis(post_synth_res).values()
    found: dict[str, dict[str, int]] = {}
    for name, used in report.items():
        if name.startswith("top_"):  # an interconnect of the shell, part of the total
            continue
        row = found.setdefault(_row(name, names), dict.fromkeys(RESOURCES, 0))
        for resource in RESOURCES:
            row[resource] += used.get(resource, 0)
    return found


def _row(name: str, names: Mapping[str, str]) -> str:
    """The layer of a node, also if the Zynq build has put a partition's name in front of it."""
    if name == "(top)":
        return TOTAL
    bare = next((known for known in names if name == known or name.endswith(f"_{known}")), None)
    if bare is not None:
        return names[bare]
    return SHELL if "IODMA" in name else BETWEEN


def interface(model: Any) -> dict[str, Any]:
    """What a driver has to know of FINN's accelerator in its Zynq shell."""
    from finn.util.basic import get_driver_shapes  # noqa: PLC0415

    shapes = get_driver_shapes(model)
    return {
        side: {
            "dma": shapes[f"{letter}dma_names"][0],
            "dtype": shapes[f"{letter}dt"][0].split("'")[1],
            "shape": list(map(int, shapes[f"{letter}shape_normal"][0])),
            "folded": list(map(int, shapes[f"{letter}shape_folded"][0])),
            "packed": list(map(int, shapes[f"{letter}shape_packed"][0])),
        }
        for side, letter in (("input", "i"), ("output", "o"))
    }
