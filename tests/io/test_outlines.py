"""Tests of outlines in the plane, against circles and squares."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.io.image import Picture
from sinefield.io.outlines import sample_polygon, trace_outline


def ring(light: bool = True) -> Picture:
    """Return a picture of a ring of radii 10 and 20 around (30, 40), in pixels, blurred by one."""
    y, x = np.mgrid[0:60, 0:80] + 0.5
    radius = np.hypot(y - 30, x - 40)
    inside = np.clip(0.5 + np.minimum(20 - radius, radius - 10), 0, 1)
    return Picture((inside if light else 1 - inside)[:, :, None].astype(np.float32), 0.0, 1.0, 32, "ring")


@pytest.mark.parametrize("light", [True, False])
def test_the_outline_of_a_ring(light: bool) -> None:
    found = trace_outline(ring(light), samples=2000)
    across = found.points - [30, 40]
    radius = np.linalg.norm(across, axis=1)
    outer = radius > 15
    assert np.allclose(radius, np.where(outer, 20, 10), atol=0.1)
    assert outer.mean() == pytest.approx(2 / 3, abs=0.01)
    assert found.normals is not None
    towards = np.where(outer, 1, -1)[:, None] * across / radius[:, None]
    assert (found.normals * towards).sum(1).mean() > 0.99


@pytest.mark.parametrize("order", [1, -1])
def test_a_square_either_way_round(order: int) -> None:
    found = sample_polygon(np.array([[0, 0], [2, 0], [2, 2], [0, 2.0]])[::order], samples=400)
    assert len(found.points) == 400
    assert np.allclose(np.abs(found.points - 1).max(1), 1)
    assert found.normals is not None
    assert ((found.points - 1) * found.normals).sum(1) == pytest.approx(np.ones(400))


def test_what_has_no_outline_is_told() -> None:
    flat = Picture(np.full((9, 9, 1), 0.5, dtype=np.float32), 0.0, 1.0, 32, "flat")
    with pytest.raises(ValueError, match="flat has no outline"):
        trace_outline(flat)
    with pytest.raises(ValueError, match="three or more corners"):
        sample_polygon(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="all lie in a line"):
        sample_polygon(np.array([[0, 0], [1, 1], [2, 2.0]]))
