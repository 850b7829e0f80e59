"""What a file of a shape holds, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

NO_TRIANGLES: Integers = np.empty((0, 3), np.int64)
_FINE = 1e-4  # of the size of a shape: a coarser rounding of coordinates is visible


class DamagedError(ValueError):
    """A file cannot be read; the message goes on after the file's name, such as "ends within its header"."""


@final
@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds of a shape.

    Args:
        vertices: coordinates ``(n, d)`` in the units of the file; they may hold NaN.
        triangles: indices of vertices ``(m, 3)``, counter-clockwise as seen from outside; none: points alone.
        normals: of the vertices, ``(n, d)``, of any length; None: the file has none.
        told: what was found and done, each going on after the file's name.
        up: vertical axis by the convention of the format.
        unit: unit of the coordinates, such as ``"mm"``; None: the file does not say.
    """

    vertices: Doubles
    triangles: Integers
    normals: Doubles | None
    told: tuple[str, ...] = ()
    up: str = "z"
    unit: str | None = None


def rounding(coordinates: Doubles) -> float:
    """Return the distance of 32-bit floats where coordinates are, or 0 where that is too fine to be seen."""
    finite = coordinates[np.isfinite(coordinates).all(axis=1)]
    if len(finite) == 0 or float(np.abs(finite).max()) > np.finfo(np.float32).max:
        return 0.0
    apart = float(np.spacing(np.abs(finite).max().astype(np.float32)))
    return apart if apart > _FINE * float(np.ptp(finite, axis=0).max()) else 0.0


def tell_rounding(coordinates: Doubles) -> list[str]:
    """Return what is to be told of coordinates that a file stores as 32-bit floats."""
    apart = rounding(coordinates)
    if not apart:
        return []
    return [
        f"stores coordinates as 32-bit floats, which are {apart:.2g} apart so far from the origin; details are lost"
    ]


def tell_unused(names: Iterable[str], subject: str = "places and normals") -> list[str]:
    """Return what is to be told of further properties beside those that are used; nothing if there are none."""
    others = list(names)
    if not others:
        return []
    shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
    return [f"has {shown} beside {subject}; {'it is' if len(others) == 1 else 'they are'} not used"]


def tell_short(found: int, promised: int, what: str) -> list[str]:
    """Return what is to be told where there are fewer of something than promised, or more."""
    if found == promised:
        return []
    if found < promised:
        return [f"was cut short: it holds {found:,} of the {promised:,} {what} that it promises; these are used"]
    return [f"promises {promised:,} {what} and holds {found:,}; all are used"]


def column_stack(columns: Sequence[NDArray[np.generic]]) -> Doubles:
    """Return columns ``(n,)`` as one array of floats ``(n, k)``."""
    return np.stack([np.asarray(each, dtype=np.float64) for each in columns], axis=1)
