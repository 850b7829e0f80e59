"""Tests that each row of the table of volumes in docs/formats.md is so: read as it says, and written back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from nibabel.freesurfer import MGHImage

import documented
import scans
from sinefield import kinds
from sinefield.io import volume as volumes
from sinefield.io.volumes import nifti, tiff_stack
from sinefield.problems import volume
from sinefield.signals.volume import VolumeSignal

ROWS = {tuple(documented.endings(row)): row for row in documented.rows("Volumes")}


def pair(path: Path, array: Any, affine: Any) -> None:
    nibabel.save(nibabel.Nifti1Pair(array, affine), path)


def mgh(path: Path, array: Any, affine: Any) -> None:
    nibabel.save(MGHImage(array, affine), path)


def nearly_raw(path: Path, array: Any, affine: Any) -> None:
    told = {"space": "right-anterior-superior", "space directions": affine[:3, :3].T, "space origin": affine[:3, 3]}
    nrrd.write(str(path), array, told)


def npy(path: Path, array: Any, affine: Any) -> None:
    np.save(path, scans.head())


def npz(path: Path, array: Any, affine: Any) -> None:
    np.savez(path, scan=scans.head())


def stack(path: Path, array: Any, affine: Any) -> None:
    z, y, x = scans.SIZES
    told = {"axes": "ZYX", "spacing": z, "unit": "mm"}
    tifffile.imwrite(path, scans.head(), imagej=True, resolution=(1 / x, 1 / y), metadata=told)


WRITERS: dict[tuple[str, ...], Callable[[Path, Any, Any], object]] = {
    (".nii", ".nii.gz"): scans.save,
    (".hdr", ".img"): pair,
    (".mgh", ".mgz"): mgh,
    (".nrrd", ".nhdr"): nearly_raw,
    (".npy",): npy,
    (".npz",): npz,
    (".tif", ".tiff"): stack,
}


def test_the_table_has_every_ending_and_every_row_a_check() -> None:
    assert set(ROWS) == set(WRITERS)
    told = {each for endings in ROWS for each in endings}
    read = {*kinds.KINDS["volume"].endings, *volumes.WRITTEN, *nifti.PAIRS, *tiff_stack.SUFFIXES, ".npz"}
    assert told == {each for each in read if each not in (".hdr.gz", ".img.gz")}  # told with the plain ones


@pytest.mark.parametrize("endings", WRITERS, ids=lambda each: each[0])
def test_a_row_is_read_as_it_says_and_written_back(endings: tuple[str, ...], tmp_path: Path) -> None:
    row = ROWS[endings]
    for ending in endings:
        path = tmp_path / f"a{ending}"
        WRITERS[endings](path, *scans.stored("LPS"))
        kind = "volume" if "--kind volume" in row["Read by"] else None
        assert kinds.kind_of(path) == ("image" if kind else "volume")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            problem = volume(path, hidden_features=8)
        signal = problem.signal
        assert isinstance(signal, VolumeSignal)
        field = scans.Interpolated(problem)
        assert signal.sample(field) == pytest.approx(scans.head().astype(np.float32), abs=1e-3)
        assert (signal.placement is not None) == (ending not in (".npy", ".npz", *tiff_stack.SUFFIXES))
        back = [each for each in volumes.WRITTEN if f"`{each}`" in row["Written back"]] or list(endings)
        for written in back:
            signal.write(field, tmp_path / f"b{written}")
            again = volumes.read(tmp_path / f"b{written}")
            assert again.values.reshape(again.shape) == pytest.approx(scans.head().astype(np.float32), abs=1e-3)
            if written != ".npy":
                assert again.sizes == pytest.approx(signal.sizes)
            if written.startswith(".nii"):
                affine: Any = nibabel.load(tmp_path / f"b{written}")
                assert affine.affine == pytest.approx(scans.stored("LPS")[1])
