"""Tests of NPY and NPZ: any number and order of bytes, further axes, and headers that tell what is not there."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sinefield.io import volume


def ramp(*shape: int) -> NDArray[np.int32]:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def quietly(path: Path, **options: Any) -> tuple[NDArray[Any], list[str]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = volume.read(path, **options)
    return found.values.reshape(found.shape), [str(each.message) for each in told]


def header(path: Path, shape: str, dtype: str = "<i4", values: bytes = bytes(400)) -> Path:
    """Write an NPY file whose header tells what it is told to."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values)
    return path


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "<i2", ">i2", "<u4", ">i8", "<u8", "<f2", ">f4", "<f8", ">f8", "longdouble"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_width_and_order_are_read(dtype: str, order: Any, tmp_path: Path) -> None:
    array = np.asarray(ramp(3, 4, 5) % (2 if dtype == "?" else 60), dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", scan=array)
    for name in ("a.npy", "a.npz"):
        found, told = quietly(tmp_path / name)
        assert np.array_equal(found, array)
        assert found.dtype == array.dtype
        assert told == []


@pytest.mark.parametrize(
    ("shape", "along", "count"),
    [
        ((3, 4, 5, 1), None, 1),
        ((1, 3, 4, 5), None, 1),
        ((1, 1, 3, 4, 5), None, 1),
        ((6, 3, 4, 5), 0, 6),
        ((2, 3, 4, 5), 0, 2),
        ((3, 4, 5, 2), 0, 3),
        ((5, 6, 7, 3), 3, 3),
    ],
)
def test_further_axes_count_volumes(shape: tuple[int, ...], along: int | None, count: int, tmp_path: Path) -> None:
    array = ramp(*shape)
    np.save(tmp_path / "a.npy", array)
    found, told = quietly(tmp_path / "a.npy")
    parts = [array.squeeze()] if along is None else list(np.moveaxis(array, along, 0))
    assert np.array_equal(found, parts[0])
    assert len(told) == (count > 1)
    if count > 1:
        which = "last" if along else "first"
        assert f"holds {count} volumes along its {which} axis, of shape {shape}, the first is used" in told[0]
        found, told = quietly(tmp_path / "a.npy", volume=1)
        assert np.array_equal(found, parts[1])
        assert told == []
    with pytest.raises(ValueError, match=f"from 0 to {count - 1}; got 9"):
        volume.read(tmp_path / "a.npy", volume=9)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ("(10, 10, 10)", "'<i4'", "its header promises 4,000 bytes of values and 400 are there"),
        ("(100000, 100000, 100000)", "'<i4'", "ends early: its header promises 4,000,000,000,000,000 bytes"),
        ("(-1, 10, 10)", "'<i4'", "the header of the array tells a shape of"),
        ("(2, 2, 99999999999999999999)", "'<i4'", "the header of the array tells a shape of"),
        ("(2, 5, 'a')", "'<i4'", "the header of the array is damaged"),
        ("(2, 5, 5)", "'<q9'", "the header of the array is damaged"),
        ("(2, 5, 5)", "'|O'", "holds Python objects; save them as numbers"),
        ("(2, 5, 5)", "[('r', '|u1'), ('g', '|u1')]", "holds records with the fields r, g; save one of them"),
        ("(2, 5, 5)", "'<U1'", "holds <U1; expected integers"),
        ("(2, 5, 5)", "'<M8[s]'", "holds datetime64.s.; expected integers"),
        ("(0, 5, 5)", "'<i4'", "at least 2 voxels along each axis"),
        ("(0, 5, 5, 5)", "'<i4'", "at least 2 voxels along each axis"),
        ("(10, 10)", "'<i4'", "--kind image reads it as a picture"),
    ],
)
def test_headers_that_tell_of_no_volume_are_refused(shape: str, dtype: str, message: str, tmp_path: Path) -> None:
    path = header(tmp_path / "a.npy", shape, dtype)
    with pytest.raises(ValueError, match=rf"^[^\n]*{message}[^\n]*$"):
        quietly(path)


@pytest.mark.parametrize("amount", [0.3, 0.6, 0.9, -1, -200])
def test_a_file_that_is_cut_short_is_refused(amount: float, tmp_path: Path) -> None:
    for name, save in (("a.npy", np.save), ("a.npz", np.savez_compressed)):
        save(tmp_path / name, np.random.default_rng(0).random((6, 7, 8)))
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: int(amount * len(content)) if amount > 0 else int(amount)])
        with pytest.raises(ValueError, match=r"^[^\n]*(ends early|it is damaged|or is damaged)[^\n]*$"):
            volume.read(tmp_path / name)


def test_what_follows_the_array_is_told(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.save(file, ramp(3, 4, 5))
        np.save(file, ramp(3))
    found, told = quietly(tmp_path / "a.npy")
    assert np.array_equal(found, ramp(3, 4, 5))
    assert "140 bytes follow the array, and are left out" in told[0]


def test_archives_of_other_than_one_array_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=ramp(3, 4, 5), right=ramp(3, 4, 5))
    with pytest.raises(ValueError, match=r"holds 2 arrays \(left, right\), and one is read; save one as NPY"):
        volume.read(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("letter.txt", "no array")
    with pytest.raises(ValueError, match=r"holds 0 arrays \(none\)"):
        volume.read(tmp_path / "b.npz")


def test_a_wrong_checksum_in_an_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", scan=ramp(9, 9, 9))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[1500] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        volume.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("shape", "told"),
    [((3, 16, 20), "--kind image --channels first"), ((16, 20, 2), "--channels last"), ((5, 16, 20), "")],
)
def test_what_may_be_a_picture_is_told(shape: tuple[int, ...], told: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ramp(*shape))
    notes = quietly(tmp_path / "a.npy")[1]
    assert len(notes) == bool(told)
    assert all(told in each for each in notes)
