"""Hostile folders of data sets. The name of a case begins with its data set."""

from __future__ import annotations

import gzip
import io
import os
import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.data import mnist
from pipeline.data.maskedface import CLASSES
from tests.data import cifar_batches
from tests.hostile.file_case import Cases

cases = Cases()
NO_UTF8 = os.fsdecode(b"\xff.png")


def _folders(folder: Path, classes: tuple[str, ...] = ("a", "b")) -> Path:
    """A proper imagefolder data set."""
    image = Image.fromarray(np.zeros((4, 4), np.uint8))
    for split in ("train", "test"):
        for name in classes:
            place = folder / split / name
            place.mkdir(parents=True)
            image.save(place / "0.png")
    return folder


@cases("x.png: cannot be read: a named pipe, not a file", "did not end")
def imagefolder_pipe(folder: Path) -> Path:
    os.mkfifo(_folders(folder) / "train/a/x.png")
    return folder


def _flat(folder: Path) -> Path:
    """A proper imagefolder data set, but for the list of the test images' classes."""
    _folders(folder)
    for name in ("a", "b"):
        (folder / "test" / name / "0.png").rename(folder / "test" / f"{name}.png")
        (folder / "test" / name).rmdir()
    return folder


@cases("test.csv: cannot be read: a named pipe, not a file", "refused")
def imagefolder_list_that_is_a_pipe(folder: Path) -> Path:
    os.mkfifo(_flat(folder) / "test.csv")
    return folder


@cases("test.csv: cannot be read: 1,073,741,824 bytes, more than the", "refused")
def imagefolder_list_of_a_gigabyte(folder: Path) -> Path:
    with (_flat(folder) / "test.csv").open("wb") as file:
        file.truncate(1 << 30)
    return folder


@cases("test.csv, line 2: no CSV: field larger than field limit", "refused")
def imagefolder_list_with_an_endless_field(folder: Path) -> Path:
    lines = f"Filename,ClassId\na.png,{'9' * (1 << 22)}\n"
    (_flat(folder) / "test.csv").write_text(lines)
    return folder


@cases("test.csv, line 2: class 'xx", "refused")
def imagefolder_list_with_a_class_of_many_letters(folder: Path) -> Path:
    lines = f"Filename,ClassId\na.png,{'x' * 100_000}\nb.png,b\n"
    (_flat(folder) / "test.csv").write_text(lines)
    return folder


@cases("test.csv: names images that are not there:", "refused")
def imagefolder_list_that_names_many_others(folder: Path) -> Path:
    lines = "Filename,ClassId\na.png,a\n"
    lines += "".join(f"../test/{n}.png,a\n" for n in range(300_000))
    (_flat(folder) / "test.csv").write_text(lines)
    return folder


@cases("x.png: cannot be read: No such device or address", "refused")
def imagefolder_socket(folder: Path) -> Path:
    place = _folders(folder) / "train/a"
    here = Path.cwd()
    os.chdir(place)  # the name of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("x.png")
    finally:
        os.chdir(here)
    return folder


@cases("x.png: cannot be read: a device, not a file", "refused")
def imagefolder_link_to_a_device(folder: Path) -> Path:
    (_folders(folder) / "train/a/x.png").symlink_to("/dev/zero")
    return folder


@cases("x.png: cannot be read: Too many levels of symbolic links", "refused")
def imagefolder_link_to_itself(folder: Path) -> Path:
    (_folders(folder) / "train/a/x.png").symlink_to("x.png")
    return folder


@cases("x.png: 13,000 x 13,000 pixels; at most", "decoded, with 865 MB of memory")
def imagefolder_13000_pixels_square(folder: Path) -> Path:
    Image.new("1", (13_000, 13_000)).save(_folders(folder) / "train/a/x.png")
    return folder


@cases("images of 5000x5000 take", "asked for 12 GB of memory")
def imagefolder_of_small_files_and_large_images(folder: Path) -> Path:
    first = folder / "large.png"
    Image.new("RGB", (5000, 5000)).save(first)
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (folder / place).mkdir(parents=True)
        for number in range(40):
            os.link(first, folder / place / f"{number}.png")
    return folder


@cases("a/\\xff.png: no image, or damaged", "refused, but the name was unreadable")
def imagefolder_name_without_utf8(folder: Path) -> Path:
    (_folders(folder) / "train/a" / NO_UTF8).write_bytes(b"no image")
    return folder


@cases("names of classes must be plain text in UTF-8: '\\\\xff'", "accepted")
def imagefolder_class_without_utf8(folder: Path) -> Path:
    return _folders(folder, ("a", os.fsdecode(b"\xff")))


def _faces(folder: Path) -> Path:
    image = Image.fromarray(np.zeros((32, 32), np.uint8))
    for name in CLASSES:
        (folder / name).mkdir()
        for number in range(3):
            image.save(folder / name / f"{number}.png")
    return folder


@cases("links in a circle", "traceback")
def maskedface_links_in_a_circle(folder: Path) -> Path:
    for name in "abcdefgh":
        (_faces(folder) if name == "a" else folder).joinpath("CMFD", name).symlink_to(".")
    return folder


