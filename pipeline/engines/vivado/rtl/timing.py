"""Whether the timing is met, by how much, and where: figures, documents, and the error if not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engines.vivado.reports import Figures, TimingPath, passing_mhz
from pipeline.engines.vivado.rtl.instances import Instances
from pipeline.errors import PipelineError
from pipeline.job import Figure, Kind, Metrics
from specs.vivado import VendorTarget


def metrics(figures: Figures, clock_mhz: float, kind: Kind) -> Metrics:
    """Slack, and the clock that would pass. Before routing both are estimates of Vivado."""
    found: Metrics = {}
    if figures.setup:
        slack = figures.setup[0].slack
        found["slack"] = Figure(slack, "ns", kind)
        found["passing_clock"] = Figure(passing_mhz(clock_mhz, slack), "MHz", kind)
    if figures.hold and kind == "implemented":
        found["hold_slack"] = Figure(figures.hold[0].slack, "ns", kind)
    found["failing_endpoints"] = Figure(
        sum(count for count, _ in figures.failing.values()), "", kind
    )
    return found


def document(figures: Figures, target: VendorTarget, instances: Instances) -> str:
    """timing.json: clocks, the worst paths with their layers, and how many end points fail."""
    found: dict[str, Any] = {
        "tool": figures.version,
        "clock_mhz": target.clock_mhz,
        "periods_ns": dict(figures.periods),
        "met": figures.met,
        "failing": {
            kind: {"endpoints": count, "total_ns": total}
            for kind, (count, total) in figures.failing.items()
        },
        "setup": [_path(path, instances) for path in figures.setup],
        "hold": [_path(path, instances) for path in figures.hold],
        "slack_ns_by_layer": dict(instances.slowest(figures)),
    }
    if figures.setup:
        found["passing_mhz"] = passing_mhz(target.clock_mhz, figures.setup[0].slack)
    return json.dumps(found, indent=1) + "\n"


def power_document(watts: Mapping[str, float]) -> str:
    """power.json: watts as Vivado estimates them without a simulation's activity."""
    return json.dumps({"kind": "estimated by Vivado", "watts": dict(watts)}, indent=1) + "\n"


def _path(path: TimingPath, instances: Instances) -> dict[str, Any]:
    return {
        "slack_ns": path.slack,
        "delay_ns": path.delay,
        "levels": path.levels,
        "from": path.start,
        "to": path.end,
        "in": instances.place(path.end),
    }


def require_met(figures: Figures, target: VendorTarget, instances: Instances, report: Path) -> None:
    """Raises PipelineError unless every path is in time."""
    if figures.met:
        return
    count, total = figures.failing["setup"]
    kind = "setup" if count else "hold"
    if not count:
        count, total = figures.failing["hold"]
    paths = figures.setup if kind == "setup" else figures.hold
    lines = [
        f"implement: the timing is not met at {target.clock_mhz:g} MHz: {count} end points are too "
        f"{'late' if kind == 'setup' else 'early (hold)'}, {-total:.3f} ns together"
    ]
    remedy = "with strategy=speed Vivado works longer for it"
    if paths:
        worst = paths[0]
        lines.append(
            f"  worst path, {-worst.slack:.3f} ns over: from {instances.place(worst.start)} to "
            f"{instances.place(worst.end)}, {worst.delay:.3f} ns, {worst.levels} levels of logic"
        )
        lines += [f"    from {worst.start}", f"    to   {worst.end}"]
        if kind == "setup":
            passes = passing_mhz(target.clock_mhz, worst.slack)
            remedy = f"clock_mhz={passes} would pass as it is routed now; or {remedy}"
    lines += [f"  {remedy}", f"  report: {report}"]
    raise PipelineError("\n".join(lines))
