"""Geometry of fields Φ that are nearly signed distances, negative inside: the surface Φ = 0 as a mesh or a picture."""

from __future__ import annotations

from sinefield.geometry.extraction import Extraction, extract
from sinefield.geometry.level_sets import draw_contours
from sinefield.geometry.mesh import Mesh
from sinefield.geometry.projection import project
from sinefield.geometry.sphere_tracing import Camera, trace, trace_turntable

__all__ = ["Camera", "Extraction", "Mesh", "draw_contours", "extract", "project", "trace", "trace_turntable"]
