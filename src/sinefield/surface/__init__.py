"""The surface Φ = 0 of a field Φ: R³ → R that is nearly a signed distance, negative inside: as a mesh, as a picture."""

from __future__ import annotations

from sinefield.surface.mesh import Mesh
from sinefield.surface.meshing import Extraction, extracted
from sinefield.surface.projection import projected
from sinefield.surface.slicing import contoured
from sinefield.surface.tracing import Camera, traced, turntable

__all__ = ["Camera", "Extraction", "Mesh", "contoured", "extracted", "projected", "traced", "turntable"]
