"""Tests of outgoing waves in a layer: the equation of the layer, and derivatives beside differences."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import special

from sinefield.fields import Expansion
from sinefield.fields.closed_forms import FAMILIES
from sinefield.jet import jet
from sinefield.problems.open_plane import MatchedLayer

K, NUMBERS = 20.0, (20.0, 5.0, 0.5, 0.5, 0.0, 0.0, 0.395, 0.0237)
POINTS = torch.tensor([[0.6, 0.1], [-0.8, 0.75], [0.1, -0.9], [0.45, -0.35], [0.3, 0.25]], dtype=torch.float64)


def wave(order: int) -> Expansion:
    terms = torch.tensor([[order, *NUMBERS, 0.0], [order, *NUMBERS, math.pi / 2]], dtype=torch.float64)
    field = Expansion.of("outgoing", terms, 2, 2)
    with torch.no_grad():
        field.weight.copy_(torch.eye(2))
    return field


@pytest.mark.parametrize("order", [-3, 0, 1, 20])
def test_it_solves_the_equation_of_the_layer(order: int) -> None:
    u = jet(wave(order), POINTS[:4], axes="xy").complex
    residual = MatchedLayer().laplacian(u) + K**2 * u.value
    assert float(residual.detach().abs().max()) < 1e-9 * K**2


@pytest.mark.parametrize("order", [-3, 0, 20])
def test_derivatives_are_those_of_the_values(order: int) -> None:
    field, step = wave(order), 1e-5
    u = jet(field, POINTS, axes="xy")
    with torch.no_grad():
        for axis, other in ((0, 0), (1, 1), (0, 1)):
            along, across = torch.eye(2, dtype=torch.float64)[axis], torch.eye(2, dtype=torch.float64)[other]
            slope = (field(POINTS + step * along) - field(POINTS - step * along)) / (2 * step)
            assert torch.allclose(slope, u.d(axis), atol=1e-6)
            ahead, behind = (jet(field, POINTS + sign * step * across).d(axis) for sign in (1, -1))
            assert torch.allclose((ahead - behind) / (2 * step), u.d(axis, other), atol=1e-4)


def test_it_is_a_hankel_function_between_window_and_layer_and_nothing_at_the_origin() -> None:
    at = torch.tensor([[0.49, 0.2], [0.0, 0.0]], dtype=torch.float64)
    found = torch.view_as_complex(wave(0)(at).detach().contiguous())
    radius = math.hypot(0.49, 0.2)
    truth = special.hankel1(0, K * radius) / abs(special.hankel1(0, K * 0.395))
    assert found[0].item() == pytest.approx(truth, rel=1e-9)
    assert found[1].item() == 0


def test_what_it_has_not() -> None:
    terms = torch.tensor([[0.0, *NUMBERS, 0.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="up to second order"):
        FAMILIES["outgoing"].evaluate(terms, POINTS, ((0, 0, 0), ()))
    with pytest.raises(ValueError, match="functions of 2 coordinates"):
        FAMILIES["outgoing"].width(3)
