"""Draws the picture and the tables of docs/architecture.md from the code: `python docs/house.py`.

A test fails if they are out of date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

PAGE, PICTURE = ROOT / "docs" / "architecture.md", ROOT / "docs" / "architecture.svg"

HOUSE = {
    "errors": "what a user reads",
    "specs": "what users declare",
    "tools": "external programs",
    "job": "what a stage sees",
    "diagnosis": "root cause of a log",
    "hardware": "layers, reference",
    "data": "data sets",
    "models": "torch modules",
    "qonnx": "other people's files",
    "training": "stage train",
    "pruning": "stage prune",
    "export": "stage export",
    "verification": "equal, mutants",
    "streamlining": "stage streamline",
    "rtl": "Verilog; stage rtl",
    "engines": "costs, synthesis",
    "folding": "search; stage fold",
    "outline": "before training",
    "planning": "prune × fold: a plan",
    "simulation": "stage simulate",
    "fifos": "stage fifos",
    "synthesis": "stage synth",
    "implementation": "stage implement",
    "driver": "stage driver",
    "packaging": "stage package",
    "evaluation": "stages evaluate",
    "deploy": "boards, verdict",
    "layer_kinds": "table of entries",
    "chain": "which stages exist",
    "flow": "units, tasks, doit",
    "dodo": "the task graph",
}
"""Every room from the lowest to the highest, and what it is for. A room imports only from rooms
before it in this list.

Stages only pass files to one another, with few exceptions: where a stage uses another's code (fifos
simulates the design), that other stage comes first.
"""

_WIDE, _HIGH, _APART, _DOWN, _EDGE = 148, 44, 16, 62, 24
_GROUND = ("errors", "specs", "job", "tools")
"""Rooms that all others use. Their arrows are left out, since they would hide the others."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str | None:
    """The room of a module; None: not of this project, or the package that holds all rooms."""
    parts = module.split(".")
    name = parts[1] if parts[0] == "pipeline" and len(parts) > 1 else parts[0]
    return name if name in HOUSE else None


