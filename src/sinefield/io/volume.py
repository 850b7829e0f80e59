"""Volumes: arrays with three axes, from NPY and NIfTI files or from memory, with the sizes of their voxels.

Arrays are ``(z, y, x)``. A NIfTI file stores x as the first axis, which is reversed here; its rotation in scanner space
is not applied. nibabel, the extra ``nifti``, reads it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.allocation import TooLargeError, check_memory, find_extremes
from sinefield.io.files import replacing

SUFFIXES = (".nii", ".nii.gz")
"""The endings of files that always hold volumes."""

_SIZES = (1e-9, 1e9)  # millimetres: the least and the greatest size of a voxel


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume.

    Args:
        values: values ``(z · y · x, 1)`` as stored, in C order.
        shape: number of voxels along z, y and x.
        sizes: size of a voxel along z, y and x, in ``unit``.
        low: least value.
        high: greatest value.
        unit: unit of the sizes: ``"mm"``, or ``"voxel"`` where they are not known.
        name: name of the volume in messages.
    """

    values: NDArray[Any]
    shape: tuple[int, int, int]
    sizes: tuple[float, float, float]
    low: float
    high: float
    unit: str
    name: str


def read(source: str | Path | NDArray[Any] | Tensor, sizes: tuple[float, float, float] | None = None) -> Volume:
    """Return the volume in a file, or in an array ``(z, y, x)`` of integers, booleans or floats.

    Args:
        source: a path, an array or a tensor. NPY files are mapped rather than loaded.
        sizes: size of a voxel along z, y and x, in millimetres; None: those that a NIfTI file tells, or cubes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is no volume, is damaged, constant or too large for memory, has fewer than two voxels
            along an axis, NaN, infinity or sizes that are not positive, or nibabel is missing.
    """
    if isinstance(source, Tensor):
        tensor = source.detach().cpu()  # NumPy has no bfloat16
        source = (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy()
    if isinstance(source, np.ndarray):
        return _make_volume(source, sizes, f"an array of shape {source.shape}")
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a volume, as NPY or NIfTI")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one volume in it")
    if path.name.lower().endswith(SUFFIXES):
        array, found = _read_nifti(path)
        return _make_volume(array, sizes or found, str(path))
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a volume; it may be damaged, or no NPY or NIfTI file") from error
    return _make_volume(mapped, sizes, str(path))


def _read_nifti(path: Path) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """Return the array ``(z, y, x)`` of a file and the sizes of its voxels in millimetres.

    Raises:
        TooLargeError: memory cannot hold the array.
        ValueError: the file cannot be read.
    """
    if importlib.util.find_spec("nibabel") is None:
        raise ValueError(f"reading {path} needs nibabel; install it with: pip install 'sinefield[nifti]'")
    import nibabel

    try:
        image: Any = nibabel.load(path)
        shape = image.shape
        if len(shape) < 3 or any(each != 1 for each in shape[3:]):
            raise ValueError(f"an array of shape {shape}, where one volume of three axes was expected")
        check_memory(path, shape, 8)
        raw = image.dataobj
        plain = (raw.slope, raw.inter) == (1.0, 0.0)
        # Integers without a scale and an offset keep their type, which takes a half or a quarter of the memory.
        array = np.asarray(raw.get_unscaled()) if plain else np.asarray(raw, dtype=np.float32)
        spatial = image.header.get_xyzt_units()[0]
        factor = {"meter": 1e3, "micron": 1e-3}.get(spatial, 1.0)
        x, y, z = (float(each) * factor for each in image.header.get_zooms()[:3])
    except TooLargeError:
        raise
    except Exception as error:  # nibabel and the decompressors raise any kind of error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a volume ({reason}); it may be damaged, or no NIfTI file"
        ) from error
    return array.reshape(shape[:3]).T, (z, y, x)


def _make_volume(array: NDArray[Any], sizes: tuple[float, float, float] | None, name: str) -> Volume:
    if array.ndim != 3:
        raise ValueError(f"{name} is no volume: expected (z, y, x), got {array.ndim} axes of shape {array.shape}")
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {array.dtype}; expected integers, booleans or floats")
    if min(array.shape) < 2:
        raise ValueError(f"{name} has shape {array.shape}; a volume needs at least 2 voxels along each axis")
    if sizes is not None and not (len(sizes) == 3 and all(_SIZES[0] <= each <= _SIZES[1] for each in sizes)):
        raise ValueError(f"the voxels of {name} have sizes {sizes}; expected three positive lengths in millimetres")
    flat = np.ascontiguousarray(array).reshape(-1, 1)
    low, high = find_extremes(flat)
    largest = float(np.finfo(np.float32).max)
    if not -largest <= low <= high <= largest:
        raise ValueError(f"{name} holds NaN, infinity or numbers too large; replace those voxels by numbers first")
    if low == high:
        raise ValueError(f"{name} is constant: every voxel is {low:g}; there is nothing to fit, give another volume")
    depth, height, width = array.shape
    unit = "voxel" if sizes is None else "mm"
    return Volume(flat, (depth, height, width), sizes or (1.0, 1.0, 1.0), low, high, unit, name)


def write(path: str | Path, values: NDArray[np.float32]) -> None:
    """Write a volume ``(z, y, x)`` as NPY, whole or not at all.

    Raises:
        ValueError: the ending is not .npy.
        OSError: the file cannot be written.
    """
    if Path(path).suffix.lower() != ".npy":
        raise ValueError(f"cannot write {path}: a volume's ending must be .npy; give --axis and --at for a picture")
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
