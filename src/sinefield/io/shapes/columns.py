"""Which columns of a table are coordinates and which are normals.

What a header or the user names is taken as it is. Otherwise the first columns are x y z, and three others are normals
if they are directions: vectors of length 1 that point to more than one side, or across the planes through neighbouring
points. Colours, intensities and the like are neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sinefield.io.shapes.content import DamagedError, Doubles

_WORD = re.compile(r"n[xyz]|[xyzrgbai_]")
_PLACES = ("x", "y", "z")
_ACROSS = ("nx", "ny", "nz")
_UNIT = 0.02  # by which the length of a unit vector may be off
_MOST = 0.95  # fraction of rows that must be unit vectors
_ALIGNED = 0.8  # least median cosine between normals and those of the planes through neighbours; ½ for any directions
_SAMPLE, _NEIGHBOURS = 1000, 12
_LARGEST = 1e100  # coordinate, so that squares of differences are finite


def _names_of(axis: str, k: int) -> dict[str, str]:
    """Return what programs call the coordinate and the normal of an axis, in small letters and digits."""
    east = {"x": ["easting", "east"], "y": ["northing", "north"], "z": ["elevation", "height", "altitude"]}[axis]
    before = ("", "p", "pos", "position", "coord", "coordinate", "point", "points", "vertex", "cartesian", "location")
    places = [f"{each}{axis}" for each in before] + [
        f"{axis}{each}" for each in ("pos", "coord", "coordinate", "m", "mm")
    ]
    places += [f"points{k}", f"point{k}", f"coords{k}", *east]
    across = [f"{each}{axis}" for each in ("n", "norm", "normal", "normals", "vn")]
    across += [f"{axis}normal", f"{axis}n", f"normals{k}", f"normal{k}"]
    return dict.fromkeys(places, axis) | dict.fromkeys(across, f"n{axis}")


_KNOWN = _names_of("x", 0) | _names_of("y", 1) | _names_of("z", 2)


def named(text: str) -> tuple[str, ...]:
    """Return the columns that a user names, such as ``xyzrgb``, ``xyznxnynz`` or ``_xyz``.

    Raises:
        ValueError: the text names no x and y, one twice, or only some of the normals.

    >>> named("xyz_nxnynz")
    ('x', 'y', 'z', '_', 'nx', 'ny', 'nz')
    """
    plain = re.sub(r"[\s,;]+", "", text.lower())
    found = tuple(_WORD.findall(plain))
    across = {each for each in found if each in _ACROSS}
    dimension = 3 if "z" in found else 2
    right = "".join(found) == plain and {"x", "y"} <= set(found) and across in (set(), set(_ACROSS[:dimension]))
    if not right or any(found.count(each) > 1 for each in (*_PLACES, *_ACROSS)):
        raise ValueError(
            "--columns names each column in order, x, y, z, nx, ny, nz, r, g, b, a, i, or _ for any other, as xyzrgb "
            f"or xyznxnynz; got {text!r}"
        )
    return found


def assign(
    numbers: Doubles, names: Sequence[str] | None, columns: str | None, *, indexed: bool = True
) -> tuple[Doubles, Doubles | None, list[str]]:
    """Return points ``(n, d)``, their normals or None, and what is to be told of the columns.

    Args:
        numbers: the table ``(n, k)``.
        names: of the columns, where its header names them.
        columns: as :func:`named` takes them, which overrides everything else; None: not told.
        indexed: whether the first column may be the number of the row.

    Raises:
        DamagedError: there are fewer than two columns, or others than are named.
        ValueError: ``columns`` is malformed.
    """
    width = numbers.shape[1]
    if columns is not None:
        kinds = named(columns)
        if len(kinds) != width:
            raise DamagedError(f"has {width} columns, and --columns {columns} names {len(kinds)}")
        return (*_take(numbers, kinds), [])
    if names is not None:
        kinds = tuple(_KNOWN.get(_plain(each), "_") for each in names)
        if {"x", "y"} <= set(kinds) and all(kinds.count(each) <= 1 for each in (*_PLACES, *_ACROSS)):
            points, normals = _take(numbers, kinds)
            used = (*_PLACES, *(_ACROSS if normals is not None else ()))
            others = [each for each, kind in zip(names, kinds, strict=True) if kind not in used]
            told = [f"has the columns {', '.join(names)}; {', '.join(others)} are not used"] if others else []
            return points, normals, told
    if width < 2:
        raise DamagedError("has one column; expected rows of x y z, or of x y z and a normal")
    kinds, told = _guess(numbers, indexed=indexed)
    return (*_take(numbers, kinds), told)


def _plain(name: str) -> str:
    """Return a name in small letters and digits, without a unit in brackets."""
    return re.sub(r"[^a-z0-9]+", "", re.sub(r"\(.*?\)|\[.*?\]", "", name.lower()))


def _take(numbers: Doubles, kinds: Sequence[str]) -> tuple[Doubles, Doubles | None]:
    dimension = 3 if "z" in kinds else 2
    points = numbers[:, [kinds.index(each) for each in _PLACES[:dimension]]]
    across = _ACROSS[:dimension]
    normals = numbers[:, [kinds.index(each) for each in across]] if set(across) <= set(kinds) else None
    return points, normals


def _guess(numbers: Doubles, *, indexed: bool) -> tuple[tuple[str, ...], list[str]]:
    """Return what the columns of a table without names seem to be, and what is to be told of it."""
    width = numbers.shape[1]
    if width == 4 and _are_normals(numbers[:, :2], numbers[:, 2:]):
        return ("x", "y", "nx", "ny"), []
    told = []
    first = 1 if indexed and width > 3 and len(numbers) > 2 and bool((np.diff(numbers[:, 0]) == 1).all()) else 0
    if first:
        told.append("has the numbers of the rows in its first column, which is left out (--columns says otherwise)")
    dimension = min(3, width - first)
    begin = first + dimension
    kinds = ["_"] * width
    kinds[first:begin] = _PLACES[:dimension]
    points = numbers[:, first:begin]
    starts = range(begin, width - 2) if dimension == 3 else ()
    chosen = next((k for k in starts if _are_normals(points, numbers[:, k : k + 3])), None)
    if chosen is not None:
        kinds[chosen : chosen + 3] = _ACROSS
    rest = [k for k in range(begin, width) if kinds[k] == "_"]
    if rest:
        across = "" if chosen is None else f", {chosen + 1} to {chosen + 3} as normals"
        left = f"{rest[0] + 1}" if len(rest) == 1 else " ".join(str(k + 1) for k in rest)
        example = "xyznxnynz" if chosen is None and width == 6 else "xyz_nxnynz"
        told.append(
            f"has {width} columns without names: {first + 1} to {begin} are used as {'xyz'[:dimension]}{across}, and "
            f"{left}, {_describe(numbers[:, rest])}, {'is' if len(rest) == 1 else 'are'} left out (--columns, such as "
            f"{example}, says otherwise)"
        )
    return tuple(kinds), told


def _describe(columns: Doubles) -> str:
    finite = columns[np.isfinite(columns)]
    if not len(finite):
        return "no numbers"
    low, high = float(finite.min()), float(finite.max())
    whole = bool((finite == np.rint(finite)).all())
    return f"{'whole numbers' if whole else 'numbers'} from {low:g} to {high:g}"


def _are_normals(points: Doubles, directions: Doubles) -> bool:
    """Return whether vectors are normals of points: neither colours nor anything else."""
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(directions, axis=1)
    there = (lengths > 1e-12) & (lengths < _LARGEST) & (np.abs(points) < _LARGEST).all(axis=1)
    if there.sum() < 3:
        return False
    points, directions, lengths = points[there], directions[there], lengths[there]
    unit = bool((np.abs(lengths - 1) < _UNIT).mean() > _MOST)
    signed = bool((directions < 0).any())
    if unit and signed:
        return True
    # What is never negative may be a colour, such as pure red from 0 to 1, or whole numbers of one grey.
    if not unit and not signed:
        return False
    return _alignment(points, directions / lengths[:, None]) > _ALIGNED


def _alignment(points: Doubles, directions: Doubles) -> float:
    """Return the median cosine, without its sign, between directions and the normals of planes through neighbours."""
    from scipy.spatial import cKDTree  # takes long to import

    places, first = np.unique(points, axis=0, return_index=True)
    if len(places) <= points.shape[1]:
        return 0.0
    across = directions[first]
    some: NDArray[np.int64] = np.linspace(0, len(places) - 1, min(_SAMPLE, len(places))).astype(np.int64)
    _, near = cKDTree(places).query(places[some], k=min(_NEIGHBOURS, len(places)))
    spread = places[near] - places[near].mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))
    return float(np.median(np.abs(np.einsum("nd,nd->n", axes[:, :, 0], across[some]))))
