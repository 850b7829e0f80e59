"""A shape as its signed distance, negative inside: from points on it to a function whose zero set is a smooth surface.

    surface     Φ(p) = 0                          at the points p
    normal      ∇Φ(p) − n = 0                     there, where normals n are known
    distance    Φ(x) − s(x) d(x) = 0              around, d the distance to the points and s its sign
    eikonal     ‖∇Φ(x)‖ − 1 = 0                   everywhere

The distance holds Φ from both sides: what is far from every point can be no zero of Φ, which the published loss
forbids from one side only, by exp(−α|Φ|), and so lets sheets of surface through where there are no points.

Source: arXiv 2006.09661, section 4.2, for the published terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.constraint import Constraint, Problem, mean_absolute
from sinefield.domains import Box, PointCloud
from sinefield.evaluation import evaluating
from sinefield.io import image as pictures
from sinefield.io import points as shapes
from sinefield.io import video as clips
from sinefield.io.outlines import outline
from sinefield.jet import Jet, jet
from sinefield.networks import build
from sinefield.problems.distances import signed_distances
from sinefield.problems.orientation import oriented_normals
from sinefield.problems.reading import CHUNK, read_at
from sinefield.surface import Camera, Extraction, Mesh, extracted, traced, turntable
from sinefield.surface.tracing import Colouring

TERMS = ("distance", "published")
"""The terms of the loss by name, the default first."""

MARGIN = 0.9
"""How far a shape reaches in field coordinates: its longest side spans [−0.9, 0.9]."""

AROUND = 400_000
"""At how many places distances are known beforehand."""

_NEAR = (0.01, 0.05)  # standard deviations of the places near the points, in field coordinates
_FRAMES_A_SECOND = 30.0
_NEARBY = 0.6  # the part of the places that are near the points; the others are anywhere in the box


@dataclass(frozen=True)
class ShapeSignal:
    """How a signed distance is read back in the units of a file.

    Field coordinates are (x − centre) / scale, in the order of the file's axes, and a distance is scale · Φ.

    Args:
        centre: of the shape's bounding box, in the units of the file.
        scale: units of the file in one of the field's.
        extent: half the sides of the bounding box, in field coordinates, the longest :data:`MARGIN`.
    """

    centre: tuple[float, ...]
    scale: float
    extent: tuple[float, ...]

    @property
    def kind(self) -> str:
        """``"sdf"``."""
        return "sdf"

    @property
    def dimension(self) -> int:
        """d, 2 or 3."""
        return len(self.centre)

    @classmethod
    def of(cls, points: NDArray[np.float64]) -> ShapeSignal:
        """Return the mapping of points."""
        low, high = points.min(0), points.max(0)
        scale = float((high - low).max()) / 2 / MARGIN
        return cls(tuple(map(float, (low + high) / 2)), scale, tuple(map(float, (high - low) / 2 / scale)))

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON."""
        return {"kind": self.kind, "centre": list(self.centre), "scale": self.scale, "extent": list(self.extent)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ShapeSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        try:
            centre, extent = tuple(map(float, stored["centre"])), tuple(map(float, stored["extent"]))
            scale = float(stored["scale"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the stored mapping of a shape is incomplete or malformed ({error!r})") from error
        plausible = len(centre) == len(extent) in (2, 3) and 0 < scale < math.inf
        if not (plausible and all(map(math.isfinite, centre)) and all(0 <= each <= 1 for each in extent)):
            raise ValueError(f"the stored mapping of a shape is not plausible: {centre}, {scale}, {extent}")
        return cls(centre, scale, extent)

    def to_field(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return field coordinates of points ``(n, d)`` in the units of the file."""
        return np.asarray((points - np.array(self.centre)) / self.scale)

    def to_signal(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points ``(n, d)`` in the units of the file."""
        return np.asarray(points * self.scale + np.array(self.centre))

    def render(
        self,
        field: nn.Module,
        size: tuple[int, int] | None = None,
        *,
        camera: Camera | None = None,
        colouring: Colouring = "shaded",
    ) -> NDArray[Any]:
        """Return a picture: of a shape in space as a camera sees it, of one in the plane its signed distance.

        Args:
            field: Φ.
            size: width and height in pixels; None: 512 on the longest side.
            camera: where the picture is taken from, in field coordinates; None: from the front, a little from above.
            colouring: ``"shaded"`` or ``"curvature"``; in the plane there is only the distance.

        Returns:
            ``(height, width, 3)`` bytes; in the plane ``(height, width)`` distances in the units of the file, rows
            along the first axis, over the whole of [−1, 1]².

        Raises:
            ValueError: a size below 1, or an unknown colouring.
        """
        width, height = size or (512, 512)
        if self.dimension == 3:
            lower, upper = self._box()
            return traced(field, camera or Camera(), (width, height), lower=lower, upper=upper, colouring=colouring)
        if min(width, height) < 1:
            raise ValueError(f"the size of a picture is width and height, both at least 1; got {size}")
        axes = [(2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1 for n in (height, width)]
        return read_at(field, axes, 1, lambda u: u.value * self.scale)[:, :, 0]

    def write(
        self,
        field: nn.Module,
        path: Path,
        size: tuple[int, int] | None = None,
        *,
        camera: Camera | None = None,
        colouring: Colouring = "shaded",
        frames: int = 60,
    ) -> str:
        """Return in a few words what was written: a picture, or for MP4 and GIF a turn around the shape.

        In the plane a picture goes from black, the farthest inside, to white, as far outside. The other arguments are
        those of :meth:`render`.

        Args:
            field: Φ.
            path: where; the ending chooses the format.
            size: width and height in pixels.
            camera: where the picture is taken from.
            colouring: ``"shaded"`` or ``"curvature"``.
            frames: of a turn.

        Raises:
            ValueError: as for :meth:`render`; an ending of no known format, or a turn around a shape in the plane.
        """
        if path.suffix.lower() in clips.WRITTEN:
            if self.dimension == 2:
                raise ValueError(f"cannot write {path}: there is no turn around a shape in the plane; give a picture")
            clips.check_suffix(path)
            lower, upper = self._box()
            turn = turntable(
                field, camera or Camera(), size or (512, 512), lower=lower, upper=upper, frames=frames,
                colouring=colouring,
            )  # fmt: skip
            clips.write(path, turn, _FRAMES_A_SECOND)
            return f"{frames} frames around the shape"
        pictures.check_suffix(path)
        values = self.render(field, size, camera=camera, colouring=colouring)
        if self.dimension == 3:
            pictures.write(path, values.astype(np.float32), 0.0, 255.0, 8)
            return f"{values.shape[1]} x {values.shape[0]}, {colouring}"
        farthest = float(abs(values).max()) or 1.0
        pictures.write(path, values[:, :, None], -farthest, farthest, 8)
        return f"{values.shape[1]} x {values.shape[0]}, distance from {values.min():.4g} to {values.max():.4g}"

    def mesh(self, field: nn.Module, resolution: int = 256) -> tuple[Mesh, Extraction]:
        """Return the surface as a mesh in the units of the file, and what it took to find it.

        Args:
            field: Φ.
            resolution: cells along the longest side of the box, which is a little larger than the shape.

        Raises:
            ValueError: the shape lies in the plane; or as for :func:`sinefield.surface.extracted`.
        """
        if self.dimension != 3:
            raise ValueError("a shape in the plane has no mesh; render it instead")
        lower, upper = self._box()
        found = extracted(field, lower, upper, resolution)
        return found.mesh.transformed(self.scale, self.centre), found

    def _box(self) -> tuple[list[float], list[float]]:
        """Return the corners of the box that the shape is looked for in, in field coordinates."""
        sides = [min(1.0, each + 1 - MARGIN) for each in self.extent]
        return [-each for each in sides], sides

    def distances(self, field: nn.Module, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the signed distances ``(n,)`` of points ``(n, d)``, both in the units of the file."""
        places = torch.from_numpy(self.to_field(points))
        with evaluating(field) as like:
            values = [jet(field, chunk.to(like), ["value"]).value.double().cpu() for chunk in places.split(CHUNK)]
        return np.asarray(torch.cat(values)[:, 0].numpy() * self.scale)


def sdf(
    source: str | Path | NDArray[Any] | Tensor | shapes.Cloud,
    *,
    terms: str = "distance",
    samples: int = 100_000,
    network: str = "siren",
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a shape as its signed distance.

    Args:
        source: a scan or a mesh: a file, or an array, see :func:`sinefield.io.points.read`; a picture, whose outline is
            taken, see :func:`sinefield.io.outlines.outline`; or points that were read already.
        terms: ``"distance"``, or ``"published"``.
        samples: how many points a mesh is sampled at.
        network: which network, of :data:`sinefield.networks.NETWORKS`.
        **settings: of the network, such as ``hidden_features=256``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the shape cannot be used, or the terms, the network or a setting are unknown.
        FileNotFoundError: there is no such file.
    """
    if terms not in TERMS:
        raise ValueError(f"unknown terms {terms!r}; choose one of {', '.join(TERMS)}")
    cloud = _cloud_of(source, samples)
    signal = ShapeSignal.of(cloud.points)
    points, normals = signal.to_field(cloud.points), cloud.normals
    if normals is None:
        normals = oriented_normals(points)
    settings = {"hidden_features": 128, "hidden_layers": 4} | settings
    build(network, cloud.dimension, 1, **settings)
    surface = PointCloud(_floats(points), {"normal": _floats(normals)})
    constraints = _distance_terms(surface, points, normals) if terms == "distance" else _published_terms(surface)
    return Problem(
        name="sdf",
        constraints=constraints,
        network=partial(_network, network, cloud.dimension, settings),
        signal=signal,
        measure=partial(_measure, surface),
        reference=cloud,
        tuning={"optimiser": "adam", "learning_rate": 1e-3, "batch": 2048, "final_rate": 0.01, "passes": 40},
    )


def _cloud_of(source: str | Path | NDArray[Any] | Tensor | shapes.Cloud, samples: int) -> shapes.Cloud:
    if isinstance(source, shapes.Cloud):
        return source
    if isinstance(source, str | Path) and str(source).lower().endswith(pictures.SUFFIXES):
        return outline(pictures.read(source))
    return shapes.read(source, samples)


def _distance_terms(
    surface: PointCloud, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> Sequence[Constraint]:
    places = _places_around(points)
    targets = signed_distances(points, normals, places)
    around = PointCloud(_floats(places), {"distance": _floats(targets[:, None])})
    box = _box(points.shape[1])
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=100.0),
        Constraint(surface, lambda u, normal: u.gradient - normal, name="normal", weight=1.0),
        Constraint(around, lambda u, distance: u.value - distance, name="distance", weight=100.0),
        Constraint(box, _stretched, name="eikonal", weight=0.3),
    ]


def _published_terms(surface: PointCloud) -> Sequence[Constraint]:
    box = _box(surface.dimension)
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=3e3, norm=mean_absolute),
        Constraint(surface, _turned, name="normal", weight=1e2, norm=mean_absolute),
        Constraint(surface, _stretched, name="eikonal on the surface", weight=5e1, norm=mean_absolute),
        Constraint(box, _stretched, name="eikonal", weight=5e1, norm=mean_absolute),
        Constraint(
            box, lambda u: torch.exp(-100 * u.value.abs()), name="off the surface", weight=1e2, norm=mean_absolute
        ),
    ]


def _turned(u: Jet, normal: Tensor) -> Tensor:
    return 1 - torch.cosine_similarity(u.gradient, normal, dim=-1)


def _stretched(u: Jet) -> Tensor:
    slope: Tensor = torch.linalg.vector_norm(u.gradient, dim=-1, keepdim=True)
    return slope - 1


def _box(dimension: int) -> Box:
    return Box([-1.0] * dimension, [1.0] * dimension)


def _floats(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _places_around(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places ``(AROUND, d)``: some near the points, some anywhere in the box."""
    random = np.random.default_rng(0)
    nearby = int(_NEARBY * AROUND)
    chosen = points[random.integers(0, len(points), nearby)]
    width = np.repeat(_NEAR, math.ceil(nearby / len(_NEAR)))[:nearby, None]
    near = chosen + width * random.standard_normal(chosen.shape)
    anywhere = random.uniform(-1, 1, (AROUND - nearby, points.shape[1]))
    return np.concatenate([np.clip(near, -1, 1), anywhere])


def _network(network: str, dimension: int, settings: Mapping[str, int | float | str], first_omega: float) -> nn.Module:
    frequency = {"first_omega": first_omega} if network == "siren" else {}
    return build(network, dimension, 1, **(frequency | dict(settings)))


def _measure(surface: PointCloud, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return how well a field fits the points, and how nearly it is a distance, in field coordinates."""
    generator = torch.Generator().manual_seed(0)
    some = torch.randperm(surface.size, generator=generator)[: min(count or CHUNK, CHUNK)]
    samples = surface.at(some)
    anywhere = _box(surface.dimension).draw(len(some), generator).points
    with evaluating(field) as like:
        u = jet(field, samples.points.to(like), ["value", "jacobian"])
        v = jet(field, anywhere.to(like), ["jacobian"])
        slope = torch.linalg.vector_norm(v.gradient, dim=-1)
        found = {"surface_error": float(u.value.abs().mean()), "slope_error": float((slope - 1).abs().mean())}
        if "normal" in samples.targets:
            normal = samples.targets["normal"].to(u.gradient)
            found["normal_consistency"] = float(torch.cosine_similarity(u.gradient, normal, dim=-1).mean())
    return found
