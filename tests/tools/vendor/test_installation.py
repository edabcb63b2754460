"""Where the vendor's tools are looked for, and which of their versions are supported."""

from pathlib import Path

import pytest

from pipeline.errors import MissingTool
from pipeline.tools.vendor import installation
from pipeline.tools.vendor.installation import find, planned_with, version_of
from tests.tools.vendor.installed import install


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XILINX_VIVADO", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(installation, "ROOTS", (str(tmp_path / "tools"),))


@pytest.mark.parametrize(
    ("text", "version"),
    [("/tools/Xilinx/Vivado/2024.2", (2024, 2)), ("/x/2025.1/Vivado", (2025, 1)),
     ("/x/Vivado/2024.1.2/", (2024, 1, 2)), ("/x/2019.1/Vivado/2022.2", (2022, 2)), ("/x", ())],
)  # fmt: skip
def test_the_version_in_a_path(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version


def test_the_setting_comes_before_the_environment_and_that_before_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("2022.2", "2024.1", "2023.2"):
        install(tmp_path / "tools", version=version)
    assert find({}).version == "2024.1"
    install(tmp_path / "tools", version="2025.1")
    new = tmp_path / "tools" / "2026.1" / "Vivado"
    (tmp_path / "tools" / "Vivado" / "2025.1").rename(new.parent)
    assert find({}).version == "2024.1", "no Vivado folder in it"
    new.parent.rename(tmp_path / "moved")
    new.parent.mkdir()
    (tmp_path / "moved").rename(new)
    assert (find({}).version, find({}).vivado) == ("2026.1", new), "the folders as from 2025 on"
    on_path = install(tmp_path / "elsewhere", version="2022.2")
    monkeypatch.setenv("PATH", f"{on_path}/bin")
    assert find({}).vivado == on_path
    named = install(tmp_path / "environment", version="2023.1")
    monkeypatch.setenv("XILINX_VIVADO", str(named))
    assert find({}).vivado == named
    given = install(tmp_path / "given", version="2022.2")
    assert find({"vivado": str(given)}).vivado == given


def test_versions_are_supported_by_rule(tmp_path: Path) -> None:
    for version, supported in {"2021.2": False, "2022.1": False, "2022.2": True, "2023.1": True,
                               "2025.1.1": True, "2031.1": True}.items():  # fmt: skip
        assert find({"vivado": str(install(tmp_path, version=version))}).supported == supported


def test_a_renamed_folder_tells_its_version_in_its_own_script(tmp_path: Path) -> None:
    folder = install(tmp_path).rename(tmp_path / "vivado-lab")
    assert find({"vivado": str(folder)}).version == "2024.2"
    (folder / "settings64.sh").unlink()
    with pytest.raises(MissingTool, match="its version is unknown"):
        find({"vivado": str(folder)})


@pytest.mark.parametrize(
    ("version", "product", "tool"),
    [("2022.2", "Vitis_HLS/2022.2", "vitis_hls"), ("2024.2", "Vitis/2024.2", "vitis_hls"),
     ("2025.1", "Vitis/2025.1", "vitis-run")],
)  # fmt: skip
def test_vitis_is_found_beside_vivado_or_where_the_setting_says(
    tmp_path: Path, version: str, product: str, tool: str
) -> None:
    vivado = install(tmp_path, version=version)
    assert tool not in find({"vivado": str(vivado)}).tools
    program = tmp_path / product / "bin" / tool
    program.parent.mkdir(parents=True)
    program.touch()
    found = find({"vivado": str(vivado)})
    assert found.tools[tool] == program
    assert tmp_path / product in found.folders
    away = tmp_path / "away"
    program.parent.parent.rename(away)
    assert tool not in find({"vivado": str(vivado)}).tools
    assert find({"vivado": str(vivado), "vitis": str(away)}).tools[tool] == away / "bin" / tool


def test_none_at_all_is_told_with_three_ways(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match=r"vivado: not found") as told:
        find({})
    assert all(f"\n  {way}. " in str(told.value) for way in (1, 2, 3))
    with pytest.raises(
        MissingTool, match=r"vivado = /nowhere/2024.2: it has no bin/vivado"
    ) as told:
        find({"vivado": "/nowhere/2024.2"})
    assert "\n  3. " in str(told.value)


def test_behind_a_launcher_the_folder_need_not_be_here() -> None:
    found = find({"vivado": "/far/Vivado/2023.2", "launcher": "ssh far"})
    assert (found.version, found.here) == ("2023.2", False)
    assert found.tools["vivado"] == Path("/far/Vivado/2023.2/bin/vivado")
    assert found.tools["vitis_hls"] == Path("/far/Vitis_HLS/2023.2/bin/vitis_hls")


def test_a_dry_run_needs_no_installation_but_that_which_was_named(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="not found"):
        planned_with({"dry_run": "no"})
    with pytest.raises(MissingTool, match="it has no bin/vivado"):
        planned_with({"dry_run": "yes", "vivado": str(tmp_path)})
    shown = planned_with({"dry_run": "yes"})
    assert not shown.here
    assert shown.told == "2024.2 in /tools/Xilinx/Vivado/2024.2, not looked at"
    there = install(tmp_path / "tools", version="2023.1")
    assert planned_with({"dry_run": "yes"}).vivado == there
