"""Tests of volumes: what is read is what was written, voxel sizes, bad files are told."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sinefield.io import volume


def ball(shape: tuple[int, int, int] = (6, 8, 10), dtype: Any = np.int16) -> NDArray[Any]:
    z, y, x = np.mgrid[tuple(slice(-1, 1, complex(0, n)) for n in shape)]
    values: NDArray[Any] = (1000 * np.exp(-(x**2) - 2 * y**2 - 3 * z**2)).astype(dtype)
    return values


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, bool])
def test_an_npy_file_is_read_as_it_is(tmp_path: Path, dtype: Any) -> None:
    array = (ball() // 5 > 100 if dtype is bool else ball() // 5).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    found = volume.read(tmp_path / "a.npy")
    assert (found.shape, found.sizes, found.unit, found.name) == (
        (6, 8, 10),
        (1, 1, 1),
        "voxel",
        str(tmp_path / "a.npy"),
    )
    assert found.values.dtype == dtype
    assert np.array_equal(found.values.reshape(found.shape), array)
    assert (found.low, found.high) == (float(np.float32(array.min())), float(np.float32(array.max())))


def test_arrays_and_tensors_are_read() -> None:
    for source in (ball(), ball(dtype=np.float32)[::-1], torch.from_numpy(ball()), torch.ones(2, 2, 2).cumsum(0)):
        expected = source.numpy() if isinstance(source, torch.Tensor) else source
        assert np.array_equal(volume.read(source).values.reshape(expected.shape), expected)
    assert volume.read(torch.rand(2, 3, 4).bfloat16()).values.dtype == np.float32


def test_sizes_are_millimetres() -> None:
    assert volume.read(ball(), (2.0, 1.0, 1.0)).unit == "mm"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4)), "has 2 axes, of shape .4, 4.; --kind image reads it as a picture"),
        (np.zeros((4, 4, 4)), "is constant: every voxel is 0"),
        (np.zeros((1, 4, 4)), "at least 2 voxels along each axis"),
        (np.zeros((0, 4, 4)), "at least 2 voxels along each axis"),
        (np.zeros((2, 2, 2, 2, 2)), "expected .z, y, x., got 5 axes"),
        (np.full((4, 4, 4), np.nan), "has no voxel that is known: all 64 are NaN"),
        (np.where(ball() > 500, 1e300, 0), "numbers too large for single precision"),
        (np.zeros((4, 4, 4), dtype=complex), "holds complex numbers"),
        (np.zeros((4, 4, 4), dtype="U3"), "holds <U3; expected integers"),
        (2**30 + ball().astype(np.int64) % 2 * 10, "is constant in single precision"),
    ],
)
def test_arrays_that_are_no_volume_are_told(array: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        volume.read(array)


@pytest.mark.parametrize("sizes", [(1.0, 0.0, 1.0), (1.0, -2.0, 1.0), (1.0, 1.0, float("nan")), (1.0, 1.0)])
def test_implausible_sizes_are_told(sizes: Any) -> None:
    with pytest.raises(ValueError, match="expected three positive lengths"):
        volume.read(ball(), sizes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.nii", b"", r"is empty \(0 bytes\)"),
        ("a.nii", b"no volume " * 50, "are no header of NIfTI; it may be damaged, or something else"),
        ("a.nii.gz", b"no volume " * 50, "are no header of NIfTI"),
        ("a.nii", bytes(100), "100 bytes at its beginning are no header of NIfTI"),
        ("a.npy", b"no numbers", "is no NIfTI, MGH, NRRD, NPY or TIFF stack, or is damaged"),
        ("a.dcm", bytes(128) + b"DICM", "is one slice of DICOM; .* dcm2niix"),
        ("a.mha", b"ObjectType = Image", "is MetaImage; convert it to NIfTI"),
        ("a.mhd", b"NDims = 3", "is MetaImage; convert it to NIfTI"),
        ("a.mnc", b"\x89HDF\r\n\x1a\n", "is HDF5, as MINC 2 is; convert it to NIfTI"),
        ("a.nii.bz2", b"BZh9", "is compressed by bzip2; unpack it first"),
        ("a.mnc", b"CDF\x01", "is NetCDF, as MINC 1 is; convert it to NIfTI"),
    ],
)
def test_what_is_no_volume_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"^[^\n]*{message}[^\n]*$"):
        volume.read(tmp_path / name)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        volume.read(tmp_path / "none.nii")
    with pytest.raises(ValueError, match="is a folder; give one volume in it; slices of DICOM become one"):
        volume.read(tmp_path)


def test_a_missing_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume.write(tmp_path / "a.nii", ball(dtype=np.float32))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs nibabel; install it with: pip install 'sinefield\[nifti\]'"):
        volume.read(tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"writing .* needs nibabel"):
        volume.write(tmp_path / "b.nii", ball(dtype=np.float32))


def told(array: Any, **options: Any) -> tuple[volume.Volume, list[str]]:
    """Return the volume of an array and what was told of it."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        read = volume.read(array, **options)
    return read, [str(each.message) for each in found]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_what_is_not_finite_is_not_known(dtype: Any) -> None:
    array = ball(dtype=np.float32).astype(dtype)
    array[0, 0], array[1, 2, 3] = np.nan, np.inf
    found, words = told(array)
    assert found.known is not None
    assert np.array_equal(found.known.reshape(found.shape), np.isfinite(array))
    assert np.isfinite(found.values).all()
    assert (found.low, found.high) == (float(np.nanmin(array)), float(array[np.isfinite(array)].max()))
    assert "11 of 480 voxels (2.3 %) are NaN or infinite" in words[0]
    assert "--background VALUE" in words[0]
    filled, words = told(array, background=-5.0)
    assert filled.known is None
    assert filled.low == -5
    assert np.array_equal(filled.values[found.known], found.values[found.known])
    assert (filled.values[~found.known] == -5).all()
    assert "taken for -5" in words[0]
    with pytest.raises(ValueError, match=r"the background of .* is nan"):
        volume.read(array, background=float("nan"))


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_greatest_number_is_not_known(sign: int) -> None:
    array = ball(dtype=np.float32)
    array[0] = sign * np.finfo(np.float32).max
    found, words = told(array)
    assert found.known is not None
    assert found.known.sum() == 400
    assert found.high <= 1000
    assert "80 of 480 voxels" in words[0]
    assert told(array, background=-7.0)[0].low == -7


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, np.uint8])
def test_a_value_may_mark_what_is_not_known(dtype: Any) -> None:
    array = (ball() // 5).astype(dtype)
    marker = 255 if dtype is np.uint8 else -999
    array[2, 3:6, 4] = marker
    found, words = told(array, nodata=marker)
    assert found.known is not None
    assert np.array_equal(found.known.reshape(found.shape), array != marker)
    assert found.high < 250
    assert found.low >= 0
    assert f"3 of 480 voxels (0.62 %) are of the value {marker}, nodata" in words[0]
    assert told(array, nodata=1234.5)[0].known is None
    assert told(array, nodata=float("nan"))[0].known is None


def test_the_range_is_that_found_or_that_asked_for() -> None:
    found, words = told(ball())
    assert (found.low, found.high, words) == (ball().min(), ball().max(), [])
    found, _ = told(ball(), value_range=(0.0, 4095.0))
    assert (found.low, found.high) == (0, 4095)
    for wrong in ((5.0, 5.0), (5.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="expected black and white, the lower first"):
            volume.read(ball(), value_range=wrong)


def test_strays_far_off_are_told() -> None:
    array = np.random.default_rng(0).normal(200, 20, (20, 20, 20)).astype(np.float32)
    assert told(array)[1] == []
    array[3, 4, 5] = 32767
    _, words = told(array)
    assert "to 32767, nearly all from" in words[0]
    assert "--range" in words[0]
    assert told(array, value_range=(100.0, 300.0))[1] == []


def test_steps_of_single_precision_that_are_too_coarse_are_told() -> None:
    _, words = told(10_000_000_000 + 100 * ball().astype(np.int64))
    assert "single precision has" in words[0]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    array = ball(dtype=np.float32)
    array[0, 0, 0] = np.nan
    for ending in volume.WRITTEN:
        volume.write(tmp_path / f"a{ending}", array, sizes=(3.0, 2.0, 1.0))
        found, _ = told(tmp_path / f"a{ending}")
        assert found.known is not None
        assert found.shape == array.shape
        assert np.array_equal(found.values[found.known[:, 0]], array.reshape(-1, 1)[found.known[:, 0]])
        assert np.argwhere(~found.known.reshape(found.shape)).tolist() == [[0, 0, 0]]
        if ending != ".npy":
            assert found.sizes == pytest.approx((3.0, 2.0, 1.0))
    with pytest.raises(ValueError, match=r"ending must be one of \.npy, \.nii, \.nii\.gz, \.tif"):
        volume.write(tmp_path / "a.png", array)
