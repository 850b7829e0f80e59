"""Tests of functions as people write them: their values, and that nothing else is read."""

from __future__ import annotations

import math

import pytest
import torch

from sinefield.expressions import Expression, function_of

POINTS = torch.tensor([[0.25, 2.0], [-1.5, 0.5]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sin(pi*x) * exp(-y)", lambda x, y: math.sin(math.pi * x) * math.exp(-y)),
        ("-x^2 + 3/y", lambda x, y: -(x**2) + 3 / y),
        ("2e-1*abs(x) - y**0.5", lambda x, y: 0.2 * abs(x) - math.sqrt(y)),
        ("where(x < 0, 1, y)", lambda x, y: 1.0 if x < 0 else y),
        ("max(x, y) - min(x, 0) + atan2(y, x)", lambda x, y: max(x, y) - min(x, 0) + math.atan2(y, x)),
        ("7", lambda _x, _y: 7.0),
        ("+e", lambda _x, _y: math.e),
    ],
)
def test_values(text: str, expected: object) -> None:
    assert callable(expected)
    found = Expression(text, "xy")(POINTS)
    assert found.shape == (2, 1)
    assert found.dtype == torch.float64
    assert found[:, 0].tolist() == pytest.approx([expected(*each) for each in POINTS.tolist()], rel=1e-15)


def test_what_is_constant() -> None:
    assert Expression("2*pi", "xy").is_constant
    assert not Expression("0*x", "xy").is_constant


def test_derivatives_are_those_of_the_function() -> None:
    points = POINTS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(Expression("x^3*y", "xy")(points).sum(), points)
    assert torch.allclose(slope, torch.stack([3 * POINTS[:, 0] ** 2 * POINTS[:, 1], POINTS[:, 0] ** 3], 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("__import__('os').getcwd()", "holds more than numbers"),
        ("x.real", "holds more than numbers"),
        ("[x]", "holds more than numbers"),
        ("x if y else 1", "holds more than numbers"),
        ("'x'", "holds more than numbers"),
        ("True", "holds more than numbers"),
        ("0 < x < 1", "holds more than numbers"),
        ("1e999", "holds more than numbers"),
        (f"1{'0' * 400}", "holds more than numbers"),
        ("lambda: 1", "holds more than numbers"),
        ("sin(x, y)", "sin takes 1 arguments, got 2"),
        ("sin(x=1)", "holds more than numbers"),
        ("gamma(x)", "unknown function 'gamma'"),
        ("z", "unknown name 'z'"),
        ("t*x", "unknown name 't' in 't[*]x'; there are x, y, pi, e"),
        ("1 +", "is no expression; write one such as"),
        ("", "is no expression"),
        ("(" * 1500 + "x" + ")" * 1500, "is no expression"),
        ("x+" * 999 + "x", "operations within each other"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        Expression(text, "xy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1/x", "log(x)", "9**9**9**9"])
def test_what_is_not_finite_is_told_with_the_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not finite at x = 0, y = 1"):
        Expression(text, "xy")(torch.tensor([[0.0, 1.0]], dtype=torch.float64))


def test_functions_in_code_are_left_alone() -> None:
    assert function_of(torch.sin, "x") is torch.sin
    assert function_of(2, "x")(torch.zeros(3, 1)).tolist() == [[2.0]] * 3
