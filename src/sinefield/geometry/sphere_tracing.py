"""Pictures of the surface Φ = 0 without a mesh, by sphere tracing.

Where Φ is a distance no surface is nearer than Φ, and a ray may advance by Φ in one step; if ‖∇Φ‖ ≤ L it may advance by
Φ / L. (Hart, 1996: Sphere tracing, The Visual Computer 12.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.domains import Box
from sinefield.geometry.projection import normalise
from sinefield.geometry.scalar_field import (
    Floats,
    compute_mean_curvatures,
    estimate_lipschitz_bound,
    evaluate,
    evaluate_with_gradients,
    find_corners,
)

Colouring = Literal["shaded", "curvature"]
Pixels = NDArray[np.uint8]

_STEPS = 256  # largest number of steps along a ray
_REFINEMENTS = 8  # bisections between a point outside and one inside
_NEAR = 0.02  # of a pixel: distance from the surface at which a ray has met it
_LEAST = 0.2  # of a pixel: least step, so that rays along the surface get ahead
_ON_SIDE = 1e-9  # of a side of the box: distance from it of points that lie on it
_STRIP = 1 << 18  # rays that are traced together, of a few dozen bytes each
_PERCENTILE = 95.0  # of the absolute curvatures in a picture: larger ones have the colours at the ends
_PALETTE = "RdBu_r"  # convex red, concave blue

# Lights: the direction in the frame of the camera (right, up, towards it), and the strength, in linear light.
_LIGHTS = (((-0.5, 0.7, 0.6), 0.70), ((0.8, 0.1, 0.5), 0.14))
_AMBIENT, _GREY, _GAMMA = 0.10, 0.85, 2.2


@dataclass(frozen=True)
class Camera:
    """The place that a picture is taken from, and the direction it is taken in.

    Args:
        azimuth: angle around ``up`` in degrees; at 0 the camera is on the axis that follows ``up`` in x → y → z → x.
        elevation: angle above the target's horizon in degrees, −90 to 90.
        distance: distance from the target, in units of length.
        field_of_view: angle from the lower to the upper side of the picture, in degrees.
        target: point in the middle of the picture, three coordinates.
        up: vertical axis, ``"x"``, ``"y"`` or ``"z"``; None: that of the shape, or z.

    Raises:
        ValueError: an argument is out of its range.

    >>> Camera(azimuth=0, elevation=0, distance=2).position().tolist()
    [2.0, 0.0, 0.0]
    """

    azimuth: float = 30.0
    elevation: float = 20.0
    distance: float = 4.0
    field_of_view: float = 35.0
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    up: str | None = None

    def __post_init__(self) -> None:
        if not -90 <= self.elevation <= 90:
            raise ValueError(f"the elevation is {self.elevation:g}; expected -90 to 90 degrees")
        if not 0 < self.distance < math.inf:
            raise ValueError(f"the camera's distance is {self.distance:g}; expected a positive length")
        if not 0 < self.field_of_view < 180:
            raise ValueError(
                f"the field of view is {self.field_of_view:g}; expected more than 0, less than 180 degrees"
            )
        if self.up not in (None, "x", "y", "z"):
            raise ValueError(f"up is {self.up!r}; expected x, y or z")

    def frame(self) -> Floats:
        """Return the directions to the right, up, and from the target to the camera, as the rows of ``(3, 3)``."""
        first, second, up = np.roll(np.eye(3), -1 - "xyz".index(self.up or "z"), axis=0)
        turn, lift = math.radians(self.azimuth), math.radians(self.elevation)
        across = math.cos(turn) * first + math.sin(turn) * second
        right = math.cos(turn) * second - math.sin(turn) * first
        back = math.cos(lift) * across + math.sin(lift) * up
        return np.stack([right, np.cross(back, right), back])

    def position(self) -> Floats:
        """Return the coordinates of the camera, ``(3,)``."""
        found: Floats = np.asarray(self.target) + self.distance * self.frame()[2]
        return found

    def rays(self, size: tuple[int, int]) -> Floats:
        """Return the directions of length 1 through the middles of the pixels, ``(height · width, 3)``.

        Args:
            size: width and height of the picture.
        """
        width, height = size
        extent = math.tan(math.radians(self.field_of_view) / 2)
        x = (2 * np.arange(width) + 1 - width) / height * extent
        y = (height - 1 - 2 * np.arange(height)) / height * extent
        grid = np.stack([*np.meshgrid(x, y), np.full((height, width), -1.0)], -1).reshape(-1, 3)
        found: Floats = grid @ self.frame()
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found


def trace(
    field: nn.Module,
    camera: Camera,
    size: tuple[int, int],
    box: Box,
    *,
    colouring: Colouring = "shaded",
    lipschitz: float | None = None,
    scale: float | None = None,
    samples: int = 2,
) -> Pixels:
    """Return a picture of the surface Φ = 0 on white, ``(height, width, 3)``.

    Args:
        field: Φ, from ``(n, 3)`` to ``(n, 1)``, nearly a signed distance, negative inside.
        camera: place that the picture is taken from.
        size: width and height in pixels.
        box: part of space that is seen; where it cuts the surface open its sides are.
        colouring: "shaded" for light grey, or "curvature" for the mean curvature, from blue (concave) to red (convex).
        lipschitz: L, a bound of ‖∇Φ‖ in the box; None: 1.2 times the largest on a coarse grid, and at least 1.2.
        scale: curvature at the ends of the colours, in 1/unit of length; None: the 95th percentile of absolute values.
        samples: number of rays along each side of a pixel, whose mean is its colour.

    Raises:
        ValueError: the size is not positive, the box is not in space, the colouring is unknown, or Φ is not finite.
    """
    _check(size, colouring, samples)
    lipschitz = lipschitz or estimate_lipschitz_bound(field, box)[0]
    fine = (size[0] * samples, size[1] * samples)
    hit, points = _find_hits(field, camera, fine, box, lipschitz)
    light = np.ones((fine[0] * fine[1], 3))
    if len(points):
        light[hit] = _light(field, camera, points, box, scale, colouring)
    mean = light.reshape(size[1], samples, size[0], samples, 3).mean((1, 3))
    # Means are taken of linear light, and pixels hold its encoding for screens.
    found: Pixels = np.round(255 * mean.clip(0, 1) ** (1 / _GAMMA)).astype(np.uint8)
    return found


def trace_turntable(
    field: nn.Module,
    camera: Camera,
    size: tuple[int, int],
    box: Box,
    *,
    frames: int = 60,
    colouring: Colouring = "shaded",
    lipschitz: float | None = None,
    samples: int = 2,
) -> Iterator[Pixels]:
    """Yield the pictures of a camera that goes once around the surface, for :func:`sinefield.io.video.write`.

    Args:
        field: Φ, from ``(n, 3)`` to ``(n, 1)``, nearly a signed distance, negative inside.
        camera: place that the first picture is taken from.
        size: width and height in pixels.
        box: part of space that is seen; see :func:`trace`.
        frames: number of pictures; the first one follows the last.
        colouring: "shaded" or "curvature", with the scale of the first picture.
        lipschitz: bound of ‖∇Φ‖; see :func:`trace`.
        samples: number of rays along each side of a pixel.

    Yields:
        Pictures ``(height, width, 3)``.

    Raises:
        ValueError: there is not at least one frame, or as for :func:`trace`.
    """
    if frames < 1:
        raise ValueError(f"a turn of {frames} frames is none; give at least 1")
    _check(size, colouring, samples)
    lipschitz = lipschitz or estimate_lipschitz_bound(field, box)[0]
    scale = None
    if colouring == "curvature":
        scale = _choose_scale(compute_mean_curvatures(field, _find_hits(field, camera, size, box, lipschitz)[1]))
    for k in range(frames):
        turned = replace(camera, azimuth=camera.azimuth + 360 * k / frames)
        yield trace(
            field,
            turned,
            size,
            box,
            colouring=colouring,
            lipschitz=lipschitz,
            scale=scale,
            samples=samples,
        )


def _check(size: tuple[int, int], colouring: str, samples: int) -> None:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"the size of the picture is {size}; expected width and height, at least 1 pixel each")
    if colouring not in get_args(Colouring):
        raise ValueError(f"the colouring is {colouring!r}; expected one of {', '.join(get_args(Colouring))}")
    if samples < 1:
        raise ValueError(f"a pixel of {samples} samples has no colour; give at least 1")


def _find_hits(
    field: nn.Module, camera: Camera, size: tuple[int, int], box: Box, lipschitz: float
) -> tuple[NDArray[np.int64], Floats]:
    """Return the indices of the rays of a camera that meet the surface, ``(h,)``, and the points there, ``(h, 3)``."""
    rays = camera.rays(size)
    pixel = 2 * math.tan(math.radians(camera.field_of_view) / 2) / size[1]  # at the distance 1
    hits, points = [np.empty(0, np.int64)], [np.empty((0, 3))]
    for start in range(0, len(rays), _STRIP):
        which, where = _march(field, camera.position(), rays[start : start + _STRIP], box, lipschitz, pixel)
        hits.append(which + start)
        points.append(where)
    return np.concatenate(hits), np.concatenate(points)


def _march(
    field: nn.Module, origin: Floats, rays: Floats, box: Box, lipschitz: float, pixel: float
) -> tuple[NDArray[np.int64], Floats]:
    """Return the indices of the rays that meet the surface, in order, and the points there."""
    near, far = _clip_rays(origin, rays, box)
    active = np.flatnonzero(near < far)
    at, before = near[active], near[active]  # the distance along each active ray, and the one before the last step
    found = np.full(len(rays), np.nan)
    for _ in range(_STEPS):
        values = evaluate(field, origin + at[:, None] * rays[active]).astype(float)
        crossed = values < 0
        found[active[crossed]] = _bisect(field, origin, rays[active[crossed]], before[crossed], at[crossed])
        arrived = ~crossed & (values < _NEAR * pixel * at)
        found[active[arrived]] = at[arrived]
        before, at = at, at + np.maximum(values / lipschitz, _LEAST * pixel * at)
        going = ~crossed & ~arrived & (at < far[active])
        active, at, before = active[going], at[going], before[going]
        if len(active) == 0:
            break
    met = np.flatnonzero(np.isfinite(found))
    return met, origin + found[met, None] * rays[met]


def _clip_rays(origin: Floats, rays: Floats, box: Box) -> tuple[Floats, Floats]:
    """Return the distances at which each ray enters and leaves a box; rays that miss it leave before they enter."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = ((corner - origin) / rays for corner in find_corners(box))
    # A ray within a side of the box has 0/0 there, and is not limited by that side.
    near = np.fmin(one, other).max(1, initial=0.0, where=~np.isnan(one) & ~np.isnan(other))
    far = np.fmax(one, other).min(1, initial=np.inf, where=~np.isnan(one) & ~np.isnan(other))
    return near, far


