"""Tests of the discrete problem of gradient-domain pictures, against closed forms and dense least squares."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.problems.guidance import Flags, Floats, Guidance, differences_of, pairs_of

ALL = np.ones((7, 9), bool)


def picture(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).uniform(-1, 1, (7, 9, 2))


def hole(*, at_edge: bool = False) -> Flags:
    inside = np.zeros((7, 9), bool)
    inside[0 if at_edge else 2 : 5, 3:7] = True
    return inside


def dense(guidance: Guidance) -> Floats:
    """Return the solution by dense least squares, pair by pair."""
    height, width, _ = guidance.level.shape
    number = {tuple(each): k for k, each in enumerate(np.argwhere(guidance.inside))}
    rows, wanted = [], []
    for axis, (down, right) in enumerate(((1, 0), (0, 1))):
        for y in range(height - down):
            for x in range(width - right):
                if guidance.pairs[axis, y, x]:
                    row, value = np.zeros(len(number)), guidance.differences[axis, y, x].copy()
                    for place, sign in (((y, x), -1), ((y + down, x + right), 1)):
                        if place in number:
                            row[number[place]] = sign
                        else:
                            value -= sign * guidance.level[place]
                    rows.append(row)
                    wanted.append(value)
    found = guidance.level.copy()
    found[guidance.inside] = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
    return found


@pytest.mark.parametrize("at_edge", [False, True])
def test_the_solution_is_that_of_least_squares(at_edge: bool) -> None:
    inside, differences = hole(at_edge=at_edge), np.random.default_rng(1).normal(size=(2, 7, 9, 2))
    known = np.random.default_rng(2).random((7, 9)) < 0.9
    guidance = Guidance(picture(), inside, differences, pairs_of(inside, inside | known))
    np.testing.assert_allclose(guidance.solve(), dense(guidance), atol=1e-9)


def test_a_picture_comes_back_from_its_own_differences() -> None:
    inside = hole()
    other = np.where(inside[..., None], picture(3), picture())  # what lies in the hole is not looked at
    guidance = Guidance(other, inside, differences_of(picture()), pairs_of(inside, ALL))
    np.testing.assert_allclose(guidance.solve(), picture(), atol=1e-9)


def test_a_brighter_source_takes_the_level_of_the_destination() -> None:
    inside = hole()
    guidance = Guidance(picture(), inside, differences_of(picture() + 0.7), pairs_of(inside, ALL))
    np.testing.assert_allclose(guidance.solve(), picture(), atol=1e-9)


def test_everywhere_differences_of_least_squares_and_the_mean() -> None:
    differences = np.random.default_rng(1).normal(size=(2, 7, 9, 2))
    found = Guidance(picture(), ALL, differences, pairs_of(ALL, ALL)).solve()
    np.testing.assert_allclose(found.mean((0, 1)), picture().mean((0, 1)), atol=1e-12)
    corner = ALL.copy()
    corner[0, 0] = False
    fixed = Guidance(found, corner, differences, pairs_of(corner, ALL)).solve()  # the same with a pixel given
    np.testing.assert_allclose(fixed, found, atol=1e-9)


def test_a_part_that_touches_nothing_known_keeps_its_level() -> None:
    inside = hole()
    nothing = np.zeros_like(inside)
    guidance = Guidance(picture(), inside, np.zeros((2, 7, 9, 2)), pairs_of(inside, inside | nothing))
    found = guidance.solve()[inside]
    np.testing.assert_allclose(found, np.broadcast_to(picture()[inside].mean(0), found.shape), atol=1e-3)
