"""Tests of norms: their losses against closed forms, and the weights of the squares that have the same gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield.norms import Huber, MeanAbsolute, MeanSquare, Norm

NORMS = [MeanSquare(), MeanAbsolute(), Huber(0.7), Huber(2.0)]
REAL = torch.tensor([[2.0, -1.0], [0.25, -3.0], [0.5, 0.7]], dtype=torch.float64)
COMPLEX = torch.complex(REAL, REAL.flip(0))


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (MeanSquare(), (4 + 1 + 0 + 9) / 4),
        (MeanAbsolute(), (2 + 1 + 0 + 3) / 4),
        (Huber(1.0), ((2 * 2 - 1) + 1 + 0 + (2 * 3 - 1)) / 4),
        (Huber(2.0), (4 + 1 + 0 + (2 * 2 * 3 - 4)) / 4),
        (Huber(10.0), (4 + 1 + 0 + 9) / 4),  # within its scale it is the mean square
    ],
)
def test_losses_are_those_of_the_closed_form(norm: Norm, expected: float) -> None:
    assert float(norm.loss(torch.tensor([[2.0, -1.0], [0.0, -3.0]]))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [(MeanSquare(), (25 + 4) / 2), (MeanAbsolute(), (5 + 2) / 2), (Huber(3.0), (6 * 5 - 9 + 4) / 2)],
)
def test_the_loss_of_complex_numbers_is_that_of_their_sizes(norm: Norm, expected: float) -> None:
    """|3 + 4i| is 5 and |−2i| is 2."""
    found = norm.loss(torch.tensor([3 + 4j, -2j]))
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("residual", [REAL, COMPLEX], ids=["real", "complex"])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_weighted_squares_have_the_gradient_of_the_loss(norm: Norm, residual: Tensor) -> None:
    """∂/∂r mean ρ(r) = ∂/∂r mean w |r|² with w = ρ'(|r|) / (2 |r|) held fixed."""
    found = []
    for weighted in (False, True):
        own = residual.clone().requires_grad_()
        loss = (norm.weights(own) * own.abs().square()).mean() if weighted else norm.loss(own)
        loss.backward()
        assert own.grad is not None
        found.append(own.grad)
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("residual", [REAL, COMPLEX], ids=["real", "complex"])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_weights_are_real_positive_and_not_differentiated(norm: Norm, residual: Tensor) -> None:
    weights = norm.weights(residual.clone().requires_grad_())
    assert weights.shape == residual.shape
    assert weights.dtype == torch.float64
    assert bool((weights > 0).all())
    assert not weights.requires_grad


@pytest.mark.parametrize("residual", [REAL, COMPLEX], ids=["real", "complex"])
def test_weighted_squares_of_the_mean_square_are_the_loss_itself(residual: Tensor) -> None:
    norm = MeanSquare()
    squares = (norm.weights(residual) * residual.abs().square()).mean()
    torch.testing.assert_close(squares, norm.loss(residual), rtol=1e-14, atol=0)


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_weights_are_finite_where_the_residual_vanishes(norm: Norm) -> None:
    assert bool(torch.isfinite(norm.weights(torch.zeros(3))).all())
    expected = 0.5 / 1e-6 if isinstance(norm, MeanAbsolute) else 1.0
    assert norm.weights(torch.zeros(1)).item() == pytest.approx(expected)


def test_the_largest_weight_of_absolutes_is_chosen() -> None:
    assert MeanAbsolute(least=0.25).weights(torch.tensor([0.0, 0.25, 1.0])).tolist() == [2.0, 2.0, 0.5]


@pytest.mark.parametrize(("norm", "centre"), [(MeanSquare(), 3.0), (MeanAbsolute(), 1.0)])
def test_the_best_constant_is_the_mean_or_the_median(norm: Norm, centre: float) -> None:
    """Of (0, 1, 8), found by reweighted least squares: c ← Σ w v / Σ w."""
    values, found = torch.tensor([0.0, 1.0, 8.0], dtype=torch.float64), torch.tensor(5.0, dtype=torch.float64)
    for _ in range(200):
        weights = norm.weights(values - found)
        found = (weights * values).sum() / weights.sum()
    assert float(found) == pytest.approx(centre, abs=1e-5)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_a_scale_that_is_not_positive_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale of a Huber norm must be positive"):
        Huber(scale)


def test_norms_are_values() -> None:
    assert MeanSquare() == MeanSquare()
    assert MeanAbsolute() == MeanAbsolute(1e-6) != MeanAbsolute(1e-3)
    assert Huber(1.0) != Huber(2.0)
    assert len({MeanSquare(), MeanSquare(), Huber(1.0)}) == 2
