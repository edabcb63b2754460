"""`./doit clean`: a stage, one unit, never another's, and nothing outside the build folder."""

from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.errors import PipelineError
from pipeline.flow import clean
from pipeline.flow.selection import selection
from pipeline.flow.task import lock_file
from tests.flow.bench import Bench, Doit

UNIT = "tfc_1w1a.dataset-digits"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path, ("data", "train", "export", "streamline", "fold"))
    monkeypatch.setenv("FAKE_COUNTER", str(bench.counter))
    bench.build()
    return bench


def there(build: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(build)) for path in build.glob("*/*/manifest.json"))


def test_a_stage_goes_with_its_job_logs_and_leavings(bench: Bench) -> None:
    fold = bench.tasks()[-1]
    partial = fold.folder.with_name("fold.partial")
    partial.mkdir()
    (partial / "manifest.json").write_text("{}")
    clean.remove_stage(fold)
    assert not fold.folder.parent.exists(), "nothing is left, not even a lock"
    assert bench.build() == ["fold"]


def test_a_stage_that_is_being_built_is_not_removed(bench: Bench) -> None:
    train = bench.tasks()[1]
    with FileLock(lock_file(train.folder)), pytest.raises(PipelineError, match="builds it"):
        clean.remove_stage(train)
    assert bench.build() == []


def test_one_unit_keeps_what_another_stands_on(bench: Bench) -> None:
    pynq, ultra = bench.tasks(), bench.tasks(board="Ultra96")
    removed, kept = clean.of_unit(pynq)
    assert [removed, kept] == [pynq, {}]
    bench.run(ultra)
    removed, kept = clean.of_unit(pynq)
    assert [task.stage.name for task in removed] == ["fold"]
    assert {*kept.values()} == {ultra[-1].name}
    assert {task.stage.name for task in kept} == {"data", "train", "export", "streamline"}
    other = bench.tasks(epochs="5")
    bench.run(other)
    clean.remove_stage(ultra[-1])
    removed, kept = clean.of_unit(pynq)
    assert {task.stage.name: user for task, user in kept.items()} == {"data": other[1].name}


def test_a_link_is_removed_and_not_what_it_points_to(bench: Bench, tmp_path: Path) -> None:
    train = bench.tasks()[1]
    train.folder.rename(tmp_path / "elsewhere")
    train.folder.symlink_to(tmp_path / "elsewhere")
    clean.remove_stage(train)
    assert not train.folder.exists()
    assert (tmp_path / "elsewhere" / "out.txt").exists()


def test_the_command(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    doit("run", "fold", "board=Pynq-Z1,Ultra96")
    (doit.build / ".cache").mkdir()
    full = there(doit.build)
    assert len(full) == 9
    assert any("would remove" in line for line in doit("clean", "--dry-run", "build"))
    assert there(doit.build) == full
    doit("clean", f"fold:{UNIT}@Pynq-Z1.open")
    assert there(doit.build) == [name for name in full if not name.endswith("Pynq-Z1.open/fold")]
    doit("run", "fold")
    lines = doit("clean")  # the default, of which doit names the stages, too
    assert there(doit.build) == [name for name in full if "Pynq" not in name]
    kept = f"  kept {doit.build / UNIT / 'train'}: fold:{UNIT}@Ultra96.open was built from it"
    assert kept in lines
    doit("clean", "build", "board=Ultra96")
    assert there(doit.build) == []
    assert (doit.build / ".cache").exists(), "removed only by name"
    doit("clean", "cache")
    assert not (doit.build / ".cache").exists()


def test_the_command_refuses_what_is_being_built_in_one_line(tmp_path: Path) -> None:
    doit = Doit(tmp_path)
    doit("run", "train")
    task = next(iter(selection({}).tasks("train")))
    with FileLock(doit.build / task.unit.name / ".train.lock"):
        lines = doit("clean", "train", code=3)
    assert lines[-1].startswith(f"ERROR: train:{UNIT}: another process builds it")
    assert not any("Traceback" in line for line in lines)
