"""Tests of outlines in the plane, against circles and squares."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.io import SignalWarning
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


def icon(ink: float = 0.0, *, premultiplied: bool = False, channels: int = 4) -> Picture:
    """Return the ring as what is opaque in a picture of one ink."""
    inside = ring().values
    colours = np.full_like(inside, ink) * (inside if premultiplied else 1)
    return Picture(np.concatenate([colours] * (channels - 1) + [inside], axis=2), 0.0, 1.0, 8, "icon")


@pytest.mark.parametrize("ink", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("premultiplied", [True, False])
@pytest.mark.parametrize("channels", [2, 4])
def test_the_outline_of_an_icon_is_that_of_what_is_opaque(ink: float, premultiplied: bool, channels: int) -> None:
    with pytest.warns(SignalWarning, match="icon: the outline is that of the opaque part, which has one colour"):
        found = trace_outline(icon(ink, premultiplied=premultiplied, channels=channels), samples=2000)
    flat = trace_outline(ring(), samples=2000)
    assert np.allclose(found.points, flat.points)
    assert found.normals is not None
    assert flat.normals is not None
    assert np.allclose(found.normals, flat.normals)


def test_what_is_opaque_is_inside_wherever_it_touches_the_edge() -> None:
    y, x = np.mgrid[0:40, 0:40] + 0.5
    hole = np.clip(np.hypot(y - 20, x - 20) - 10 + 0.5, 0, 1)[:, :, None]  # in a sheet as large as the picture
    picture = Picture(np.concatenate([np.zeros((40, 40, 3)), hole], axis=2).astype(np.float32), 0.0, 1.0, 8, "sheet")
    with pytest.warns(SignalWarning, match="opaque part"):
        found = trace_outline(picture, samples=2000)
    near = np.hypot(*(found.points - 20).T) < 12
    assert 0.2 < near.mean() < 0.4
    assert found.normals is not None
    assert ((found.points[near] - 20) * found.normals[near]).sum(1).max() < 0  # out of the sheet, into the hole


def test_a_cut_out_photo_and_a_card_with_round_corners() -> None:
    noise = np.random.default_rng(0).random((60, 80, 3))
    photo = Picture(np.concatenate([noise, ring().values], axis=2).astype(np.float32), 0.0, 1.0, 8, "photo")
    with pytest.warns(SignalWarning, match=r"photo: the outline is that of the opaque part, which is 2\d % of it"):
        assert np.allclose(trace_outline(photo, samples=2000).points, trace_outline(ring(), samples=2000).points)
    corner = np.ones((60, 80, 1))
    corner[:3, :3] = corner[-3:, -3:] = 0
    glyph = np.repeat(1 - ring().values, 3, axis=2) * corner  # black under what is transparent
    card = Picture(np.concatenate([glyph, corner], axis=2).astype(np.float32), 0.0, 1.0, 8, "card")
    with pytest.warns(SignalWarning, match="card: the outline is that of its colours, as little of it is transparent"):
        assert np.allclose(trace_outline(card, samples=2000).points, trace_outline(ring(), samples=2000).points)


def test_an_opaque_picture_is_as_one_without_alpha() -> None:
    opaque = np.concatenate([np.repeat(ring().values, 3, axis=2), np.ones((60, 80, 1))], axis=2).astype(np.float32)
    found = trace_outline(Picture(opaque, 0.0, 1.0, 8, "opaque"), samples=2000)
    assert np.allclose(found.points, trace_outline(ring(), samples=2000).points)
    spoilt = ring().values.copy()
    spoilt[2, 2] = np.nan
    found = trace_outline(Picture(spoilt, 0.0, 1.0, 32, "spoilt"), samples=2000)
    assert np.allclose(found.points, trace_outline(ring(), samples=2000).points)
