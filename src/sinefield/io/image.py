"""Pictures: files, arrays and tensors to floats ``(height, width, channels)``, and back."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io import SignalWarning
from sinefield.io.pictures import decoding
from sinefield.io.pictures.decoding import LARGE
from sinefield.io.pictures.encoding import Floats, check_suffix, write
from sinefield.io.pictures.library import find_file
from sinefield.io.pictures.orientation import contiguous
from sinefield.io.pictures.resampling import resample, resample_known
from sinefield.io.pictures.samples import filled, find_limits, find_missing, find_range, find_suspect
from sinefield.io.pictures.stored import SAMPLES, Details, StoredPicture

__all__ = ["SUFFIXES", "Floats", "Picture", "check_suffix", "read", "resize", "write"]


SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".webp", ".avif", ".bmp", ".tga", ".ico", ".psd"),
    *(".jp2", ".j2k", ".pgm", ".ppm", ".pnm", ".pbm"),
)
"""The endings of pictures that are read, besides those that other kinds of signal have too: GIF and NPY."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    Args:
        values: pixels ``(height, width, channels)``; 1 channel is grey, 3 are RGB, 4 RGBA unless ``details`` tell
            otherwise. They are floats; those of a :data:`LARGE` picture keep their stored type.
        low: value of black.
        high: value of white.
        bits: 8 or 16 for integers, 32 for floats.
        name: name of the picture in messages.
        details: what its file tells besides.
        known: which samples are known, ``(height, width, 1)`` or one for each channel; None: all. Missing ones have
            values of near pixels; colours under alpha 0, which are not known either, those that are stored.
    """

    values: NDArray[Any]
    low: float
    high: float
    bits: int
    name: str
    details: Details = field(default_factory=Details)
    known: NDArray[np.bool_] | None = None

    @property
    def large(self) -> bool:
        """Whether the values keep their stored type."""
        return self.values.size >= LARGE

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.details.has_alpha(self.values.shape[2])

    @property
    def missing(self) -> bool:
        """Whether there are pixels without any sample."""
        return self.known is not None and not self.has_alpha


def read(
    source: str | Path | NDArray[Any] | Tensor,
    *,
    page: int | None = None,
    nodata: float | None = None,
    value_range: tuple[float, float] | None = None,
    channels: Literal["first", "last"] | None = None,
) -> Picture:
    """Return the picture in a file, an array or a tensor.

    Args:
        source: a path; ``"sample:NAME"`` for a picture of :data:`sinefield.io.pictures.library.SAMPLES`; or an array
            ``(height, width)`` or ``(height, width, channels)`` of integers, booleans or floats.
            Black and white are 0 and 1 for floats within [0, 1], and the least and the greatest of other floats.
        page: which picture of a file that holds several, from 0; None: the first, and that is told.
        nodata: the value that marks pixels without a sample; None: what the file tells.
        value_range: the values of black and white; None: they are found.
        channels: which axis of an array holds them where it has three; pages of a TIFF file are taken as the channels
            of one picture for ``"first"``. None: the last if it is 1, 3 or 4 long.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is not a picture, is damaged, empty, constant, one pixel wide or too large for memory,
            holds no sample, or has a number of channels that is ambiguous.

    Warns:
        SignalWarning: something in the file is not used, was guessed, or changes what the numbers mean.
    """
    if value_range is not None and not (all(map(math.isfinite, value_range)) and value_range[0] < value_range[1]):
        raise ValueError(f"the values of black and white are two numbers, the smaller first; got {value_range}")
    if channels not in (None, "first", "last"):
        raise ValueError(f"channels come first or last, got {channels!r}")
    if isinstance(source, Tensor):
        tensor = source.detach().cpu()  # NumPy has no bfloat16
        source = (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy()
    if isinstance(source, np.ndarray):
        name = f"an array of shape {source.shape}"
        return _make_picture(StoredPicture(source), name, nodata, value_range, channels)
    name = str(source)
    if name.startswith("sample:"):
        return _make_picture(_read_sample(name.removeprefix("sample:")), name, nodata, value_range, None)
    stored = decoding.read_file(Path(source), page, planes=channels == "first")
    return _make_picture(stored, name, nodata, value_range, channels)


def _read_sample(name: str) -> StoredPicture:
    path = find_file(name)
    if path is not None:
        return decoding.decode(path)
    import skimage.data

    return StoredPicture(getattr(skimage.data, name)())


def _make_picture(
    stored: StoredPicture,
    name: str,
    nodata: float | None,
    value_range: tuple[float, float] | None,
    channels: Literal["first", "last"] | None,
) -> Picture:
    """Return a picture of what is stored, and tell what is to be told of it.

    Raises:
        ValueError: it is none.
    """
    values, details = _arrange(stored, name, channels)
    details = details if nodata is None else replace(details, nodata=float(nodata))
    pixels, missing = find_missing(values, details.nodata, stored.known, alpha=details.has_alpha(values.shape[2]))
    notes = [*stored.notes, *missing]
    if pixels is not None and not pixels.any():
        raise ValueError(f"{name} holds no sample: every pixel is missing; give another picture, or --nodata VALUE")
    if nodata is not None and pixels is None:
        notes.append(f"no pixel holds {nodata:g}")
    values = values if pixels is None else filled(values, pixels)
    known = _known_samples(values, pixels, alpha=details.has_alpha(values.shape[2]))
    limits = find_limits(values, known)
    _check_limits(name, limits)
    if value_range is None:
        found = find_range(values, known, limits, stored.white)
        value_range = (found.low, found.high)
        suspect = find_suspect(values, limits) if details.nodata is None and pixels is None else ""
        notes += [suspect, found.note]
    if details.resolution is not None and not math.isclose(*details.resolution, rel_tol=0.01):
        x, y = details.resolution
        notes.append(
            f"its pixels are not square, {x:.4g} x {y:.4g} per inch; they are kept, and written with that ratio"
        )
    for note in filter(None, notes):
        warnings.warn(f"{name}: {note}", SignalWarning, stacklevel=4)
    unsigned = values.dtype.kind == "u" and values.dtype.itemsize <= 2
    bits = 8 * values.dtype.itemsize if unsigned else 8 if values.dtype == bool else 32
    if values.size < LARGE:
        values = np.ascontiguousarray(values, dtype=np.float32)
    return Picture(values, float(value_range[0]), float(value_range[1]), bits, name, details, known)


def _arrange(
    stored: StoredPicture, name: str, channels: Literal["first", "last"] | None
) -> tuple[NDArray[Any], Details]:
    """Return samples ``(height, width, channels)``, grey with alpha as RGBA, and the details that fit them.

    Raises:
        ValueError: they are none of a picture.
    """
    values, details = stored.values, stored.details
    if values.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {values.dtype}; expected 8- or 16-bit integers, booleans or floats")
    values = _with_channels_last(values, name, channels, told=details.alpha is not None)
    if values.shape[2] == 2 and details.alpha:
        values = contiguous(values[..., [0, 0, 0, 1]])
    alpha = details.alpha if details.alpha is not None else values.shape[2] == 4
    usual = alpha == (values.shape[2] == 4) and values.shape[2] in (1, 3, 4)
    return values, replace(details, sample=_sample_type(values.dtype), alpha=None if usual else alpha)


def _known_samples(values: NDArray[Any], pixels: NDArray[np.bool_] | None, *, alpha: bool) -> NDArray[np.bool_] | None:
    """Return which samples are known, of the pixels that hold any: not the colours under alpha 0. None: all are."""
    known = None if pixels is None else pixels[..., None]
    if not alpha:
        return known
    seen = values[..., 3:] > 0 if known is None else (values[..., 3:] > 0) & known
    return None if seen.all() else np.concatenate([seen] * 3 + [np.ones_like(seen)], axis=2)


def _check_limits(name: str, limits: tuple[float, float]) -> None:
    """Check that the least and the greatest sample are apart, and no farther than floats reach.

    Raises:
        ValueError: they are not.
    """
    if limits[1] - limits[0] > float(np.finfo(np.float32).max):
        raise ValueError(
            f"{name} holds numbers too large, {limits[0]:g} to {limits[1]:g}; replace them, or give --nodata VALUE"
        )
    if limits[0] == limits[1]:
        raise ValueError(
            f"{name} is constant: every pixel is {limits[0]:g}; there is nothing to fit, give another picture"
        )


def _sample_type(dtype: np.dtype[Any]) -> str | None:
    name = "float32" if dtype.kind == "f" else dtype.newbyteorder("=").name
    return name if name in SAMPLES else None


def _with_channels_last(
    array: NDArray[Any], name: str, channels: Literal["first", "last"] | None, *, told: bool
) -> NDArray[Any]:
    """Return an array as ``(height, width, channels)``.

    Args:
        array: as it was given.
        name: of the picture.
        channels: which axis holds them, if that was told.
        told: whether the file tells how many there are.

    Raises:
        ValueError: it is none of a picture.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3 and channels == "first" and not told:
        array = contiguous(np.moveaxis(array, 0, -1))
    elif array.ndim != 3 or not (told or channels == "last" or array.shape[2] in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 2, 3, 4)
        option = ", or give --channels first" if first else ""
        option += ", or --channels last if they are" if array.ndim == 3 and array.shape[2] else ""
        raise ValueError(
            f"{name} is not a picture: expected (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, got shape {array.shape}; put the channels last{option}"
        )
    if min(array.shape[:2]) < 2 or array.shape[2] < 1:
        raise ValueError(
            f"{name} is {array.shape[1]} pixels wide and {array.shape[0]} high; a picture needs at least 2 each way"
        )
    return array


