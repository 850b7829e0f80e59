"""Tests of waves in a box as sums of modes: closed forms, points of one time, what is outside, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Set

import pytest
import torch
from torch import Tensor

from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.modes import Modes
from sinefield.jet import jet

NEEDS: Set[Derivative] = {"value", "jacobian", "hessian", "laplacian", LaplacianAlong((1, 2)), Partial((0, 0, 1))}


def two_dimensional(walls: str = "fixed", *, mixed: bool = False) -> Modes:
    orders = torch.tensor([[1, 2], [3, 1], [2, 2], [1, 5]])
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(4, 3, generator=generator, dtype=torch.float64) if mixed else None
    box = torch.tensor([[-1.0, 0.5], [1.0, 2.0]])
    field = Modes.of(walls, box, orders, torch.tensor([0.0, 1.0, 2.5, 7.0])[: 3 if mixed else 4], mixing)
    torch.nn.init.normal_(field.weight, generator=generator)
    return field


def points_of(count: int = 30) -> Tensor:
    drawn = torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return drawn * torch.tensor([2.0, 2.0, 1.5]) + torch.tensor([0.0, -1.0, 0.5])


@pytest.mark.parametrize("walls", ["fixed", "free"])
def test_a_mode_with_a_start_and_a_velocity(walls: str) -> None:
    """a cos ωt + b sin(ωt)/ω times sin πx sin 2πy, or cosines."""
    field = Modes.of(walls, torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[1, 2]]), torch.tensor([3.0]))
    field.weight.data = torch.tensor([[0.7], [-0.4]], dtype=torch.float64)
    points = torch.rand(9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    t, x, y = points.unbind(1)
    of_space = {"fixed": torch.sin, "free": torch.cos}[walls]
    expected = (0.7 * (3 * t).cos() - 0.4 * (3 * t).sin() / 3) * of_space(math.pi * x) * of_space(2 * math.pi * y)
    torch.testing.assert_close(field(points)[:, 0], expected)


def test_what_does_not_swing_moves_on() -> None:
    """Of ω = 0 there is a + bt."""
    field = Modes.of("free", torch.tensor([[0.0], [1.0]]), torch.tensor([[0]]), torch.tensor([0.0]))
    field.weight.data = torch.tensor([[0.7], [2.0]], dtype=torch.float64)
    assert field(torch.tensor([[3.0, 0.5]], dtype=torch.float64)).item() == pytest.approx(6.7)
    assert jet(field, torch.tensor([[3.0, 0.5]], dtype=torch.float64)).d(0).item() == pytest.approx(2.0)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("walls", ["fixed", "free"])
def test_points_of_one_time_have_the_same_derivatives(walls: str, mixed: bool) -> None:
    field, points = two_dimensional(walls, mixed=mixed), points_of()
    points[:, 0] = 0.3
    points[5:10, 1] = points[0, 1]  # as on a lattice
    with torch.no_grad():
        together = field.derivatives(points, NEEDS, lambda *_: {})
        singly = [field.derivatives(each, NEEDS, lambda *_: {}) for each in points.split(1)]
    for need, each in together.items():
        torch.testing.assert_close(each, torch.cat([one[need] for one in singly]))


def test_points_of_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    field, points = two_dimensional(), points_of(100)
    expected = field(points)
    monkeypatch.setattr("sinefield.fields.modes._TOGETHER", 4)
    torch.testing.assert_close(field(points), expected)


def test_there_is_nothing_outside_and_something_at_the_walls() -> None:
    field = Modes.of("free", torch.tensor([[0.0], [0.3]]), torch.tensor([[0]]), torch.tensor([0.0]))
    torch.nn.init.ones_(field.weight)
    places = torch.tensor([[0.0, -1e-6], [0.0, 0.0], [0.0, 0.1 * 3], [0.0, 0.31]], dtype=torch.float64)
    assert field(places).flatten().tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(("walls", "outputs"), [("open", 1), ("fixed", 2)])
def test_what_is_no_modes_is_refused(walls: str, outputs: int) -> None:
    with pytest.raises(ValueError, match="modes have fixed or free walls and one output"):
        Modes(2, outputs, walls)
