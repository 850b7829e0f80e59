"""Tests of line searches on functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from sinefield.solvers.line_search import Place, search_strongly

FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "a parabola": (lambda a: (a - 3) ** 2, lambda a: 2 * (a - 3)),
    "far away": (lambda a: (a / 100 - 1) ** 2, lambda a: (a / 100 - 1) / 50),
    "close": (lambda a: (1e4 * a - 1) ** 2, lambda a: 2e4 * (1e4 * a - 1)),
    "a wave": (lambda a: -math.sin(a) - a / 10, lambda a: -math.cos(a) - 0.1),
    "More and Thuente's first": (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
    "infinite beyond 2": (lambda a: (a - 1) ** 2 if a < 2 else math.inf, lambda a: 2 * (a - 1) if a < 2 else math.nan),
}


@pytest.mark.parametrize("first", [1e-3, 1.0, 10.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_strong_conditions_of_wolfe_hold(name: str, first: float) -> None:
    value, slope = FUNCTIONS[name]
    seen: list[float] = []

    def at(step: float) -> Place:
        seen.append(step)
        return Place(step, value(step), slope(step), torch.tensor([slope(step)]))

    start = at(0.0)
    found = search_strongly(at, start, first, curvature=0.1)
    assert found.value <= start.value + 1e-4 * found.step * start.slope
    assert abs(found.slope) <= 0.1 * abs(start.slope)
    assert len(seen) <= 26


def test_the_best_place_is_given_where_nothing_meets_the_conditions() -> None:
    """A straight line has no end."""
    found = search_strongly(lambda a: Place(a, -a, -1.0, torch.zeros(1)), Place(0.0, 0.0, -1.0, torch.zeros(1)), 1.0)
    assert found.step >= 1000


def test_where_all_is_higher_nothing_is_taken() -> None:
    found = search_strongly(
        lambda a: Place(a, float(a > 0), -1.0, torch.zeros(1)), Place(0.0, 0.0, -1.0, torch.zeros(1)), 1.0
    )
    assert found.step == 0
