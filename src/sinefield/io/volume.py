"""Volumes: arrays with three axes, from files or from memory, with the sizes of their voxels and where they lie.

Arrays are ``(z, y, x)``; those of scans run up, to the front and to the right, see :mod:`.volumes.placement`. Arrays
and files that do not tell an orientation are kept as they are.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.allocation import allocate, iterate_slabs, release
from sinefield.io.files import replacing
from sinefield.io.known import fill_unknown
from sinefield.io.volumes import nifti, npy, nrrd, tiff_stack
from sinefield.io.volumes.placement import Placement
from sinefield.io.volumes.voxels import Voxels, is_compressed, tell

SUFFIXES = (*nifti.SUFFIXES, *nrrd.SUFFIXES)
"""The endings of files that always hold volumes."""

WRITTEN = (".npy", *nifti.WRITTEN, *tiff_stack.SUFFIXES)
"""The endings of what is written."""

Sizes = tuple[float, float, float]

_SIZES = (1e-9, 1e9)  # millimetres: the least and the greatest size of a voxel
_LARGEST = float(np.finfo(np.float32).max)
_EMPTY = "NaN or infinite"  # or the greatest number of single precision, of either sign
_LEVELS = 4096  # steps of single precision in the range of the values, below which it is told that they are few
_SAMPLED = 1 << 20  # voxels whose distribution is looked at
_COMMON = (0.1, 99.9)  # percentiles between which values are common
_FAR = 10  # strays are told where all values span so many times what the common ones do
_FILLED = 1 << 24  # voxels up to which those that are not known are filled in from their neighbours
_OTHERS = {
    b"ObjectType": "MetaImage; convert it to NIfTI, with SimpleITK or 3D Slicer",
    b"NDims": "MetaImage; convert it to NIfTI, with SimpleITK or 3D Slicer",
    b"\x89HDF\r\n\x1a\n": "HDF5, as MINC 2 is; convert it to NIfTI, with mnc2nii, or save the array as NPY",
    b"CDF\x01": "NetCDF, as MINC 1 is; convert it to NIfTI, with mnc2nii, or save the array as NPY",
    b"BZh": "compressed by bzip2; unpack it first",
}  # what files begin with, and what they are


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume.

    Args:
        values: values ``(z · y · x, 1)`` as stored, in C order; anything finite where they are not known.
        shape: number of voxels along z, y and x.
        sizes: size of a voxel along z, y and x, in ``unit``.
        low: value of black: the least that is known, or what was asked for.
        high: value of white.
        unit: unit of the sizes: ``"mm"``, or ``"voxel"`` where they are not known.
        name: name of the volume in messages.
        placement: where it lies in a body; None: not known.
        known: which voxels are known, ``(z · y · x, 1)``; None: all.
    """

    values: NDArray[Any]
    shape: tuple[int, int, int]
    sizes: Sizes
    low: float
    high: float
    unit: str
    name: str
    placement: Placement | None = None
    known: NDArray[np.bool_] | None = None


def read(
    source: str | Path | NDArray[Any] | Tensor,
    sizes: Sizes | None = None,
    *,
    volume: int | None = None,
    nodata: float | None = None,
    background: float | None = None,
    value_range: tuple[float, float] | None = None,
) -> Volume:
    """Return the volume in a file, or in an array ``(z, y, x)`` of integers, booleans or floats.

    Args:
        source: a path, an array or a tensor. Large files that are not compressed are mapped rather than loaded.
        sizes: size of a voxel along z, y and x, in millimetres; None: those that the file tells, or cubes.
        volume: the number of one of several in the source, from 0; None: the first.
        nodata: the value of voxels that are not known; None: what the file tells. NaN, infinity and the greatest
            number of single precision, of either sign, are not known.
        background: what NaN and infinity are replaced by, which is known then; None: they are not known.
        value_range: the values of black and white; None: the least and the greatest that are known.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is no volume, is damaged, constant or too large for memory, has fewer than two voxels
            along an axis, nothing that is known, or sizes that are not positive, or nibabel is missing.
    """
    if isinstance(source, Tensor):
        tensor = source.detach().cpu()  # NumPy has no bfloat16
        source = (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy()
    if isinstance(source, np.ndarray):
        name = f"an array of shape {source.shape}"
        voxels = Voxels(npy.select_volume(source, name, volume))
    else:
        name = str(source)
        voxels = _read_file(Path(source), volume)
    _check(voxels.array, sizes or voxels.sizes, name)
    values, known = _find_known(voxels, name, voxels.nodata if nodata is None else nodata, background)
    low, high = _range_of(values, known, name, value_range)
    placement = voxels.placement if sizes is None or voxels.placement is None else voxels.placement.with_sizes(sizes)
    depth, height, width = voxels.array.shape
    measured = sizes or voxels.sizes
    unit = "voxel" if measured is None else "mm"
    shape = (depth, height, width)
    return Volume(values, shape, measured or (1.0, 1.0, 1.0), low, high, unit, name, placement, known)


def _read_file(path: Path, volume: int | None) -> Voxels:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a volume, as NIfTI, NPY or a TIFF stack")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one volume in it; slices of DICOM become one with dcm2niix")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a volume, as NIfTI, NPY or a TIFF stack")
    with path.open("rb") as file:
        return _read_known(path, file.read(352), volume)


