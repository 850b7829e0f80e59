"""TIFF stacks: pages as slices along z, with the sizes of voxels that ImageJ and OME tell; by tifffile."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from sinefield.io.allocation import IN_MEMORY, check_disk, check_memory
from sinefield.io.files import replacing
from sinefield.io.volumes.voxels import RefusedError, Voxels, check_expansion, choose, explaining, quiet, tell

SUFFIXES = (".tif", ".tiff")
"""The endings of TIFF files, which are read as volumes where that is asked for."""

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_DEPTH = "ZIQTC"  # the axes that slices may be counted along, the best first
_NAMES = {"T": "times", "C": "channels", "S": "colours"}
_UNITS = {
    1e3: "m meter",
    10.0: "cm centimeter",
    1.0: "mm millimeter",
    1e-3: "um µm μm \\u00b5m micron microns micrometer",
    1e-6: "nm nanometer",
    1e-7: "å angstrom",
    25.4: "inch in",
}
_MILLIMETRES = {name: factor for factor, names in _UNITS.items() for name in names.split()}
_FINE = 0.1  # millimetres: sizes of smaller voxels are written in micrometres
_DENSITIES = {2: 25.4, 3: 10.0}  # millimetres of the units that a page counts its pixels in: inches, centimetres
_SQUARE = 0.01  # how far the sides of a pixel may differ, as a part
_LEAST, _GREATEST = 1e-9, 1e9  # millimetres: the size of a voxel
_LARGEST = (1 << 32) - (1 << 20)  # bytes of values in a file whose places are numbers of 32 bits
_WHITE_IS_ZERO, _PALETTE = 0, 3  # photometric interpretations
_ORIENTATION, _GDAL_NODATA = 274, 42113  # tags
_SWAPPED = (5, 6, 7, 8)  # orientations whose rows are stored as columns
_TURNS = {
    2: (1, -1),
    3: (-1, -1),
    4: (-1, 1),
    6: (1, -1),
    7: (-1, -1),
    8: (-1, 1),
}  # steps along y and x


def read(path: Path, volume: int | None = None) -> Voxels:
    """Return one volume of the pages of a file.

    Args:
        path: of the file.
        volume: the number of one of several, such as times or channels, from 0; None: the first, which is told where
            there are more.

    Raises:
        RefusedError: it is damaged, or its pages are of different sizes; it becomes a ValueError.
        TooLargeError: the disk cannot hold the pages.
        ValueError: the file is damaged, has a single page, pages of different sizes, or no volume of that number.
    """
    import tifffile

    damaged = f"{path} cannot be read as a volume: it is damaged, cut short, or compressed in a way that is not known"
    with explaining(damaged), quiet("tifffile") as logged, tifffile.TiffFile(path, _multifile=False) as tiff:
        count = len(tiff.pages)
        if any("page offset" in each for each in logged):
            raise RefusedError(f"{path} is damaged: its list of pages breaks off after {count}; get another copy")
        series, told = _series_of(path, tiff)
        array = _pages_of(path, series)
        sizes, doubts = _sizes_of(tiff)
        told += doubts + ["some of its metadata is damaged and left out"] * bool(logged)
        axes, nodata, turn = series.axes, _nodata_of(tiff.pages.first), _turn_of(tiff.pages.first)
        if array.ndim != len(axes) or not axes.find("Y") < axes.find("X") or "Y" not in axes:
            raise RefusedError(damaged)
    for each in told:
        tell(f"{path}: {each}")
    chosen = _volume_of(path, axes, array, volume)
    if turn in _SWAPPED:
        chosen, sizes = chosen.swapaxes(1, 2), sizes and (sizes[0], sizes[2], sizes[1])
    down, along = _TURNS.get(turn, (1, 1))
    return Voxels(chosen[:, ::down, ::along], sizes, nodata=nodata)


def _series_of(path: Path, tiff: Any) -> tuple[Any, list[str]]:
    """Return the pages that make one array, and what is to be told of the choice.

    Raises:
        RefusedError: there is a single page, or pages of different sizes.
    """
    whole = [page for page in tiff.pages if not page.is_reduced]
    found, told = tiff.series[0], []
    if found.kind in ("generic", "uniform") and len(tiff.series) > 1:
        counts = Counter(each.shape for each in whole)
        if len(counts) > 1:
            listed = ", ".join(f"{n} of {' x '.join(map(str, shape[:2][::-1]))}" for shape, n in counts.items())
            raise RefusedError(f"{path} has pages of different sizes ({listed:.200}); save those of one as a stack")
        if len({each.dtype for each in whole}) > 1:
            raise RefusedError(f"{path} has pages of different types of number; save those of one type as a stack")
        raise RefusedError(f"{path} is damaged, or its pages are stored in different ways; save them again as a stack")
    if found.keyframe.photometric == _PALETTE:
        told.append("its colours are those of a palette, of which the numbers are used")
    if len(tiff.series) > 1:
        told.append(f"it holds {len(tiff.series)} stacks, the first is used; save another as a file of its own")
    promised = (tiff.imagej_metadata or {}).get("images", len(whole))
    if found.kind != "imagej" and isinstance(promised, int) and promised != len(whole):
        told.append(f"its header promises {promised} pages, and the {len(whole)} that are there are used")
    if None in found.pages:
        raise RefusedError(f"{path} is one of several files of a stack, or pages are missing; join them first")
    return found, told


def _pages_of(path: Path, series: Any) -> NDArray[Any]:
    """Return the array of a series, in memory or mapped from a temporary file where it is large.

    Raises:
        RefusedError: it is larger than what the file can hold.
        TooLargeError: the disk cannot hold it.
    """
    if series.dtype is None or series.dtype.kind not in "buifc":
        raise RefusedError(f"{path} holds values of a type that is not known; save them as integers or floats")
    size = path.stat().st_size
    if any(count > size for page in series.pages for count in page.databytecounts):
        raise RefusedError(f"{path} is damaged, or cut short: its pages claim more bytes than are there; get a copy")
    check_expansion(path, series.nbytes)
    if series.nbytes <= IN_MEMORY:
        check_memory(path, series.shape, 2 * series.dtype.itemsize)
        array: NDArray[Any] = series.asarray(maxworkers=1)
    else:
        check_disk(path, series.shape, series.dtype)
        array = series.asarray(maxworkers=1, out="memmap")
    if series.keyframe.photometric == _WHITE_IS_ZERO:
        array = np.invert(array) if array.dtype.kind in "bui" else array.max() - array
    return array


def _volume_of(path: Path, axes: str, array: NDArray[Any], volume: int | None) -> NDArray[Any]:
    """Return one volume ``(z, y, x)`` of an array whose axes are named.

    Raises:
        ValueError: it has one page, or no volume of that number.
    """
    kept = [number for number, size in enumerate(array.shape) if size > 1 or axes[number] in "YX"]
    array = array.reshape([array.shape[number] for number in kept])
    axes = "".join(axes[number] for number in kept)
    before = axes[: axes.index("Y")]
    depth = next((before.rindex(each) for each in _DEPTH if each in before), None)
    if depth is None:
        raise ValueError(f"{path} has one page, and a volume has several; --kind image reads it as a picture")
    if axes[depth] in _NAMES:
        tell(f"{path}: its pages are {_NAMES[axes[depth]]}, and are taken for slices")
    others = [number for number in range(len(axes)) if number != depth and axes[number] not in "YX"]
    array = array.transpose(*others, depth, axes.index("Y"), axes.index("X"))
    counts = array.shape[: len(others)]
    told = ", ".join(f"{n} {_NAMES.get(axes[each], 'stacks')}" for n, each in zip(counts, others, strict=True))
    number = choose(path, math.prod(counts), volume, f" ({told})")
    chosen: NDArray[Any] = array[np.unravel_index(number, counts)] if others else array
    return chosen


def _sizes_of(tiff: Any) -> tuple[tuple[float, float, float] | None, list[str]]:
    """Return the sizes of a voxel along z, y and x in millimetres, and what is doubtful about them."""
    try:
        sizes = _sizes_of_ome(tiff.ome_metadata) if tiff.is_ome else _sizes_of_imagej(tiff)
    except (ElementTree.ParseError, ValueError, TypeError, ZeroDivisionError, OverflowError):
        return None, ["the sizes of its voxels are damaged; they are taken for cubes"]
    if sizes is not None and not all(_LEAST < each < _GREATEST for each in sizes):
        listed = " x ".join(f"{each:g}" for each in sizes)
        return None, [f"voxels of {listed} mm are not plausible, they are taken for cubes; give --voxel Z,Y,X"]
    across, down = tiff.pages.first.resolution
    if sizes is None and across > 0 and down > 0 and abs(across / down - 1) > _SQUARE:
        return None, [f"its pixels are not square ({1 / across:.3g} x {1 / down:.3g}); tell sizes by --voxel Z,Y,X"]
    return sizes, []


def _sizes_of_imagej(tiff: Any) -> tuple[float, float, float] | None:
    # tifffile writes the same names in stacks of its own.
    told: dict[str, Any] = tiff.imagej_metadata or next(iter(tiff.shaped_metadata or ()), {})
    factor = _MILLIMETRES.get(str(told.get("unit", "")).strip().lower())
    if factor is None:  # pixels, or nothing
        return None
    page = tiff.pages.first
    across, down = page.resolution
    within = factor if tiff.is_imagej else _DENSITIES.get(int(page.resolutionunit), factor)
    return abs(float(told.get("spacing", 1.0))) * factor, within / down, within / across


def _sizes_of_ome(text: str) -> tuple[float, float, float] | None:
    pixels = next((each for each in ElementTree.fromstring(text).iter() if each.tag.endswith("}Pixels")), None)
    if pixels is None or any(f"PhysicalSize{axis}" not in pixels.attrib for axis in "ZYX"):
        return None
    factors = [_MILLIMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").lower()) for axis in "ZYX"]
    if None in factors:
        return None
    z, y, x = (float(pixels.attrib[f"PhysicalSize{axis}"]) * (f or 1) for axis, f in zip("ZYX", factors, strict=True))
    return z, y, x


def _turn_of(page: Any) -> int:
    """Return how pages are turned or mirrored, 1 to 8 as TIFF counts it; 1: not at all."""
    tag = page.tags.get(_ORIENTATION)
    return tag.value if tag is not None and isinstance(tag.value, int) else 1


def _nodata_of(page: Any) -> float | None:
    """Return the value of what is not known, which GDAL writes as text; None: it is not told."""
    tag = page.tags.get(_GDAL_NODATA)
    try:
        return None if tag is None else float(str(tag.value).strip("\0 "))
    except ValueError:
        return None


def write(path: str | Path, values: NDArray[np.float32], sizes: tuple[float, float, float] | None) -> None:
    """Write a volume as a TIFF stack in single precision, with what ImageJ tells of its voxels, whole or not at all.

    Args:
        path: of the file.
        values: pages, ``(z, y, x)``; NaN where nothing is known.
        sizes: size of a voxel along z, y and x, in millimetres; None: not known.

    Raises:
        ValueError: it is larger than a TIFF file.
        OSError: the file cannot be written.
    """
    import tifffile

    if values.nbytes > _LARGEST:
        raise ValueError(f"cannot write {path}: {values.nbytes / 2**30:.1f} GiB, a TIFF holds 4; choose .nii or .npy")
    told: dict[str, Any] = {"axes": "ZYX"}
    options: dict[str, Any] = {}
    if sizes is not None:
        unit, factor = ("um", 1e3) if min(sizes) < _FINE else ("mm", 1.0)
        z, y, x = (each * factor for each in sizes)
        told |= {"unit": unit, "spacing": z}
        options = {"resolution": (1 / x, 1 / y), "resolutionunit": "NONE"}
    with quiet("tifffile"), replacing(path) as temporary:
        tifffile.imwrite(temporary, values, imagej=True, photometric="minisblack", metadata=told, **options)
