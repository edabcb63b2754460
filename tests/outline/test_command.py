"""`./doit` refuses a user's own network, or a speed, before the first epoch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.hardware import graph as hardware
from tests.outline import own_networks


def toml(folder: Path, function: str) -> str:
    shutil.copy(own_networks.__file__, folder / "nets.py")
    path = folder / f"{function}.toml"
    path.write_text(
        f'name = "{function}"\ndataset = "digits"\n[input]\nshape = [8, 8, 1]\n[model]\n'
        f'family = "factory"\nfile = "nets.py"\nfunction = "{function}"\nclasses = 10\n'
        '[training]\nepochs = 2\nloss = "cross_entropy"\nlearning_rate = 0.01\n'
    )
    return f"network={path}"


def doit(build: Path, *words: str) -> tuple[int, str]:
    """The exit code, and what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "doit", *words],
        cwd=ROOT,
        env={**os.environ, "PIPELINE_BUILD_DIR": str(build)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("function", "words", "told"),
    [
        ("leaky", ("build",), "LeakyRelu_0 (LeakyRelu, layer 4, [1, 16] -> [1, 16])"),
        ("last_batch_norm", ("train",), 'Use output = "logits"'),
        ("plain", ("build", "fps=1000000000"), "fold: fps=1000000000 at 100 MHz needs an II of at"),
    ],
)
def test_it_is_refused_before_the_first_epoch(
    tmp_path: Path, function: str, words: tuple[str, ...], told: str
) -> None:
    code, said = doit(tmp_path / "build", *words, toml(tmp_path, function))
    assert code == 1, said
    assert told in said
    assert "Traceback" not in said
    assert not [*(tmp_path / "build").glob("*/train*")], "no epoch, and no job of one"


def test_what_can_be_built_is_trained_and_proved_equal(tmp_path: Path) -> None:
    words = ("streamline", toml(tmp_path, "input_quantisers"))
    code, said = doit(tmp_path / "build", *words)
    assert code == 0, said
    ran = [line.split()[1] for line in said.splitlines() if line.startswith("ran ")]
    assert ran == ["data", "outline", "train", "export", "streamline"]
    outlined, streamlined = (
        [layer.id for layer in hardware.load(path.parent).layers]
        for stage in ("outline", "streamline")
        for path in (tmp_path / "build").glob(f"*/{stage}/hardware.json")
    )
    assert outlined == streamlined
