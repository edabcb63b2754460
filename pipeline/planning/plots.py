"""The pictures of a plan, as SVG: the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

_GROUND, _PRUNED, _CHOSEN = "#555", "#1f77b4", "#d62728"


class Point(NamedTuple):
    """A network on a board. what: what it loses, in words."""

    fps: float
    accuracy: float
    lut: int
    what: str


def draw_sensitivity(path: Path, rows: Sequence[tuple[str, float, float]], images: int) -> None:
    """Accuracy against the sparsity of one layer alone, a line for each layer."""
    figure, axes = _figure()
    names = list(dict.fromkeys(name for name, _, _ in rows))
    colours = mpl.colormaps["viridis"]
    for number, name in enumerate(names):
        points = sorted((100 * share, top1) for layer, share, top1 in rows if layer == name)
        axes.plot(
            *zip(*points, strict=True),
            "osD^v"[number % 5] + "-",
            color=colours(number / max(1, len(names) - 1) * 0.9),
            label=name,
            markersize=4,
        )
    axes.set_xlabel("taken out of this layer alone, in %")
    axes.set_ylabel("accuracy in %, measured")
    axes.set_title(f"{images:,} validation images, not fine-tuned", fontsize=10)
    axes.legend(title="layer", fontsize=8)
    _save(figure, path, "sensitivity")


def draw_front(
    path: Path,
    title: str,
    whole: Point | None,
    candidates: Sequence[Point],
    chosen: Point | None,
    wanted: float | None,
) -> None:
    """Accuracy against images per second, with and without pruning.

    wanted: the fps that was asked for. Accuracies are estimated, except that of the whole network.
    """
    figure, axes = _figure()
    fastest = max(p.fps for p in (*candidates, whole, chosen) if p is not None)
    if whole is not None:
        axes.plot([0, whole.fps], [whole.accuracy] * 2, color=_GROUND, linewidth=2)
        axes.plot([whole.fps], [whole.accuracy], "s", color=_GROUND, markersize=8,
                  label="without pruning, at its fastest")  # fmt: skip
        axes.plot([whole.fps, whole.fps], [whole.accuracy, 0], ":", color=_GROUND, linewidth=1)
    if candidates:
        front = sorted(candidates)
        start = [whole] if whole is not None else []
        steps = [*start, *front]
        axes.step([p.fps for p in steps], [p.accuracy for p in steps], "-", where="pre",
                  color=_PRUNED, linewidth=1.5)  # fmt: skip
        axes.plot([p.fps for p in front], [p.accuracy for p in front], "o", color=_PRUNED,
                  label="pruned, accuracy estimated")  # fmt: skip
    if chosen is not None:
        axes.plot([chosen.fps], [chosen.accuracy], "*", color=_CHOSEN, markersize=16,
                  label=f"the plan: {chosen.what}", zorder=5)  # fmt: skip
    if wanted is not None:
        axes.axvline(wanted, color=_CHOSEN, linestyle="--", linewidth=1,
                     label=f"asked for: fps={wanted:g}")  # fmt: skip
    every = [p.accuracy for p in (*candidates, whole, chosen) if p is not None]
    low, high = min(every), max(every)
    room = max(0.5, (high - low) * 0.08)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(0, fastest * 1.06)
    axes.set_xlabel("images per second, estimated")
    axes.set_ylabel("accuracy in %")
    axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, loc="lower left")
    _save(figure, path, "pareto")


def _figure() -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, path: Path, salt: str) -> None:
    # ids that do not change from run to run, and no date
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(path, metadata={"Date": None, "Creator": None})
