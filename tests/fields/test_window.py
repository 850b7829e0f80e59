"""Tests of windows: values, kinks and what is refused."""

from __future__ import annotations

import pytest
import torch

from sinefield.fields import Window
from sinefield.jet import jet


def along_x(kind: str, numbers: str, *x: float) -> torch.Tensor:
    return torch.tensor([[each, 0.1] for each in x], dtype=torch.float64)


def test_a_window_inside_falls_from_one_to_zero() -> None:
    window = Window(2, 1, "inside", "0,0.1,0.4,0.02")
    found = window(along_x("inside", "", 0.0, 0.4, 0.6)).flatten().tolist()
    assert found == pytest.approx([1.0, 0.5, 0.0], abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "numbers", "at", "second"),
    [("beyond", "0,0.1,0.4", 0.4, 2 / 0.4**2), ("box", "0,0.1,0.4,0.3", 0.4, 8 / 0.4**2)],
)
def test_the_second_derivative_alone_jumps(kind: str, numbers: str, at: float, second: float) -> None:
    """(x²/2r² − ½)² has 2/r² at x = r, and (1 − x²/h²)² has 8/h² at x = h, on one side; the other side is 0."""
    u = jet(Window(2, 1, kind, numbers), along_x(kind, numbers, at - 1e-9, at + 1e-9))
    assert u.value.abs().max() < 1e-15
    assert u.gradient.abs().max() < 1e-6
    assert sorted(u.hessian[:, 0, 0, 0].tolist()) == pytest.approx([0.0, second], rel=1e-6)


def test_the_third_derivative_of_a_layer_jumps() -> None:
    u = jet(Window(2, 1, "layer", "0,0.5,0.5"), along_x("", "", -0.75, 0.0, 0.5, 1.0), axes="xy")
    assert u.value.flatten().tolist() == pytest.approx([0.125, 0.0, 0.0, 1.0])
    assert u.d("xx").flatten().tolist() == pytest.approx([12.0, 0.0, 0.0, 24.0])


@pytest.mark.parametrize(
    ("kind", "numbers", "told"),
    [("round", "0,0,1", "unknown kind of window 'round'"), ("gaussian", "0,1", "3 numbers"), ("box", "a", "4 numbers")],
)
def test_what_is_none(kind: str, numbers: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Window(2, 1, kind, numbers)
