"""Nothing of a machine survives: no folder, name, licence, address; and it is the same anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.diagnosis.redaction import PUBLIC, Machine, Redactor, this_machine

LOG = """\
****** Vivado v2024.2 (64-bit)
# Start of session at: Tue Nov  5 10:20:30 2024
# Current directory: {build}/.cache/vivado/0123
# Command line: {vivado}/bin/unwrapped/lnx64.o/vivado -mode batch -source {build}/.cache/x.tcl
# Running On        :{host}
| Host             : {host} running 64-bit Ubuntu 22.04.5 LTS
INFO: [HLS 200-10] For user '{user}' on host '{host}' (Linux_x86_64 version 6.8) on Tue Nov 05
INFO: [HLS 200-10] In directory '{home}/some/other/place'
source {vivado}/scripts/hls.tcl -notrace
Invalid host.  The hostid of this system does not match the hostid in the license file.
Hostid: 00216be3ab12
License path: "{home}/.Xilinx:{licence}:"
FlexNet Licensing error:-9,57
XILINXD_LICENSE_FILE={licence}
INCREMENT Synthesis xilinxd 2024.11 permanent uncounted 00216be3ab12
SERVER {server} 00:21:6b:e3:ab:12 2100
write to {user}@{host} or {user}@example.org, see http://{server}/licences
/bin/sh: can't open '{home}/run.sh': Permission denied, owner {user}
{build}/tfc_1w1a@Pynq-Z1.vivado/synth/logs/synth.log
[{home}/verilog/mvau.v:12] c:/Users/{user}/x and ~{user}/y and ~/z
Slack (VIOLATED) :        -0.292ns  (required time - arrival time)
  Source:                 network/layer_3/acc_reg[7]/C
  Requirement:            8.828ns  (sys_clk rise@8.828ns - sys_clk rise@0.000ns)
"""
names = st.from_regex(r"[a-z][a-z0-9_-]{3,11}", fullmatch=True).filter(
    lambda name: (
        name.strip("-_") not in PUBLIC
        and not re.search(rf"(?i)(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])|{re.escape(name)}", LOG)
    )
)


def machine(parts: list[str]) -> tuple[Machine, dict[str, str]]:
    user, folder, host, domain, tools, server = parts
    home = f"/home/{user}"
    values = {
        "user": user,
        "home": home,
        "build": f"{home}/{folder}/build",
        "vivado": f"/tools/{tools}/Vivado/2024.2",
        "host": f"{host}.{domain}.org",
        "server": f"{server}.{domain}.org",
        "licence": f"2100@{server}.{domain}.org",
    }
    return Machine(
        roots={"build": Path(values["build"]), "vivado": Path(values["vivado"])},
        hidden=(Path(home),),
        words=(user, values["host"]),
        licences=(values["licence"],),
    ), values


@settings(max_examples=30)
@given(st.lists(names, min_size=6, max_size=6, unique=True))
def test_no_part_of_a_machine_survives(parts: list[str]) -> None:
    assume(not any(a != b and a in b for a in parts for b in parts))
    found, values = machine(parts)
    text = Redactor(found).text(LOG.format_map(values))
    for secret in parts:
        assert secret.lower() not in text.lower()
    assert "2100@" not in text
    assert "00216be3ab12" not in text
    assert "00:21:6b" not in text


@settings(max_examples=30)
@given(st.lists(names, min_size=12, max_size=12, unique=True))
def test_two_machines_give_the_same(parts: list[str]) -> None:
    assume(not any(a != b and a in b for a in parts for b in parts))
    one, two = (
        Redactor(found).text(LOG.format_map(values))
        for found, values in (machine(parts[:6]), machine(parts[6:]))
    )
    assert one == two


@settings(max_examples=40)
@given(st.text(max_size=400), st.lists(names, min_size=6, max_size=6, unique=True))
def test_whatever_the_text_no_name_survives(text: str, parts: list[str]) -> None:
    found, values = machine(parts)
    mixed = f"{text}{parts[0]}{text}{values['host']}{text}/{parts[4]}/{text}{values['licence']}"
    after = Redactor(found).text(mixed)
    for name in (parts[0], parts[2], parts[5]):
        assert name.lower() not in after.lower()
    for word in found.secrets():
        assert not re.search(rf"(?i)(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", after)


def test_what_explains_a_failure_is_kept() -> None:
    found, values = machine(["alice", "secret", "blade7", "corp", "vault", "keys"])
    text = Redactor(found).text(LOG.format_map(values))
    for kept in (
        "Vivado v2024.2 (64-bit)",
        "# Running On        :<machine>",
        "| Host             : <machine>",
        "For user '<user>' on host '<machine>'",
        "source <vivado>/scripts/hls.tcl -notrace",
        "FlexNet Licensing error:-9,57",
        "XILINXD_LICENSE_FILE=<licence>",
        "<build>/tfc_1w1a@Pynq-Z1.vivado/synth/logs/synth.log",
        "Slack (VIOLATED) :        -0.292ns  (required time - arrival time)",
        "  Source:                 network/layer_3/acc_reg[7]/C",
        "  Requirement:            8.828ns  (sys_clk rise@8.828ns - sys_clk rise@0.000ns)",
    ):
        assert kept in text.splitlines() or kept in text, text


def test_a_folder_with_spaces_and_signs() -> None:
    home = "/home/Ann O'Neil (x)"
    found = Machine(roots={"build": Path(home) / "my builds"}, hidden=(Path(home),))
    text = Redactor(found).text(f"in {home}/my builds/unit and '{home}/Neil' by O'Neil")
    assert text == "in <build>/unit and '<path>' by O'Neil"


def test_names_of_files() -> None:
    found, _ = machine(["alice", "secret", "blade7", "corp", "vault", "keys"])
    name = Redactor(found).name("synth/alice's log [1].log")
    assert name == "synth/removed_s_log__1_.log"


def test_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/zaphod")
    monkeypatch.setenv("USER", "zaphod")
    monkeypatch.setenv("LOGNAME", "zaphod")
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "27000@heart.of.gold")
    monkeypatch.setattr("socket.gethostname", lambda: "betelgeuse")
    settings = {"vivado": "/magrathea/Vivado/2024.2", "launcher": "ssh milliways", "host": None}
    found = this_machine(settings, tmp_path / "build", tmp_path)
    text = Redactor(found).text(
        f"zaphod@betelgeuse {tmp_path}/build/x /magrathea/Vivado/2024.2/y 27000@heart.of.gold gold "
        "milliways"
    )
    assert text == "<address> <build>/x <vivado>/y <licence> <removed> <removed>"
