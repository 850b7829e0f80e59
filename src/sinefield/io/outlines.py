"""Outlines in the plane as points with normals: of the dark or the light part of a picture, and of polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sinefield.io.clouds import Cloud, clean_points, warn
from sinefield.io.image import Picture
from sinefield.io.shapes.content import Doubles

_PLAIN = 0.1  # of the range from black to white: colours that differ by less count as one
_TRANSPARENT = 0.05  # fraction of a picture: if less is transparent, as the corners of a card, its colours count


def trace_outline(picture: Picture, samples: int = 20_000) -> Cloud:
    """Return the outline of what a picture shows, in pixels (row, column).

    Of a picture with transparent parts it is that of the opaque part, whatever its colours, if a twentieth of the
    picture or more is transparent or the opaque part has one colour; which is used is told. Otherwise it is that
    between dark and light, and the part that touches less of the picture's edge is the inside: a glyph on paper,
    whichever of them is dark.

    Args:
        picture: picture; colours are averaged to grey, and alpha, or a second channel, is how opaque a pixel is.
        samples: approximate number of points, which are evenly spaced.

    Raises:
        ValueError: the picture has no outline.
    """
    from scipy import ndimage  # it takes long to import

    height = _padded(picture)
    places, across = _walk(_curves(height, picture.name), samples)
    ahead, behind = (
        ndimage.map_coordinates(height, (places + side * across).T, order=1, mode="nearest") for side in (0.75, -0.75)
    )
    normals = np.where(ahead < behind, 1.0, -1.0)[:, None] * across
    return clean_points(places - 0.5, normals, picture.name)  # the padding moved pixel centres from ½ to 1


def measure_distances(picture: Picture, places: Doubles, samples: int = 4000) -> Doubles:
    """Return signed distances ``(n,)`` in pixels from the outline of :func:`trace_outline`, negative inside.

    Args:
        picture: see there.
        places: ``(n, 2)``, row and column in pixels, within the picture or beside it.
        samples: approximate number of points of the outline that distances are measured to.

    Raises:
        ValueError: the picture has no outline.
    """
    from scipy import ndimage, spatial

    height = _padded(picture)
    outline, _ = _walk(_curves(height, picture.name), samples)
    found, _ = spatial.KDTree(outline - 0.5).query(places)
    inside = ndimage.map_coordinates(height, (places + 0.5).T, order=1, mode="nearest") > 0
    return np.asarray(np.where(inside, -found, found))


def _padded(picture: Picture) -> Doubles:
    """Return :func:`_height` with a pixel of the outside around it."""
    inside = _height(picture)
    return np.pad(inside, 1, constant_values=min(-np.abs(inside).max(), -1e-9))


def _curves(height: Doubles, name: str) -> list[Doubles]:
    """Return where what is positive inside is zero.

    Raises:
        ValueError: it is nowhere.
    """
    from skimage.measure import find_contours  # it takes long to import

    curves = [curve[:-1] for curve in find_contours(height, 0.0) if len(curve) > 3]
    if not curves:
        raise ValueError(f"{name} has no outline between dark and light; give a glyph or a silhouette")
    return curves


def _height(picture: Picture) -> Doubles:
    """Return what is positive inside of the outline of a picture and negative outside, ``(height, width)``.

    Raises:
        ValueError: the picture holds no numbers.
    """
    values = picture.values.astype(np.float64)
    channels = values.shape[2]
    colours = values[:, :, : 3 if channels > 2 else 1].mean(axis=2)
    alpha = values[:, :, -1] if picture.has_alpha or channels == 2 else None
    if alpha is not None and np.ptp(alpha) > 0:
        opaque = alpha > (alpha.min() + alpha.max()) / 2
        shown = colours[alpha > alpha.min() + 0.9 * np.ptp(alpha)]  # edges of premultiplied colours are darker
        plain = float(np.ptp(shown)) <= _PLAIN * (picture.high - picture.low)
        if plain or (~opaque).mean() >= _TRANSPARENT:
            why = "has one colour" if plain else f"is {100 * opaque.mean():.0f} % of it"
            told = (
                f"the outline is that of the opaque part, which {why}; for that of its colours, save it without alpha"
            )
            warn(picture.name, told)
            return np.asarray(alpha - (alpha.min() + alpha.max()) / 2)
        warn(picture.name, "the outline is that of its colours, as little of it is transparent")
        colours = np.where(opaque, colours, np.median(shown))  # the colour of what is transparent means nothing
    known = np.isfinite(colours)
    if not known.any():
        raise ValueError(f"{picture.name} holds no numbers; give a glyph or a silhouette")
    colours = np.where(known, colours, np.median(colours[known]))
    level = (colours.min() + colours.max()) / 2
    edge = np.concatenate([colours[0], colours[-1], colours[:, 0], colours[:, -1]])
    return np.asarray((colours - level) * (1 if (edge > level).mean() < 0.5 else -1))


def sample_polygon(corners: NDArray[np.float64], samples: int = 20_000) -> Cloud:
    """Return points on a closed polygon, with normals outwards.

    Args:
        corners: corners ``(n, 2)`` in order, either way round; the last is joined to the first.
        samples: approximate number of points, which are evenly spaced.

    Raises:
        ValueError: there are fewer than three corners, or they enclose no area.

    >>> cloud = sample_polygon(np.array([[0, 0], [2, 0], [2, 2], [0, 2]]), samples=40)
    >>> len(cloud.points), bool((np.abs(cloud.points - 1).max(axis=1) == 1).all())
    (40, True)
    """
    corners = np.asarray(corners, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError(f"a polygon has three or more corners (n, 2), got shape {corners.shape}, or NaN in it")
    after = np.roll(corners, -1, axis=0)
    area = float((corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]).sum() / 2)
    if area == 0:
        raise ValueError("the corners of the polygon all lie in a line; a shape needs an inside")
    places, across = _walk([corners], samples)
    return clean_points(places, np.sign(area) * across, f"a polygon of {len(corners)} corners")


def _walk(curves: Sequence[Doubles], samples: int) -> tuple[Doubles, Doubles]:
    """Return points evenly spaced along closed curves, and unit vectors to the right of the direction of travel."""
    closed = [np.concatenate([curve, curve[:1]]) for curve in curves]
    lengths = [np.linalg.norm(np.diff(curve, axis=0), axis=1) for curve in closed]
    spacing = sum(float(each.sum()) for each in lengths) / samples
    places, across = [], []
    for curve, steps in zip(closed, lengths, strict=True):
        ends = np.concatenate([[0.0], np.cumsum(steps)])
        at = (np.arange(max(3, round(ends[-1] / spacing))) + 0.5) * (ends[-1] / max(3, round(ends[-1] / spacing)))
        segment = np.searchsorted(ends, at, side="right") - 1
        direction = np.diff(curve, axis=0)[segment] / steps[segment, None]
        places.append(curve[segment] + (at - ends[segment])[:, None] * direction)
        across.append(np.stack([direction[:, 1], -direction[:, 0]], axis=1))
    return np.concatenate(places), np.concatenate(across)
