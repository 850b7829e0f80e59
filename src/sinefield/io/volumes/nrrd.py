"""NRRD: headers by pynrrd, of the extra ``nifti``; the voxels behind them, or in a file beside them, by us.

Source: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io.volumes.placement import UNITS, Placement
from sinefield.io.volumes.voxels import Layout, RefusedError, Voxels, choose, explaining, quiet, read_volume, tell

SUFFIXES = (".nrrd", ".nhdr")
"""The endings of files with voxels, and of headers alone."""

MAGIC = b"NRRD000"

_HEADER = 1 << 16  # bytes: the longest header
_BYTES = {"char": 1, "int8": 1, "short": 2, "int16": 2, "int": 4, "int32": 4, "longlong": 8, "int64": 8}
_SPACES = {
    **dict.fromkeys(("right-anterior-superior", "ras"), (1, 1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1, 1, 1)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1, -1, 1)),
}  # which way x, y and z grow, where that is known
_LENGTHS = {"mm": "mm", "um": "micron", "µm": "micron", "micron": "micron", "microns": "micron", "m": "meter"}


def read(path: Path, volume: int | None = None) -> Voxels:
    """Return one volume in a file.

    Args:
        path: of the file, or of a header with the voxels in another file.
        volume: the number of one of a series, from 0; None: the first, which is told where there are more.

    Raises:
        FileNotFoundError: the file of voxels is not there.
        TooLargeError: the disk cannot hold the volume.
        ValueError: the file is damaged or cut short, has no volume of that number, holds several numbers a voxel, or
            pynrrd or nibabel is missing.
    """
    if any(importlib.util.find_spec(name) is None for name in ("nrrd", "nibabel")):
        raise ValueError(f"reading {path} needs pynrrd and nibabel; install them with: pip install 'sinefield[nifti]'")
    header, begins = _header_of(path)
    told = _named(header, "data file", "datafile")
    voxels = path if told is None else path.parent / str(told)
    if told is not None and not voxels.is_file():
        raise FileNotFoundError(f"{path} is a header, and the file of its voxels, {told}, is not beside it")
    with explaining(f"{path} is damaged: its header does not tell the type, the number and the place of voxels"):
        spatial, count = _axes_of(path, header)
        i, j, k = (int(header["sizes"][axis]) for axis in spatial)
        layout = _layout_of(path, header, voxels, 0 if told else begins, (i, j, k), count)
    number = choose(path, count, volume)
    array = read_volume(layout, number)
    placement, sizes = _placement_of(path, header, spatial)
    if placement is None:
        return Voxels(array, sizes)
    return Voxels(placement.to_body(array.transpose()), placement.sizes, placement)


def _header_of(path: Path) -> tuple[Mapping[str, Any], int]:
    """Return what pynrrd makes of a header, and where it ends.

    Raises:
        ValueError: it is damaged.
    """
    import nrrd

    with path.open("rb") as file:
        start = io.BytesIO(file.read(_HEADER))  # lines of what follows it may be of any length
    with explaining(f"{path} cannot be read as a volume: its header is damaged"), quiet():
        found: Mapping[str, Any] = nrrd.read_header(start)
    return found, start.tell()


def _named(header: Mapping[str, Any], *names: str) -> Any:
    return next((header[name] for name in names if name in header), None)


def _axes_of(path: Path, header: Mapping[str, Any]) -> tuple[tuple[int, ...], int]:
    """Return which axes are those of space, the one that runs fastest first, and how many volumes there are.

    Raises:
        RefusedError: there are other than three of space, or several numbers a voxel.
    """
    sizes, kinds = [int(each) for each in header["sizes"]], header.get("kinds") or []
    directions = header.get("space directions")
    if min(sizes) < 1 or len(sizes) != int(header["dimension"]):
        raise RefusedError(f"{path} is damaged: its header tells a shape of {sizes}")
    spatial = list(range(len(sizes)))
    if directions is not None:
        spatial = [axis for axis, each in enumerate(directions) if each is not None and np.isfinite(each).all()]
    elif len(kinds) == len(sizes):
        spatial = [axis for axis, each in enumerate(kinds) if each in ("domain", "space", "???", "none")]
    others = [axis for axis in range(len(sizes)) if axis not in spatial and sizes[axis] > 1]
    if len(spatial) != 3:
        raise RefusedError(f"{path} has {len(spatial)} axes of space (sizes {sizes}), and a volume has three")
    if any(axis < spatial[-1] for axis in others) or len(others) > 1:
        listed = " x ".join(str(sizes[axis]) for axis in others)
        raise RefusedError(f"{path} holds {listed} numbers a voxel, and a volume has one; save one of them")
    return tuple(spatial), math.prod(sizes[axis] for axis in others)


def _layout_of(
    path: Path, header: Mapping[str, Any], voxels: Path, begins: int, shape: tuple[int, int, int], count: int
) -> Layout:
    """Return where the volumes lie.

    Raises:
        RefusedError: they are stored in a way that is not read.
    """
    encoding, dtype = str(header["encoding"]).lower(), _type_of(path, header)
    lines, skipped = (int(_named(header, f"{each} skip", f"{each}skip") or 0) for each in ("line", "byte"))
    if encoding not in ("raw", "gzip", "gz") or lines or skipped < -1:
        raise RefusedError(f"{path} stores its voxels as {encoding}, with {lines} lines before; save it as gzip or raw")
    packed = encoding != "raw"
    nbytes = math.prod(shape) * dtype.itemsize * count
    if skipped == -1:  # the voxels are the last bytes
        skipped = 0 if packed else max(0, voxels.stat().st_size - nbytes - begins)
    offset = skipped if packed else begins + skipped
    return Layout(voxels, offset, dtype, shape, count, packed, begins)


def _type_of(path: Path, header: Mapping[str, Any]) -> np.dtype[Any]:
    """Return the type of the numbers, which has many names.

    Raises:
        RefusedError: it is none that is known.
    """
    name = str(header["type"]).lower().removesuffix("_t")
    order = {"big": ">", "little": "<"}.get(str(header.get("endian", "")).lower(), "=")
    if name in ("float", "double"):
        return np.dtype(f"{order}f{4 if name == 'float' else 8}")
    words = name.replace("long long", "longlong").split()
    unsigned = name.startswith("u")
    words = [each for each in words if each not in ("signed", "unsigned")] or ["int"]
    word = words[0].removeprefix("u") if unsigned else words[0]
    if word not in _BYTES:
        raise RefusedError(f"{path} holds numbers of the type {name[:40]}; save them as integers or floats")
    return np.dtype(f"{order}{'u' if unsigned else 'i'}{_BYTES[word]}")


def _placement_of(
    path: Path, header: Mapping[str, Any], spatial: tuple[int, ...]
) -> tuple[Placement | None, tuple[float, float, float] | None]:
    """Return where the voxels lie, or their sizes alone along z, y and x in millimetres, if they are told."""
    units = _named(header, "space units", "units") or []
    unit = _LENGTHS.get(str(units[0]).lower(), "mm") if units else "mm"
    lengths: NDArray[np.float64] | None = None
    if header.get("space directions") is not None:
        columns = np.array([header["space directions"][axis] for axis in spatial], dtype=np.float64).T
        signs = _SPACES.get(str(header.get("space", "")).lower())
        origin = header.get("space origin")
        if signs is not None and columns.shape == (3, 3):
            shift = np.zeros(3) if origin is None else np.nan_to_num(np.asarray(origin, dtype=np.float64))
            rows = np.column_stack([columns, shift]) * np.array(signs)[:, None]
            try:
                return Placement.of_affine(rows, unit, 1, 0), None
            except ValueError as error:
                tell(f"{path}: {error}; they are taken for cubes, and its axes as they are")
                return None, None
        lengths = np.linalg.norm(columns, axis=0)
    elif header.get("spacings") is not None:
        lengths = np.abs([float(header["spacings"][axis]) for axis in spatial])
    if lengths is None or not np.isfinite(lengths).all() or not (lengths > 0).all():
        return None, None
    x, y, z = (float(each) * UNITS[unit] for each in lengths)
    return None, (z, y, x)