@cases("a link that leads out of", "traceback after reading much of the disk")
def maskedface_link_to_the_root(folder: Path) -> Path:
    (_faces(folder) / "CMFD/all").symlink_to("/")
    return folder


@cases("folders are nested more than 16 deep", "accepted")
def maskedface_folders_nested_deep(folder: Path) -> Path:
    (_faces(folder) / "CMFD" / "/".join("a" * 40)).mkdir(parents=True)
    return folder


def _mnist(folder: Path, first: bytes) -> Path:
    for source in mnist.SOURCES:
        (folder / f"{source.name}.gz").write_bytes(first)
    return folder


@cases("it unpacks to more than 268,435,456 bytes", "took 3 GB of memory: traceback")
def mnist_gzip_bomb(folder: Path) -> Path:
    return _mnist(folder, gzip.compress(bytes(1 << 24)) * 192)


@cases("damaged, truncated or another file", "refused")
def mnist_gzip_cut(folder: Path) -> Path:
    return _mnist(folder, gzip.compress(bytes(1000))[:-4])


@cases("lacks train-images-idx3-ubyte", "refused")
def mnist_pipe(folder: Path) -> Path:
    _mnist(folder, b"")
    first = folder / f"{mnist.SOURCES[0].name}.gz"
    first.unlink()
    os.mkfifo(first)
    return folder


def _cifar(folder: Path, first: bytes) -> Path:
    cifar_batches.write(folder, {**cifar_batches.batches(), "data_batch_1": first})
    return folder


@cases("more than the 268,435,456 allowed", "took 4 GB of memory, did not end")
def cifar10_batch_of_gigabytes(folder: Path) -> Path:
    _cifar(folder, b"")
    with (folder / "data_batch_1").open("wb") as file:
        file.truncate(1 << 32)
    return folder


@cases("a tuple is a key of a dictionary", "the process crashed")
def cifar10_key_nested_deep(folder: Path) -> Path:
    return _cifar(folder, b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.")


@cases("cannot reshape array", "refused")
def cifar10_array_of_terabytes(folder: Path) -> Path:
    batch = cifar_batches.python2_batch("data_batch_1")
    rows, columns = b"J\x04\0\0\0", b"J\x00\x0c\0\0"
    assert rows + columns in batch
    return _cifar(folder, batch.replace(rows + columns, b"J\xff\xff\xff\x7f" * 2))


@cases("it wants 'posix.system'", "refused")
def cifar10_code(folder: Path) -> Path:
    return _cifar(folder, b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.")


ARRAYS: dict[str, np.ndarray] = {
    "train_inputs": np.zeros((6, 3), np.uint8),
    "train_labels": np.arange(6) % 2,
    "test_inputs": np.zeros((4, 3), np.uint8),
    "test_labels": np.arange(4) % 2,
}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def _npz(folder: Path, packing: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    content = {**{name: npy(array) for name, array in ARRAYS.items()}, **members}
    with zipfile.ZipFile(folder / "data.npz", "w", packing) as archive:
        for name, raw in content.items():
            archive.writestr(f"{name}.npy", raw)
    return folder


def claiming(shape: Any, dtype: str = "|u1") -> bytes:
    """An array's header without its content."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@cases(
    "train_inputs says that it is uint8 [1000000 x 1000000]",
    "asked for 931 GB: traceback",
)
def arrays_of_terabytes(folder: Path) -> Path:
    return _npz(folder, train_inputs=claiming((10**6, 10**6)))


@cases("train_inputs holds object, not numbers", "refused")
def arrays_of_objects(folder: Path) -> Path:
    return _npz(folder, train_inputs=claiming((6, 3), "|O"))


@cases("its arrays take", "took 569 MB of memory")
def arrays_zip_bomb(folder: Path) -> Path:
    big = claiming((1 << 20, 512)) + bytes(1 << 29)
    return _npz(folder, zipfile.ZIP_DEFLATED, train_inputs=big)


@cases("is packed in another way than with deflate", "accepted")
def arrays_packed_with_lzma(folder: Path) -> Path:
    return _npz(folder, zipfile.ZIP_LZMA)


@cases("it lists more members than any such file has", "accepted")
def arrays_of_many_members(folder: Path) -> Path:
    _npz(folder)
    with zipfile.ZipFile(folder / "data.npz", "a") as archive:
        info = archive.getinfo("train_inputs.npy")
        for number in range(60_000):
            copy = zipfile.ZipInfo(f"{number}.npy")
            for field in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(copy, field, getattr(info, field))
            archive.filelist.append(copy)
        archive.writestr("more.npy", b"")  # else the list is not written again
    return folder


@cases("cannot be read: a named pipe, not a file", "refused")
def arrays_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "data.npz")
    return folder


@cases("no .npz of plain arrays", "refused")
def arrays_without_end(folder: Path) -> Path:
    _npz(folder)
    path = folder / "data.npz"
    path.write_bytes(path.read_bytes()[:-200])
    return folder
