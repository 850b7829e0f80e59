"""How the signed distance of a shape is read back: as distances, pictures and meshes in the units of its file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.domains import Box
from sinefield.geometry import Camera, Extraction, Mesh, draw_contours, extract, project, trace, trace_turntable
from sinefield.geometry.level_sets import choose_spacing
from sinefield.geometry.scalar_field import evaluate
from sinefield.geometry.sphere_tracing import Colouring
from sinefield.io import image as pictures
from sinefield.io import video as clips
from sinefield.signals.signal import Axis, Signal, floats_of

MARGIN = 0.9
"""How far a shape reaches in field coordinates: its longest side spans [−0.9, 0.9]."""

_FARTHEST = 0.08  # of offset surfaces, in field coordinates: within the box, that ends 0.1 off the shape
_FRAMES_A_SECOND = 25.0  # four hundredths of a second each, which GIF holds exactly
_LONGEST = 512  # pixels, where no size is asked for


@final
@dataclass(frozen=True)
class ShapeSignal(Signal):
    """How a signed distance is read back in the units of a file.

    Field coordinates are (x − centre) / scale, in the order of the file's axes, and a distance is scale · Φ.

    Args:
        centre: of the shape's bounding box, in the units of the file.
        scale: units of the file in one of the field's.
        extent: half the sides of the bounding box, in field coordinates, the longest :data:`MARGIN`.
        up: the axis of a shape in space that is upright in pictures, ``"x"``, ``"y"`` or ``"z"``.
        unit: unit of the file's coordinates, such as ``"mm"``; None: the file did not say.
    """

    centre: tuple[float, ...]
    scale: float
    extent: tuple[float, ...]
    up: str = "z"
    unit: str | None = None
    kind: ClassVar[str] = "shape"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """x, y and z of a file, or the rows and columns of an outline, in its units."""
        unit = self.unit or "unit of the file"
        return tuple(Axis(name, unit, None) for name in ("yx" if self.dimension == 2 else "xyz"))

    @property
    def channels(self) -> int:
        """1, the distance."""
        return 1

    @property
    def dimension(self) -> int:
        """d, 2 or 3."""
        return len(self.centre)

    @classmethod
    def of(cls, points: NDArray[np.float64], up: str = "z", unit: str | None = None) -> ShapeSignal:
        """Return the mapping of points."""
        low, high = points.min(0), points.max(0)
        scale = float((high - low).max()) / 2 / MARGIN
        return cls(tuple(map(float, (low + high) / 2)), scale, tuple(map(float, (high - low) / 2 / scale)), up, unit)

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON."""
        return {
            "kind": self.kind,
            "centre": list(self.centre),
            "scale": self.scale,
            "extent": list(self.extent),
            "up": self.up,
            **({} if self.unit is None else {"unit": self.unit}),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ShapeSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        try:
            centre, extent = floats_of(stored["centre"]), floats_of(stored["extent"])
            scale, up, unit = float(stored["scale"]), str(stored["up"]), stored.get("unit")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the stored mapping of a shape is incomplete or malformed ({error!r})") from error
        plausible = len(centre) == len(extent) in (2, 3) and 0 < scale < math.inf and up in ("x", "y", "z")
        if not (plausible and all(map(math.isfinite, centre)) and all(0 <= each <= 1 for each in extent)):
            raise ValueError(f"the stored mapping of a shape is not plausible: {centre}, {scale}, {extent}, {up}")
        if not (unit is None or (isinstance(unit, str) and 0 < len(unit) <= 16 and unit.isprintable())):
            raise ValueError(f"the stored unit of a shape is not plausible: {unit!r}")
        return cls(centre, scale, extent, up, unit)

    def to_field(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return field coordinates of points ``(n, d)`` in the units of the file."""
        return np.asarray((points - np.array(self.centre)) / self.scale)

    def to_signal(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points ``(n, d)`` in the units of the file."""
        return np.asarray(points * self.scale + np.array(self.centre))

    def distances(self, field: nn.Module, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the signed distances ``(n,)`` of points ``(n, d)``, negative inside, in the units of the file.

        Raises:
            ValueError: the points are not ``(n, d)``.
        """
        return np.asarray(evaluate(field, self._places(points)) * self.scale, dtype=np.float64)

    def inside(self, field: nn.Module, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points ``(n, d)``, in the units of the file, are inside.

        Raises:
            ValueError: the points are not ``(n, d)``.
        """
        return np.asarray(evaluate(field, self._places(points)) < 0)

    def project(self, field: nn.Module, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return points on the surface near those given, and the normals there, both ``(n, d)``, in units of the file.

        Raises:
            ValueError: the points are not ``(n, d)``.
        """
        found, normals = project(field, self._places(points))
        return self.to_signal(found), normals

    def sample(
        self,
        field: nn.Module,
        size: tuple[int, int] | None = None,
        *,
        camera: Camera | None = None,
        colouring: Colouring = "shaded",
        axis: str | None = None,
        at: float | None = None,
    ) -> NDArray[Any]:
        """Return a picture of a shape as a camera sees it; or distances in a slice, or of a shape in the plane.

        Args:
            field: Φ.
            size: width and height in pixels; None: 512 on the longest side.
            camera: where the picture is taken from, in field coordinates; None: from the front, a little from above.
            colouring: ``"shaded"`` or ``"curvature"``.
            axis: the slice is across this one, ``"x"``, ``"y"`` or ``"z"``; its rows go down the later of the others.
            at: where along the axis, in the units of the file; None: in the middle.

        Returns:
            ``(height, width, 3)`` bytes; of a slice ``(height, width)`` distances in the units of the file. In the
            plane they are over the whole of [−1, 1]², rows along the first axis.

        Raises:
            ValueError: a size below 2, an unknown colouring or axis, a slice beside the shape, or what has no meaning
                in the plane.
        """
        if size is not None and (len(size) != 2 or min(size) < 2):
            raise ValueError(f"the size of a picture is width and height, both at least 2; got {size}")
        if self.dimension == 2:
            if camera is not None or axis is not None or at is not None or colouring != "shaded":
                raise ValueError("a shape in the plane has no camera, colouring, axis or at; its picture is all of it")
            width, height = size or (_LONGEST, _LONGEST)
            rows, columns = ((2 * np.arange(n) + 1) / n - 1 for n in (height, width))
            return self._grid(field, np.stack(np.meshgrid(rows, columns, indexing="ij"), -1))
        if axis is not None:
            if camera is not None or colouring != "shaded":
                raise ValueError("a slice has no camera and no colouring; leave them out, or leave out the axis")
            return self._slice(field, size, axis, at)
        if at is not None:
            raise ValueError(f"at is {at:g} along no axis; give the axis too, x, y or z")
        pixels = size or (_LONGEST, _LONGEST)
        return trace(field, self._upright(camera), pixels, Box(*self._box()), colouring=colouring)

    def write(
        self,
        field: nn.Module,
        path: Path,
        size: tuple[int, int] | None = None,
        *,
        camera: Camera | None = None,
        colouring: Colouring = "shaded",
        axis: str | None = None,
        at: float | None = None,
        frames: int | None = None,
    ) -> str:
        """Return in a few words what was written: a picture, or for MP4 and GIF a turn around the shape.

        Slices and shapes in the plane are drawn with lines of equal distance, blue inside and red outside; NPY and
        32-bit TIFF keep the distances. The other arguments are those of :meth:`sample`.

        Args:
            field: Φ.
            path: where; the ending chooses the format.
            size: width and height in pixels.
            camera: where the picture, or the first one of a turn, is taken from.
            colouring: ``"shaded"`` or ``"curvature"``.
            axis: that a slice is across.
            at: where along it.
            frames: of a turn; None: 60.

        Raises:
            ValueError: as for :meth:`sample`; an ending of no known format, or a turn around a slice or in the plane.
        """
        if path.suffix.lower() in clips.WRITTEN:
            if self.dimension == 2 or axis is not None or at is not None:
                raise ValueError(f"cannot write {path}: there is no turn around something flat; give a picture")
            clips.check_suffix(path)
            count = 60 if frames is None else frames
            turn = trace_turntable(
                field,
                self._upright(camera),
                size or (_LONGEST, _LONGEST),
                Box(*self._box()),
                frames=count,
                colouring=colouring,
            )
            clips.write(path, turn, _FRAMES_A_SECOND)
            return f"{count} frames around the shape"
        pictures.check_suffix(path)
        if frames is not None:
            raise ValueError(f"cannot write {frames} frames to {path}; a turn is a .mp4 or .gif")
        values = self.sample(field, size, camera=camera, colouring=colouring, axis=axis, at=at)
        if values.ndim == 3:
            pictures.write(path, values.astype(np.float32), 0.0, 255.0, 8)
            return f"{values.shape[1]} x {values.shape[0]}, {colouring}"
        told = f"{values.shape[1]} x {values.shape[0]}, distance from {values.min():.4g} to {values.max():.4g}"
        if path.suffix.lower() in (".npy", ".tif", ".tiff"):
            pictures.write(path, values[:, :, None].astype(np.float32), 0.0, 1.0, 32)
            return told
        pictures.write(path, draw_contours(values).astype(np.float32), 0.0, 255.0, 8)
        return f"{told}, a line each {choose_spacing(values):g}"

    def mesh(
        self, field: nn.Module, resolution: int = 256, *, offset: float = 0.0, specks: bool = False
    ) -> tuple[Mesh, Extraction]:
        """Return the surface as a mesh in the units of the file, and what it took to find it.

        Args:
            field: Φ.
            resolution: cells along the longest side of the box, which is a little larger than the shape.
            offset: how far outside of the surface, or for negative ones inside, in the units of the file.
            specks: keep components of less than a thousandth of the faces of the largest, such as noise leaves.

        Raises:
            ValueError: the shape lies in the plane, the offset surface leaves the box that Φ is known in; or as for
                :func:`sinefield.geometry.extract`.
        """
        if self.dimension != 3:
            raise ValueError("a shape in the plane has no mesh; render it instead")
        level = offset / self.scale
        if not level <= _FARTHEST:
            raise ValueError(
                f"an offset of {offset:g} leaves the box that is known; at most {_FARTHEST * self.scale:.4g}"
            )
        found = extract(field, Box(*self._box(max(level, 0.0))), resolution, level=level)
        mesh = found.mesh if specks else found.mesh.remove_specks()
        return mesh.transform(self.scale, self.centre), found

    def _upright(self, camera: Camera | None) -> Camera:
        """Return a camera that knows what is upright."""
        chosen = camera or Camera()
        return chosen if chosen.up else replace(chosen, up=self.up)

    def _box(self, level: float = 0.0) -> tuple[list[float], list[float]]:
        """Return the corners of the box that a surface Φ = level is looked for in, in field coordinates."""
        sides = [min(1.0, each + level + 1 - MARGIN) for each in self.extent]
        return [-each for each in sides], sides

    def _places(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return field coordinates of points that were given.

        Raises:
            ValueError: they are not ``(n, d)``.
        """
        given = np.asarray(points, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.dimension:
            raise ValueError(f"the points of this shape are (n, {self.dimension}); got shape {given.shape}")
        return self.to_field(given)

    def _slice(self, field: nn.Module, size: tuple[int, int] | None, axis: str, at: float | None) -> NDArray[Any]:
        """Return the distances in a slice, in the units of the file.

        Raises:
            ValueError: an unknown axis, or a slice beside the shape.
        """
        if axis not in ("x", "y", "z"):
            raise ValueError(f"unknown axis {axis!r} of a shape; choose x, y or z")
        across = "xyz".index(axis)
        sides = self._box()[1]
        middle, reach = self.centre[across], sides[across] * self.scale
        place = middle if at is None else at
        if not abs(place - middle) <= reach:
            raise ValueError(
                f"the slice {axis} = {place:g} misses the shape, which is from {middle - reach:.4g} to "
                f"{middle + reach:.4g} there"
            )
        right, up = (each for each in range(3) if each != across)
        pixel = max(sides[right], sides[up]) / _LONGEST
        width, height = size or (max(2, round(sides[right] / pixel)), max(2, round(sides[up] / pixel)))
        points = np.full((height, width, 3), (place - middle) / self.scale)
        columns, rows = ((2 * np.arange(n) + 1) / n - 1 for n in (width, height))
        points[..., right], points[..., up] = np.meshgrid(sides[right] * columns, -sides[up] * rows)
        return self._grid(field, points)

    def _grid(self, field: nn.Module, points: NDArray[np.float64]) -> NDArray[Any]:
        """Return the distances at a grid ``(height, width, d)`` of field coordinates, in the units of the file."""
        values = evaluate(field, points.reshape(-1, self.dimension))
        return np.asarray(values.reshape(points.shape[:2]) * self.scale, dtype=np.float64)