def _bisect(field: nn.Module, origin: Floats, rays: Floats, outside: Floats, inside: Floats) -> Floats:
    """Return the distance along each ray at which the sign of Φ changes, by bisection.

    A ray that starts inside, where the box cuts the surface open, has two equal distances, and keeps them.
    """
    low, high = outside.copy(), inside.copy()
    if len(rays) and (low < high).any():
        for _ in range(_REFINEMENTS):
            middle = (low + high) / 2
            within = evaluate(field, origin + middle[:, None] * rays) < 0
            low, high = np.where(within, low, middle), np.where(within, middle, high)
    return (low + high) / 2


def _choose_scale(curvatures: NDArray[np.floating[Any]]) -> float:
    """Return the curvature at the ends of the colours."""
    return float(np.percentile(np.abs(curvatures), _PERCENTILE)) if len(curvatures) else 1.0


def _light(
    field: nn.Module, camera: Camera, points: Floats, box: Box, scale: float | None, colouring: Colouring
) -> Floats:
    """Return the linear light that points of the surface send to a camera, ``(n, 3)``.

    Points where a side of the box cuts the surface open are lit by the normal of that side.
    """
    gradients = evaluate_with_gradients(field, points)[1].astype(float)
    lower, upper = find_corners(box)
    close = _ON_SIDE * (upper - lower)
    sides = (np.abs(points - upper) < close).astype(float) - (np.abs(points - lower) < close)
    cut = (sides != 0).any(1)
    gradients[cut] = sides[cut]
    seen = normalise(gradients) @ camera.frame().T  # in the frame of the camera
    strength = np.full(len(points), _AMBIENT)
    for direction, strong in _LIGHTS:
        towards = np.asarray(direction) / np.linalg.norm(direction)
        # The light wraps a little around the surface, so that shadows are soft.
        strength += strong * np.maximum(0, (seen @ towards + 0.25) / 1.25)
    if colouring == "shaded":
        return np.repeat((_GREY * strength)[:, None], 3, axis=1)
    import matplotlib as mpl

    curvatures = np.where(cut, 0, compute_mean_curvatures(field, points))
    # The curvatures of a plane are rounding, and should not get different colours.
    limit = max(scale or _choose_scale(curvatures[~cut]), 1e-6)
    colours = np.asarray(mpl.colormaps[_PALETTE](0.5 + 0.5 * (curvatures / limit).clip(-1, 1)))[:, :3]
    # Half of the light comes from all directions, so that shadows do not hide the colours.
    found: Floats = colours**_GAMMA * (0.5 + 0.5 * strength[:, None])
    return found
