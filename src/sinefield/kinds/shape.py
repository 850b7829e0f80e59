"""Shapes, as one kind of signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from sinefield.kinds import options
from sinefield.kinds.kind import Kind, imported


@final
@dataclass(frozen=True)
class ShapeFit(options.Options):
    """How a shape is fitted."""

    terms: str | None = options.option(
        "--terms", str, "What is asked of the field: distance (default), published or digs."
    )
    samples: int | None = options.option(
        "--samples", int, "Points that a mesh is sampled at. (default: 100000)", least=10
    )
    columns: str | None = options.option(
        "--columns", str, "What the columns of a table are, as xyzrgb, xyznxnynz or _xyz. (default: found)"
    )
    keep_strays: bool = options.option(
        "--keep-strays", bool, "Keep points of a scan that are far from all others.", default=False
    )
    estimate_normals: bool = options.option(
        "--estimate-normals", bool, "Estimate normals from the points, not those of the file.", default=False
    )


@final
@dataclass(frozen=True)
class ShapeRender(options.Options):
    """How a shape, or a slice of its distances, is rendered."""

    size: tuple[int, int] | None = options.option(
        "--size", str, "Width and height in pixels.", metavar="WxH", parse=options.picture_size
    )
    camera: tuple[float, ...] | None = options.option(
        "--camera",
        str,
        "Degrees around and above it, and how far off.",
        metavar="AZ,EL[,DIST]",
        parse=options.camera_place,
    )
    up: str | None = options.option("--up", str, "The upright axis. (default: y of OBJ and GLB, else z)")
    colouring: str | None = options.option("--colouring", str, "shaded (default) or curvature.")
    axis: str | None = options.option("--axis", str, "A slice across x, y or z, with lines of equal distance.")
    at: float | None = options.option("--at", float, "Where along the axis, in the file's units. (default: the middle)")
    frames: int | None = options.option("--frames", int, "Of a turn around it, as .mp4 or .gif. (default: 60)", least=1)

    def arguments(self) -> dict[str, Any]:
        """Return what is passed on: the fields that are set, with the camera made of its place and what is up."""
        found = super().arguments()
        place, up = found.pop("camera", ()), found.pop("up", None)
        if place or up:
            found["camera"] = imported("sinefield.geometry:Camera")(*place, up=up)
        return found


KIND = Kind(
    name="shape",
    title="Shapes",
    about="A shape as its signed distance: a scan or mesh, PLY, XYZ, OBJ, STL, …; or a picture's outline.",
    endings=(
        *(".ply", ".obj", ".stl", ".off", ".glb", ".gltf", ".3mf"),
        *(".xyz", ".xyzn", ".xyzrgb", ".pts", ".asc", ".txt", ".csv", ".tsv", ".pcd", ".las"),
    ),
    reader="sinefield.io.points:read",
    problem="sinefield.problems.shape:shape",
    signal="sinefield.signals.shape:ShapeSignal",
    figure="sinefield.plots.shapes:shape_figure",
    fit=ShapeFit,
    render=ShapeRender,
    examples=(
        "sinefield fit bunny.ply --figure bunny.png; sinefield fit glyph.png --kind shape",
        "sinefield render bunny.safetensors turn.mp4 --frames 90",
    ),
    budget="12 passes over the points",
    former=("sdf",),
)
