"""Domains Ω, one a file: where the points of a constraint come from, and the targets a(x) they carry."""

from sinefield.domains.ball import Ball, Sphere
from sinefield.domains.box import Box, BoxBoundary, BoxFace
from sinefield.domains.difference import Difference, DifferenceBoundary
from sinefield.domains.domain import (
    ContinuousDomain,
    Domain,
    FiniteDomain,
    Lookup,
    Samples,
)
from sinefield.domains.grid import Grid
from sinefield.domains.patches import Patches
from sinefield.domains.point_cloud import PointCloud
from sinefield.domains.polygon import Polygon, PolygonBoundary
from sinefield.domains.portion import Portion
from sinefield.domains.region import Boundary, Region
from sinefield.domains.side_by_side import SideBySide
from sinefield.domains.space_time import Instant, SpaceTime, Walls

__all__ = [
    "Ball",
    "Boundary",
    "Box",
    "BoxBoundary",
    "BoxFace",
    "ContinuousDomain",
    "Difference",
    "DifferenceBoundary",
    "Domain",
    "FiniteDomain",
    "Grid",
    "Instant",
    "Lookup",
    "Patches",
    "PointCloud",
    "Polygon",
    "PolygonBoundary",
    "Portion",
    "Region",
    "Samples",
    "SideBySide",
    "SpaceTime",
    "Sphere",
    "Walls",
]
