"""Plans that really run, here and behind a launcher: logs, products, waiting, errors in words."""

import shlex
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import MissingTool, ToolError
from pipeline.tools.vendor.executor import Executor, executor
from pipeline.tools.vendor.plan import Plan
from tests.deploy.server import serving
from tests.tools.vendor.installed import LINGERS, install, of_run, plan

WORKS = """
echo "in $PWD with $*, $PIPELINE_JOBS jobs"
cat synth.tcl xdc/clock.xdc
touch synth.dcp
mktemp
type vivado
"""


def run(chosen: Executor, asked: Plan, root: Path) -> list[str]:
    lines: list[str] = []
    chosen.run(asked, root / asked.digest(), root / "synth.log", lines.append)
    return lines


def together(chosen: Executor, plans: list[Plan], root: Path, tell: Callable[[str], None]) -> None:
    """Runs plans at the same time."""
    threads = [
        threading.Thread(
            target=chosen.run,
            args=(asked, root / asked.digest(), root / f"{number}.log", None, tell),
        )
        for number, asked in enumerate(plans)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_run_has_its_files_and_environment_and_its_log(tmp_path: Path) -> None:
    vivado = install(tmp_path, WORKS)
    chosen = executor({"vivado": str(vivado), "jobs": 3})
    folder = tmp_path / plan().digest()
    lines = run(chosen, plan(), tmp_path)
    assert lines[:3] == [
        f"in {folder} with -mode batch -source synth.tcl, 3 jobs",
        "puts done",
        "create_clock -period 10",
    ]
    assert Path(lines[3]).parent == folder / ".run" / "tmp", "nothing outside of the build folder"
    assert lines[4] == f"vivado is {vivado}/bin/vivado", "by the vendor's own settings64.sh"
    assert (tmp_path / "synth.log").read_text().splitlines() == lines


def test_what_has_finished_never_runs_again_but_tells_the_same(tmp_path: Path) -> None:
    vivado = install(tmp_path, WORKS)
    chosen = executor({"vivado": str(vivado)})
    lines = run(chosen, plan(), tmp_path)
    install(tmp_path, "echo ERROR: it ran; exit 1")
    (tmp_path / "synth.log").unlink()
    assert run(chosen, plan(), tmp_path) == lines
    assert not chosen.run(plan(), tmp_path / plan().digest(), tmp_path / "other.log")
    assert (tmp_path / "synth.log").read_text().splitlines() == lines
    (tmp_path / plan().digest() / "synth.dcp").write_text("changed")
    with pytest.raises(ToolError, match="it ran"):
        run(chosen, plan(), tmp_path)
    with pytest.raises(ToolError, match="it ran"):
        run(chosen, plan(environment={"A": "b"}), tmp_path)


def test_products_are_asked_for_after_exit_code_0(tmp_path: Path) -> None:
    chosen = executor({"vivado": str(install(tmp_path, "exit 0"))})
    with pytest.raises(ToolError, match=r"code 0 and did not write synth\.dcp\n  whole log: /"):
        run(chosen, plan(), tmp_path)


def test_a_failed_run_can_be_run_again_by_hand(tmp_path: Path) -> None:
    """Also at the end of its build, which otherwise ends a run."""
    chosen = executor({"vivado": str(install(tmp_path, "echo ERROR: [Synth 8-1] no; exit 3"))})
    with pytest.raises(ToolError, match=r"ERROR: \[Synth 8-1\] no") as told:
        run(chosen, plan(), tmp_path)
    assert told.value.code == 3
    script = str(told.value).rpartition("by hand: sh ")[2]
    again = subprocess.run(
        ["sh", shlex.split(script)[0]], capture_output=True, text=True, check=False
    )
    assert (again.returncode, again.stdout) == (3, "ERROR: [Synth 8-1] no\n")


def test_paths_with_odd_names(tmp_path: Path) -> None:
    root = tmp_path / 'it\'s $HOME; a "bäd" (folder)'
    chosen = executor({"vivado": str(install(tmp_path, WORKS))})
    assert run(chosen, plan(), root)[0].startswith(f"in {root}/")


def test_what_a_tool_leaves_running_ends_with_it(tmp_path: Path) -> None:
    chosen = executor({"vivado": str(install(tmp_path, "setsid sleep 600 & touch synth.dcp"))})
    run(chosen, plan(), tmp_path)
    assert not of_run(tmp_path / plan().digest())


def test_a_tool_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    chosen = executor({"vivado": str(install(tmp_path, LINGERS))})
    folder = tmp_path / plan().digest()
    with pytest.raises(ToolError, match=r"did not end within 1 s"):
        chosen.run(plan(), folder, tmp_path / "log", timeout=1)
    assert not of_run(folder)


def test_runs_wait_for_one_another_as_the_licences_say(tmp_path: Path) -> None:
    script = "echo + >>../count; sleep 0.5; echo - >>../count; touch synth.dcp"
    vivado = install(tmp_path, script)
    for licences, most in ((1, 1), (2, 2)):
        (tmp_path / "count").write_text("")
        chosen = executor({"vivado": str(vivado), "licences": licences})
        told: list[str] = []

        plans = [plan(environment={"N": f"{most} {number}"}) for number in range(3)]
        together(chosen, plans, tmp_path, told.append)
        depth = [0]
        for sign in (tmp_path / "count").read_text().split():
            depth.append(depth[-1] + (1 if sign == "+" else -1))
        assert (max(depth), depth[-1], len(depth)) == (most, 0, 7)
        assert "waiting for a licence" in told


def test_memory_is_shared_here_and_left_to_the_scheduler_behind_a_launcher(tmp_path: Path) -> None:
    vivado = install(tmp_path, "touch synth.dcp")
    pool = tmp_path / ".slots" / "memory"
    launched = executor({"vivado": str(vivado), "launcher": "env"})
    run(launched, plan(), tmp_path)
    assert not pool.exists()
    run(executor({"vivado": str(vivado)}), plan(name="other"), tmp_path)
    assert pool.exists()


def test_two_builds_that_want_the_same_run_it_once(tmp_path: Path) -> None:
    chosen = executor(
        {"vivado": str(install(tmp_path, "echo run >>../count; sleep 1; touch synth.dcp"))}
    )
    told: list[str] = []

    def one(number: int) -> None:
        folder = tmp_path / plan().digest()
        chosen.run(plan(), folder, tmp_path / f"{number}.log", None, told.append)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "count").read_text() == "run\n"
    assert told == ["waiting for another build that runs the same"]


