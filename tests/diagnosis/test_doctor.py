"""The root cause out of real logs; by how much, where, and which layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.diagnosis import Diagnosis, diagnose, lines

LOGS = Path(__file__).with_name("logs")
ROOTS = {
    "overflow": "overflow",
    "timing": "timing",
    "y2k22": "y2k22",
    "drivers": "multiple_drivers",
    "killed": "killed",
    "dataflow": "dataflow",
    "licence": "licence",
    "module": "module_missing",
    "part": "part",
}


def layers(path: str) -> str | None:
    first = path.split("/")
    return first[1] if len(first) > 1 and first[1].startswith("layer_") else None


def told(name: str) -> Diagnosis:
    return diagnose(lines(LOGS / f"{name}.log"))


@pytest.mark.parametrize("name", ROOTS)
def test_the_root_cause_of_a_real_log(name: str) -> None:
    root = told(name).root
    assert root is not None
    assert root.rule.name == ROOTS[name]


def test_each_resource_that_overflows_is_told() -> None:
    root = told("overflow").root
    assert root is not None
    assert root.causes == (
        "The design does not fit: it needs 144 RAMB36/FIFO, and the part has 140.",
        "The design does not fit: it needs 384 RAMB18 and RAMB36/FIFO, and the part has 280.",
    )


def test_timing_says_by_how_much_where_and_which_clock_would_pass() -> None:
    root = told("timing").root
    assert root is not None
    assert root.causes == (
        "The clock is too fast for the design.",
        "The slowest path misses its 8.828 ns by 0.292 ns: from "
        "VexRiscv_G/decode_to_execute_SRC1_CTRL_reg[1]/C to "
        "VexRiscv_G/IBusCachedPlugin_cache/ways_0_tags_reg/ADDRARDADDR[8].",
        "113.28 MHz were asked for; 109 MHz would pass.",
    )
    assert 1000 / 109 > 8.828 + 0.292, "the clock that it names does pass"


def test_timing_names_the_layers() -> None:
    found = diagnose(
        [
            "Slack (MET) :             0.100ns  (required time - arrival time)",
            "  Source:                 network/layer_9/x_reg/C",
            "Slack (VIOLATED) :        -2.500ns  (required time - arrival time)",
            "  Source:                 network/layer_3/acc_reg[7]/C",
            "  Destination:            network/layer_4/sum_reg[1]/D",
            "  Requirement:            10.000ns  (clk rise@10.000ns - clk rise@0.000ns)",
            "Slack (VIOLATED) :        -1.500ns  (required time - arrival time)",
            "  Source:                 network/layer_7/acc_reg[7]/C",
        ],
        names=layers,
    )
    assert found.root is not None
    assert found.root.causes[2:] == (
        "It begins in layer layer_3.",
        "It ends in layer layer_4.",
        "100 MHz were asked for; 80 MHz would pass.",
    )


def test_overflow_names_the_layer_that_takes_most() -> None:
    report = list(lines(LOGS / "hierarchical.rpt"))
    overflow = (
        "ERROR: [Place 30-640] Place Check : This design requires more {} cells than are available "
        "in the target device. This design requires 60002 of such cell types but only 53200 "
        "compatible sites are available in the target device."
    )
    for resource, most in (
        ("Slice LUTs", "layer_1: 47000"),
        ("LUT as Distributed RAM", "layer_1: 10000"),
        ("RAMB18 and RAMB36/FIFO", "layer_0: 90"),
        ("DSPs", None),
    ):
        root = diagnose([*report, overflow.format(resource)], names=layers).root
        assert root is not None
        last = root.causes[-1]
        assert last == (f"Most of it is in layer {most}." if most else root.causes[0])


def test_a_cell_that_only_looks_like_a_number_is_none() -> None:
    report = ["| Instance | Module | Total LUTs |", "| top | top | 3 |", "|  a | b | \u00b2 |"]
    overflow = (
        "ERROR: [Place 30-640] Place Check : This design requires more Slice LUTs cells than are "
        "available in the target device. This design requires 9 of such cell types but only 2 "
        "compatible sites are available in the target device."
    )
    assert diagnose([*report, overflow], names=lambda path: path or None).root is not None


def test_critical_warnings_are_told_or_counted() -> None:
    found = diagnose(
        [
            *lines(LOGS / "timing.log"),
            "CRITICAL WARNING: [Common 17-55] 'set_property' expects at least one object.",
            "CRITICAL WARNING: [Foo 1-2] anything",
            "CRITICAL WARNING: [Foo 1-2] anything else",
            "WARNING: [Synth 8-7080] Parallel synthesis criteria is not met",
        ]
    )
    assert [finding.rule.name for finding in found.warnings] == ["constraint_lost"]
    assert found.others == {"[PSU-1]": 1, "[Foo 1-2]": 2}
    assert found.counts == {"CRITICAL WARNING": 5, "WARNING": 1}


def test_an_unknown_error_before_what_follows_is_the_cause() -> None:
    found = diagnose(
        ["ERROR: [Foo 1-2] new", "ERROR: [Common 17-39] 'x' failed due to earlier errors."]
    )
    assert found.root is None
    assert found.unknown == "ERROR: [Foo 1-2] new"
    alone = diagnose(["ERROR: [Common 17-39] 'x' failed due to earlier errors."])
    assert alone.root is not None
    assert "runme.log" in alone.root.remedy


def test_the_echo_of_a_script_is_no_message() -> None:
    for found in (told("echo"), diagnose(['#   puts "No space left on device"'])):
        assert not found.counts
        assert found.root is None
