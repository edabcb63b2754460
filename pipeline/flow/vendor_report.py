"""`./doit report-vivado`: what the vendor's tools left of a unit, in one archive to be shared.

It holds logs, reports, versions and the digests of the plans, without what tells of the machine:
no paths, names, licences, addresses. It is the same, byte for byte, on any machine with the same
logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline import ROOT
from pipeline.diagnosis import all_rules, diagnose, explanation, lines
from pipeline.diagnosis.redaction import Redactor, this_machine
from pipeline.errors import PipelineError
from pipeline.flow import state
from pipeline.flow.task import build_folder
from pipeline.flow.variables import Settings
from pipeline.packaging.archive import write

ENDINGS = (".csv", ".log", ".rpt", ".tcl", ".txt", ".vdi", ".vds", ".xdc")
"""What is shared. JSON files of ours are written anew, since they name paths as values."""
DOCUMENTS = ("power.json", "timing.json", "folding.json", "utilisation.json")
_WORK = re.compile(r"/vivado/((?:finn-)?[0-9a-f]{64})")
"""The work folder of a plan, as the kept command of a run names it."""
_MOST_LINES = 100_000
_MOST_FILES = 900
_LONGEST_NAME = 90
_README = """\
What the vendor's tools left of one build of a quantised neural network.

It was packed by ./doit report-vivado. Paths, names of users and machines, licences, addresses and
serial numbers were taken out; names of networks and layers are in it. Look at it before you share
it. report.json has the versions, the digests of the plans, and what the log doctor saw.
"""


def report(unit: str, settings: Settings) -> Path:
    """Packs the report of one unit; returns its path. Raises PipelineError if nothing is there."""
    build = build_folder(settings)
    redactor = Redactor(this_machine(settings.model_dump(), build, ROOT))
    rules = all_rules(Path(settings.rules) if settings.rules else None)
    digests: dict[str, str] = {}
    texts: dict[str, str] = {}
    told: dict[str, list[str]] = {}
    versions: set[str] = set()
    for name, path in _files(build, unit, digests):
        kept = list(lines(path))
        if len(kept) > _MOST_LINES:
            kept = [*kept[: _MOST_LINES // 4], "[...]", *kept[-3 * _MOST_LINES // 4 :]]
        versions |= {found[0] for line in kept[:200] if (found := _VERSION.search(line))}
        place = redactor.name(name)[:_LONGEST_NAME]
        texts[place] = "".join(f"{redactor.text(line)}\n" for line in kept)
        if path.suffix == ".log":
            told[place] = redactor.text(explanation(diagnose(kept, rules), place)).splitlines()[1:]
    if not texts:
        raise PipelineError(
            f"{unit}: no tool of the vendor has run for it yet; "
            "build it with engine=vivado first, also if it fails"
        )
    document = {
        "schema_version": 1,
        "unit": redactor.text(unit),
        "vendor": sorted(versions),
        "tools": _tools(build / unit),
        "plans": digests,
        "seen": told,
    }
    files = {name: text.encode() for name, text in texts.items()}
    files["report.json"] = (
        json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    ).encode()
    files["README.txt"] = _README.encode()
    target = build / unit / "vivado-report.tar"
    write(target, files)
    return target


_VERSION = re.compile(r"(Vivado|Vitis HLS|Vitis)( -[^v]*)? v\d{4}\.\d(\.\d)? \(64-bit\)")


def _files(build: Path, unit: str, digests: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """The files of the unit's stages that ran a vendor's tool, and of their work folders.

    digests: gets the digest of each plan, by the log that names it.
    """
    count = 0
    for folder in sorted((build / unit).glob("*")):
        runs = {
            found[1]: script
            for script in sorted(folder.rglob("logs/*.sh"))
            for found in _WORK.finditer(_text(script))
        }
        if not runs:
            continue
        stage = folder.name
        for digest, script in runs.items():
            digests[f"{stage}/{script.name.removesuffix('.log.sh')}"] = digest
        places = {stage: folder}
        for digest, script in runs.items():
            work = build / ".cache" / "vivado" / digest
            places[
                f"work/{script.name.removesuffix('.log.sh')}-{digest.removeprefix('finn-')[:8]}"
            ] = work
        for name, place in places.items():
            for path in sorted(place.rglob("*")):
                wanted = path.suffix in ENDINGS or path.name in DOCUMENTS
                if wanted and path.is_file() and not path.is_symlink() and count < _MOST_FILES:
                    count += 1
                    yield f"{name}/{path.relative_to(place).as_posix()}", path


def _text(path: Path) -> str:
    return "\n".join(lines(path)) if path.is_file() else ""


def _tools(folder: Path) -> dict[str, str]:
    """The versions of our own tools, of the stage that ran last."""
    found: dict[str, str] = {}
    for stage in sorted(folder.glob("*/")):
        record = state.run_record(stage)
        if record is not None:
            found |= {**record.tools, "python": record.python}
    return found