def test_behind_a_real_ssh(tmp_path: Path) -> None:
    """OpenSSH to a server on this machine, whose environment is another."""
    vivado = install(tmp_path, WORKS + "echo home $HOME")
    with serving(tmp_path / "ssh") as server:
        launcher = shlex.join(server.machine.argv("")[:-1])
        chosen = executor({"vivado": str(vivado), "launcher": launcher, "jobs": 5})
        lines = run(chosen, plan(), tmp_path)
        assert lines[0].endswith("5 jobs")
        assert lines[-1] == f"home {server.home}"
        assert (tmp_path / plan().digest() / "synth.dcp").is_file()
    with pytest.raises(ToolError, match=r"255 is ssh's own: the machine was not reached"):
        run(chosen, plan(name="other"), tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"launcher": "no-such-launcher -n 3"}, "no-such-launcher: no such program .* launcher wants"),
     ({"container": "apptainer"}, "apptainer: no such program .* container wants")],
)  # fmt: skip
def test_a_missing_program_is_told_with_its_setting(
    tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    vivado = install(tmp_path, WORKS)
    with pytest.raises(MissingTool, match=told):
        run(executor({"vivado": str(vivado), **settings}), plan(), tmp_path)


def test_a_folder_that_the_other_machine_lacks(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.write_text(f"#!/bin/sh\nshift\nexec bash {tmp_path}/not-there/run.sh\n")
    far.chmod(0o755)
    vivado = install(tmp_path, WORKS)
    with pytest.raises(ToolError, match="127 behind far: the build folder, or a program, is not"):
        run(executor({"vivado": str(vivado), "launcher": f"{far} x"}), plan(), tmp_path)
