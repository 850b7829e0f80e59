"""Tests of what is measured between the samples: closed forms that are known otherwise, and what must be noticed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import between
import curved
import flat
import hiss
import left_out
import recipes
from sinefield import problems
from sinefield.domains import Grid
from sinefield.solvers import Adam


def test_the_truth_of_a_signal_is_differentiated_rightly() -> None:
    def square(points: Tensor) -> Tensor:
        return points.square().sum(1, keepdim=True)

    points = torch.rand(50, 3, dtype=torch.float64)
    value, gradient, laplacian = between.truths_of(square, points)
    torch.testing.assert_close(value, square(points))
    torch.testing.assert_close(gradient, 2 * points)
    torch.testing.assert_close(laplacian, torch.full((50, 1), 6.0, dtype=torch.float64))


def test_errors_are_relative_to_how_much_the_truth_differs_from_its_mean() -> None:
    truth = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    errors = between.errors_of([truth, truth + 1, truth.mean().expand(2, 1)], [truth] * 3)
    assert errors == pytest.approx({"value": 0.0, "gradient": 1.0, "laplacian": 1.0})


@pytest.mark.parametrize("name", between.SIGNALS)
def test_signals_lie_where_their_problem_has_them(name: str) -> None:
    signal = between.SIGNALS[name].smaller()
    problem = signal.problem(signal.rounded())
    axes = [signal.lattice.centres(axis, count) for axis, count in enumerate(signal.shape)]
    (domain,) = (each.domain for each in problem.constraints)
    assert isinstance(domain, Grid)
    assert domain.size == np.prod(signal.shape)
    points = domain.at(torch.arange(domain.size)).points
    expected = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    torch.testing.assert_close(points.double(), expected, atol=1e-6, rtol=0)
    assert np.abs(signal.samples).max() <= 1


def test_a_spline_of_the_fifth_degree_has_the_derivatives_of_a_polynomial() -> None:
    def quintic(points: Tensor) -> Tensor:
        return (points[:, :1] ** 5 - points[:, 1:] ** 4 * points[:, :1]) / 2

    signal = between.Exact(quintic, (12, 12), problems.image)
    assert max(signal.errors(between.spline(signal, signal.samples)).values()) < 1e-9


def test_the_curvature_of_a_torus_is_that_of_its_two_circles() -> None:
    points, across = curved.on_torus(500, 0)
    value, gradient, laplacian = between.truths_of(curved.distance, torch.from_numpy(points))
    assert float(value.abs().max()) < 1e-12
    torch.testing.assert_close(gradient, torch.from_numpy(across))
    ring = np.hypot(points[:, 0], points[:, 1])
    expected = 1 / curved.TUBE + (ring - curved.RING) / curved.TUBE / ring
    torch.testing.assert_close(laplacian[:, 0], torch.from_numpy(expected))


def test_points_of_a_torus_are_spread_evenly() -> None:
    points, _ = curved.on_torus(20_000, 0)
    outside = (np.hypot(points[:, 0], points[:, 1]) > curved.RING).mean()
    assert outside == pytest.approx(0.5 + curved.TUBE / curved.RING / np.pi, abs=0.01)


def test_flat_parts_are_nine_pixels_wide() -> None:
    truth = np.zeros((20, 20, 1), np.uint8)
    truth[10, 10] = 1
    found = flat.flat_parts(truth)
    assert not found[6:15, 6:15].any()
    assert found.sum() == 400 - 81
    assert 0.2 < flat.flat_parts(flat.terrain(flat.SHAPE)).mean() < 0.6


def test_silence_is_where_nothing_sounds_for_a_while() -> None:
    truth = hiss.bursts()
    quiet = hiss.silent(truth, hiss.RATE)
    assert 0.4 < quiet.mean() < 0.6
    assert not truth[quiet].any()


def test_thirds_of_octaves_end_with_the_band_and_hold_the_energy() -> None:
    truth = hiss.bursts()
    edges = hiss.thirds(truth, hiss.RATE)
    assert 4000 < edges[-1] <= hiss.BAND
    rate = 8000
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)[:, None]
    powers = hiss.powers(tone, rate, np.array([100.0, 900.0, 1100.0, 3000.0]))
    assert powers / powers.sum() == pytest.approx([0, 1, 0], abs=1e-12)
    assert hiss.powers(tone / 2, rate, np.array([900.0, 1100.0]))[0] == pytest.approx(powers[1] / 4)


def test_photographs_are_even_squares_in_grey() -> None:
    picture = left_out.photograph("coins", 64)
    assert picture.shape == (64, 64)
    assert picture.dtype == np.uint8
    assert left_out.photograph("rocket", 512).shape == (426, 426)


def test_the_earlier_default_is_as_it_was() -> None:
    noise = np.random.default_rng(0).random((40, 40))
    assert recipes.earlier(problems.image(noise)).solver == Adam(5e-4, (0.9, 0.95))
    assert recipes.earlier(problems.image(noise, tiles=(2, 2))).solver == Adam(1e-3, (0.9, 0.95))
    sound = recipes.earlier(problems.audio(noise[:1].T - 0.5, rate=8000))
    assert (sound.solver, sound.batch, sound.passes) == (Adam(3e-4, (0.9, 0.99)), 2048, 24)
