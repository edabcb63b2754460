"""The launcher: what it installs with what, what it refuses, and how it survives being cut."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher.launcher import Tree, alive

UV_PIP = "uv pip install --python .venv/bin/python"
HASHED = "--require-hashes --no-deps --only-binary :all: -r requirements"
PROJECT = "--no-deps --no-build-isolation -e ."


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A machine with a compiler, uv and a fitting Python."""
    tree = Tree.make(tmp_path)
    tree.program("c++")
    tree.uv()
    tree.python()
    return tree


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_first_use_installs_the_pins_and_runs_doit(tree: Tree) -> None:
    result = tree.run("build", "network=tfc_1w1a")
    assert result.code == 0
    assert result.out == f"doit in {tree.root} for {tree.root}: build network=tfc_1w1a\n"
    assert "first use: installing" in result.err
    assert [call.split(" |")[0] for call in tree.calls] == [
        f"uv venv --python {tree.bin}/python3 .venv",
        f"{UV_PIP} {HASHED}/constraints.txt",
        f"{UV_PIP} --torch-backend cpu --require-hashes --no-deps -r requirements/torch-cpu.txt",
        f"{UV_PIP} {PROJECT}",
    ]
    assert "not known" not in result.err


def test_second_use_only_runs_doit(tree: Tree) -> None:
    tree.run("list")
    before = tree.calls
    result = tree.run("list", DOIT_EXIT="2")
    assert (result.code, result.err) == (2, "")
    assert tree.calls == before


@pytest.mark.parametrize("ready", [True, False])
def test_without_a_path_one_line_says_so(tree: Tree, ready: bool) -> None:
    """It used to wait for ever for a lock that it could not make."""
    if ready:
        tree.run("list")
    result = tree.run("list", PATH="")
    assert result.code == 3
    assert result.out == ""
    assert result.err.startswith("./doit: cat: no such program on PATH (PATH=)")
    assert len(result.err.splitlines()) == 1


def test_without_a_program_that_installs_one_line_says_so(tree: Tree) -> None:
    (tree.bin / "ln").unlink()
    result = tree.run("list")
    assert result.code == 3
    assert result.err.splitlines() == [f"./doit: ln: no such program on PATH ({tree.bin})"]


def test_a_path_that_the_shell_sets_is_for_what_it_starts_too(tree: Tree) -> None:
    """As with `env -i`: the shell has a PATH of its own, and does not hand it on by itself."""
    tree.run("list")
    doit = tree.root / ".venv" / "bin" / "doit"
    doit.write_text('#!/bin/sh\nexec "$ENV" | "$GREP" ^PATH=\n')
    env, grep = (str(shutil.which(name)) for name in ("env", "grep"))
    del tree.env["PATH"]
    assert tree.run("list", ENV=env, GREP=grep).out.startswith("PATH=/")


def test_called_from_elsewhere_through_links(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to("a tree/doit")
    (tree.bin / "pipeline").symlink_to("../first")
    (tmp_path / "linked").symlink_to(tree.root)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    tree.run("list")
    calls = tree.calls
    for name in ("first", "bin/pipeline", "linked/doit"):
        result = tree.run("list", cwd=elsewhere, program=tmp_path / name)
        assert result.out == f"doit in {tree.root} for {elsewhere}: list\n"
    assert tree.calls == calls, "the same tree by another name is no reason to install"


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "requirements/constraints.txt"])
def test_changed_pins_install_again(tree: Tree, name: str) -> None:
    tree.run("list")
    (tree.root / ".venv/leftover").touch()
    with (tree.root / name).open("a") as file:
        file.write("# new\n")
    assert "the pinned packages changed" in tree.run("list").err
    assert not (tree.root / ".venv/leftover").exists()
    assert tree.run("list").err == ""


def test_a_moved_tree_installs_again(tree: Tree) -> None:
    tree.run("list")
    tree.root = tree.root.rename(tree.root.with_name("moved"))
    assert tree.run("list").out == f"doit in {tree.root} for {tree.root}: list\n"
    assert tree.called(UV_PIP, PROJECT) == 2


