"""The surface Φ = 0 of a field Φ: R³ → R that is nearly a signed distance, negative inside: as a mesh, as a picture."""

from __future__ import annotations

from sinefield.geometry.extraction import Extraction, extracted
from sinefield.geometry.level_sets import contoured
from sinefield.geometry.mesh import Mesh
from sinefield.geometry.projection import projected
from sinefield.geometry.sphere_tracing import Camera, traced, turntable

__all__ = ["Camera", "Extraction", "Mesh", "contoured", "extracted", "projected", "traced", "turntable"]
