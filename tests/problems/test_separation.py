"""Tests of waves as sums of modes: closed forms in one to three dimensions, reach, walls, speeds that vary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special
from torch import Tensor

from sinefield import solve
from sinefield.domains import Ball
from sinefield.fields import Modes
from sinefield.problem import Problem
from sinefield.problems import wave
from sinefield.solution import Solution

PI = math.pi


def modes_of(problem: Problem) -> Modes | None:
    found = problem.build(1.0)["u"]
    return found if isinstance(found, Modes) else None


def pulse_in_a_plane(sigma: float, speed: float = 1.0) -> Any:
    """Return u = ∫ σ² e^(−σ²κ²/2) cos(cκt) J₀(κr) κ dκ, of points (t, x, y)."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    kappa, weights = (nodes + 1) * 4.5 / sigma, weights * 4.5 / sigma

    def exact(points: Tensor) -> Tensor:
        t, r = points[:, :1].numpy(), points[:, 1:].norm(dim=1, keepdim=True).numpy()
        waves = np.cos(speed * kappa * t) * special.j0(kappa * r)
        density = sigma**2 * np.exp(-(sigma**2) * kappa**2 / 2) * kappa * weights
        return torch.from_numpy(waves @ density[:, None])

    return exact


def solved(**settings: Any) -> Solution:
    problem = wave(**settings)
    assert modes_of(problem) is not None
    return solve(problem)


@pytest.mark.parametrize("walls", ["fixed", "free", "open"])
def test_a_pulse_that_reaches_no_wall(walls: str) -> None:
    """Its box is that of its reach, whatever the walls are, and beyond there is nothing."""
    settings = {"start": "exp(-(x^2+y^2)/0.02)", "domain": "-2,2,-2,2", "until": 0.3, "walls": walls}
    solution = solved(**settings, exact=pulse_in_a_plane(0.1))
    assert solution.converged
    assert solution.metrics["error"] < 1e-8
    field = solution.field
    assert isinstance(field, Modes)
    assert float(field.box.abs().max()) < 1.2
    assert field(torch.tensor([[0.2, 1.5, 1.5]], dtype=torch.float64)).item() == 0


def test_a_wrong_speed_is_seen() -> None:
    solution = solved(
        start="exp(-(x^2+y^2)/0.02)", domain="-1,1,-1,1", until=0.3, speed=1.1, exact=pulse_in_a_plane(0.1)
    )
    assert solution.metrics["error"] > 0.05


def test_a_pulse_in_a_disc_that_does_not_reach_its_wall() -> None:
    disc = Ball([0.0, 0.0], 2.0, axes="xy")
    problem = wave(start="exp(-(x^2+y^2)/0.02)", domain=disc, until=0.3, exact=pulse_in_a_plane(0.1))
    assert modes_of(problem) is not None
    assert solve(problem).metrics["error"] < 1e-8
    assert modes_of(wave(start="exp(-(x^2+y^2)/0.02)", domain=disc, until=1.5, features=100)) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_membrane_that_is_struck(sign: int) -> None:
    """u_t = ± sin πx sin 2πy at first, with c = 2 and so ω = 2 √5 π; the other sign is twice as far off as 0."""
    shape, omega = "sin(pi*x)*sin(2*pi*y)", "(2*sqrt(5)*pi)"
    settings = {"velocity": f"{sign}*{shape}", "domain": "0,1,0,1", "speed": 2.0, "until": 0.4}
    solution = solved(**settings, exact=f"{sign}*{shape}*sin({omega}*t)/{omega}")
    assert solution.converged
    assert solution.metrics["error"] < 1e-10
    assert solved(**settings, exact=f"{-sign}*{shape}*sin({omega}*t)/{omega}").metrics["error"] == pytest.approx(2)


def test_free_walls_in_a_plane() -> None:
    exact = "(0.5 + cos(pi*x)*cos(3*pi*y/2)*cos(sqrt(13)/2*pi*t)) + t"
    solution = solved(start="0.5 + cos(pi*x)*cos(3*pi*y/2)", velocity=1.0, domain="0,1,0,2", walls="free", exact=exact)
    assert solution.converged
    assert solution.metrics["error"] < 1e-10


def test_a_standing_wave_in_space() -> None:
    exact = "sin(pi*x)*sin(pi*y)*sin(2*pi*z)*cos(sqrt(6)*pi*t)"
    solution = solved(start="sin(pi*x)*sin(pi*y)*sin(2*pi*z)", domain="0,1,0,1,0,1", exact=exact)
    assert solution.converged
    assert solution.metrics["error"] < 1e-10
    wrong = exact.replace("sqrt(6)", "2")
    assert solved(start="sin(pi*x)*sin(pi*y)*sin(2*pi*z)", domain="0,1,0,1,0,1", exact=wrong).metrics["error"] > 0.5


def test_a_pulse_in_space() -> None:
    """u = [(r − t) f(r − t) + (r + t) f(r + t)] / 2r with f = e^(−r²/2σ²)."""

    def exact(points: Tensor) -> Tensor:
        t, r = points[:, :1], points[:, 1:].norm(dim=1, keepdim=True)
        parts = [(r + sign * t) * (-(r + sign * t).square() / 0.08).exp() for sign in (-1, 1)]
        found: Tensor = (parts[0] + parts[1]) / (2 * r)
        return found

    start = "exp(-(x^2+y^2+z^2)/0.08)"
    solution = solved(start=start, domain="-2,2,-2,2,-2,2", until=0.2, exact=exact, features=800)
    assert solution.metrics["error"] < 1e-4


