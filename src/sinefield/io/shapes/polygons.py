"""Polygons to triangles: convex ones as fans, others by cutting ears.

An ear is a corner whose triangle with its two neighbours lies within the polygon.

Source: Meisters, "Polygons have ears", 1975.
"""

from __future__ import annotations

import numpy as np

from sinefield.io.shapes.content import NO_TRIANGLES, Doubles, Integers

_TRIALS = 30  # corners that are tried for each ear, on average, before the rest of a polygon becomes a fan


def triangulate(vertices: Doubles, counts: Integers, corners: Integers) -> Integers:
    """Return triangles ``(t, 3)``, n − 2 for each polygon of n corners; those with fewer than three are left out.

    Args:
        vertices: coordinates ``(v, 3)``.
        counts: number of corners of each polygon, ``(m,)``.
        corners: indices of the vertices of all polygons, one after another, within range.
    """
    ends = np.cumsum(counts)
    found = []
    for count in np.unique(counts[counts >= 3]):
        some = corners[(ends[counts == count] - count)[:, None] + np.arange(count)]
        found.append(some if count == 3 else _cut(vertices[some], some))
    return np.concatenate(found) if found else NO_TRIANGLES


def _cut(places: Doubles, corners: Integers) -> Integers:
    """Return the triangles of polygons of one number of corners: places ``(m, n, 3)``, corners ``(m, n)``."""
    count = corners.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        moved = places - places.mean(axis=1, keepdims=True)
        normal = np.cross(moved, np.roll(moved, -1, axis=1)).sum(axis=1, keepdims=True)  # Newell's
        step = np.roll(moved, -1, axis=1) - moved
        turn = (np.cross(np.roll(step, 1, axis=1), step) * normal).sum(axis=2)
        # Turning to one side at every corner is convex, or a star of several rounds, which no fan fits anyway.
        reflex = turn < -1e-9 * np.abs(turn).max(axis=1, keepdims=True)
    concave = reflex.any(axis=1)
    if count == 4:  # the diagonal that begins at a reflex corner lies within
        start = np.where(concave, reflex.argmax(axis=1), 0)
        corners = np.take_along_axis(corners, (start[:, None] + np.arange(4)) % 4, axis=1)
        concave = np.zeros(len(corners), bool)
    first, second = corners[~concave][:, 1:-1], corners[~concave][:, 2:]
    fans = np.stack([np.broadcast_to(corners[~concave][:, :1], first.shape), first, second], axis=2).reshape(-1, 3)
    ears = [corners[k][_cut_ears(moved[k], normal[k, 0])] for k in np.flatnonzero(concave)]
    return np.concatenate([fans, *ears])


def _cut_ears(places: Doubles, normal: Doubles) -> Integers:
    """Return the triangles ``(n − 2, 3)`` of a simple polygon ``(n, 3)``, as indices of its corners."""
    axis = int(np.abs(normal).argmax())
    across = [(axis + 1) % 3, (axis + 2) % 3]
    flat = places[:, across] * [1.0, 1.0 if normal[axis] > 0 else -1.0]  # counter-clockwise
    left, found, at, trials = list(range(len(flat))), [], 0, _TRIALS * len(flat)
    while len(left) > 3 and trials:
        trials -= 1
        ear = [left[at - 1], left[at], left[(at + 1) % len(left)]]
        if _is_ear(flat, ear, left):
            found.append(ear)
            left.pop(at)
            at = max(at - 1, 0) if at < len(left) else 0
        else:
            at = (at + 1) % len(left)
    found += [[left[0], left[k], left[k + 1]] for k in range(1, len(left) - 1)]
    return np.array(found, dtype=np.int64)


def _is_ear(flat: Doubles, ear: list[int], left: list[int]) -> bool:
    """Return whether a triangle turns left and no other corner that is left lies in it."""
    a, b, c = flat[ear]
    sides = [(a, b), (b, c), (c, a)]
    (ax, ay), (bx, by), (cx, cy) = a, b, c
    if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) <= 0:
        return False
    others = flat[[each for each in left if each not in ear]]
    within = np.ones(len(others), bool)
    for start, end in sides:
        way, off = end - start, others - start
        within &= way[0] * off[:, 1] - way[1] * off[:, 0] >= 0
    # A corner at the place of one of the ear's, as where a hole is joined to the outline, does not spoil it.
    same = (others[:, None] == flat[ear]).all(axis=2).any(axis=1)
    return not (within & ~same).any()


def drop_missing(size: int, counts: Integers, corners: Integers) -> tuple[Integers, Integers, list[str]]:
    """Return polygons without those that have a corner that is no vertex, and what is to be told of these.

    Args:
        size: number of vertices.
        counts: number of corners of each polygon, ``(m,)``.
        corners: indices of the vertices of all polygons, one after another.
    """
    polygon = np.repeat(np.arange(len(counts)), counts)
    wrong = np.bincount(polygon[(corners < 0) | (corners >= size)], minlength=len(counts)) > 0
    if not wrong.any():
        return counts, corners, []
    told = f"has {int(wrong.sum()):,} of {len(counts):,} faces with vertices that are not there; they are left out"
    return counts[~wrong], corners[~wrong[polygon]], [told]