def resize(picture: Picture, longest: int) -> Picture:
    """Return a picture scaled so that its longest side is ``longest`` pixels, without aliasing.

    Colours count as much as they are opaque, and missing pixels not at all, so that neither bleeds into what is seen.

    Raises:
        ValueError: the new size is below 2 pixels a side.
    """
    height, width, _ = picture.values.shape
    factor = longest / max(height, width)
    size = (round(height * factor), round(width * factor))
    if min(size) < 2:
        raise ValueError(f"{picture.name} resized to {size[1]} x {size[0]} pixels is too small; 2 are needed each way")
    details, known = picture.details.scaled(size[1] / width, size[0] / height), None
    if picture.has_alpha:
        opacity = picture.values[..., 3:].astype(np.float32)
        if picture.known is not None:
            opacity = opacity * picture.known[..., :1]
        colours, _ = resample_known(picture.values[..., :3], opacity, *size)
        alpha = resample(picture.values[..., 3:], *size)
        values = np.concatenate([colours, alpha], axis=2)
        half = 0.5 if picture.bits < 32 else 0.0  # of a step: what alpha is rounded to when it is written
        seen = alpha > half
        known = None if seen.all() else np.concatenate([seen] * 3 + [np.ones_like(seen)], axis=2)
    elif picture.known is not None:
        values, weight = resample_known(picture.values, picture.known.astype(np.float32), *size)
        known = weight >= 0.5
        if not known.any():
            raise ValueError(f"{picture.name} resized to {size[1]} x {size[0]} pixels holds no sample; make it larger")
    else:
        values = resample(picture.values, *size)
    return replace(picture, values=values, details=details, known=known)