def test_a_narrow_pulse_on_a_string() -> None:
    """By d'Alembert; a hundredth of the string wide, and turned back by its ends."""
    parts = [f"0.5*exp(-(x {side} t)^2/0.0002)" for side in "+-"]
    images = [f"0.5*exp(-(x {side} (t - 2))^2/0.0002)" for side in "+-"]
    exact = " + ".join(parts) + "".join(f" - {each}" for each in images)
    solution = solved(start="exp(-x^2/0.0002)", domain="-1,1", until=1.7, exact=exact)
    assert solution.converged
    assert solution.metrics["error"] < 1e-8


def test_a_speed_whose_mode_is_known() -> None:
    """ψ = (sin πx + a sin 3πx) sin πy has −Δψ = ω²ψ/c² with ω² = 2π², c² = (1 + aq)/(1 + 5aq), q = 3 − 4 sin² πx."""
    q, shape = "(3 - 4*sin(pi*x)^2)", "(sin(pi*x) + 0.03*sin(3*pi*x))*sin(pi*y)"
    settings = {"start": shape, "domain": "0,1,0,1", "features": 300, "until": 0.7}
    speed = f"sqrt((1 + 0.03*{q})/(1 + 0.15*{q}))"
    exact = f"{shape}*cos(sqrt(2)*pi*t)"
    solution = solved(**settings, speed=speed, exact=exact)
    assert solution.converged
    assert solution.metrics["error"] < 1e-8
    assert solved(**settings, speed=f"1/({speed})", exact=exact).metrics["error"] > 0.05


def test_a_speed_that_varies_along_a_string() -> None:
    """ψ = sin πx + a sin 3πx with c² = (1 + aq)/(1 + 9aq), which is struck: u = ψ sin(πt)/π."""
    q, shape = "(3 - 4*sin(pi*x)^2)", "(sin(pi*x) + 0.03*sin(3*pi*x))"
    speed = f"sqrt((1 + 0.03*{q})/(1 + 0.27*{q}))"
    solution = solved(velocity=shape, speed=speed, exact=f"{shape}*sin(pi*t)/pi")
    assert solution.metrics["error"] < 1e-8


def test_a_speed_that_varies_in_a_plane() -> None:
    """The equation and its conditions hold at points held out; with another speed the equation does not."""
    settings: dict[str, Any] = {"start": "exp(-(x^2+y^2)/0.1)", "domain": "-1,1,-1,1", "until": 0.1, "features": 400}
    solution = solved(**settings, speed="1 + 0.3*sin(pi*x)*cos(pi*y)")
    assert solution.metrics["residual"] < 2e-3
    other = wave(**settings, speed="1 - 0.3*sin(pi*x)*cos(pi*y)")
    with torch.no_grad():
        assert other.measure(solution.fields, None)["residual_wave"] > 0.05


def test_a_start_that_the_walls_do_not_allow_is_left_to_sines() -> None:
    """With u_xx ≠ 0 at the walls a speed that varies asks for more of a series of sines than it has."""
    shape = "sqrt(1+x)*sin(pi*log(1+x)/log(2))"
    assert modes_of(wave(start=shape, speed="1 + x")) is None


def test_a_speed_that_happens_to_be_constant() -> None:
    """The modes that are found are those in closed form."""
    exact = "sin(pi*x)*sin(2*pi*y)*cos(sqrt(5)*pi*t)"
    solution = solved(start="sin(pi*x)*sin(2*pi*y)", speed="1 + 0*x", domain="0,1,0,1", exact=exact, features=60)
    assert solution.metrics["error"] < 1e-10


def test_functions_that_are_too_few_are_not_used() -> None:
    assert modes_of(wave(start="exp(-20*x^2)", domain="-1,1", features=10)) is None
    assert modes_of(wave(start="exp(-20*x^2)", domain="-1,1", features=200)) is not None


def test_nothing_has_no_modes() -> None:
    problem = wave(features=20)
    assert modes_of(problem) is None
    assert "not a solution: 0 satisfies every constraint" in solve(problem).verdict


@pytest.mark.parametrize(
    "settings",
    [
        {"start": "x*log(x)", "domain": "0,1"},  # at the wall it is not finite
        {"start": "exp(-100*(x-0.5)^2)", "speed": "1 + 0.5*t", "domain": "0,1"},
        {"start": "abs(x)", "domain": "-1,1,-1,1", "features": 500},  # it has a kink, and is not 0 at the walls
        {"start": "exp(-20*x^2)", "domain": "-1,1", "walls": "open", "until": 1.3},
    ],
)
def test_what_has_no_modes_is_left_to_sines(settings: dict[str, Any]) -> None:
    assert modes_of(wave(**{"features": 50} | settings)) is None


def test_a_start_that_is_known_in_a_disc_alone() -> None:
    disc = Ball([0.0, 0.0], 1.0, axes="xy")
    start = "sqrt(1.000001 - x^2 - y^2)*exp(-(x^2+y^2)/0.005)"
    assert modes_of(wave(start=start, domain=disc, until=0.3)) is not None
