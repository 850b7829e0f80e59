"""Tests of volumes: what is read is what was written, voxel sizes, bad files are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sinefield.io import volume


def ball(shape: tuple[int, int, int] = (6, 8, 10), dtype: Any = np.int16) -> NDArray[Any]:
    z, y, x = np.mgrid[tuple(slice(-1, 1, complex(0, n)) for n in shape)]
    values: NDArray[Any] = (1000 * np.exp(-(x**2) - 2 * y**2 - 3 * z**2)).astype(dtype)
    return values


def nifti(path: Path, array: NDArray[Any], unit: str = "mm", sizes: tuple[float, ...] = (1.0, 1.5, 3.0)) -> Path:
    image: Any = nibabel.Nifti1Image(array, np.diag([*sizes, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


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


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_nifti_file_is_read_with_its_sizes(tmp_path: Path, suffix: str, dtype: Any) -> None:
    array = (ball() // 5).astype(dtype)
    found = volume.read(nifti(tmp_path / f"a{suffix}", array.T))
    assert (found.shape, found.sizes, found.unit) == ((6, 8, 10), (3.0, 1.5, 1.0), "mm")
    assert found.values.dtype == dtype
    assert np.array_equal(found.values.reshape(found.shape), array)


def test_lengths_are_millimetres_whatever_the_file_counts_in(tmp_path: Path) -> None:
    found = volume.read(nifti(tmp_path / "a.nii", ball().T, "micron", (100, 200, 500)))
    assert found.sizes == pytest.approx((0.5, 0.2, 0.1))
    assert volume.read(ball(), (2.0, 1.0, 1.0)).unit == "mm"


def test_scaled_values_are_those_that_are_meant(tmp_path: Path) -> None:
    image: Any = nibabel.Nifti1Image(ball().T, np.eye(4))
    image.header.set_slope_inter(0.5, -100)
    nibabel.save(image, tmp_path / "a.nii")
    expected = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj).T
    found = volume.read(tmp_path / "a.nii")
    assert np.allclose(found.values.reshape(found.shape), expected)


def test_one_volume_of_a_series_is_read(tmp_path: Path) -> None:
    assert volume.read(nifti(tmp_path / "a.nii", ball().T[..., None])).shape == (6, 8, 10)
    with pytest.raises(ValueError, match="where one volume of three axes was expected"):
        volume.read(nifti(tmp_path / "b.nii", np.stack([ball().T] * 2, axis=-1)))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4)), "expected .z, y, x., got 2 axes"),
        (np.zeros((4, 4, 4)), "is constant: every voxel is 0"),
        (np.zeros((1, 4, 4)), "at least 2 voxels along each axis"),
        (np.zeros((0, 4, 4)), "at least 2 voxels along each axis"),
        (np.full((4, 4, 4), np.nan), "NaN, infinity"),
        (np.where(ball() > 500, np.inf, 0), "NaN, infinity"),
        (np.where(ball() > 500, 1e300, 0), "numbers too large"),
        (np.zeros((4, 4, 4), dtype=complex), "holds complex128"),
    ],
)
def test_arrays_that_are_no_volume_are_told(array: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        volume.read(array)


@pytest.mark.parametrize("sizes", [(1.0, 0.0, 1.0), (1.0, -2.0, 1.0), (1.0, 1.0, float("nan")), (1.0, 1.0)])
def test_implausible_sizes_are_told(sizes: Any) -> None:
    with pytest.raises(ValueError, match="expected three positive lengths"):
        volume.read(ball(), sizes)


def test_bad_files_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        volume.read(tmp_path / "none.nii")
    with pytest.raises(ValueError, match="is a folder"):
        volume.read(tmp_path)
    nifti(tmp_path / "whole.nii", ball().T)
    nifti(tmp_path / "whole.nii.gz", ball().T)
    for suffix in ("nii", "nii.gz"):
        content = (tmp_path / f"whole.{suffix}").read_bytes()
        for name, part in (("cut", content[: 2 * len(content) // 3]), ("text", b"no volume " * 50), ("empty", b"")):
            (tmp_path / f"{name}.{suffix}").write_bytes(part)
            with pytest.raises(ValueError, match=r"^[^\n]*cannot be read as a volume \([^\n]*\); it may be damaged"):
                volume.read(tmp_path / f"{name}.{suffix}")
    (tmp_path / "text.npy").write_text("no numbers")
    with pytest.raises(ValueError, match="cannot be read as a volume; it may be damaged"):
        volume.read(tmp_path / "text.npy")


def test_a_missing_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nifti(tmp_path / "a.nii", ball().T)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs nibabel; install it with: pip install 'sinefield\[nifti\]'"):
        volume.read(tmp_path / "a.nii")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    volume.write(tmp_path / "a.npy", ball(dtype=np.float32))
    assert np.array_equal(np.load(tmp_path / "a.npy"), ball(dtype=np.float32))
    with pytest.raises(ValueError, match=r"ending must be \.npy"):
        volume.write(tmp_path / "a.nii", ball(dtype=np.float32))
