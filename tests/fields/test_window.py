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


@pytest.mark.parametrize(("kind", "numbers"), [("ball", "0,0.1,0.4"), ("block", "0,0.1,0.4,0.3")])
def test_a_step_is_one_inside_and_its_rest_outside(kind: str, numbers: str) -> None:
    points = along_x(kind, numbers, 0.0, 0.39, 0.41)
    u, rest = (jet(Window(2, 1, each, numbers), points) for each in (kind, f"outside {kind}"))
    assert u.value.flatten().tolist() == [1.0, 1.0, 0.0]
    assert rest.value.flatten().tolist() == [0.0, 0.0, 1.0]
    assert not u.gradient.any()
    assert not u.hessian.any()


def test_the_third_derivative_of_a_layer_jumps() -> None:
    u = jet(Window(2, 1, "layer", "0,0.5,0.5"), along_x("", "", -0.75, 0.0, 0.5, 1.0), axes="xy")
    assert u.value.flatten().tolist() == pytest.approx([0.125, 0.0, 0.0, 1.0])
    assert u.d("xx").flatten().tolist() == pytest.approx([12.0, 0.0, 0.0, 24.0])


@pytest.mark.parametrize(
    ("kind", "numbers", "told"),
    [
        ("round", "0,0,1", "unknown kind of window 'round'"),
        ("gaussian", "0,1", "3 numbers"),
        ("block", "a", "4 numbers"),
    ],
)
def test_what_is_none(kind: str, numbers: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Window(2, 1, kind, numbers)
