"""What the samples of a picture mean: which of them are none, and which values are black and white."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io.allocation import allocate, iterate_slabs
from sinefield.io.known import fill_unknown

_LARGEST = float(np.finfo(np.float32).max)
_SENTINELS = (-9999.0, -99999.0, -999.0, -32768.0, -32767.0, -_LARGEST, _LARGEST, 1e20, 9.96921e36)  # no data, often
_DEPTHS = (8, 10, 12, 14)  # bits of sensors whose samples are stored as 16
_FEW = 1e-3  # part of the pixels that a value far from all others is to have for it to be suspect


@final
@dataclass(frozen=True, eq=False)
class Range:
    """Which values are black and white.

    Args:
        low: the value of black.
        high: the value of white.
        note: what is to be told of them, or nothing.
    """

    low: float
    high: float
    note: str = ""


def find_missing(
    values: NDArray[Any], nodata: float | None, known: NDArray[np.bool_] | None, *, alpha: bool
) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """Return which pixels hold samples ``(height, width)``, None for all; and what is to be told of the others.

    Those whose colours are all the value of no data hold none, nor do those of which one is not finite as a 32-bit
    float.

    Args:
        values: ``(height, width, channels)``.
        nodata: the value that marks missing samples; it may have been rounded. None: there is none.
        known: which pixels hold samples as far as the file tells otherwise; None: all.
        alpha: whether the last channel is none of colour.
    """
    floats = values.dtype.kind == "f"
    marks = nodata is not None and math.isfinite(nodata) and _may_hold(values.dtype, nodata)
    if not floats and not marks:
        if known is None or known.all():
            return None, []
        return known, [_told(int(known.size - np.count_nonzero(known)), known.size, "are outside of its mask")]
    found = allocate("which pixels hold samples", values.shape[:2], np.bool_)
    marked = endless = 0
    for some in iterate_slabs(values):
        part = values[some]
        colours = part[..., :-1] if alpha else part
        missing = np.zeros(part.shape[:2], np.bool_)
        if marks and nodata is not None:
            missing = np.asarray(_is_mark(colours, nodata).all(-1))
            marked += int(np.count_nonzero(missing))
        if floats:
            finite = np.isfinite(part) if part.itemsize <= 4 else np.abs(part) <= _LARGEST
            wrong = ~finite.all(-1) & ~missing
            endless += int(np.count_nonzero(wrong))
            missing |= wrong
        found[some] = ~missing
    notes = []
    if marked and nodata is not None:
        notes.append(_told(marked, found.size, f"hold {nodata:.9g}, which marks no data"))
    if endless:
        notes.append(_told(endless, found.size, "hold NaN, infinity or numbers beyond 32-bit floats"))
    if known is not None and not known.all():
        outside = int(np.count_nonzero(found & ~known))
        notes += [_told(outside, found.size, "are outside of its mask")] if outside else []
        found &= known
    return (found, notes) if notes else (None, [])


def _told(count: int, size: int, what: str) -> str:
    return f"{count:,} of its {size:,} pixels {what}; nothing is fitted there, and they are written as they were"


def _may_hold(dtype: np.dtype[Any], number: float) -> bool:
    if dtype.kind == "f":
        return True
    if dtype.kind == "b":
        return False
    limits = np.iinfo(dtype)
    return number == round(number) and limits.min <= number <= limits.max


def _is_mark(values: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Return where values are that of no data, which may have been written with few digits."""
    if values.dtype.kind != "f":
        found: NDArray[np.bool_] = values == int(nodata)
        return found
    tolerance = abs(nodata) * (1e-3 if abs(nodata) > 1e30 else 1e-6)
    with np.errstate(invalid="ignore", over="ignore"):
        near: NDArray[np.bool_] = np.abs(values.astype(np.float64) - nodata) <= tolerance
    return near