def imports(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it, with the names it takes from each."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def files() -> list[Path]:
    found = [
        path for name in ("pipeline", "specs", "deploy") for path in (ROOT / name).rglob("*.py")
    ]
    return [*sorted(found), ROOT / "dodo.py"]


def arrows() -> set[tuple[str, str]]:
    """From each room to those it imports from."""
    return {
        (above, below)
        for path in files()
        if (above := room(module_of(path))) is not None
        for name in imports(path)
        if (below := room(name)) is not None and below != above
    }


def direct(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those that no way over a third room stands for."""
    below: dict[str, set[str]] = {name: set() for name in HOUSE}
    for name in HOUSE:  # from the ground up
        for _, under in sorted(pair for pair in pairs if pair[0] == name):
            below[name] |= {under, *below[under]}
    return {
        (a, b) for a, b in pairs if not any(b in below[c] for x, c in pairs if x == a and c != b)
    }


def floors(pairs: set[tuple[str, str]]) -> list[list[str]]:
    """Rooms by floor, the top first: each just above the highest of those it stands on."""
    at: dict[str, int] = {}
    for name in HOUSE:
        at[name] = 1 + max((at[b] for a, b in pairs if a == name), default=-1)
    return [[x for x in HOUSE if at[x] == floor] for floor in range(max(at.values()), -1, -1)]


def picture() -> str:
    """The rooms and their arrows, as SVG."""
    pairs = direct({(a, b) for a, b in arrows() if b not in _GROUND and a not in _GROUND})
    named = {("chain", name) for name in _stage_rooms()}  # by text, so that nothing heavy is loaded
    rows = [[x for x in row if x not in _GROUND] for row in floors(pairs | named)]
    rows = [*(row for row in rows if row), list(_GROUND)]
    width = max(len(row) for row in rows) * (_WIDE + _APART) - _APART + 2 * _EDGE
    height = len(rows) * (_HIGH + _DOWN) - _DOWN + 2 * _EDGE
    places: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        left = (width - len(row) * (_WIDE + _APART) + _APART) / 2
        for column, name in enumerate(row):
            places[name] = (left + column * (_WIDE + _APART), _EDGE + number * (_HIGH + _DOWN))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            'role="img" aria-labelledby="title" font-family="sans-serif">',
            '<title id="title">The rooms of the pipeline; an arrow leads to a room that is '
            "imported from. All use the lowest four; chain names the stages below it.</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#678"/></marker></defs>',
            *(_arrow(places[a], places[b]) for a, b in sorted(pairs)),
            *(_box(name, *places[name]) for row in rows for name in row),
            "</svg>",
            "",
        ]
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    x0, y0, x1 = x0 + _WIDE / 2, y0 + _HIGH, x1 + _WIDE / 2
    bend = (y1 - y0) / 2
    return (
        f'<path d="M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1 - 2:g}" '
        'fill="none" stroke="#678" stroke-width="1.3" marker-end="url(#tip)"/>'
    )


def _box(name: str, x: float, y: float) -> str:
    fill = "#eef3e6" if name in _GROUND else "#e8eef6"
    middle = x + _WIDE / 2
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDE}" height="{_HIGH}" rx="6" fill="{fill}" '
        f'stroke="#345"/><text x="{middle:g}" y="{y + 18:g}" text-anchor="middle" font-size="14" '
        f'font-weight="bold" fill="#123">{escape(name)}</text><text x="{middle:g}" '
        f'y="{y + 35:g}" text-anchor="middle" font-size="11.5" fill="#345">'
        f"{escape(HOUSE[name])}</text>"
    )


def tables() -> dict[str, str]:
    """Markdown tables by the name of the place they go to."""
    return {"chain": "\n".join(_chain()), "kinds": "\n".join(_kinds())}


def _stage_rooms() -> set[str]:
    from pipeline.chain import ASKED, STAGES  # noqa: PLC0415

    return {name for x in (*STAGES, *ASKED) if (name := room(x.module)) is not None}


def _chain() -> Iterator[str]:
    from pipeline.chain import ASKED, STAGES  # noqa: PLC0415 - the test reads HOUSE alone

    yield "| stage | works on a | folder | reads the files of | reads of the specs |"
    yield "| --- | --- | --- | --- | --- |"
    for stage in (*STAGES, *ASKED):
        folder = stage.module.replace(".", "/")
        specs = ", ".join(f"`{path}`" for path in stage.reads) or "nothing"
        needs = ", ".join(stage.needs) or "no stage"
        yield f"| `{stage.name}` | {stage.scope} | `{folder}` | {needs} | {specs} |"


def _kinds() -> Iterator[str]:
    from pipeline.hardware.layers import KINDS  # noqa: PLC0415
    from pipeline.layer_kinds import ENTRIES  # noqa: PLC0415

    yield f"| kind | {' | '.join(ENTRIES)} |"
    yield f"| --- {'| --- ' * len(ENTRIES)}|"
    yield f"| in | {' | '.join(f'`{file}`' for file, _ in ENTRIES.values())} |"
    for kind in KINDS:
        cells = [_entry(entries[kind]) for _, entries in ENTRIES.values()]
        yield f"| `{kind}` | {' | '.join(cells)} |"


def _entry(value: object) -> str:
    return f"`{getattr(value, '__name__', type(value).__name__)}`"


def page(text: str) -> str:
    """The page with its tables anew: what stands between `<!-- name -->` and `<!-- end -->`."""
    for name, table in tables().items():
        before, _, rest = text.partition(f"<!-- {name} -->")
        _, _, after = rest.partition("<!-- end -->")
        text = f"{before}<!-- {name} -->\n{table}\n<!-- end -->{after}"
    return text


if __name__ == "__main__":
    PICTURE.write_text(picture())
    PAGE.write_text(page(PAGE.read_text()))
