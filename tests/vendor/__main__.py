"""`python -m tests.vendor FOLDER [VERSION]` installs stand-ins of the vendor tools, to try them."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.vendor.install import install
from tests.vendor.install_hls import install_hls


def main(folder: Path, version: str = "2024.2") -> None:
    """Installs fakes of Vivado, of Vitis HLS and of the libraries that FINN needs beside them."""
    vivado = install(folder, version)
    install_hls(vivado)
    deps = folder / "finn_deps"
    (deps / "finn-hlslib").mkdir(parents=True)
    (deps / "finn-hlslib" / "bnn-library.h").write_text("// empty\n")
    (deps / "board_files").mkdir()
    print(f"fakes, which make nothing for an FPGA: vivado={vivado} finn_deps={deps}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or Path(sys.argv[1]).exists():
        sys.exit(
            "usage: python -m tests.vendor FOLDER [VERSION], with a folder that does not exist"
        )
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
