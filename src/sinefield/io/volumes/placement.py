"""Where the voxels of a scan lie in a body, and which way its axes run.

A scan file may store its axes in any order and direction; what they mean is told by an affine mapping from the numbers
of a voxel (i, j, k), of its centre, to lengths (x, y, z) that grow to the right, to the front and up: "RAS", as nibabel
and NIfTI count them. Arrays ``(z, y, x)`` here run up, to the front and to the right, whatever the file's order is, so
that a slice of any file can be shown upright: its first row is the uppermost or the foremost, and the body's left is at
its left (neurological convention).

An oblique scan keeps its own axes: each is called after the direction that it is nearest to, and nothing is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = "RAS"
"""Which way x, y and z run: to the right, to the front (anterior) and up (superior)."""

OPPOSITES = "LPI"
"""The ends at which they begin: left, back (posterior) and below (inferior)."""

_LEAST, _GREATEST = 1e-9, 1e9  # millimetres: the size of a voxel

UNITS = {"mm": 1.0, "micron": 1e-3, "meter": 1e3, "unknown": 1.0}
"""Millimetres of each unit of length that NIfTI has; what is not known is taken for millimetres."""


@final
@dataclass(frozen=True)
class Placement:
    """Where the voxels of a file lie.

    Args:
        affine: the first three rows of the mapping from (i, j, k), in the order of the file, to (x, y, z), in ``unit``.
        codes: which way each axis of the file runs, a letter each, such as ``"LAS"``.
        unit: of :data:`UNITS`.
        sform: the NIfTI code of the space that ``affine`` leads to, 0 to 5; 0: not told.
        qform: the same, where the file says it a second time as a rotation.
    """

    affine: tuple[tuple[float, ...], ...]
    codes: str
    unit: str = "mm"
    sform: int = 1
    qform: int = 0

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ValueError: the mapping is none of space, or a code or unit is unknown.
        """
        rows = np.array(self.affine, dtype=float)
        sound = rows.shape == (3, 4) and bool(np.isfinite(rows).all())
        if sound:
            lengths = np.linalg.norm(rows[:, :3], axis=0)
            sound = bool((lengths > 0).all()) and abs(np.linalg.det(rows[:, :3] / lengths)) > 1e-6
        letters = sorted(DIRECTIONS.find(each) + OPPOSITES.find(each) + 1 for each in self.codes)
        known = letters == [0, 1, 2] and self.unit in UNITS and all(0 <= each <= 5 for each in (self.sform, self.qform))
        if not (sound and known):
            raise ValueError(
                f"a placement in space is not plausible: affine {rows.tolist()}, axes {self.codes}, unit {self.unit}"
            )

    @classmethod
    def of_affine(cls, affine: NDArray[np.float64], unit: str, sform: int, qform: int) -> Self:
        """Return the placement of a mapping, of which nibabel tells to which direction each axis is nearest.

        Args:
            affine: ``(4, 4)``, or its first three rows.
            unit: of it.
            sform: as :class:`Placement` has it.
            qform: the same.

        Raises:
            ValueError: it is no mapping of space, or voxels have sizes that are none.
        """
        from nibabel.orientations import aff2axcodes

        rows = tuple(tuple(map(float, row)) for row in affine[:3])
        cls(rows, DIRECTIONS, unit, sform, qform)  # finite and not flat, which is needed to find the directions
        found = cls(rows, "".join(map(str, aff2axcodes(np.array([*rows, (0, 0, 0, 1)])))), unit, sform, qform)
        if not all(_LEAST < each < _GREATEST for each in found.sizes):
            raise ValueError(f"voxels of {' x '.join(f'{each:g}' for each in found.sizes)} mm are not plausible")
        return found

    @classmethod
    def of_boxes(cls, sizes: tuple[float, float, float] | None) -> Self:
        """Return the placement of voxels of these sizes along z, y and x, in millimetres, without a turn.

        Args:
            sizes: None: they are not known, and a voxel is the unit.
        """
        z, y, x = sizes or (1.0, 1.0, 1.0)
        rows = ((x, 0.0, 0.0, 0.0), (0.0, y, 0.0, 0.0), (0.0, 0.0, z, 0.0))
        return cls(rows, DIRECTIONS, "unknown" if sizes is None else "mm")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The mapping ``(4, 4)``."""
        return np.array([*self.affine, (0, 0, 0, 1)], dtype=np.float64)

    @property
    def sizes(self) -> tuple[float, float, float]:
        """The sizes of a voxel along z, y and x, in millimetres."""
        lengths = np.linalg.norm(self.matrix[:3, :3], axis=0) * UNITS[self.unit]
        z, y, x = (float(lengths[axis]) for axis in self._file_axes())
        return z, y, x

    @property
    def skew(self) -> float:
        """How far the axes are from right angles, in degrees."""
        columns = self.matrix[:3, :3] / np.linalg.norm(self.matrix[:3, :3], axis=0)
        cosines = np.abs(columns.T @ columns - np.eye(3))
        return math.degrees(math.asin(min(1.0, float(cosines.max()))))

    @property
    def turn(self) -> float:
        """By how many degrees the axis that is furthest from its direction in the body is turned from it."""
        columns = self.matrix[:3, :3] / np.linalg.norm(self.matrix[:3, :3], axis=0)
        along = [abs(columns[2 - each, axis]) for each, axis in enumerate(self._file_axes())]
        return math.degrees(math.acos(min(1.0, *map(float, along))))

    def to_body(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return an array in the order of the file as ``(z, y, x)``, a view."""
        turned = stored.transpose(self._file_axes())
        return turned[tuple(slice(None, None, each) for each in self._steps())]

    def to_file(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return an array ``(z, y, x)`` in the order of the file, a view."""
        flipped = values[tuple(slice(None, None, each) for each in self._steps())]
        return flipped.transpose(np.argsort(self._file_axes()))

    def with_sizes(self, sizes: tuple[float, float, float]) -> Placement:
        """Return the placement whose voxels have other sizes, in millimetres, along z, y and x."""
        factors = np.ones(4)
        for axis, new, old in zip(self._file_axes(), sizes, self.sizes, strict=True):
            factors[axis] = new / old
        return self._changed(self.matrix * factors)

    def resampled(self, old: tuple[int, ...], new: tuple[int, ...]) -> Placement:
        """Return the placement of the same box cut into other numbers of voxels.

        With n voxels becoming m, the centre of voxel u of the new lies at (u + 1/2) n/m − 1/2 voxels of the old.

        Args:
            old: how many voxels there were along z, y and x.
            new: how many there are.
        """
        change = np.eye(4)
        for axis, before, now in zip(self._file_axes(), old, new, strict=True):
            change[axis, axis] = before / now
            change[axis, 3] = before / now / 2 - 0.5
        return self._changed(self.matrix @ change)

    def to_json(self) -> dict[str, Any]:
        """Return the placement as JSON."""
        return {
            "affine": [list(row) for row in self.affine],
            "axes": self.codes,
            "unit": self.unit,
            "sform": self.sform,
            "qform": self.qform,
        }

    @classmethod
    def from_json(cls, stored: Any) -> Self | None:
        """Return the placement that :meth:`to_json` stored; None: there is none, as in files of earlier versions.

        Raises:
            ValueError: something is missing, of the wrong kind or out of its range.
        """
        if stored is None:
            return None
        told = stored if isinstance(stored, Mapping) else {}
        codes, unit, sform, qform = (told.get(name) for name in ("axes", "unit", "sform", "qform"))
        try:
            affine = tuple(tuple(map(float, row)) for row in told["affine"])
        except (KeyError, TypeError, ValueError, OverflowError):
            affine = ()
        plausible = [len(row) for row in affine] == [4, 4, 4] and isinstance(codes, str) and len(codes) == 3
        if not (plausible and isinstance(unit, str) and type(sform) is int and type(qform) is int):
            raise ValueError(f"the stored placement in space is not plausible: {str(stored)[:200]}")
        return cls(affine, str(codes), str(unit), int(sform or 0), int(qform or 0))

    def _changed(self, matrix: NDArray[np.float64]) -> Placement:
        rows = tuple(tuple(map(float, row)) for row in matrix[:3])
        return Placement(rows, self.codes, self.unit, self.sform, self.qform)

    def _file_axes(self) -> tuple[int, int, int]:
        """Return which axis of the file runs along z, y and x."""
        found = [DIRECTIONS.find(each) if each in DIRECTIONS else OPPOSITES.find(each) for each in self.codes]
        return found.index(2), found.index(1), found.index(0)

    def _steps(self) -> tuple[int, ...]:
        """Return 1 or −1 for z, y and x: whether the file's axis runs in that direction."""
        return tuple(1 if self.codes[axis] in DIRECTIONS else -1 for axis in self._file_axes())