def _read_known(path: Path, start: bytes, volume: int | None) -> Voxels:
    """Return the volume in a file that begins so.

    Raises:
        ValueError: it is none that is read, which is named if it is known.
    """
    if path.name.lower().endswith((*nifti.SUFFIXES, *nifti.PAIRS)):
        return nifti.read(path, volume)
    if start.startswith(nrrd.MAGIC):
        return nrrd.read(path, volume)
    if start.startswith(tiff_stack.MAGICS):
        return tiff_stack.read(path, volume)
    if start.startswith(npy.MAGIC) or zipfile.is_zipfile(path):
        return npy.read(path, volume)
    if start[128:132] == b"DICM":
        raise ValueError(f"{path} is one slice of DICOM; make a NIfTI file of all in its folder with dcm2niix")
    for magic, what in _OTHERS.items():
        if start.startswith(magic):
            raise ValueError(f"{path} is {what}")
    if nifti.is_header(start) or is_compressed(path):
        return nifti.read(path, volume)
    raise ValueError(f"{path} cannot be read as a volume: it is no NIfTI, MGH, NRRD, NPY or TIFF stack, or is damaged")


def _check(array: NDArray[Any], sizes: Sizes | None, name: str) -> None:
    """Refuse what is no volume of numbers.

    Raises:
        ValueError: the array or the sizes are none of a volume.
    """
    if array.dtype.kind == "c":
        raise ValueError(f"{name} holds complex numbers, a volume has real ones; save the magnitude or the phase")
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {array.dtype}; expected integers, booleans or floats")
    if min(array.shape) < 2:
        raise ValueError(f"{name} has shape {array.shape}; a volume needs at least 2 voxels along each axis")
    if sizes is not None and not (len(sizes) == 3 and all(_SIZES[0] <= each <= _SIZES[1] for each in sizes)):
        raise ValueError(f"the voxels of {name} have sizes {sizes}; expected three positive lengths in millimetres")


