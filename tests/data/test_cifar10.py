"""CIFAR-10: found, downloaded, damaged, foreign and harmful batches."""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import DataSet, cifar10, run
from pipeline.data.cifar10 import parse
from pipeline.errors import PipelineError
from pipeline.job import Job
from tests.data import cifar_batches
from tests.data.test_download import mirror

FIRST = "data_batch_1"


@pytest.fixture
def own_archive(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Makes the small batches the original ones; returns their archive."""
    archive = cifar_batches.archive()
    own = {name: cifar_batches.md5(raw) for name, raw in cifar_batches.batches().items()}
    monkeypatch.setattr(cifar10, "BATCHES", own)
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", cifar_batches.md5(archive))
    return archive


def load(root: Path) -> DataSet:
    return cifar10.load({"data_root": str(root)}, mirrors=())


def refusal(root: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        load(root)
    return str(caught.value)


@pytest.mark.usefixtures("own_archive")
@pytest.mark.parametrize("below", [".", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"])
def test_the_batches_are_found_and_put_together(tmp_path: Path, below: str) -> None:
    cifar_batches.write(tmp_path / below)
    data = load(tmp_path)
    assert data.note == "original"
    assert data.train_images.shape == (20, 32, 32, 3)
    assert data.test_images.shape == (4, 32, 32, 3)
    assert data.test_images.flags.c_contiguous
    for number, name in enumerate(cifar10.BATCHES):
        raw, labels = cifar_batches.arrays(name)
        part = slice(4 * number, 4 * number + 4)
        images = data.test_images if name == "test_batch" else data.train_images[part]
        found = data.test_labels if name == "test_batch" else data.train_labels[part]
        assert found.tolist() == labels
        # row by row, the planes one behind the other
        assert images[1, 2, 3].tolist() == [raw[1, 1024 * c + 32 * 2 + 3] for c in range(3)]
        assert (images.transpose(0, 3, 1, 2).reshape(4, -1) == raw).all()


def test_batches_as_python_2_wrote_them() -> None:
    new = parse(cifar_batches.batch(FIRST), Path())
    old = parse(cifar_batches.python2_batch(FIRST), Path())
    assert (old[0] == new[0]).all()
    assert (old[1] == new[1]).all()


def test_an_array_in_columns_is_read_as_one() -> None:
    data, labels = cifar_batches.arrays(FIRST)
    document = {b"labels": labels, b"data": np.asfortranarray(data)}
    images, _ = parse(pickle.dumps(document, protocol=2), Path())
    assert (images == parse(cifar_batches.batch(FIRST), Path())[0]).all()


@pytest.mark.usefixtures("own_archive")
def test_other_pixels_are_taken_and_told(tmp_path: Path) -> None:
    others = cifar_batches.batches()
    others["data_batch_2"] = others["data_batch_3"]
    others["test_batch"] = cifar_batches.python2_batch("test_batch")
    cifar_batches.write(tmp_path, others)
    folder = tmp_path / "data"
    folder.mkdir()
    specs: dict[str, object] = {
        "dataset": "cifar10",
        "data_files": None,
        "data_size": None,
        "network.data": {},
    }
    metrics = run(Job("data", "cifar10", specs, {}, folder, {"data_root": str(tmp_path)}))
    assert metrics["content"].value == "not the original pixels: data_batch_2, test_batch (md5)"
    assert metrics["train_images"].value == 20


def test_missing_data_names_both_ways_out(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert message.startswith(f"data_root = {tmp_path}: no CIFAR-10 there; looked in ., cifar-10-")
    assert "data_root=FOLDER" in message
    assert "dataset=digits" in message


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    cifar_batches.write(tmp_path / cifar10.FOLDER)
    (tmp_path / cifar10.FOLDER / "data_batch_4").unlink()
    assert f"\n{tmp_path / cifar10.FOLDER} lacks data_batch_4\n" in refusal(tmp_path)


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_batch_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    data, labels = cifar_batches.arrays(FIRST)
    document = {b"data": data, b"labels": labels, b"more": Harmful(tmp_path / "harm")}
    harmful = pickle.dumps(document, protocol=protocol)
    cifar_batches.write(tmp_path, {**cifar_batches.batches(), FIRST: harmful})
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path / FIRST}: refused: it wants 'posix.mkdir'; it is not")
    assert len(message.splitlines()) == 1
    assert not (tmp_path / "harm").exists()


def pickled(**fields: Any) -> bytes:
    data, labels = cifar_batches.arrays(FIRST)
    document = {b"data": data, b"labels": labels}
    document |= {name.encode(): value for name, value in fields.items()}
    return pickle.dumps(document, protocol=4)


ORIGINAL = cifar_batches.batch(FIRST)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged or truncated: pickle exhausted"),
        (b"<html>not found</html>", "damaged or truncated: at position 0, opcode b'<'"),
        (ORIGINAL[:-5000], "damaged or truncated|refused: pickle data was truncated"),
        (ORIGINAL[:-1], "damaged or truncated|refused: pickle data was truncated"),
        (pickle.dumps([1, 2]), "not a CIFAR-10 batch: wanted data, uint8"),
        (pickled(data=np.zeros((4, 3072), np.int64)), r"refused: it wants an array of 'i8'"),
        (pickled(data=np.zeros((4, 3071), np.uint8)), "not a CIFAR-10 batch"),
        (pickled(data=np.zeros(4 * 3072, np.uint8)), "not a CIFAR-10 batch"),
        (pickled(data=np.zeros((0, 3072), np.uint8), labels=[]), "not a CIFAR-10 batch"),
        (pickled(data=b"bytes"), "not a CIFAR-10 batch"),
        (pickled(data=np.array([None])), "refused: it wants an array of 'O8'"),
        (pickled(labels=[1, 2, 3]), "not a CIFAR-10 batch"),
        (pickled(labels=[1, 2, 3, 10]), "not a CIFAR-10 batch"),
        (pickled(labels=[1, 2, 3, "cat"]), "not a CIFAR-10 batch"),
        (pickled(labels=[1, 2, 3, -1]), "not a CIFAR-10 batch"),
        # an array whose content never comes, and one whose shape its content does not fill
        (
            b"\x80\x02}(X\x04\x00\x00\x00datacnumpy\nndarray\n)\x81u.",
            "refused: its step NEWOBJ is not allowed",
        ),
        # what would take gigabytes by a few bytes of a file
        (b"\x80\x02]r\x00\x00\x00\x80.", "not a CIFAR-10 batch"),
        (b"]p99999999999\n.", "not a CIFAR-10 batch"),
        (b"\x80\x05\x96\x00\x00\x00\x00\x01\x00\x00\x00.", "damaged or truncated: expected 42"),
        (ORIGINAL.replace(b"M\x00\x0c\x86", b"M\x00\x0d\x86"), "damaged or truncated: cannot resh"),
    ],
)
def test_what_is_no_batch_is_one_clear_line(content: bytes, words: str) -> None:
    with pytest.raises(PipelineError, match=rf"^/b: ({words})") as caught:
        parse(content, Path("/b"))
    assert len(str(caught.value).splitlines()) == 1


def test_what_a_file_says_of_its_array_s_type_never_reaches_numpy() -> None:
    """With these flags numpy takes the bytes for objects, and ends the process sooner or later."""
    told = ORIGINAL.replace(b"J\xff\xff\xff\xffK\x00t", b"J\xff\xff\xff\xffK\x3ft")
    assert told != ORIGINAL
    assert (parse(told, Path())[0] == parse(ORIGINAL, Path())[0]).all()


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_random_damage_is_an_error_or_nothing() -> None:
    rng = np.random.default_rng(1)
    ends = [place for place in range(len(ORIGINAL)) if not 400 < place < len(ORIGINAL) - 200]
    read = 0
    for _ in range(1000):
        damaged = bytearray(ORIGINAL)
        for place in rng.choice(ends, rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        with contextlib.suppress(PipelineError):
            parse(bytes(damaged), Path("b"))
            read += 1
    assert 0 < read < 500


def test_an_unreadable_batch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar_batches.write(tmp_path)

    def refuse(path: Path, most: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cifar10, "read_file", refuse)
    assert refusal(tmp_path) == f"{tmp_path / FIRST}: cannot be read: Permission denied"


def test_the_archive_is_downloaded_once(tmp_path: Path, own_archive: bytes) -> None:
    cache = tmp_path / "cache"
    with mirror({f"/{cifar10.ARCHIVE}": own_archive}) as (url, asked):
        first = cifar10.load({}, (url,), cache)
        assert asked == [f"/{cifar10.ARCHIVE}"]
        second = cifar10.load({}, (url,), cache)
        assert len(asked) == 1
        (cache / cifar10.FOLDER / "data_batch_3").unlink()
        cifar10.load({}, (url,), cache)
        assert len(asked) == 2
    assert first.train_images.tobytes() == second.train_images.tobytes()
    assert [path.name for path in cache.iterdir()] == [cifar10.FOLDER]
    assert {path.name for path in (cache / cifar10.FOLDER).iterdir()} == set(cifar10.BATCHES)


@pytest.mark.usefixtures("own_archive")
def test_a_damaged_cache_names_the_file(tmp_path: Path) -> None:
    batch = tmp_path / cifar10.FOLDER / FIRST
    cifar_batches.write(batch.parent)
    for content in (batch.read_bytes()[:-9], cifar_batches.batch("data_batch_2")):
        batch.write_bytes(content)
        with pytest.raises(PipelineError) as caught:
            cifar10.load({}, (), tmp_path)
        assert str(caught.value) == f"{batch}: damaged; delete it to have it fetched again"


def test_a_damaged_archive_is_not_unpacked(tmp_path: Path, own_archive: bytes) -> None:
    answers = {f"/{cifar10.ARCHIVE}": own_archive[:-1] + b"?"}
    with mirror(answers) as (bad, _), mirror({}) as (empty, _):
        with pytest.raises(PipelineError) as caught:
            cifar10.load({}, (bad, empty), tmp_path)
        lines = str(caught.value).splitlines()
        assert lines[0] == "CIFAR-10 could not be downloaded."
        assert lines[1].startswith(f"{bad}{cifar10.ARCHIVE}: wrong content: md5 ")
        assert lines[1].endswith(f", expected {cifar_batches.md5(own_archive)}")
        assert lines[2].startswith(f"{empty}{cifar10.ARCHIVE}: ")
        assert "dataset=digits" in lines[3]
        assert list(tmp_path.iterdir()) == []
        # a second mirror has it
        with mirror({f"/{cifar10.ARCHIVE}": own_archive}) as (good, _):
            assert cifar10.load({}, (bad, good), tmp_path).note == "original"
