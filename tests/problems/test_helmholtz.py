"""Tests of Helmholtz's equation in the open plane: its layer on exact waves, its fields beside Hankel functions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special
from torch import Tensor, nn

import scattering
import sinefield
from sinefield import solve
from sinefield.jet import jet
from sinefield.jet_views import Derivatives
from sinefield.problems.helmholtz import helmholtz
from sinefield.problems.open_plane import MatchedLayer
from sinefield.problems.slowness import Block, Disc, medium_of


class StretchedWave(nn.Module):
    """e^(ik(x cos θ + y sin θ)) at coordinates stretched by X = x ± i a₀ d³/3L² on the right, the plus damping it."""

    def __init__(self, k: float, angle: float, sign: float) -> None:
        super().__init__()
        self.k, self.angle, self.sign = k, angle, sign

    def forward(self, points: Tensor) -> Tensor:
        """Return the real and the imaginary part."""
        depth = (points.abs() - 0.5).clamp(min=0)
        shift = self.sign * points.sign() * 5.0 * depth**3 / (3 * 0.5**2)
        direction = torch.tensor([math.cos(self.angle), math.sin(self.angle)], dtype=points.dtype)
        size = torch.exp(-self.k * (shift @ direction))
        phase = self.k * (points @ direction)
        return torch.stack([size * phase.cos(), size * phase.sin()], 1)


def residual_in_layer(sign: float) -> float:
    k = 20.0
    points = torch.tensor([[0.3, -0.2], [0.9, 0.1], [0.7, 0.8], [-0.6, 0.95], [0.0, -0.99]], dtype=torch.float64)
    u = jet(StretchedWave(k, 0.7, sign), points, axes="xy").complex
    residual = MatchedLayer().laplacian(u) + k**2 * u.value
    return float((residual.abs() / (k**2 * u.value.abs())).detach().max())


def test_the_layer_has_stretched_plane_waves_as_exact_solutions() -> None:
    assert residual_in_layer(+1) < 1e-12


def test_the_other_sign_of_the_layer_is_no_solution() -> None:
    assert residual_in_layer(-1) > 0.1


def values_of(solution: Any, points: Tensor) -> Any:
    with torch.no_grad():
        found = solution.field(points)
    return torch.view_as_complex(found.contiguous()).numpy()


def ring(centre: tuple[float, float], least: float) -> Tensor:
    points = 0.9 * torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.45
    return points[(points - torch.tensor(centre)).norm(dim=1) > least]


def far_field(k: float, sigma: float, centre: tuple[float, float], points: Tensor) -> Any:
    """i/4 H₀⁽¹⁾(kr) e^(−k²σ²/2), of a source of amplitude 1 beyond some σ."""
    distance = (points - torch.tensor(centre)).norm(dim=1).numpy()
    return 0.25j * special.hankel1(0, k * distance) * math.exp(-(k**2) * sigma**2 / 2)


def relative(found: Any, truth: Any) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def test_two_sources_are_hankel_functions(tmp_path: Path) -> None:
    """Two sources of other amplitudes, one of them small; the field can be stored."""
    k = 8.0
    solution = solve(helmholtz(wavenumber=k, sources=[(0.15, 0.0, 0.03), (0.0, 0.0, 0.08, -0.5)], features=260))
    assert solution.converged
    points = ring((0.0, 0.0), 0.4)
    truth = far_field(k, 0.03, (0.15, 0.0), points) - 0.5 * far_field(k, 0.08, (0.0, 0.0), points)
    found = values_of(solution, points)
    assert np.linalg.norm(truth) > 1
    assert relative(found, truth) < 1e-3
    assert relative(found, truth.conj()) > 0.1  # waves go out
    solution.save(tmp_path / "waves.safetensors")
    again = sinefield.load(tmp_path / "waves.safetensors")
    assert isinstance(again, nn.Module)
    with torch.no_grad():
        assert torch.equal(again(points), solution.field(points))


class Bowl(nn.Module):
    """x² + h (x² + y² − a²), and y as the imaginary part."""

    def __init__(self, height: float, radius: float) -> None:
        super().__init__()
        self.height, self.radius = height, radius

    def forward(self, points: Tensor) -> Tensor:
        """Return both parts."""
        x, y = points[:, 0], points[:, 1]
        return torch.stack([x**2 + self.height * (x**2 + y**2 - self.radius**2), y], 1)


def test_values_and_slopes_meet_at_a_disc() -> None:
    """Of fields that are the same on the circle, with normal derivatives that are not, the slope alone is told."""
    problem = helmholtz(wavenumber=8.0, sources=[(0.3, 0.0)], speed=Disc((0.0, 0.0), 0.1, 0.5), features=200)
    conditions = {each.name: each for each in problem.constraints}
    samples = conditions["slope"].domain.draw(9, torch.Generator().manual_seed(0), torch.float64)  # type: ignore[union-attr]
    inner, outer = (jet(Bowl(height, 0.1), samples.points, axes="xy") for height in (0.0, 1.0))
    assert float(conditions["value"].residual(inner, outer).detach().abs().max()) < 1e-15
    slope = conditions["slope"].residual(inner, outer, samples.targets["normal"]).detach()
    assert torch.allclose(slope, torch.full_like(slope, -0.2))
    piece = conditions["piece"].residual(inner).detach()  # ΔΦ = 2 and m = 4, far from the source
    assert torch.allclose(piece, 2 + 8.0**2 * 4 * inner.complex.value.detach())


def test_two_wide_sources_are_hankel_functions() -> None:
    """Two sources of size 0.05 at k = 8, whose common surroundings do not fit a small layer of features."""
    places = [(0.15, 0.0), (-0.15, 0.0)]
    solution = solve(helmholtz(wavenumber=8.0, sources=[(*each, 0.05) for each in places], features=120))
    points = ring((0.0, 0.0), 0.4)
    truth = sum(far_field(8.0, 0.05, each, points) for each in places)
    assert solution.converged
    assert relative(values_of(solution, points), truth) < 1e-5


K, DISC = 14.0, (0.1, 0.05, 0.12, 0.6)
SOURCE = (-0.2, 0.0, 0.025)


def around_the_disc(points: Tensor) -> Any:
    """The series of Bessel and Hankel functions for the disc above, outside of it."""
    x, y, radius, speed = DISC
    place = np.array([SOURCE[:2]])
    found = scattering.around_a_disc(K, speed**-2, radius, place, points.numpy(), (x, y))
    return math.exp(-(K**2) * SOURCE[2] ** 2 / 2) * found[0]


def outside() -> Tensor:
    points = ring((0.1, 0.05), 0.13)
    return points[(points - torch.tensor(SOURCE[:2])).norm(dim=1) > 0.15]


def test_a_disc_scatters_as_its_series_tells(tmp_path: Path) -> None:
    solution = solve(helmholtz(wavenumber=K, sources=[SOURCE], disc=DISC, features=150))
    points = outside()
    assert solution.converged
    assert relative(values_of(solution, points), around_the_disc(points)) < 1e-4
    alone = far_field(K, SOURCE[2], SOURCE[:2], points)
    assert relative(values_of(solution, points), alone) > 0.1  # it does scatter
    solution.save(tmp_path / "disc.safetensors")
    stored = sinefield.load(tmp_path / "disc.safetensors")
    again = stored if isinstance(stored, nn.Module) else stored["u"]
    with torch.no_grad():
        assert torch.equal(again(points), solution.field(points))


def test_another_condition_at_the_boundary_gives_another_field() -> None:
    """With slopes that meet with the other sign the series is missed."""
    problem = helmholtz(wavenumber=K, sources=[SOURCE], disc=DISC, features=100)

    def wrong(inner: Derivatives, outer: Derivatives, normal: Tensor) -> Tensor:
        one, other = inner.complex, outer.complex
        return (one.d(0) + other.d(0)) * normal[:, :1] + (one.d(1) + other.d(1)) * normal[:, 1:]

    changed = [replace(each, residual=wrong) if each.name == "slope" else each for each in problem.constraints]
    points = outside()
    assert relative(values_of(solve(replace(problem, constraints=changed)), points), around_the_disc(points)) > 0.1


def test_a_source_in_the_middle_of_a_disc_goes_through_its_boundary() -> None:
    """Of a source in the middle u = c H_0(kr) outside; inside i/4 H_0(k_i r) + b J_0(k_i r)."""
    sigma, radius, speed = 0.03, 0.19, 0.7
    inner = K / speed
    solution = solve(helmholtz(wavenumber=K, sources=[(0.0, 0.0, sigma)], disc=(0.0, 0.0, radius, speed), features=100))
    a, b = K * radius, inner * radius
    matrix = [[special.hankel1(0, a), -special.j0(b)], [-K * special.hankel1(1, a), inner * special.j1(b)]]
    strength = 0.25j * math.exp(-(inner**2) * sigma**2 / 2)
    right = [strength * special.hankel1(0, b), -inner * strength * special.hankel1(1, b)]
    points = ring((0.0, 0.0), radius + 0.01)
    truth = np.linalg.solve(matrix, right)[0] * special.hankel1(0, K * points.norm(dim=1).numpy())
    assert solution.converged
    assert relative(values_of(solution, points), truth) < 1e-3


def test_a_uniform_speed_is_another_wavenumber() -> None:
    solution = solve(helmholtz(wavenumber=12.0, speed=2.0, sources=[(0.0, 0.0, 0.06)], features=300))
    points = ring((0.0, 0.0), 0.4)
    assert relative(values_of(solution, points), far_field(6.0, 0.06, (0.0, 0.0), points)) < 1e-2
    assert solution.converged


def test_a_medium_that_reaches_the_border_is_solved_in_the_layer_too() -> None:
    """Without outgoing waves in closed form: u falls off in the layer, as sines show that have its kinks."""
    solution = solve(
        helmholtz(wavenumber=4.0, speed=lambda x: 1 + 0.001 * x[:, :1], sources=[(0.0, 0.0, 0.1)], features=300)
    )
    points = ring((0.0, 0.0), 0.4)
    assert relative(values_of(solution, points), far_field(4.0, 0.1, (0.0, 0.0), points)) < 2e-2
    assert "residual_border" in solution.metrics


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sources": [(0.49, 0.0, 0.01)]}, "reaches into the absorbing layer"),
        ({"sources": [(2.0, 0.0)]}, "reaches into the absorbing layer"),
        ({"sources": []}, "has u = 0 without a source"),
        ({"sources": [(0.0,)]}, "a source is x, y, its size and its amplitude"),
        ({"sources": [(0.0, 0.0, 0.0)]}, "the size of a source is positive"),
        ({"speed": 0.0}, "a speed is positive and finite everywhere"),
        ({"speed": "x"}, "a speed is positive and finite everywhere"),
        ({"speed": Disc((0.0, 0.0), 0.1, -1.0)}, "a speed is positive and finite everywhere"),
        ({"speed": np.zeros((9, 9))}, "a speed is positive and finite everywhere"),
        ({"speed": np.ones(9)}, "an array of two axes"),
        ({"speed": lambda x: x[:, 0] ** 0}, "a speed gives values (n, 1)"),
        ({"features": 20, "speed": "1 + x / 9"}, "20 features are too few for the wavenumber 22.5"),
        ({"features": 10}, "10 features are too few for the wavenumber 20, which is 1.0 wavelengths a side"),
        ({"disc": (0.0, 0.0, -0.1, 2.0)}, "has a size and lies within [-1, 1]²"),
        ({"block": (0.9, 0.0, 0.3, 0.1, 2.0)}, "has a size and lies within [-1, 1]²"),
        ({"disc": (0.1, 0.0, 0.1, 2.0), "speed": 2.0}, "give one of them"),
        ({"wavenumber": -1.0}, "a wavenumber is positive"),
        ({"layer": 1.0}, "a layer from 0 to 1 wide"),
    ],
)
def test_bad_input(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        helmholtz(**settings)
    assert told in str(caught.value)


class TestMedia:
    """The squared slowness of every way to give a speed."""

    points = torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.9, -0.9]], dtype=torch.float64)

    def test_numbers_texts_and_functions(self) -> None:
        for speed in (2, "2", lambda x: 2 + 0 * x[:, :1], np.full((5, 6), 2.0)):
            medium = medium_of(speed)
            assert medium(self.points).flatten().tolist() == pytest.approx([0.25] * 3)
            assert (medium.around, medium.reach) == pytest.approx((0.25, 0.0))

    def test_an_array_has_its_first_axis_along_x(self) -> None:
        line = np.linspace(-1, 1, 9)
        medium = medium_of(1.5 + 0.5 * line[:, None] + 0.1 * line[None, :] ** 2)
        expected = (1.5 + 0.5 * self.points[:, :1] + 0.1 * self.points[:, 1:] ** 2) ** -2
        assert torch.allclose(medium(self.points), expected)

    def test_discs_and_blocks(self) -> None:
        disc, block = medium_of(Disc((0.3, 0.0), 0.2, 0.5)), medium_of(Block((-0.1, -0.2), (0.1, 0.2), 2.0))
        assert disc(self.points).flatten().tolist() == [1.0, 4.0, 1.0]
        assert block(self.points).flatten().tolist() == [0.25, 1.0, 1.0]
        assert (disc.reach, block.reach) == pytest.approx((0.5, math.hypot(0.1, 0.2)))
        assert (disc.largest, block.largest) == (4.0, 1.0)

    def test_the_reach_of_a_bump_is_found(self) -> None:
        medium = medium_of(lambda x: 1 + 0.3 * torch.exp(-x.square().sum(1, keepdim=True) / 0.005))
        assert 0.2 < medium.reach < 0.45
