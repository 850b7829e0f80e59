"""Pictures: files, arrays and tensors to floats ``(height, width, channels)``, and back."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io import image_decoding
from sinefield.io.allocation import allocate, check_memory, find_extremes, iterate_slabs, release
from sinefield.io.files import replacing
from sinefield.io.image_decoding import LARGE
from sinefield.io.resampling import resample
from sinefield.io.sample_images import find_file

Floats = NDArray[np.float32]

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
"""The endings of pictures."""

_WRITTEN = (*SUFFIXES, ".npy")
_TILE = (256, 256)  # pixels of a tile in large TIFFs
_LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}  # pixels of the longest side that encoders accept


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    Args:
        values: pixels ``(height, width, channels)``; 1 channel is grey, 3 are RGB, 4 RGBA. They are floats; those of
            a :data:`LARGE` picture keep their stored type.
        low: value of black.
        high: value of white.
        bits: 8 or 16 for integers, 32 for floats.
        name: name of the picture in messages.
    """

    values: NDArray[Any]
    low: float
    high: float
    bits: int
    name: str

    @property
    def large(self) -> bool:
        """Whether the values keep their stored type."""
        return self.values.size >= LARGE


def read(source: str | Path | NDArray[Any] | Tensor) -> Picture:
    """Return the picture in a file, an array or a tensor.

    Args:
        source: a path; ``"sample:NAME"`` for a picture of :data:`sinefield.io.sample_images.SAMPLES`; or an array
            ``(height, width)`` or ``(height, width, channels)`` of 8- or 16-bit integers, booleans or floats.
            Black and white are 0 and 1 for floats within [0, 1], and the least and the greatest of other floats.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is not a picture, is damaged, empty, constant, one pixel wide or too large for memory,
            has a number of channels other than 1, 3 or 4, or holds NaN, infinity or numbers beyond 32-bit floats.
    """
    if isinstance(source, Tensor):
        tensor = source.detach().cpu()  # NumPy has no bfloat16
        source = (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy()
    if isinstance(source, np.ndarray):
        return _make_picture(source, f"an array of shape {source.shape}")
    name = str(source)
    if name.startswith("sample:"):
        return _make_picture(_read_sample(name.removeprefix("sample:")), name)
    return _make_picture(image_decoding.read_file(Path(source)), name)


def _read_sample(name: str) -> NDArray[Any]:
    path = find_file(name)
    if path is not None:
        return image_decoding.decode(path)
    import skimage.data

    array: NDArray[Any] = getattr(skimage.data, name)()
    return array


def _make_picture(array: NDArray[Any], name: str) -> Picture:
    if array.ndim == 2:
        array = array[:, :, None]
    _check_shape(array, name)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {array.dtype}; expected 8- or 16-bit integers, booleans or floats")
    with np.errstate(over="ignore", invalid="ignore"):
        values = array if array.size >= LARGE else np.ascontiguousarray(array, dtype=np.float32)
        low, high = find_extremes(array)
        spread = float(np.float32(high) - np.float32(low))
    if not math.isfinite(spread):
        raise ValueError(f"{name} holds NaN, infinity or numbers too large; replace those pixels by numbers first")
    if spread == 0:
        raise ValueError(
            f"{name} is constant: every pixel is {values.flat[0]:g}; there is nothing to fit, give another picture"
        )
    return Picture(values, *_find_range(array, low, high), name)


def _check_shape(array: NDArray[Any], name: str) -> None:
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"{name} is not a picture: expected (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, got shape {array.shape}; put the channels last"
        )
    if min(array.shape[:2]) < 2:
        raise ValueError(
            f"{name} is {array.shape[1]} pixels wide and {array.shape[0]} high; a picture needs at least 2 each way"
        )


def _find_range(array: NDArray[Any], low: float, high: float) -> tuple[float, float, int]:
    """Return the values of black and white, and the bits of a channel, of an array with these extremes."""
    if array.dtype == bool:
        return 0.0, 1.0, 8
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(array.dtype).max), 8 * array.dtype.itemsize
    return (0.0, 1.0, 32) if array.dtype.kind == "f" and low >= 0 and high <= 1 else (low, high, 32)


def resize(picture: Picture, longest: int) -> Picture:
    """Return a picture scaled so that its longest side is ``longest`` pixels, without aliasing.

    Raises:
        ValueError: the new size is below 2 pixels a side.
    """
    height, width, _ = picture.values.shape
    factor = longest / max(height, width)
    size = (round(height * factor), round(width * factor))
    if min(size) < 2:
        raise ValueError(f"{picture.name} resized to {size[1]} x {size[0]} pixels is too small; 2 are needed each way")
    return Picture(resample(picture.values, *size), picture.low, picture.high, picture.bits, picture.name)


