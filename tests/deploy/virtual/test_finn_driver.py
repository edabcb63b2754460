"""FINN+'s own driver package runs unmodified on a virtual board with our bitfile."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.virtual.environment import ROOT
from tests.deploy.virtual import boards
from tests.deploy.virtual.boards import Files, install, ssh
from tests.deploy.virtual.conftest import Begin

DRIVER = (
    "finn-plus-driver==1.6.1 "
    "--hash=sha256:631bc2761f7f49c1c348683e426fb6a018e1a12244a27748e43e407409d98e16\n"
)
FROM_HERE = ("qonnx", "onnx", "bitstring", "bitarray", "tibs", "google", "ml_dtypes", "packaging")
"""What the driver imports, and FINN+ has brought into this environment already."""
SCRIPT = Path(__file__).with_name("finn_on_board.py")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own: the driver as it is published, beside what it imports."""
    folder = tmp_path_factory.mktemp("finn-driver")
    wanted = folder / "wanted.txt"
    wanted.write_text(DRIVER)
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(uv).exists():
        pytest.skip("no uv on PATH or in .uv")
    done = subprocess.run(
        [uv, "pip", "install", "--python", sys.executable, "--target", folder / "packages",
         "--no-deps", "--require-hashes", "-r", wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"the package index is not reachable: {done.stderr.splitlines()[-1]}")
    for name in FROM_HERE:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            places = list(spec.submodule_search_locations or [str(spec.origin)])
            (folder / "packages" / Path(places[0]).name).symlink_to(places[0])
    # imported by its overlays that plot, which are not used here
    plots = folder / "packages" / "matplotlib"
    plots.mkdir()
    for name in ("__init__.py", "pyplot.py"):
        (plots / name).touch()
    return folder / "packages"


def settings(given: Files) -> dict[str, object]:
    """What FINN+'s MakePYNQDriver would write for this design."""
    shapes: dict[str, object] = {"num_inputs": 1, "num_outputs": 1}
    for side, edge in (("i", given.design.input), ("o", given.design.output)):
        stream = given.design.stream(edge)
        folded = [1, *stream.shape[:-1], stream.shape[-1] // stream.lanes, stream.lanes]
        shapes |= {
            f"{side}dt": [f"DataType['{stream.dtype.name}']"],
            f"{side}dma_names": [f"{side}dma0"],
            f"{side}shape_normal": [[1, *stream.shape]],
            f"{side}shape_folded": [folded],
            f"{side}shape_packed": [[*folded[:-1], -(-stream.width // 8)]],
        }
    return {
        "driver_information": {
            "driver_type": "FINNDMAOverlay",
            "platform": "zynq-iodma",
            "io_shape_dict": shapes,
            "external_weights": False,
            "runtime_weights": False,
            "fclk_mhz": 100.0,
        }
    }


@pytest.mark.parametrize("name", ["Pynq-Z1", "Ultra96"])
def test_finn_s_driver_gets_the_golden_outputs(
    begin: Begin, request: pytest.FixtureRequest, packages: Path, tmp_path: Path, name: str
) -> None:
    given: Files = request.getfixturevalue(name.lower().replace("-", "_"))
    board = begin(name)
    install(board, given)
    stream = given.design.stream(given.design.input)
    images = boards.IMAGES.reshape(-1, *stream.shape)
    kind = np.int8 if stream.dtype.min < 0 else np.uint8
    home = board.root / "home" / "xilinx"
    np.save(home / "images.npy", images.astype(kind))
    (home / "settings.json").write_text(json.dumps(settings(given)))
    shutil.copy(SCRIPT, home)
    done = ssh(
        board,
        "sudo -S -p '' -i python3 finn_on_board.py "
        f"'{packages}' accelerator.bit settings.json images.npy",
        b"xilinx\n",
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout.splitlines()[-1])
    assert bytes.fromhex(found["packed"]) == boards.packed(given.design).tobytes()
    assert found["shape"] == list(boards.OUTPUTS.shape)
    np.testing.assert_array_equal(np.array(found["outputs"]), boards.OUTPUTS)
