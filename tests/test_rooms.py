"""A room imports only from rooms below it: the table is the house, from the ground up."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

HOUSE = (
    "pipeline.errors",
    "specs",
    "pipeline.tools",
    "pipeline.job",
    "pipeline.hardware",
    "pipeline.data",
    "pipeline.models",
    "pipeline.qonnx",
    "pipeline.training",
    "pipeline.export",
    "pipeline.verification",
    "pipeline.streamlining",
    "pipeline.rtl",
    "pipeline.engines",
    "pipeline.folding",
    "pipeline.simulation",
    "pipeline.fifos",
    "pipeline.synthesis",
    "pipeline.evaluation",
    "pipeline.layer_kinds",
    "pipeline.chain",
    "pipeline.flow",
    "dodo",
)
"""From low to high. Two stages side by side pass files to one another; where one imports the
other's tools (a simulated model sizes FIFOs), that one is lower."""


def room(module: str) -> int | None:
    """Its floor; None: not of this project, or the package that holds all rooms."""
    found = [i for i, name in enumerate(HOUSE) if f"{module}.".startswith(f"{name}.")]
    return found[0] if found else None


def imports(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it, and names it takes from a package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = [path for name in ("pipeline", "specs") for path in (ROOT / name).rglob("*.py")]


def test_every_module_is_in_a_room() -> None:
    lost = [module_of(path) for path in FILES if room(module_of(path)) is None]
    assert lost == ["pipeline"], "give a new room its place in HOUSE"
    empty = [name for name in HOUSE if name not in {".".join(module_of(p).split(".")[:2]) for p in
             FILES} | {"specs", "dodo"}]  # fmt: skip
    assert not empty


def test_no_room_imports_a_higher_one() -> None:
    upwards = [
        f"{module_of(path)} imports {name}"
        for path in [*FILES, ROOT / "dodo.py"]
        for name in sorted(imports(path))
        if (at := room(module_of(path))) is not None
        and (floor := room(name)) is not None
        and floor > at
    ]
    assert not upwards
