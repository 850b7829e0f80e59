"""Tests of the wave equation: closed forms, walls, signs, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield import solve
from sinefield.problems import wave
from sinefield.solution import Solution

_FIRST_ZERO = 2.404825557695773  # of J₀
STANDING = {"start": "sin(pi*x)", "speed": 2.0, "exact": "sin(pi*x)*cos(2*pi*t)"}


def solved(**settings: Any) -> Solution:
    return solve(wave(**({"features": 300} | settings)))


def test_a_string_that_is_plucked() -> None:
    solution = solved(**STANDING)
    assert solution.converged
    assert solution.metrics["error"] < 1e-8


@pytest.mark.parametrize("sign", [1, -1])
def test_a_string_that_is_struck(sign: int) -> None:
    """u_t = ± sin πx at first: u = ± sin πx sin(πt) / π; the other sign is twice as far off as 0."""
    solution = solved(velocity=f"{sign}*sin(pi*x)", exact=f"{sign}*sin(pi*x)*sin(pi*t)/pi", until=0.8)
    assert solution.metrics["error"] < 1e-8
    wrong = solved(velocity=f"{sign}*sin(pi*x)", exact=f"{-sign}*sin(pi*x)*sin(pi*t)/pi", until=0.8)
    assert wrong.metrics["error"] == pytest.approx(2)


@pytest.mark.parametrize(("walls", "sign"), [("fixed", "-"), ("free", "+"), ("open", None)])
def test_walls_turn_a_pulse_back_upside_down_or_upright_or_let_it_out(walls: str, sign: str | None) -> None:
    """By d'Alembert, with images at x = ±2."""
    parts = [f"0.5*exp(-20*(x {side} t)^2)" for side in "+-"]
    images = [f"0.5*exp(-20*(x {side} t {at})^2)" for side in "+-" for at in ("+ 2", "- 2")] if sign else []
    exact = " + ".join(parts) + "".join(f" {sign} {each}" for each in images)
    problem = wave(start="exp(-20*x^2)", walls=walls, domain="-1,1", exact=exact, until=1.3, features=700)
    assert solve(problem).metrics["error"] < 1e-3


def test_a_drum() -> None:
    """J₀(kr) cos kt with the first zero k of J₀, of plane waves that stand; at half the speed it is another."""

    def exact(points: Tensor) -> Tensor:
        radius = points[:, 1:].norm(dim=1, keepdim=True)
        found: Tensor = torch.special.bessel_j0(_FIRST_ZERO * radius) * torch.cos(_FIRST_ZERO * points[:, :1])
        return found

    settings: dict[str, Any] = {"start": exact, "domain": "disc", "until": 0.5, "features": 300, "exact": exact}
    solution = solved(**settings)
    assert solution.metrics["error"] < 1e-6
    assert wave(**settings, speed=0.5).measure(solution.fields, None)["residual_wave"] > 0.1


def test_a_speed_that_varies() -> None:
    """With c = 1 + x the travel time ln(1 + x) is a coordinate: u = √(1+x) sin(π ln(1+x)/ln 2) cos(ωt) at 0 and 1."""
    exact = "sqrt(1+x)*sin(pi*log(1+x)/log(2))*cos(sqrt(pi^2/log(2)^2 + 0.25)*t)"
    solution = solved(start="sqrt(1+x)*sin(pi*log(1+x)/log(2))", speed="1 + x", exact=exact)
    assert solution.metrics["error"] < 1e-7


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"walls": "soft"}, "unknown walls 'soft'; choose one of fixed, free, open"),
        ({"speed": "x - 0.5"}, "a speed of waves is positive everywhere, got -0"),
        ({"speed": 0.0}, "a speed of waves is positive everywhere, got 0"),
        ({"start": "y"}, "unknown name 'y'"),
        ({"until": -1.0}, "needs two finite times"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        wave(**settings)
