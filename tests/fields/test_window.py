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


def test_strips_that_meet_add_up_to_one_and_are_smooth() -> None:
    x = torch.linspace(-1.0, 1.0, 201, dtype=torch.float64)
    points = torch.stack([0 * x, x], 1)
    jets = [
        jet(Window(2, 1, "strip", f"1,{ends},0.5"), points, axes="xy") for ends in ("-inf,-0.2", "-0.2,0.4", "0.4,inf")
    ]
    assert torch.stack([each.value for each in jets]).sum(0).flatten().tolist() == pytest.approx([1.0] * 201)
    fourths = [each.d("yyyy") for each in jets]
    assert torch.stack(fourths).sum(0).abs().max() < 0.1  # beside thousands
    at = jet(
        Window(2, 1, "strip", "1,-0.2,0.4,0.5"),
        torch.tensor([[0.0, -0.45], [0.0, -0.2], [0.0, 0.65]]).double(),
        axes="xy",
    )
    assert at.value.flatten().tolist() == pytest.approx([0.0, 0.5, 0.0])
    assert at.d("y").flatten().tolist() == pytest.approx([0.0, 2 * 315 / 128, 0.0])
    assert at.d("yyyy").flatten().tolist() == pytest.approx([0.0, 0.0, 0.0], abs=0.1)


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
