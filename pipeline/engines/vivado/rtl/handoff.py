"""accelerator.hwh: Vivado's description of the hardware, with our DMAs named in it.

Vivado sees one port to our registers. pynq finds a DMA by its name, so each page of the registers
gets a module and a range of its own, as in FINN's shell: FINN's own driver works with our bitfile.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from pipeline.errors import PipelineError
from pipeline.rtl.shell import registers
from pipeline.tools.files import content

_MOST_BYTES = 32 << 20
_PROCESSORS = ("processing_system7", "zynq_ultra_ps_e")


def with_slaves(path: Path, family: str) -> bytes:
    """The content of Vivado's file `path`, with the slaves of our register map."""
    found = content(path, _MOST_BYTES)
    if found is None:
        raise PipelineError(f"{path}: no such file, or larger than {_MOST_BYTES >> 20} MiB")
    if b"<!DOCTYPE" in found or b"<!ENTITY" in found:
        raise PipelineError(f"{path}: not Vivado's: it declares entities")
    try:
        root = Xml.fromstring(found)  # noqa: S314 - without entities there is nothing to expand
    except Xml.ParseError as error:
        raise PipelineError(f"{path}: no valid XML: {error}") from None
    modules = root.find("MODULES")
    processors = [module for module in root.iter("MODULE") if module.get("MODTYPE") in _PROCESSORS]
    if modules is None or len(processors) != 1:
        raise PipelineError(f"{path}: not the description of one processing system's design")
    ranges = processors[0].find("MEMORYMAP")
    if ranges is None:
        ranges = Xml.SubElement(processors[0], "MEMORYMAP")
    for name, kind, page in registers.SLAVES:
        base = registers.BASE[family] + page
        Xml.SubElement(
            ranges,
            "MEMRANGE",
            ADDRESSBLOCK="Reg",
            BASENAME="C_BASEADDR",
            BASEVALUE=f"0x{base:08X}",
            HIGHNAME="C_HIGHADDR",
            HIGHVALUE=f"0x{base + registers.PAGE - 1:08X}",
            INSTANCE=name,
            IS_DATA="TRUE",
            IS_INSTRUCTION="TRUE",
            MASTERBUSINTERFACE="M_AXI_GP0",
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE="s_axi_control",
        )
        module = Xml.SubElement(
            modules,
            "MODULE",
            FULLNAME=f"/{name}",
            INSTANCE=name,
            IPTYPE="PERIPHERAL",
            IS_PL="TRUE",
            MODTYPE=kind,
            VLNV=f"qnn:accelerator:{kind}:1.0",
        )
        Xml.SubElement(module, "PARAMETERS")
        interfaces = Xml.SubElement(module, "BUSINTERFACES")
        Xml.SubElement(
            interfaces,
            "BUSINTERFACE",
            BUSNAME="control",
            DATAWIDTH="32",
            NAME="s_axi_control",
            TYPE="SLAVE",
            VLNV="xilinx.com:interface:aximm:1.0",
        )
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"
