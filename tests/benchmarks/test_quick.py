"""Each benchmark runs from the command line and prints one table in which nothing is unequal."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("streamlining_speed", "CPU s"),
        ("reference_speed", "images/s"),
        ("luts_against_finn", "synthesised"),
        ("simulation_speed", "cycles/s"),
        ("cnv_against_finn", "estimated"),
        ("cnv_training_speed", "images/s"),
        ("published_networks", "published"),
        ("packing_speed", "pack, images/s"),
        ("dma_ii", "II at AXI"),
        ("unstructured", "synthesised"),
        ("pruning", "estimated"),
        ("thesis_pruning", "estimated"),
    ],
)
def test_a_quick_run_prints_its_table(tmp_path: Path, name: str, shown: str) -> None:
    """From another folder, as a user may; what differs from its peer is told as NO."""
    argv = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
    assert "finn-plus" in done.stdout, "the versions below the table"
    assert " NO " not in done.stdout
    assert str(BENCHMARKS.parent) not in done.stdout
