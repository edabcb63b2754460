"""`./doit explain` for any file, and `./doit report-vivado`: the same anywhere, without secrets."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from pipeline import ROOT
from pipeline.errors import PipelineError, SpecError
from pipeline.flow import variables
from pipeline.flow.variables import Settings
from pipeline.flow.vendor_report import report
from pipeline.flow.vendor_tasks import explain

LOGS = Path(__file__).with_name("logs")
UNIT = "tfc_1w1a@Pynq-Z1.vivado"
DIGEST = "0123456789abcdef" * 4


def test_explain_prints_what_each_log_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIPELINE_CWD", str(LOGS))
    (tmp_path / "binary").write_bytes(os.urandom(5000))
    own = tmp_path / "rules.toml"
    own.write_text('[[rule]]\nname="a"\npattern="exiting"\ncause="Ours."\nremedy="None."\n')
    names = ["part.log", str(LOGS / "killed.log"), str(tmp_path / "binary")]
    assert explain(Settings(), names) is None
    out = capsys.readouterr().out
    assert "part.log:\n  cause: This installation does not have the part." in out
    assert "cause: The tool was killed from outside" in out
    assert "binary:\n  no error is in it that a rule knows" in out
    own.write_text(own.read_text().replace("exiting", "Command failed"))
    assert explain(Settings(rules=str(own)), ["part.log"]) is None
    assert "cause: Ours." in capsys.readouterr().out


def test_explain_tells_what_it_cannot_read_and_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failed = explain(Settings(), [str(tmp_path / "no"), str(LOGS / "part.log"), str(tmp_path)])
    assert failed is not None
    assert failed.get_msg().splitlines() == [
        f"{tmp_path / 'no'}: no such file",
        f"{tmp_path}: cannot be read: a folder, not a file",
    ]
    assert "does not have the part" in capsys.readouterr().out
    none = explain(Settings(), [])
    assert none is not None
    assert "names no log" in none.get_msg()


def test_explain_is_a_command() -> None:
    done = subprocess.run(
        [ROOT / "doit", "explain", LOGS / "part.log"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cause: This installation does not have the part." in done.stdout


def test_wrong_rules_are_told_by_any_command(tmp_path: Path) -> None:
    own = tmp_path / "rules.toml"
    own.write_text('[[rule]]\nname="a"\npattern="("\ncause="x"\nremedy="y"\n')
    with pytest.raises(
        SpecError, match=r"rules.toml: rule.0.pattern = '\(': no regular expression"
    ):
        variables.settings({"rules": str(own)})


def machine(root: Path, user: str, host: str) -> Settings:
    """A build folder on one machine, with a vendor's run that failed and one that did not."""
    build = root / user / "qnn" / "build"
    work = build / ".cache" / "vivado" / DIGEST
    tool = root / "software" / "Vivado" / "2024.2"
    for stage, ended in (("synth", "Exiting"), ("implement.partial", "ERROR: [New 1-2] x")):
        logs = build / UNIT / stage / "logs"
        logs.mkdir(parents=True)
        (logs / "run.log").write_text(
            "****** Vivado v2024.2 (64-bit)\n"
            f"# Running On        :{host}\n# Current directory: {work}\n"
            f"source {tool}/scripts/x.tcl, by {user}@{host}, license file: {root}/{user}/x.lic\n"
            f"{ended}\n"
        )
        (logs / "run.log.sh").write_text(f"#!/bin/sh\ncd {work} && bash {work}/.run/run.sh\n")
    (build / UNIT / "synth" / "utilisation.csv").write_text("layer,lut\ntotal,1\n")
    (build / UNIT / "synth.job.json").write_text(json.dumps({"settings": {"licence": "1@x"}}))
    (build / UNIT / "fold" / "logs").mkdir(parents=True)
    (build / UNIT / "fold" / "logs" / "git.log").write_text("no tool of the vendor\n")
    # what FINN left: its shims' runs have their logs in the work folder
    finn = build / ".cache" / "vivado" / f"finn-{DIGEST}"
    (finn / "logs").mkdir(parents=True)
    (finn / "logs" / "hls.MVAU_hls_0.log").write_text("No space left on device\n")
    script = build / UNIT / "synth" / "logs" / "finn.log.sh"
    script.write_text(f"cd {finn} && python -m pipeline {finn}\n")
    work.mkdir(parents=True)
    (work / "timing.rpt").write_text(f"| Host         : {host} running 64-bit\n| Design : shell\n")
    (work / "synth.dcp").write_bytes(b"\0" * 100)
    (work / "synth.tcl").write_text(f"read_verilog {build}/{UNIT}/rtl/accelerator.v\n")
    return Settings(build_dir=str(build), vivado=str(tool), licence=f"2100@{host}")


def test_a_report_is_the_same_anywhere_and_tells_nothing_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for user, host in (("wilhelmina", "blade7.corp.example"), ("otto", "quux")):
        monkeypatch.setenv("HOME", str(tmp_path / user))
        monkeypatch.setenv("USER", user)
        monkeypatch.setenv("LOGNAME", user)
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        monkeypatch.setattr("socket.getfqdn", lambda host=host: host)
        path = report(UNIT, machine(tmp_path / f"zone9_{user}", user, host))
        content = path.read_bytes()
        for word in (user, host, "zone9", "2100", *tmp_path.parts[1:]):
            assert word == "tmp" or word.encode() not in content
        made.append(content)
    assert made[0] == made[1]
    with tarfile.open(path) as tar:
        assert tar.getnames() == [
            "README.txt",
            "implement.partial/logs/run.log",
            "report.json",
            "synth/logs/run.log",
            "synth/utilisation.csv",
            f"work/finn-{DIGEST[:8]}/logs/hls.MVAU_hls_0.log",
            f"work/run-{DIGEST[:8]}/synth.tcl",
            f"work/run-{DIGEST[:8]}/timing.rpt",
        ]
        member = tar.extractfile("report.json")
        assert member is not None
        document = json.load(member)
    assert document["unit"] == UNIT
    assert document["vendor"] == ["Vivado v2024.2 (64-bit)"]
    assert document["plans"] == {
        "implement.partial/run": DIGEST,
        "synth/finn": f"finn-{DIGEST}",
        "synth/run": DIGEST,
    }
    seen = document["seen"]["implement.partial/logs/run.log"]
    assert seen == [
        "  no rule knows the first error:",
        "    ERROR: [New 1-2] x",
        "  messages: 1 × error",
    ]


def test_without_a_run_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no tool of the vendor has run for it yet"):
        report(UNIT, Settings(build_dir=str(tmp_path)))
