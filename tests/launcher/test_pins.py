"""The pinned packages: two files that agree, good for everyone, on every Python we promise."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.launcher.launcher import ROOT

LOCK = ROOT / "uv.lock"
REQUIREMENTS = ROOT / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
ONLY_WITH_TORCH = re.compile(r"torch|triton|cuda-.*|nvidia-.*")

INDEX_SETTINGS = {
    *("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    "UV_TORCH_BACKEND",
}


def table(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


@pytest.mark.parametrize("path", [LOCK, CONSTRAINTS, ROOT / "pyproject.toml"], ids=lambda p: p.name)
def test_no_local_path_and_no_build_of_torch(path: Path) -> None:
    """Locking where pip or uv knows a wheel folder writes that folder into the lock."""
    suspicious = re.compile(
        r"""file:|find-links|["'= @](/|~|\.\./)|\b(path|directory) = |\+cpu|\+cu\d"""
    )
    assert [line for line in path.read_text().splitlines() if suspicious.search(line)] == []


def test_all_packages_come_from_the_one_public_index() -> None:
    sources = {frozenset(package["source"].items()) for package in table(LOCK)["package"]}
    kinds = {kind for source in sources for kind, _ in source}
    assert kinds == {"registry", "editable"}
    assert len(sources) == 2


def test_constraints_are_the_lock_without_torch() -> None:
    locked = {
        package["name"]: (package["version"], _hashes(package))
        for package in table(LOCK)["package"]
        if "registry" in package["source"]
    }
    with_torch = {name for name in locked if ONLY_WITH_TORCH.fullmatch(name)} - {"torch"}
    for file, names in (
        ("constraints", locked.keys() - with_torch - {"torch"}),
        ("torch", {"torch"}),
        ("cuda", with_torch),
    ):
        wanted = {name: locked[name] for name in names}
        assert pinned(REQUIREMENTS / f"{file}.txt") == wanted, "run requirements/refresh"


def _hashes(package: dict[str, Any]) -> frozenset[str]:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return frozenset(file["hash"] for file in files)


def pinned(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each package in a file of requirements."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    found = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split("--hash=")
        pin = Requirement(requirement)
        version = str(pin.specifier).removeprefix("==")
        found[pin.name] = (version, frozenset(text.strip() for text in hashes))
    return found


def test_every_pin_has_a_hash() -> None:
    files = sorted(REQUIREMENTS.glob("*.txt"))
    assert {path.stem for path in files} == {"constraints", "cuda", "torch", "torch-cpu", "uv"}
    for path in files:
        for name, (_, hashes) in pinned(path).items():
            assert hashes, f"{path.name}: {name}"


def test_the_build_for_processors_is_of_the_same_torch() -> None:
    (version, _) = pinned(REQUIREMENTS / "torch.txt")["torch"]
    assert pinned(REQUIREMENTS / "torch-cpu.txt")["torch"][0] == f"{version}+cpu"


def test_every_python_we_promise_is_locked_for() -> None:
    promised = SpecifierSet(table(ROOT / "pyproject.toml")["project"]["requires-python"])
    assert SpecifierSet(table(LOCK)["requires-python"]) == promised
    minors = [minor for minor in range(20) if f"3.{minor}.9" in promised]
    assert minors == [11, 12, 13]
    assert (
        "(3, 11) <= sys.version_info[:2] < (3, 14)"
        in (ROOT / "requirements/install.sh").read_text()
    )


def test_the_lock_fits_pyproject() -> None:
    uv = shutil.which("uv") or shutil.which(ROOT / ".uv/bin/uv")
    if uv is None:
        pytest.skip("no uv on PATH or in .uv")
    # Where packages come from on this machine must not matter for what is locked.
    env = {name: value for name, value in os.environ.items() if name not in INDEX_SETTINGS}
    found = subprocess.run(
        [uv, "lock", "--check"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if found.returncode != 0 and "needs to be updated" not in found.stderr:
        pytest.skip(f"the package index is not reachable: {found.stderr.splitlines()[-1]}")
    assert found.returncode == 0, "run requirements/refresh"


@pytest.mark.parametrize("script", ["doit", ".ci/run", "requirements/refresh"])
def test_shell_scripts(script: str) -> None:
    shell = "bash" if "bash" in (ROOT / script).read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", ROOT / script], check=True)
    assert os.access(ROOT / script, os.X_OK)
    beside_python = Path(sys.executable).parent / "shellcheck"
    shellcheck = shutil.which(beside_python) or shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("no shellcheck for this platform")
    # -x: follows what doit sources
    found = subprocess.run(
        [shellcheck, "-x", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert found.stdout == ""