def filled(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Return samples with those of missing pixels replaced by near ones, which change neither range nor spectrum.

    Args:
        values: ``(height, width, channels)``.
        known: which pixels hold samples, ``(height, width)``; at least one does.
    """
    row = int(np.argmax(known.any(1)))
    spare = values[row, int(np.argmax(known[row]))]
    found = allocate("the picture without missing samples", values.shape, values.dtype)
    for some in iterate_slabs(values):
        there = known[some]
        if there.all():
            found[some] = values[some]
        elif there.any():
            found[some] = fill_unknown(np.asarray(values[some]), there[..., None])
        else:
            found[some] = spare
    return found


def _slabs(values: NDArray[Any], known: NDArray[np.bool_] | None) -> Iterator[NDArray[Any]]:
    """Yield the samples that are known, slab by slab."""
    for some in iterate_slabs(values):
        part = values[some]
        yield part if known is None else part[np.broadcast_to(known[some], part.shape)]


def find_limits(values: NDArray[Any], known: NDArray[np.bool_] | None) -> tuple[float, float]:
    """Return the least and the greatest sample of those that are known, ``(height, width, 1 or channels)``."""
    parts = [(float(part.min()), float(part.max())) for part in _slabs(values, known) if part.size]
    return min(low for low, _ in parts), max(high for _, high in parts)


def find_range(
    values: NDArray[Any],
    known: NDArray[np.bool_] | None,
    limits: tuple[float, float],
    white: float | None = None,
) -> Range:
    """Return which values are black and white.

    They are those of the type for integers of 8 and 16 bits, 0 and 1 for floats within, else the least and the
    greatest; but of 16-bit integers that come from fewer bits, masks of 0 and 1, and floats of 0 to 255, those that are
    meant.

    Args:
        values: ``(height, width, channels)``.
        known: which of them are known.
        limits: the least and the greatest.
        white: the value of white that the file tells; None: it tells none.
    """
    low, high = limits
    if white is not None or values.dtype == bool:
        return Range(0.0, white or 1.0)
    if values.dtype.kind == "f":
        if low >= 0 and high <= 1:
            return Range(0.0, 1.0)
        if 0 <= low < 32 and 200 < high <= 255:
            exact = (low, high) == (0, 255)
            return Range(0.0, 255.0, "" if exact else _range_told(f"floats from {low:.4g} to {high:.4g}", 255))
        return Range(low, high)
    if values.dtype.kind == "i" or values.dtype.itemsize > 2:
        return Range(low, high)
    if high <= 1:
        return Range(0.0, 1.0, _range_told("integers of 0 and 1 alone, as of a mask", 1))
    return _range_of_sensor(values, known, high) if values.dtype.itemsize == 2 else Range(0.0, 255.0)


def _range_of_sensor(values: NDArray[Any], known: NDArray[np.bool_] | None, high: float) -> Range:
    """Return black and white of 16-bit integers, which may come from fewer bits, at the lower or the upper end."""
    for bits in _DEPTHS:
        if 2 ** (bits - 2 if bits > 8 else bits - 1) <= high < 2**bits:
            white = 2.0**bits - 1
            return Range(0.0, white, _range_told(f"16-bit integers up to {high:g}, as of {bits} bits", white))
    shift = _spare_bits(values, known)
    if shift in (2, 4, 6, 8) and high >= 2**14:
        top = 2.0**16 - 2**shift
        return Range(0.0, top, _range_told(f"16-bit integers that are multiples of {2**shift}", top))
    return Range(0.0, 65535.0)


def _range_told(what: str, white: float) -> str:
    return f"it holds {what}: black is 0 and white {white:g}, which PSNR refers to; --range LOW,HIGH for others"


def _spare_bits(values: NDArray[Any], known: NDArray[np.bool_] | None) -> int:
    """Return how many of the lowest bits of integers are never set."""
    used = 0
    for part in _slabs(values, known):
        used |= int(np.bitwise_or.reduce(part, axis=None)) if part.size else 0
        if used & 3:
            return 0
    return (used & -used).bit_length() - 1 if used else 0


def find_suspect(values: NDArray[Any], limits: tuple[float, float]) -> str:
    """Return what is to be told of a value that seems to mark missing samples, or nothing.

    It is one that commonly does, or one that many pixels have and that lies farther from all others than these lie
    apart.

    Args:
        values: ``(height, width, 1)``, all of them taken as known.
        limits: the least and the greatest.
    """
    if values.shape[2] != 1 or values.dtype.kind not in "uif" or values.dtype.itemsize == 1:
        return ""
    for end, value in enumerate(limits):
        count, least, most = 0, math.inf, -math.inf
        for some in iterate_slabs(values):
            part = values[some]
            others = part[part != np.asarray(value, part.dtype)]
            count += part.size - others.size
            if others.size:
                least, most = min(least, float(others.min())), max(most, float(others.max()))
        gap = least - value if end == 0 else value - most
        far = gap > most - least > 0
        common = any(math.isclose(value, each, rel_tol=1e-6) for each in _SENTINELS)
        if far and (common or count >= max(2, _FEW * values.size)):
            return (
                f"{count:,} of its pixels hold {value:.9g}, and all others {least:.6g} to {most:.6g}; if that marks "
                f"missing samples, give --nodata {value:.9g}"
            )
    return ""
