"""When frames are shown: the rate of a clip from the time stamps of its frames.

Time stamps go before what a header says of the rate, which is often the finest of several, a guess, or 1000. A rate
that agrees with them to the precision that they are stored in is taken as it is, so that 30000/1001 stays exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_NEGLIGIBLE = 0.05  # of the time of a frame: a shift that is not told
_UNEVEN = 0.75  # of the time of a frame: from this shift on, frames are held as long as in the file
_LONG = 2.5  # times the usual time: frames that are shown longer are held, as no jitter is so large
_FEW = 0.1  # of all frames, that may be shown shorter than usual without making the rate higher
_MOST = 8  # times as many frames as there are may come of holding them
_ALWAYS = 1000  # frames that may come of it in any case
_NEAR = 0.01  # part by which a rate may differ from that of the header, which is meant then
_SAME = 1e-5  # part by which a rate of a header differs from a customary one that it is meant to be


@dataclass(frozen=True)
class Timing:
    """When the frames of a clip are shown.

    Args:
        rate: frames per second.
        order: number of the frame that is shown in each even part of the time; None: every frame in one.
        told: what is told of it, or an empty string.
    """

    rate: float
    order: NDArray[np.intp] | None = None
    told: str = ""


def find_timing(times: Sequence[float | None], last: float, tick: float, nominal: Fraction) -> Timing:
    """Return the rate of frames, so that the duration is right, and the order that holds each as long as it is shown.

    Frames that are shifted by less than a frame against even times are counted evenly, at the average rate.

    Args:
        times: when each frame begins, in seconds; None: not known.
        last: how long the last frame is shown, in seconds; 0: not known, as long as others.
        tick: precision of the times, in seconds.
        nominal: frames per second by the header; 0: not known.
    """
    known = [each for each in times if each is not None]
    if len(times) < 2 or 2 * len(known) < len(times):
        return Timing(float(nominal))
    starts, jumps = _straighten(times)
    gaps = np.diff(starts)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # the lower median: of two, the one that holds nothing
    shown = _describe_jump(jumps, usual)
    end = last if last > 1.5 * usual else usual
    total = float(starts[-1] - starts[0]) + end
    count = len(starts)
    slope = (starts[-1] - starts[0]) / (count - 1)
    late = starts - starts[0] - slope * np.arange(count)
    shift = float(late.max() - late.min()) / 2
    if end == usual and shift <= max(min(0.55 * tick, 0.35 * slope), _NEGLIGIBLE * slope):
        rounded = tick if shift > 1e-6 * slope or count < 4 else 0.0  # times that are even to the last are not rounded
        return Timing(float(_snap(count - 1, float(starts[-1] - starts[0]), tick, rounded, nominal)), told=shown)
    span = f"the time between frames varies, from {1000 * gaps.min():.0f} to {1000 * max(gaps.max(), end):.0f} ms; "
    if end == usual and shift <= _UNEVEN * slope and gaps.max() <= _LONG * usual:
        rate = count / total
        return Timing(rate, told=f"{shown}{span}they are counted evenly, at {rate:.6g} a second")
    # A frame must not vanish between two even times, but for a few that jitter shortens.
    short = gaps[(gaps < 0.75 * usual) & (gaps >= usual / 3)]
    least = float(short.min()) if len(short) > _FEW * len(gaps) else float(gaps[gaps < 1.5 * usual].mean())
    if nominal and abs(float(nominal) * least - 1) < _NEAR:
        least = 1 / float(nominal)
    parts = max(2, min(round(total / least), max(_ALWAYS, _MOST * count)))
    moments = starts[0] + (np.arange(parts) + 0.5) * (total / parts)
    order = np.clip(np.searchsorted(starts, moments, side="right") - 1, 0, count - 1)
    lost = count - len(np.unique(order))
    without = f", {lost} of them too short to be seen" if lost else ""
    held = f"each is held as long as it is shown: {parts} frames at {parts / total:.6g} a second of {count}{without}"
    return Timing(parts / total, order, shown + span + held)


def _straighten(times: Sequence[float | None]) -> tuple[NDArray[np.float64], list[int]]:
    """Return times that only grow, and the frames before which they did not: those follow after the usual time."""
    found = np.array([np.nan if each is None else each for each in times], dtype=np.float64)
    unknown = np.isnan(found)
    found[unknown] = np.interp(np.flatnonzero(unknown), np.flatnonzero(~unknown), found[~unknown])
    steps = np.diff(found)
    sound = steps[steps > 0]
    usual = float(np.median(sound)) if len(sound) else 1.0
    jumps = [int(k) + 1 for k in np.flatnonzero(steps <= 0)]
    steps = np.where(steps > 0, steps, usual)
    return np.concatenate([[0.0], np.cumsum(steps)]), jumps


def _describe_jump(jumps: Sequence[int], usual: float) -> str:
    if not jumps:
        return ""
    return (
        f"the times run backwards before frame {jumps[0]}, which is shown {1000 * usual:.0f} ms after the one before; "
    )


def _snap(steps: int, span: float, tick: float, rounded: float, nominal: Fraction) -> Fraction:
    """Return the rate of evenly shown frames: the nominal one if times agree, else the simplest that agrees."""
    if nominal and abs(steps / float(nominal) - span) <= tick:
        customary = (Fraction(round(nominal)), Fraction(round(nominal * Fraction(1001, 1000)) * 1000, 1001))
        return next((each for each in customary if abs(each / nominal - 1) < _SAME), nominal)
    slack = rounded + 1e-7 * span
    least, most = Fraction(steps / (span + slack)), Fraction(steps / max(span - slack, span / 2))
    exact = Fraction(steps / span)
    nearest = exact.limit_denominator(1001)
    simple = (exact.limit_denominator(each) for each in (2, 5, 10, 100))
    ntsc = Fraction(round(exact * Fraction(1001, 1000)) * 1000, 1001)
    candidates = itertools.chain([Fraction(round(exact)), ntsc], simple, [nearest])
    return next((each for each in candidates if each > 0 and least <= each <= most), exact)
