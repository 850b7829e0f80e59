"""Pictures to files: PNG by libvips, JPEG and WebP by Pillow, TIFF by tifffile, NPY by NumPy."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from sinefield.io import SignalWarning
from sinefield.io.allocation import allocate, find_extremes, iterate_slabs, release
from sinefield.io.files import replacing
from sinefield.io.pictures.colour_profiles import to_srgb
from sinefield.io.pictures.raster import LARGE
from sinefield.io.pictures.stored import Details

Floats = NDArray[np.float32]

_WRITTEN = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".npy")
_JPEG, _TIFF, _DEEP = (".jpg", ".jpeg"), (".tif", ".tiff"), (".png", ".tif", ".tiff")
_TILE = (256, 256)  # pixels of a tile in large TIFFs
_LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}  # pixels of the longest side that encoders accept
_INCH = 0.0254  # metres


def check_suffix(path: str | Path) -> None:
    """Check that a picture can be written to a file of this name.

    Raises:
        ValueError: the ending is none that :func:`write` knows.
    """
    if Path(path).suffix.lower() not in _WRITTEN:
        raise ValueError(f"cannot write {path}: its ending must be one of {', '.join(_WRITTEN)}")


def write(
    path: str | Path,
    values: Floats,
    low: float,
    high: float,
    bits: int,
    details: Details | None = None,
    known: NDArray[np.bool_] | None = None,
) -> None:
    """Write a picture, whole or not at all.

    NPY and TIFF keep floats as they are when ``bits`` is 32, and TIFF rounds to integers of the type they were; NPY
    always keeps floats. Integers that were of 8 or 16 bits are rounded to what they were where the format has as many;
    otherwise black to white becomes 0 to the largest integer of 8 bits, or of 16 where ``bits`` is more than 8 and the
    format has them (PNG, TIFF).

    Pixels without a sample are the value of no data in TIFF, NaN in NPY and TIFF of floats, transparent in what has no
    such value, and black in JPEG.

    Args:
        path: file to write; its ending chooses the format.
        values: pixels, ``(height, width, channels)``.
        low: value of black.
        high: value of white.
        bits: 8, 16 or 32.
        details: what is written besides; None: nothing is known.
        known: which pixels hold a sample, ``(height, width)``; None: all.

    Raises:
        ValueError: the ending is of no known format, or the format cannot hold the picture.
        OSError: the file cannot be written.

    Warns:
        SignalWarning: the format cannot hold some of it.
    """
    check_suffix(path)
    suffix = Path(path).suffix.lower()
    height, width, channels = values.shape
    details = details or Details()
    alpha = details.has_alpha(channels)
    if alpha and suffix in _JPEG:
        raise ValueError(f"cannot write {path}: JPEG has no alpha channel; choose .png or .webp")
    if max(height, width) > (longest := _LONGEST.get(suffix, 2**31)):
        raise ValueError(f"cannot write {path}: {width} x {height} pixels, {suffix} has up to {longest}; choose .png")
    if suffix not in (".npy", *_TIFF) and channels not in (1, 3) and not alpha:
        kept = 3 if channels > 2 else 1
        _tell(path, f"only the first {kept} of {channels} channels are written; .tif and .npy hold all")
        values = values[..., :kept]
    if known is not None and suffix in _JPEG:
        _tell(path, "pixels without a sample are black, as JPEG cannot leave any out; .png can")
    numbers = suffix == ".npy" or (suffix in _TIFF and bits == 32)
    depth = np.uint16 if bits > 8 and suffix in _DEEP else np.uint8
    with replacing(path) as temporary:
        if numbers:
            found = _numbers(values, known, details if suffix in _TIFF else Details())
        else:
            found = _pixels(path, values, known, low, high, depth, details)
        found = found[:, :, 0] if found.shape[2] == 1 else found
        if suffix == ".npy":
            with temporary.open("wb") as file:  # NumPy would append .npy to a name that ends in .NPY
                np.save(file, found, allow_pickle=False)
        elif suffix in _TIFF:
            _write_tiff(temporary, found, details, alpha=alpha or (found.ndim == 3 and found.shape[2] > channels))
        elif suffix == ".png":
            _write_png(temporary, found, details)
        else:
            _write_by_pillow(temporary, suffix, found, details)


def _tell(path: str | Path, text: str) -> None:
    warnings.warn(f"{path}: {text}", SignalWarning, stacklevel=4)


def _numbers(values: Floats, known: NDArray[np.bool_] | None, details: Details) -> NDArray[Any]:
    """Return samples as numbers of the type that they were, the value of no data or NaN where there is none."""
    dtype = np.dtype(details.sample or "float32")
    missing = details.nodata
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        missing = float(limits.min) if missing is None or not limits.min <= missing <= limits.max else missing
    elif known is None:
        return values
    found = allocate("the picture to write", values.shape, dtype)
    for some in iterate_slabs(values):
        part = values[some]
        if dtype.kind != "f":
            part = part if known is None else np.where(known[some][..., None], part, 0)
            part = np.clip(np.rint(part.astype(np.float64)), limits.min, limits.max).astype(dtype)
        marked = dtype.type(math.nan if missing is None else missing)
        found[some] = part if known is None else np.where(known[some][..., None], part, marked)
        release(values)
    return found


def _pixels(
    path: str | Path,
    values: Floats,
    known: NDArray[np.bool_] | None,
    low: float,
    high: float,
    depth: type[np.unsignedinteger[Any]],
    details: Details,
) -> NDArray[Any]:
    """Return samples as unsigned integers, with an alpha for pixels without a sample where nothing else marks them.

    Raises:
        ValueError: the values hold NaN or infinity.
    """
    suffix, channels, peak = Path(path).suffix.lower(), values.shape[2], float(np.iinfo(depth).max)
    factor, shift = peak / (high - low), low
    if details.sample == np.dtype(depth).name:  # they are integers of that type as they are
        factor, shift = 1.0, 0.0
    nodata = details.nodata if suffix in _TIFF and details.nodata in range(round(peak) + 1) else None
    added = known is not None and nodata is None and suffix not in _JPEG and channels in (1, 3)
    shape = (*values.shape[:2], (4 if channels == 3 or suffix == ".webp" else 2) if added else channels)
    found = allocate("the picture to write", shape, depth)
    for some in iterate_slabs(found):
        part, there = values[some], None if known is None else known[some][..., None]
        if there is not None:
            part = np.where(there, part, shift)
        if not np.isfinite(part).all():
            raise ValueError(f"cannot write {path}: the values hold NaN or infinity; choose .npy, which keeps them")
        pixels = np.clip(np.rint((part - shift) * factor), 0, peak).astype(depth)
        if there is not None and nodata is not None:
            pixels = np.where(there, pixels, depth(nodata))
        if added and there is not None:
            found[some, :, -1:] = np.where(there, depth(peak), depth(0))
            found[some, :, :-1] = pixels  # grey is the same in all three colours of a WebP
        else:
            found[some] = pixels
        release(values)
    return found


def _write_png(path: Path, pixels: NDArray[Any], details: Details) -> None:
    """Write integers by libvips, which does not hold the file in memory, and puts a profile into 16 bits too.

    Raises:
        OSError: libvips cannot.
    """
    import pyvips

    height, width, channels = (*pixels.shape, 1)[:3]
    form = "uchar" if pixels.dtype == np.uint8 else "ushort"
    picture = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, channels, form)
    grey, colour = ("b-w", "srgb") if form == "uchar" else ("grey16", "rgb16")
    picture = picture.copy(interpretation=grey if channels < 3 else colour)
    if details.profile:
        picture.set_type(pyvips.GValue.blob_type, "icc-profile-data", details.profile)
    try:
        picture.pngsave(str(path), keep="icc")
    except pyvips.Error as error:
        raise OSError(f"cannot write {path.name}: the disk may be full, or the picture too large for a PNG") from error
    _set_density(path, details.resolution)


def _set_density(path: Path, resolution: tuple[float, float] | None) -> None:
    """Put the resolution into the chunk pHYs that libvips writes into each PNG; none is told as square pixels."""
    x, y, unit = (1, 1, 0) if resolution is None else (*(round(each / _INCH) for each in resolution), 1)
    with path.open("r+b") as file:
        start = file.read(1 << 23)  # it lies before the pixels, after the profile
        place = start.find(b"pHYs")
        if place < 0:
            return
        content = b"pHYs" + struct.pack(">IIB", max(1, x), max(1, y), unit)
        file.seek(place)
        file.write(content + struct.pack(">I", zlib.crc32(content)))


def _write_by_pillow(path: Path, suffix: str, pixels: NDArray[Any], details: Details) -> None:
    """Write a JPEG or WebP by Pillow, which puts densities where other programs look for them."""
    options: dict[str, Any] = {"quality": 95, "subsampling": 0}
    profile = details.profile
    if suffix == ".webp":
        options = {"lossless": True, "exact": True}
        if profile[16:20] == b"GRAY":  # WebP has no grey, so that a profile of grey is none for it
            grey = (pixels if pixels.ndim == 2 else pixels[:, :, 0])[:, :, None]
            shown = to_srgb(grey.astype(np.float32) / np.float32(255), profile)
            grey = np.rint(255 * shown).astype(np.uint8)
            pixels = grey[:, :, 0] if pixels.ndim == 2 else np.concatenate([grey] * 3 + [pixels[:, :, -1:]], axis=2)
            profile = b""
    if profile:
        options["icc_profile"] = profile
    if details.resolution is not None:
        exif = PIL.Image.Exif()
        exif[282], exif[283], exif[296] = (*details.resolution, 2)
        options["exif"] = exif
        if suffix in _JPEG:
            x, y = (max(1, min(round(each), 65535)) for each in details.resolution)
            options["dpi"] = (x, y)
    PIL.Image.fromarray(pixels).save(path, **options)


def _write_tiff(path: Path, values: NDArray[Any], details: Details, *, alpha: bool) -> None:
    import tifffile

    channels = 1 if values.ndim == 2 else values.shape[2]
    colours = 3 if channels > 2 else 1
    extra = ["unassalpha"] if alpha else ["unspecified"] * (channels - colours)
    tags = [] if details.place is None else details.place.written()
    if details.nodata is not None:
        tags.append((42113, 2, 0, _text_of(details.nodata), True))
    if details.profile:
        tags.append((34675, 7, len(details.profile), details.profile, True))
    options: dict[str, Any] = {}
    if details.resolution is not None:
        options |= {"resolution": details.resolution, "resolutionunit": 2}
    if values.size >= LARGE:
        options |= {"tile": _TILE, "bigtiff": values.nbytes > 2**31}
    tifffile.imwrite(
        path,
        values,
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig=None if channels == 1 else "contig",
        extrasamples=extra or None,
        compression="zlib",
        metadata=None,
        extratags=tags,
        **options,
    )


def _text_of(number: float) -> str:
    return str(int(number)) if math.isfinite(number) and number == int(number) and abs(number) < 1e15 else repr(number)


def find_known_extremes(values: Floats) -> tuple[float, float]:
    """Return the least and the greatest number of a rendered picture, leaving out NaN; 0 and 0 if there is none."""
    plain = find_extremes(values)
    if not math.isnan(plain[0]):
        return plain
    found = [values[some][np.isfinite(values[some])] for some in iterate_slabs(values)]
    parts = [(float(each.min()), float(each.max())) for each in found if each.size]
    return (min(low for low, _ in parts), max(high for _, high in parts)) if parts else (0.0, 0.0)
