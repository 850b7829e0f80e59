"""Tests of sums of sines on a lattice, one axis after the other, against Taylor coefficients in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sinefield import problems, solve
from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.kernels import evaluate, separable, taylor

OMEGA = 7.0


def lattice(sizes: tuple[int, ...]) -> Tensor:
    """Return the half after 0 of frequencies −j, …, j along each axis, in no common unit, ``(m, d)``."""
    axes = [
        (0.3 + 0.1 * axis) * torch.arange(-(size // 2), size // 2 + 1, dtype=torch.float64)
        for axis, size in enumerate(sizes)
    ]
    flat = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    return flat[len(flat) // 2 + 1 :]


def sums(sizes: tuple[int, ...], networks: int = 3, outputs: int = 2) -> Chain:
    waves = lattice(sizes) / OMEGA
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(networks, outputs, 2 * len(waves), generator=generator, dtype=torch.float64)
    bias = torch.randn(networks, outputs, generator=generator, dtype=torch.float64)
    quarter = torch.full((len(waves),), math.pi / 2 / OMEGA, dtype=torch.float64)
    first = Affine(
        waves.repeat(2, 1).expand(networks, -1, -1),
        torch.cat([quarter, torch.zeros_like(quarter)]).expand(networks, -1),
    )
    return Chain([first, Sine(OMEGA), Affine(weight, bias)])


def places(networks: int, dimension: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(networks, 11, dimension, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("sizes", [(9, 7), (7, 9), (5, 3, 7)], ids=str)
def test_all_derivatives_are_those_of_the_reference(sizes: tuple[int, ...]) -> None:
    chain, points = sums(sizes), places(3, len(sizes))
    needs: set[Derivative] = {
        "value",
        "jacobian",
        "hessian",
        "laplacian",
        Partial((1,)),
        Partial((0, 1)),
        LaplacianAlong((1,)),
    }
    found = separable.sum_of(chain, points, needs)
    assert found is not None
    ours, theirs = found.evaluate(points, needs), taylor.evaluate(chain, points, needs)
    for need in needs:
        assert theirs[need].abs().max() > 1e-3
        torch.testing.assert_close(ours[need], theirs[need], rtol=1e-9, atol=1e-9)


def test_what_is_not_such_a_sum_is_left_to_others() -> None:
    chain, points = sums((9, 7)), places(3, 2)
    first, sine, last = chain.links
    assert isinstance(first, Affine)
    assert first.bias is not None
    moved = first.weight.clone()
    moved[:, 3, 0] += 0.01  # no lattice
    apart = first.weight.clone()
    apart[1] *= 2  # a lattice of its own for each network
    later = first.bias.clone()
    later[:, 5] += 0.1
    for other in (Affine(moved, first.bias), Affine(apart, first.bias), Affine(first.weight, later)):
        assert separable.sum_of(Chain([other, sine, last]), points, {"value"}) is None
    assert separable.sum_of(Chain([first, sine, last, sine, last]), points, {"value"}) is None
    assert separable.sum_of(chain, points, {Partial((0, 0, 1))}) is None
    assert separable.sum_of(chain, points, {"value"}) is not None


def test_what_is_recorded_is_left_to_what_has_a_backward() -> None:
    chain, points = sums((9, 7)), places(3, 2).requires_grad_()
    assert separable.sum_of(chain, points, {"value"}) is None
    assert evaluate(chain, points, {"value"})["value"].requires_grad
    with torch.no_grad():
        assert separable.sum_of(chain, points, {"value"}) is not None


def test_a_solved_picture_is_evaluated_alike() -> None:
    generator = np.random.default_rng(0)
    field = solve(problems.image(generator.uniform(0, 1, (40, 33)))).field
    points = 1.6 * places(1, 2)[0] - 0.8
    needs: set[Derivative] = {"value", "jacobian", "laplacian"}
    with torch.no_grad():
        fast = evaluate(field, points, needs)
    recorded = evaluate(field, points, needs)
    assert recorded["value"].requires_grad
    for need in needs:
        scale = float(recorded[need].detach().abs().max())
        torch.testing.assert_close(fast[need], recorded[need].detach(), rtol=0, atol=1e-5 * scale)
