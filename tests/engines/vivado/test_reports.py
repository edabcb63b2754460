"""Reports of Vivado: read as they are, and refused in words when they are anything else."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines.utilisation import Utilisation
from pipeline.engines.vivado import reports
from pipeline.errors import PipelineError

RPT = """Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.
| Tool Version : Vivado v.2019.1
1. Utilization by Hierarchy
---------------------------

+-----------+--------+------------+------------+---------+------+-------+--------+--------+------------+
|  Instance | Module | Total LUTs | Logic LUTs | LUTRAMs | SRLs |  FFs  | RAMB36 | RAMB18 | DSP Blocks |
+-----------+--------+------------+------------+---------+------+-------+--------+--------+------------+
| cmod7     |  (top) |     212875 |     210949 |    1924 |    2 | 83329 |    116 |     13 |          0 |
|   (cmod7) |  (top) |        162 |        146 |      16 |    0 |   312 |     20 |      1 |          0 |
|   a2owb   |  a2owb |     212713 |     210803 |    1908 |    2 | 83017 |     96 |     12 |          0 |
|     c0    |      c |     212222 |     210312 |    1908 |    2 | 82296 |     96 |     12 |          0 |
+-----------+--------+------------+------------+---------+------+-------+--------+--------+------------+
"""  # fmt: skip  # noqa: E501
"""A report of Vivado as openpower-cores/a2o quotes it in its notes, shortened."""
TSV = (
    "version\t2024.2\nclock\tclk_fpga_0\t10.000\n"
    "path\tsetup\t-0.123\t10.1\t7\tshell/network/fc0/a_reg/C\tshell/network/fc0/b_reg/D\n"
    "failing\tsetup\t2\t-0.200\nfailing\thold\t0\t0.000\ncells\tshell/network/fc0\tMUXF7\t12\n"
)
POWER = """
+--------------------------+--------------+
| Total On-Chip Power (W)  | 1.436        |
| Design Power Budget (W)  | Unspecified* |
| Dynamic (W)              | 1.295        |
| Device Static (W)        | 0.141        |
+--------------------------+--------------+
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "report"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_utilisation_by_hierarchy(tmp_path: Path) -> None:
    assert reports.utilisation(write(tmp_path, RPT)) == {
        "": Utilisation(212875, 83329, 122.5, 0),
        "a2owb": Utilisation(212713, 83017, 102, 0),
        "a2owb/c0": Utilisation(212222, 82296, 102, 0),
    }


@pytest.mark.parametrize("title", ["DSP48 Blocks", "DSPs"])
def test_other_headings_of_other_versions(title: str, tmp_path: Path) -> None:
    assert reports.utilisation(write(tmp_path, RPT.replace("DSP Blocks", title)))[""].lut == 212875


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("Instance", "Object", "no heading 'Instance'"),
        ("Total LUTs", "Total luts", "not one heading 'Total LUTs'"),
        ("     212713", "        -1", "Total LUTs is '-1'"),
        ("     212713", "     21271e", "Total LUTs is '21271e'"),
        ("     212713", " 9999999999", "Total LUTs is '9999999999'"),
        ("|   a2owb  ", "|    a2owb ", "indented as none can be"),
        ("|     c0   ", "|       c0 ", "indented as none can be"),
        ("|   a2owb  ", "| a2owb    ", "indented as none can be"),
        ("|     c0   ", "|   a2owb  ", "is there twice"),
        ("|     96 |     12 |          0 |", "|     96 |     12 |", "cells, and 10 headings"),
    ],
)
def test_a_damaged_report_is_refused(old: str, new: str, why: str, tmp_path: Path) -> None:
    assert old in RPT
    with pytest.raises(PipelineError, match=re.escape(why)):
        reports.utilisation(write(tmp_path, RPT.replace(old, new)))


def test_figures(tmp_path: Path) -> None:
    found = reports.figures(write(tmp_path, TSV))
    assert found.setup[0].slack == -0.123
    assert found.failing == {"setup": (2, -0.2), "hold": (0, 0.0)}
    assert found.cells == {"shell/network/fc0": {"MUXF7": 12}}
    assert not found.met


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("version\t2024.2\n", "", "cut off"),
        ("failing\thold\t0\t0.000\n", "", "cut off"),
        ("-0.123", "nan", "'nan' is no number"),
        ("-0.123", "1e999", "'1e999' is no number"),
        ("\t7\t", "\t-7\t", "'-7' is no count"),
        ("clock\t", "colour\t", "unexpected words"),
        ("\tshell/network/fc0/b_reg/D", "", "unexpected words"),
    ],
)
def test_damaged_figures_are_refused(old: str, new: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=re.escape(why)):
        reports.figures(write(tmp_path, TSV.replace(old, new)))


def test_power(tmp_path: Path) -> None:
    expected = {"total": 1.436, "dynamic": 1.295, "static": 0.141}
    assert reports.power(write(tmp_path, POWER)) == expected
    with pytest.raises(PipelineError, match=r"no Dynamic \(W\)"):
        reports.power(write(tmp_path, POWER.replace("Dynamic", "Static")))
    with pytest.raises(PipelineError, match="there twice"):
        reports.power(write(tmp_path, POWER + POWER))


READERS = {reports.utilisation: RPT, reports.figures: TSV, reports.power: POWER}


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(
    reader: object, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A file with a part replaced by anything ends in numbers or in a PipelineError."""
    text = READERS[reader].encode()  # type: ignore[index]
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, len(text)))
    parts = st.binary(max_size=40) | st.sampled_from([b"|", b"\t", b"\n", b"-", b"9" * 30])
    junk = data.draw(parts)
    path = write(tmp_path_factory.mktemp("hostile"), text[:first] + junk + text[last:])
    with contextlib.suppress(PipelineError):
        reader(path)  # type: ignore[operator]


@given(clock=st.floats(20, 800), slack=st.floats(-20, 20))
def test_the_clock_that_passes(clock: float, slack: float) -> None:
    """It leaves the path time enough, and the next whole number of MHz does not."""
    delay = 1000 / clock - slack
    if delay <= 0.5:
        return
    mhz = reports.passing_mhz(clock, slack)
    assert 1000 / mhz >= delay * (1 - 1e-9) or mhz == 1
    assert 1000 / (mhz + 1) < delay * (1 + 1e-9)