def check_suffix(path: str | Path) -> None:
    """Check that a picture can be written to a file of this name.

    Raises:
        ValueError: the ending is none that :func:`write` knows.
    """
    if Path(path).suffix.lower() not in _WRITTEN:
        raise ValueError(f"cannot write {path}: its ending must be one of {', '.join(_WRITTEN)}")


def write(path: str | Path, values: Floats, low: float, high: float, bits: int) -> None:
    """Write a picture, whole or not at all.

    NPY and TIFF keep floats as they are when ``bits`` is 32; NPY always does. Otherwise values are rounded
    to integers of 8 bits, or of 16 where ``bits`` is more than 8 and the format has them (PNG, TIFF).

    Args:
        path: file to write; its ending chooses the format.
        values: pixels, ``(height, width, channels)``.
        low: value of black.
        high: value of white.
        bits: 8, 16 or 32.

    Raises:
        ValueError: the ending is of no known format, or the format cannot hold the picture.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    suffix = Path(path).suffix.lower()
    height, width, channels = values.shape
    if channels == 4 and suffix in (".jpg", ".jpeg"):
        raise ValueError(f"cannot write {path}: JPEG has no alpha channel; choose .png or .webp")
    if max(height, width) > (longest := _LONGEST.get(suffix, 2**31)):
        raise ValueError(f"cannot write {path}: {width} x {height} pixels, {suffix} has up to {longest}; choose .png")
    if channels == 1:
        values = values[:, :, 0]
    with replacing(path) as temporary:
        if suffix == ".npy":
            with temporary.open("wb") as file:  # NumPy would append .npy to a name that ends in .NPY
                np.save(file, values, allow_pickle=False)
            return
        if suffix in (".tif", ".tiff") and bits == 32:
            _write_tiff(temporary, values)
            return
        depth = np.uint16 if bits > 8 and suffix in (".png", ".tif", ".tiff") else np.uint8
        if not all(map(math.isfinite, find_extremes(values))):
            raise ValueError(f"cannot write {path}: the values hold NaN or infinity; choose .npy, which keeps them")
        pixels = _quantise(values, low, high, depth)
        if suffix in (".tif", ".tiff"):
            _write_tiff(temporary, pixels)
        elif suffix == ".png":
            _write_png(temporary, pixels)
        else:
            options = {"lossless": True, "exact": True} if suffix == ".webp" else {"quality": 95}
            PIL.Image.fromarray(pixels).save(temporary, **options)


def _quantise(values: Floats, low: float, high: float, depth: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    """Return values as integers, low … high becoming 0 … the largest integer of the type."""
    peak = float(np.iinfo(depth).max)
    found = allocate("the picture to write", values.shape, depth)
    for some in iterate_slabs(found):
        found[some] = np.clip(np.rint((values[some] - low) * (peak / (high - low))), 0, peak)
        release(values)
    return found


def _write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write integers; large pictures through pyvips if it is installed, as this does not hold the file in memory."""
    if pixels.dtype == np.uint8 and pixels.size < LARGE:
        PIL.Image.fromarray(pixels).save(path, format="png")
    elif pixels.size >= LARGE and importlib.util.find_spec("pyvips") is not None:
        import pyvips

        height, width, channels = (*pixels.shape, 1)[:3]
        form = "uchar" if pixels.dtype == np.uint8 else "ushort"
        picture = pyvips.Image.new_from_memory(pixels, width, height, channels, form)
        space = {1: "b-w", 3: "srgb", 4: "srgb"} if form == "uchar" else {1: "grey16", 3: "rgb16", 4: "rgb16"}
        picture.copy(interpretation=space[channels]).pngsave(str(path))
    else:
        import imagecodecs

        check_memory("the PNG to write", pixels.shape, pixels.itemsize)
        path.write_bytes(imagecodecs.png_encode(pixels))


def _write_tiff(path: Path, values: NDArray[Any]) -> None:
    import tifffile

    photometric = "rgb" if values.ndim == 3 else "minisblack"
    extra = ["unassalpha"] if values.ndim == 3 and values.shape[2] == 4 else None
    layout = {"tile": _TILE, "bigtiff": values.nbytes > 2**31} if values.size >= LARGE else {}
    tifffile.imwrite(path, values, photometric=photometric, extrasamples=extra, compression="zlib", **layout)
