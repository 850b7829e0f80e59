"""Line searches: how far to go along a direction.

With φ(a) = f(θ + a d), the strong conditions of Wolfe ask of a step a that it goes down enough, and that the slope is
mostly used up:

    φ(a) ≤ φ(0) + c₁ a φ'(0)        |φ'(a)| ≤ c₂ |φ'(0)|

Source: Nocedal & Wright, "Numerical optimization", 2006, algorithms 3.5 and 3.6, with cubic interpolation (equation
3.59).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor

_DECREASE = 1e-4  # c₁
_LARGEST = 1e3  # step
_NEAR = 0.1  # of an interval: no step is tried closer to its ends


@final
@dataclass(frozen=True, eq=False)
class Place:
    """A point of a line.

    Args:
        step: a.
        value: φ(a).
        slope: φ'(a).
        gradient: ∇f there, ``(p,)``.
    """

    step: float
    value: float
    slope: float
    gradient: Tensor


def search_strongly(
    at: Callable[[float], Place], start: Place, first: float, curvature: float = 0.9, most: int = 25
) -> Place:
    """Return a place that meets the strong conditions of Wolfe; the best one seen, if none does.

    Args:
        at: evaluates a place.
        start: that of a = 0, whose slope is negative.
        first: the step to try first.
        curvature: c₂.
        most: places that are evaluated at most.

    The parabola (a − 3)² has its bottom at 3:

    >>> import torch
    >>> def at(a):
    ...     return Place(a, (a - 3) ** 2, 2 * (a - 3), torch.tensor([2 * (a - 3)]))
    >>> round(search_strongly(at, at(0.0), 1.0, curvature=0.1).step, 6)
    3.0
    """
    before, best, step = start, start, first
    for number in range(most):
        here = at(step)
        if here.value < best.value:
            best = here
        if not math.isfinite(here.value) or here.value > _line(start, step) or (number and here.value >= before.value):
            return _between(at, start, before, here, best, curvature, most - number - 1)
        if abs(here.slope) <= -curvature * start.slope:
            return here
        if here.slope >= 0:
            return _between(at, start, here, before, best, curvature, most - number - 1)
        if step >= _LARGEST:
            break
        before, step = here, min(_LARGEST, max(2 * step, min(_bottom(before, here), 10 * step)))
    return best


def _between(
    at: Callable[[float], Place], start: Place, low: Place, high: Place, best: Place, curvature: float, most: int
) -> Place:
    """Return a place between two, of which the lower goes down enough."""
    for _ in range(most):
        width = high.step - low.step
        if abs(width) * max(1.0, abs(low.slope)) <= 1e-16 * max(abs(low.step), 1e-300):
            break
        wanted = _bottom(low, high) if math.isfinite(high.value) else low.step + _NEAR * width
        nearest, farthest = sorted((low.step + _NEAR * width, high.step - _NEAR * width))
        here = at(min(max(wanted, nearest), farthest))
        if here.value < best.value:
            best = here
        if not math.isfinite(here.value) or here.value > _line(start, here.step) or here.value >= low.value:
            high = here
            continue
        if abs(here.slope) <= -curvature * start.slope:
            return here
        if here.slope * width >= 0:
            high = low
        low = here
    return best


def _line(start: Place, step: float) -> float:
    return start.value + _DECREASE * step * start.slope


def _bottom(one: Place, other: Place) -> float:
    """Return where the cubic through two places has its least value; the middle, where it has none."""
    middle = (one.step + other.step) / 2
    width = other.step - one.step
    if width == 0 or not math.isfinite(other.value + other.slope):
        return middle
    first = one.slope + other.slope - 3 * (other.value - one.value) / width
    root = first**2 - one.slope * other.slope
    if root < 0:
        return middle
    second = math.copysign(math.sqrt(root), width)
    below = other.slope - one.slope + 2 * second
    return other.step - width * (other.slope + second - first) / below if below else middle
