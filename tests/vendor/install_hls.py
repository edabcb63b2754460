"""Adds a fake Vitis HLS to an installation that `install` made: vitis_hls, from 2025 vitis-run."""

from __future__ import annotations

from pathlib import Path

from tests.vendor.install import FAKE, Failure

LAST_OF_VITIS_HLS = (2024, 2)


def install_hls(vivado: Path, fail: Failure | None = None) -> Path:
    """Returns the folder of the product that has the tool.

    It knows the parts of the fake Vivado.
    """
    version = vivado.name
    new = tuple(map(int, version.split("."))) > LAST_OF_VITIS_HLS
    product, tool = ("Vitis", "vitis-run") if new else ("Vitis_HLS", "vitis_hls")
    folder = vivado.parent.parent / product / version
    (folder / "bin").mkdir(parents=True)
    (folder / "fake").mkdir()
    for path in FAKE.iterdir():
        (folder / "fake" / path.name).write_bytes(path.read_bytes())
    lines = (vivado / "fake" / "options.txt").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("fail.")]
    lines += [f"{name} {value}" for name, value in (fail.options() if fail else [])]
    (folder / "fake" / "options.txt").write_text("\n".join(lines) + "\n")
    program = folder / "bin" / tool
    program.write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$(readlink -f "$0")")\n'
        'exec tclsh "$here/../fake/vitis_hls.tcl" "$@"\n'
    )
    program.chmod(0o755)
    (folder / "settings64.sh").write_text(
        f'export XILINX_HLS="{folder}"\nexport PATH="{folder}/bin:$PATH"\n'
    )
    return folder
