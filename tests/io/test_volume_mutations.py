"""Tests that readers of volumes answer with a volume or with one line, whatever a file holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from nibabel.freesurfer import MGHImage

import scans
from mutation import check_reader

ARRAY, AFFINE = scans.stored("LAS")
NRRD = {"space": "RAS", "space directions": AFFINE[:3, :3].T, "space origin": AFFINE[:3, 3]}


def stack(path: Path) -> None:
    told = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(path, scans.head(), imagej=True, resolution=(2, 2), metadata=told)


def ome(path: Path) -> None:
    told = {"axes": "ZYX", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(path, scans.head(), ome=True, compression="zlib", metadata=told)


def pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for page in scans.head():
            tiff.write(page, metadata=None, contiguous=False, compression="lzw")


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.nii": lambda path: scans.save(path, ARRAY, AFFINE),
    "b.nii": lambda path: nibabel.save(nibabel.Nifti2Image(ARRAY, AFFINE), path),
    "c.nii": lambda path: scans.save(path, np.stack([ARRAY, ARRAY], -1).astype(np.float32), AFFINE),
    "a.nii.gz": lambda path: scans.save(path, ARRAY, AFFINE),
    "a.mgh": lambda path: nibabel.save(MGHImage(ARRAY, AFFINE), path),
    "a.mgz": lambda path: nibabel.save(MGHImage(ARRAY, AFFINE), path),
    "a.nrrd": lambda path: nrrd.write(str(path), ARRAY, NRRD),
    "b.nrrd": lambda path: nrrd.write(str(path), ARRAY, {**NRRD, "encoding": "raw"}),
    "a.npy": lambda path: np.save(path, scans.head()),
    "a.npz": lambda path: np.savez_compressed(path, scan=scans.head()),
    "a.tif": stack,
    "b.tif": ome,
    "c.tif": pages,
}


def made(folder: Path, names: list[str]) -> list[Path]:
    for name in names:
        WRITERS[name](folder / name)
    return [folder / name for name in names]


FAMILIES = {
    "nifti": ["a.nii", "b.nii", "c.nii", "a.nii.gz"],
    "mgh": ["a.mgh", "a.mgz"],
    "nrrd": ["a.nrrd", "b.nrrd"],
    "numpy": ["a.npy", "a.npz"],
    "tiff": ["a.tif", "b.tif", "c.tif"],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_mutations_give_a_volume_or_one_line(family: str, tmp_path: Path) -> None:
    check_reader("sinefield.io.volume:read", made(tmp_path, FAMILIES[family]), 100, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_many_mutations_give_a_volume_or_one_line(family: str, tmp_path: Path) -> None:
    check_reader("sinefield.io.volume:read", made(tmp_path, FAMILIES[family]), 10_000, tmp_path, seed=1)
