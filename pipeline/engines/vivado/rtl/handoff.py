"""accelerator.hwh of a design that Vivado made: our description, with Vivado's processing system.

Vivado's own file is not for pynq: its ways to our shell end at ports of the block design, and
pynq's parser knows only modules (KeyError in pynqmetadata 0.3). And it is a file from outside. So
only the parameters of the processing system are taken from it: pynq sets clocks and ports by them.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as Xml

from pipeline.errors import PipelineError
from pipeline.rtl.shell.hwh import hwh
from pipeline.tools.files import content
from specs.vivado import VendorTarget

_MOST_BYTES = 32 << 20
_PROCESSORS = {"zynq-7000": "processing_system7", "zynq-us+": "zynq_ultra_ps_e"}
_NAME, _VALUE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}"), re.compile(r"[^\x00-\x1f]{0,500}")


def handoff(path: Path, target: VendorTarget) -> bytes:
    """The description for pynq of the design whose hwh Vivado wrote at `path`.

    Raises PipelineError if that has not exactly one processing system, of the target's family.
    """
    found = _parameters(path, _PROCESSORS[target.family])
    text = hwh(target.part, target.family, target.clock_mhz, target.memory_port_bits, found)
    return text.encode()


def _parameters(path: Path, processor: str) -> dict[str, str]:
    data = content(path, _MOST_BYTES)
    if data is None:
        raise PipelineError(f"{path}: no such file, or larger than {_MOST_BYTES >> 20} MiB")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise PipelineError(f"{path}: not Vivado's: it declares entities")
    try:
        root = Xml.fromstring(data)  # noqa: S314 - without entities there is nothing to expand
    except Xml.ParseError as error:
        raise PipelineError(f"{path}: no valid XML: {error}") from None
    modules = [module for module in root.iter("MODULE") if module.get("MODTYPE") == processor]
    if len(modules) != 1:
        raise PipelineError(f"{path}: {len(modules)} modules {processor}, and one is expected")
    entries = modules[0].findall("PARAMETERS/PARAMETER")
    found = {entry.get("NAME", ""): entry.get("VALUE", "") for entry in entries}
    return {
        name: value
        for name, value in found.items()
        if _NAME.fullmatch(name) and _VALUE.fullmatch(value)
    }
