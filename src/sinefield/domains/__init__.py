"""Domains Ω, one a file: where the points of a constraint come from, and the targets a(x) they carry."""

from sinefield.domains.ball import Ball, Sphere
from sinefield.domains.box import Box, BoxBoundary
from sinefield.domains.domain import (
    ContinuousDomain,
    Domain,
    FiniteDomain,
    Lookup,
    Samples,
)
from sinefield.domains.grid import Grid
from sinefield.domains.point_cloud import PointCloud
from sinefield.domains.side_by_side import SideBySide

__all__ = [
    "Ball",
    "Box",
    "BoxBoundary",
    "ContinuousDomain",
    "Domain",
    "FiniteDomain",
    "Grid",
    "Lookup",
    "PointCloud",
    "Samples",
    "SideBySide",
    "Sphere",
]