def test_a_venv_made_by_hand_is_used_and_left_alone(tree: Tree) -> None:
    tree.run("list")
    (tree.root / ".venv/installed-from").unlink()
    result = tree.run("list")
    assert result.code == 0
    assert "made by hand" in result.err
    assert tree.called(UV_PIP, PROJECT) == 1


# ---- where torch and the packages come from


def test_find_links_of_pip_are_for_uv_too(tree: Tree, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    told = f"global.find-links='\\n{wheels}\\n/no/such/folder\\nhttps://wheels.example/'"
    tree.run("list", PIP_CONFIG_LIST=told)
    links = f"UV_FIND_LINKS={wheels},https://wheels.example/ "
    assert tree.called(f"{UV_PIP} {HASHED}/torch-cpu.txt", links) == 1
    assert tree.called("--torch-backend") == tree.called("torch.txt") == 0


def test_a_wheel_folder_that_cannot_be_looked_into_is_asked_first(tree: Tree) -> None:
    told = "global.find-links='https://wheels.example/'"
    tree.run("list", PIP_CONFIG_LIST=told, FAIL="*torch-cpu*")
    tried = [call.split("requirements/")[1].split()[0] for call in tree.calls if "-r " in call]
    assert tried == ["constraints.txt", "torch-cpu.txt", "torch.txt", "cuda.txt"]


def test_a_changed_wheel_of_torch_is_never_replaced_by_another(tree: Tree, tmp_path: Path) -> None:
    """The folder is the user's own: what is wrong with it is told, not got around."""
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    told = f"global.find-links='{tmp_path}'"
    result = tree.run("list", PIP_CONFIG_LIST=told, FAIL="*torch-cpu*")
    assert result.code == 3
    assert "| error: told to fail" in result.err
    assert tree.called("/torch.txt") == tree.called("--torch-backend") == 0


def test_a_wheel_of_another_hash_is_refused_at_once(tree: Tree) -> None:
    result = tree.run("list", FAIL="*constraints*", REASON="Hash mismatch for `brevitas`")
    assert result.code == 3
    assert "refused: a package is not the one that requirements/ names" in result.err
    assert tree.called("pip install") == 1


def test_a_build_of_torch_without_a_known_hash_is_told(tree: Tree) -> None:
    result = tree.run("list", TAG="cp312 aarch64")
    assert "the hash of torch for cpu (cp312 aarch64) is not known" in result.err
    assert tree.called(f"{UV_PIP} --torch-backend cpu torch==2.13.0 |") == 1


def test_a_gpu_gets_the_package_index_s_torch(tree: Tree) -> None:
    tree.program("nvidia-smi")
    tree.run("list")
    assert tree.called(f"{UV_PIP} {HASHED}/torch.txt |") == 1
    assert tree.called(f"{UV_PIP} {HASHED}/cuda.txt |") == 1


def test_every_package_has_a_hash_but_the_project(tree: Tree) -> None:
    """With uv and without, uv itself included."""
    (tree.bin / "uv").unlink()
    tree.run("list")
    (tree.root / "uv.lock").write_text("changed")
    tree.run("list", PIPELINE_NO_UV="1")
    installing = [call for call in tree.calls if "pip install" in call]
    assert len(installing) == 8
    open_ones = [call for call in installing if "--require-hashes" not in call]
    assert len(open_ones) == 2
    assert all(f" {PROJECT} |" in call for call in open_ones)


def test_find_links_without_torch_leave_the_choice_of_torch(tree: Tree, tmp_path: Path) -> None:
    tree.run("list", PIP_CONFIG_LIST=f":env:.find-links='{tmp_path}'")
    assert tree.called("--torch-backend cpu", f"UV_FIND_LINKS={tmp_path} ") == 1


def test_a_mirror_of_pip_is_for_uv_too(tree: Tree) -> None:
    told = "global.index-url='https://mirror.example/simple'"
    tree.run("list", PIP_CONFIG_LIST=told)
    assert tree.called("uv pip install", "UV_DEFAULT_INDEX=https://mirror.example/simple") == 3


def test_without_pytorchs_index_torch_comes_from_the_package_index(tree: Tree) -> None:
    result = tree.run("list", FAIL="*--torch-backend*")
    assert result.code == 0
    assert "PIPELINE_TORCH=index" in result.err
    assert tree.called(f"{UV_PIP} {HASHED}/torch.txt |") == 1


def test_a_chosen_torch_is_never_replaced_by_another(tree: Tree) -> None:
    result = tree.run("list", PIPELINE_TORCH="cu130", FAIL="*--torch-backend cu130*")
    assert result.code == 3
    assert "| error: told to fail" in result.err
    assert f"{tree.root}/.doit-install.log" in result.err
    assert tree.called("torch", "pip install") == 1


# ---- with uv, and without


def test_uv_is_fetched_where_missing(tree: Tree) -> None:
    (tree.bin / "uv").unlink()
    assert tree.run("list").code == 0
    assert tree.called("python -m pip install", "requirements/uv.txt") == 1
    assert (tree.root / ".uv/bin/uv").exists()
    (tree.root / "uv.lock").write_text("changed")
    assert tree.run("list").code == 0
    assert tree.called("python -m pip install", "requirements/uv.txt") == 1
    assert tree.called(UV_PIP, PROJECT) == 2


def test_an_old_uv_is_passed_over(tree: Tree) -> None:
    tree.uv("0.7.22")
    assert tree.run("list").code == 0
    assert tree.called("python -m pip install", "requirements/uv.txt") == 1


@pytest.mark.parametrize(
    "env",
    [{"PIPELINE_NO_UV": "1"}, {"FAIL": "uv pip*"}, {"PIP_CONFIG_LIST": "global.no-index='true'"}],
    ids=["told", "uv fails", "pip has no index"],
)
def test_plain_pip(tree: Tree, env: dict[str, str]) -> None:
    tree.env |= env
    assert tree.run("list").code == 0
    calls = [call.split(" |")[0] for call in tree.calls if call.startswith("python")]
    pip = "python -m pip install --disable-pip-version-check"
    assert calls == [
        "python3 -m venv .venv",
        f"{pip} {HASHED}/constraints.txt",
        f"{pip} {HASHED}/torch.txt",
        f"{pip} {HASHED}/cuda.txt",
        f"{pip} {PROJECT}",
    ]


def test_plain_pip_where_uv_cannot_be_fetched(tree: Tree) -> None:
    (tree.bin / "uv").unlink()
    assert tree.run("list", FAIL="*uv.txt*").code == 0
    assert tree.called("--no-deps --no-build-isolation -e .") == 1
    assert not (tree.root / ".uv").exists()


def test_a_failed_installation_shows_its_end_and_starts_afresh(tree: Tree) -> None:
    result = tree.run("list", FAIL="*pip install*")
    assert result.code == 3
    assert "| error: told to fail" in result.err
    assert result.out == ""
    again = tree.run("list")
    assert again.code == 0
    assert "not completed" in again.err
    assert tree.run("list").err == ""


# ---- what is missing is told before anything is installed


def test_no_compiler(tree: Tree) -> None:
    (tree.bin / "c++").unlink()
    result = tree.run("list")
    assert result.code == 3
    for word in ("no C++ compiler", "c++, g++, clang++", "apt install g++", "CXX="):
        assert word in result.err
    assert tree.calls == []
    assert not (tree.root / ".venv").exists()


def test_any_compiler_will_do_but_a_named_one_must_run(tree: Tree) -> None:
    (tree.bin / "c++").rename(tree.bin / "clang++")
    assert "CXX=no-such-c++ does not run" in tree.run("list", CXX="no-such-c++").err
    assert tree.calls == []
    assert tree.run("list", CXX="clang++ -pipe").code == 0


@pytest.mark.parametrize("version", ["3.9.18", "3.14.1"])
def test_wrong_python(tree: Tree, version: str) -> None:
    tree.python("python3", f"other venv {version}")
    result = tree.run("list", PIPELINE_NO_UV="1")
    assert result.code == 3
    for word in (f"found: python3 {version}", "3.11", "PIPELINE_PYTHON=", "uv"):
        assert word in result.err
    assert tree.calls == []


def test_no_python_and_no_uv(tree: Tree) -> None:
    (tree.bin / "python3").unlink()
    (tree.bin / "uv").unlink()
    result = tree.run("list")
    assert result.code == 3
    assert "no Python at all" in result.err


def test_python_without_venv_needs_uv(tree: Tree) -> None:
    tree.python("python3", "fits bare 3.11.2")
    assert "python3 3.11.2 without venv" in tree.run("list", PIPELINE_NO_UV="1").err
    assert tree.run("list").code == 0


def test_a_fitting_python_among_others(tree: Tree) -> None:
    tree.python("python3", "other venv 3.14.0")
    tree.python("python3.11", "fits bare 3.11.2")
    tree.python("python3.12", "fits venv 3.12.4")
    tree.run("list")
    assert tree.called(f"uv venv --python {tree.bin}/python3.12 ") == 1


@pytest.mark.parametrize("uv", [True, False], ids=["uv there", "uv fetched with the wrong Python"])
def test_uv_fetches_a_python_where_none_fits(tree: Tree, uv: bool) -> None:
    tree.python("python3", "other venv 3.14.1")
    if not uv:
        (tree.bin / "uv").unlink()
    assert tree.run("list").code == 0
    assert tree.called("uv venv --python 3.11 .venv") == 1


def test_no_python_fits_and_none_can_be_fetched(tree: Tree) -> None:
    tree.python("python3", "other venv 3.9.18")
    result = tree.run("list", FAIL="uv venv*")
    assert result.code == 3
    assert "uv could not fetch one (found: python3 3.9.18)" in result.err
    assert "told to fail" in result.err


def test_a_named_python_is_used_or_refused(tree: Tree) -> None:
    tree.python("my-python", "fits venv 3.13.1")
    tree.python("old-python", "other venv 3.9.1")
    for wrong in ("old-python", "/no/such/python"):
        result = tree.run("list", PIPELINE_PYTHON=wrong)
        assert result.code == 3
        assert f"PIPELINE_PYTHON={wrong} is not Python 3.11" in result.err
    assert tree.calls == []
    tree.run("list", PIPELINE_PYTHON="my-python")
    assert tree.called(f"uv venv --python {tree.bin}/my-python ") == 1


def test_an_active_venv_is_looked_through(tree: Tree) -> None:
    """Its Python may be the one in .venv, which is deleted before the next is made."""
    tree.run("list", PIPELINE_PYTHON=sys.executable)
    base = sys._base_executable  # type: ignore[attr-defined]
    assert tree.called(f"uv venv --python {base} ") == 1


# ---- cut, and two at once


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(tree: Tree, number: signal.Signals) -> None:
    process = tree.start("list", SLOW="uv pip install*")
    wait_until(lambda: tree.busy)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "interrupted" in err
    assert not alive(tree.busy)
    assert tree.run("list").code == 0


@pytest.fixture(params=["flock", "link"])
def locking(request: pytest.FixtureRequest, tree: Tree) -> str:
    """Both ways to hold the lock: macOS has no flock."""
    if request.param == "link":
        (tree.bin / "flock").unlink(missing_ok=True)
    elif not (tree.bin / "flock").exists():
        pytest.skip("no flock on this system")
    return str(request.param)


def test_killed_outright(tree: Tree, locking: str) -> None:
    process = tree.start("list", SLOW="uv pip install*")
    wait_until(lambda: tree.busy)
    (tree.root / ".venv/half").touch()
    process.kill()
    process.wait()
    os.kill(tree.busy, signal.SIGKILL)
    result = tree.run("list")
    process.communicate(timeout=60)
    assert result.code == 0
    assert "the last installation was not completed" in result.err
    assert not (tree.root / ".venv/half").exists()


def test_two_at_once_install_once(tree: Tree, locking: str) -> None:
    first = tree.start("list", SLOW="uv venv*")
    wait_until(lambda: tree.busy)
    others = [tree.start("list") for _ in range(3)]
    time.sleep(0.3)
    assert all(process.poll() is None for process in others)
    tree.release()
    for process in (first, *others):
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert out == f"doit in {tree.root} for {tree.root}: list\n"
    assert tree.called(UV_PIP, PROJECT) == 1
