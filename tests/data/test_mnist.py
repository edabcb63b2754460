import gzip
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import idx, mnist
from pipeline.data.arrays import DataSet
from pipeline.errors import PipelineError
from tests.data import idx_files


def read(root: Path) -> DataSet:
    return mnist.load({"data_root": str(root)}, idx_files.sources(), mirrors=())


@pytest.mark.parametrize("below", [".", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("packed", [True, False])
def test_the_files_are_found_gzip_or_raw(tmp_path: Path, below: str, packed: bool) -> None:
    idx_files.write(tmp_path / below, packed=packed)
    data = read(tmp_path)
    raw = idx_files.raw_files()["train-images"]
    assert data.train_images.shape == (6, 4, 5, 1)
    assert data.train_images.tobytes() == raw[16:]
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.test_labels.dtype == np.int64


def test_missing_data_names_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as raised:
        read(tmp_path)
    message = str(raised.value)
    assert f"data_root = {tmp_path}: no MNIST there" in message
    assert "data_root=FOLDER" in message
    assert "dataset=digits" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    idx_files.write(tmp_path / "mnist", packed=True)
    (tmp_path / "mnist" / "t10k-labels.gz").unlink()
    with pytest.raises(PipelineError, match=r"mnist lacks t10k-labels\n"):
        read(tmp_path)


def damaged(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t10k-images", damaged(idx_files.raw_files()["t10k-images"])),
        ("t10k-images", idx_files.raw_files()["t10k-images"][:-5]),
        ("t10k-images", b""),
        ("t10k-images.gz", gzip.compress(damaged(idx_files.raw_files()["t10k-images"]))),
        ("t10k-images.gz", gzip.compress(idx_files.raw_files()["t10k-images"])[:-12]),
        ("t10k-images.gz", b"<html>not found</html>"),
    ],
    ids=["bit", "cut", "empty", "bit-gz", "cut-gz", "html-gz"],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    idx_files.write(tmp_path, packed=name.endswith(".gz"))
    (tmp_path / name).write_bytes(content)
    expected = {source.name: source.sha256 for source in idx_files.sources()}["t10k-images"]
    with pytest.raises(PipelineError) as raised:
        read(tmp_path)
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / name}: damaged, truncated or another file")
    assert lines[1].endswith(f"expected: {expected}")
    assert "found:" in lines[2]


def test_a_whole_file_with_a_wrong_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="not an IDX file"):
        idx.parse(b"\0\0\x0d\x01\0\0\0\1abcd", tmp_path)
    with pytest.raises(PipelineError, match=r"2 bytes of data, its header says \(3,\)"):
        idx.parse(b"\0\0\x08\x01\0\0\0\3ab", tmp_path)


def test_the_canonical_files_pass(shared_data: Path) -> None:
    data = mnist.load({"data_root": str(shared_data)}, mirrors=())
    assert data.train_images.shape == (60000, 28, 28, 1)
    assert data.test_images.shape == (10000, 28, 28, 1)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
