"""Runs FINN's own generator of its Zynq shell, with the fake Vivado.

`python -m tests.vendor.finn_shell <work> <platform>...` leaves a project for each platform.

FINN's MakeZYNQProject writes the Tcl and starts Vivado. The partitions that it joins are given as
its CreateStitchedIP leaves them: an input DMA, an accelerator and an output DMA, whose ports have
the width that FINN's own table says. It needs a process of its own: FINN changes the interpreter.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipeline.streamlining.finn import bootstrap

CONTROL_BITS = 6
"""Bits of the address of an IODMA's registers: Vitis HLS gives it 0x00 to 0x24."""


def main(work: Path, platforms: list[str]) -> None:
    """Writes <platform>.txt: the folder of FINN's Vivado project."""
    bootstrap(work)
    from finn.transformation.fpgadataflow.make_zynq_proj import MakeZYNQProject
    from finn.util.basic import pynq_native_port_width

    for platform in platforms:
        model = _linked(work / platform, pynq_native_port_width[platform])
        model = model.transform(MakeZYNQProject(platform, 10))
        (work / f"{platform}.txt").write_text(model.get_metadata_prop("vivado_pynq_proj"))


def _linked(work: Path, width: int) -> Any:
    """FINN's graph of partitions: input DMA, accelerator, output DMA."""
    from onnx import helper
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.basic import qonnx_make_model

    tensors = [helper.make_tensor_value_info(f"t{k}", 1, [1, 8]) for k in range(4)]
    nodes = []
    for k, (reads, writes) in enumerate([(True, False), (False, False), (False, True)]):
        kernel = ModelWrapper(
            qonnx_make_model(helper.make_graph([], "kernel", [tensors[k]], [tensors[k]]))
        )
        name = f"StreamingDataflowPartition_{k}"
        interfaces: dict[str, Any] = {
            "clk": ["ap_clk"],
            "rst": ["ap_rst_n"],
            "s_axis": [] if reads else [["s_axis_0", 8]],
            "m_axis": [] if writes else [["m_axis_0", 8]],
            "aximm": [["m_axi_gmem0", width]] if reads or writes else [],
            "axilite": ["s_axi_control_0"] if reads or writes else [],
            "ap_none": [],
        }
        place = work / name
        (place / "ip").mkdir(parents=True)
        (place / "ip" / "component.xml").write_text(_component(name, interfaces))
        kernel.set_metadata_prop("vivado_stitch_proj", str(place))
        kernel.set_metadata_prop("vivado_stitch_vlnv", f"xilinx_finn:finn:{name}:1.0")
        kernel.set_metadata_prop("vivado_stitch_ifnames", json.dumps(interfaces))
        kernel.save(str(place / "kernel.onnx"))
        nodes.append(
            helper.make_node(
                "StreamingDataflowPartition",
                [f"t{k}"],
                [f"t{k + 1}"],
                name=name,
                domain="finn.custom_op.fpgadataflow",
                model=str(place / "kernel.onnx"),
            )
        )
    graph = helper.make_graph(nodes, "linked", [tensors[0]], [tensors[3]], value_info=tensors[1:3])
    return ModelWrapper(qonnx_make_model(graph))


def _component(name: str, interfaces: dict[str, Any]) -> str:
    """component.xml of a stitched IP: its name, and its interfaces with their widths."""
    found: list[tuple[str, str, str, dict[str, Any]]]
    found = [(clk, "clock", "slave", {}) for clk in interfaces["clk"]]
    found += [(rst, "reset", "slave", {}) for rst in interfaces["rst"]]
    found += [(port, "axis", "slave", {}) for port, _ in interfaces["s_axis"]]
    found += [(port, "axis", "master", {}) for port, _ in interfaces["m_axis"]]
    found += [
        (port, "aximm", "master", {"PROTOCOL": "AXI4", "DATA_WIDTH": bits, "ADDR_WIDTH": 64})
        for port, bits in interfaces["aximm"]
    ]
    lite = {"PROTOCOL": "AXI4LITE", "DATA_WIDTH": 32, "ADDR_WIDTH": CONTROL_BITS}
    found += [(port, "aximm", "slave", lite) for port in interfaces["axilite"]]
    lines = [
        "<spirit:component>",
        "<spirit:vendor>xilinx_finn</spirit:vendor><spirit:library>finn</spirit:library>",
        f"<spirit:name>{name}</spirit:name><spirit:version>1.0</spirit:version>",
    ]
    for port, kind, mode, parameters in found:
        values = "".join(
            f"<spirit:parameter><spirit:name>{key}</spirit:name>"
            f"<spirit:value>{value}</spirit:value></spirit:parameter>"
            for key, value in parameters.items()
        )
        lines.append(
            f"<spirit:busInterface><spirit:name>{port}</spirit:name>"
            f'<spirit:busType spirit:name="{kind}"/><spirit:{mode}/>{values}</spirit:busInterface>'
        )
    return "\n".join([*lines, "</spirit:component>"]) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
