"""The surface Φ = 0 of a field Φ: R³ → R that is nearly a signed distance, negative inside: as a mesh, as a picture."""

from __future__ import annotations

from sinefield.surface.mesh import Mesh
from sinefield.surface.meshing import Extraction, extracted

__all__ = ["Extraction", "Mesh", "extracted"]