def _find_known(
    voxels: Voxels, name: str, nodata: float | None, background: float | None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the values ``(n, 1)`` in C order, and which are known; what is not is told.

    Raises:
        ValueError: none is known, or the background is no number of single precision.
    """
    values = _contiguous(voxels.array, name)
    if background is not None and not abs(background) <= _LARGEST:
        raise ValueError(f"the background of {name} is {background:g}; expected a number")
    if values.dtype.kind != "f" and nodata is None:
        return values, None
    known = np.ones(len(values), dtype=bool)
    empty = missing = 0
    for some in iterate_slabs(values):
        part = values[some, 0]
        finite = _is_told(part)
        empty += int(np.count_nonzero(~finite))
        told = np.zeros_like(finite) if nodata is None else _equals(part, nodata)
        missing += int(np.count_nonzero(told & finite))
        known[some] = ~told if background is not None else finite & ~told
    if empty and background is not None:
        values = _changed(values, ~_is_told(values), background, name)
        tell(f"{name}: {_count(empty, len(values))} {_EMPTY}, and taken for {background:g}")
    if known.all():
        return values, None
    if not known.any():
        raise ValueError(f"{name} has no voxel that is known: all {len(values)} are NaN, infinite or nodata")
    if empty and background is None:
        tell(
            f"{name}: {_count(empty, len(values))} {_EMPTY}: nothing is fitted there, and NaN is written; "
            "--background VALUE takes them for a value"
        )
    if missing:
        tell(f"{name}: {_count(missing, len(values))} of the value {nodata:g}, nodata: nothing is fitted there")
    if len(values) <= _FILLED:
        shape = (*voxels.array.shape, 1)
        return fill_unknown(values.reshape(shape), known.reshape(shape)).reshape(-1, 1), known[:, None]
    return _changed(values, ~known[:, None], values[int(known.argmax()), 0], name), known[:, None]


def _is_told(part: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values are finite, and not the greatest of single precision, which marks what is missing too."""
    finite: NDArray[np.bool_] = np.isfinite(part)
    return finite & (np.abs(part) != _LARGEST) if part.dtype.kind == "f" and part.itemsize > 2 else finite


def _equals(part: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Return which values are the one that marks missing samples, as the type of the values holds it."""
    if math.isnan(nodata) or (part.dtype.kind != "f" and not float(nodata).is_integer()):
        return np.zeros(part.shape, dtype=bool)
    with np.errstate(over="ignore"):
        same: NDArray[np.bool_] = part == (part.dtype.type(nodata) if part.dtype.kind == "f" else int(nodata))
    return same


def _count(count: int, of: int) -> str:
    return f"{count:,} of {of:,} voxels ({100 * count / of:.2g} %) are"


def _contiguous(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the values ``(n, 1)`` of an array in C order, mapped from a temporary file where they are many."""
    if array.flags.c_contiguous:
        return array.reshape(-1, 1)
    found = allocate(name, array.shape, array.dtype)
    for number in range(len(found)):
        found[number] = array[number]
        release(found)
    return found.reshape(-1, 1)


def _changed(values: NDArray[Any], where: NDArray[np.bool_], by: Any, name: str) -> NDArray[Any]:
    """Return values with some replaced."""
    found = allocate(name, values.shape, values.dtype)
    for some in iterate_slabs(found):
        found[some] = np.where(where[some], values.dtype.type(by), values[some])
    return found


def _range_of(
    values: NDArray[Any], known: NDArray[np.bool_] | None, name: str, asked: tuple[float, float] | None
) -> tuple[float, float]:
    """Return the values of black and white; strays and steps of single precision that are too coarse are told.

    Raises:
        ValueError: the values are constant or too large for single precision, or the range is none.
    """
    least, most = np.array([(float(each.min()), float(each.max())) for each in _parts(values, known)]).T
    low, high = float(least.min()), float(most.max())
    if not -_LARGEST <= low <= high <= _LARGEST:
        raise ValueError(f"{name} holds numbers too large for single precision ({low:g} to {high:g}); scale them first")
    if low == high:
        raise ValueError(f"{name} is constant: every voxel is {low:g}; there is nothing to fit, give another volume")
    if asked is not None:
        if len(asked) != 2 or not -_LARGEST <= asked[0] < asked[1] <= _LARGEST:
            raise ValueError(f"the range of values is {asked}; expected black and white, the lower first")
        low, high = asked
    steps = (high - low) / float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if steps < 1:
        raise ValueError(f"{name} is constant in single precision ({low:.9g} to {high:.9g}); subtract an offset first")
    if steps < _LEVELS and values.dtype.itemsize > 2:
        tell(f"{name}: single precision has {int(steps)} steps from {low:.9g} to {high:.9g}; subtract an offset first")
    if asked is None:
        _tell_strays(values, known, name, low, high)
    return low, high


def _parts(values: NDArray[Any], known: NDArray[np.bool_] | None) -> Iterator[NDArray[Any]]:
    """Yield the values that are known, a few megabytes at a time."""
    for some in iterate_slabs(values):
        part = values[some] if known is None else values[some][known[some]]
        if part.size:
            yield part


def _tell_strays(values: NDArray[Any], known: NDArray[np.bool_] | None, name: str, low: float, high: float) -> None:
    """Tell where a few values are far from all others, as of defective samples: the others then span little."""
    step = max(1, len(values) // _SAMPLED)
    some = values[::step] if known is None else values[::step][known[::step]]
    if some.size == 0:
        return
    first, last = (float(each) for each in np.percentile(some.astype(np.float64), _COMMON))
    if first < last and high - low > _FAR * (last - first):
        tell(
            f"{name}: values go from {low:g} to {high:g}, nearly all from {first:g} to {last:g}; if the others are "
            f"defects, --range {first:g},{last:g} makes these black and white, and --nodata VALUE leaves a value out"
        )


def check_suffix(path: str | Path) -> None:
    """Check that a volume can be written to a file of this name.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`.
    """
    if not str(path).lower().endswith(WRITTEN):
        raise ValueError(
            f"cannot write {path}: a volume's ending must be one of {', '.join(WRITTEN)}; give --axis and --at for a "
            "picture"
        )


def write(
    path: str | Path,
    values: NDArray[np.float32],
    placement: Placement | None = None,
    sizes: Sizes | None = None,
) -> None:
    """Write a volume in single precision, whole or not at all.

    Args:
        path: of the file; its ending chooses the format.
        values: ``(z, y, x)``; NaN where nothing is known. NPY keeps them as they are. Pages of a TIFF are slices, with
            the foremost row first where it is known which that is.
        placement: where these voxels lie; None: not known.
        sizes: size of a voxel along z, y and x, in millimetres; None: not known.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`, the format cannot hold the volume, or nibabel is missing.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    name = str(path).lower()
    if name.endswith(nifti.WRITTEN):
        nifti.write(path, values, placement or Placement.of_boxes(sizes))
    elif name.endswith(tiff_stack.SUFFIXES):
        tiff_stack.write(path, values if placement is None else values[:, ::-1], sizes)
    else:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)
