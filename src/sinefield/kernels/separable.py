"""Jets of sums of sines whose frequencies are all of a lattice: one axis after the other, with few sines.

    Φ(x) = b + Σ_k a_k cos(k · x) + b_k sin(k · x) = b + Re Σ_k c_k Π_i exp(i k_i x_i),   c_k = a_k − i b_k

As a SIREN without hidden layers this takes a sine for each frequency of the half lattice that k and −k leave; here only
for those along each axis, whose products the matrix product does that sums over the last axis. A derivative multiplies
by i k_i along its axes. Fields that are solved for are such sums, see :mod:`sinefield.problems.solved`.

It is for evaluation alone: where something is recorded for a backward :mod:`.siren.fused` answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial, highest_order

_LEAST = 16  # frequencies, below which nothing is gained


@final
@dataclass(frozen=True, eq=False)
class SumOfSines:
    """Sums of sines on one lattice, side by side.

    Args:
        frequencies: k_i along each axis, the first from 0 on, ``(m_i,)``.
        coefficients: c, ``(networks, c, m_1, …, m_d)``, 0 of those frequencies whose opposites are there.
        bias: ``(networks, c)``.
    """

    frequencies: Sequence[Tensor]
    coefficients: Tensor
    bias: Tensor

    def evaluate(self, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
        """Return derivatives at points ``(networks, n, d)``."""
        waves = [torch.polar(torch.ones_like(phase), phase) for phase in self._phases(points)]
        sums: dict[int, Tensor] = {}
        axes = range(points.shape[-1])

        def along(*twice: int) -> Tensor:
            """Return the derivative along axes, ``(networks, n, c)``."""
            orders = [twice.count(axis) for axis in axes]
            if orders[-1] not in sums:
                sums[orders[-1]] = self._summed(self._wave(waves, -1, orders[-1]))
            found = sums[orders[-1]]
            for axis in reversed(axes[:-1]):
                wave = self._wave(waves, axis, orders[axis])
                found = (found * wave.unflatten(-1, (*[1] * (found.ndim - 3), -1))).sum(-1)
            return found.real + (0 if twice else self.bias.unsqueeze(-2))

        found: dict[Derivative, Tensor] = {}
        for need in needs:
            match need:
                case "value":
                    found[need] = along()
                case "jacobian":
                    found[need] = torch.stack([along(i) for i in axes], -1)
                case "hessian":
                    found[need] = torch.stack([torch.stack([along(i, j) for j in axes], -1) for i in axes], -2)
                case Partial():
                    found[need] = along(*need.axes)
                case _:
                    some = need.axes if isinstance(need, LaplacianAlong) else tuple(axes)
                    found[need] = torch.stack([along(i, i) for i in some]).sum(0)
        return found

    def _phases(self, points: Tensor) -> list[Tensor]:
        return [points[..., axis, None] * each for axis, each in enumerate(self.frequencies)]

    def _wave(self, waves: Sequence[Tensor], axis: int, order: int) -> Tensor:
        """Return a derivative of exp(i k_i x_i), ``(networks, n, m_i)``."""
        return waves[axis] if order == 0 else waves[axis] * (1j * self.frequencies[axis]) ** order

    def _summed(self, wave: Tensor) -> Tensor:
        """Return the sum over the last axis, ``(networks, n, c, m_1, …, m_{d − 1})``."""
        rows = self.coefficients.flatten(1, -2)
        found: Tensor = torch.unflatten(wave @ rows.mT, -1, self.coefficients.shape[1:-1])
        return found


def sum_of(chain: Chain, points: Tensor, needs: Set[Derivative]) -> SumOfSines | None:
    """Return what a chain is if it is such sums side by side, and nothing is recorded; else None.

    Args:
        chain: any.
        points: where it is to be evaluated.
        needs: the derivatives.
    """
    match chain.links:
        case [Affine() as first, Sine(omega=omega), Affine() as last] if (
            first.bias is not None and last.bias is not None
        ):
            pass
        case _:
            return None
    tensors = (points, first.weight, first.bias, last.weight, last.bias)
    recorded = torch.is_grad_enabled() and any(each.requires_grad for each in tensors)
    if recorded or highest_order(needs) > 2 or points.ndim != 3 or first.weight.ndim != 3 or points.shape[-1] < 2:
        return None
    weight, bias = first.weight[0], first.bias[0]
    half = len(weight) // 2
    if half < _LEAST or bool((first.weight != weight).any()) or bool((first.bias != bias).any()):
        return None
    found = _lattice(weight[:half])
    quarter = bias.new_full((half,), math.pi / 2 / float(omega))
    if (
        found is None
        or not torch.equal(weight[:half], weight[half:])
        or not torch.allclose(bias, torch.cat([quarter, torch.zeros_like(quarter)]), rtol=1e-6, atol=0)
    ):
        return None
    cosines, sines = last.weight.split(half, -1)
    waves = torch.complex(cosines, -sines)
    sizes = [len(each) for each in found]
    opposite = waves.new_zeros(*waves.shape[:-1], math.prod(sizes) - half)
    coefficients = torch.cat([opposite, waves], -1).unflatten(-1, sizes)
    return SumOfSines([float(omega) * each for each in found], coefficients, last.bias)


def _lattice(weight: Tensor) -> list[Tensor] | None:
    """Return the frequencies along each axis of the half of a lattice after 0, ``(m, d)``; None: it is not one."""
    first, *others = (each.unique() for each in weight.unbind(-1))
    grid = torch.stack(torch.meshgrid(first, *others, indexing="ij"), -1).flatten(0, -2)
    after = grid[len(grid) - len(weight) :]
    before = math.prod(len(each) for each in others) // 2 + 1  # those of the first row up to 0
    if len(grid) != len(weight) + before or not torch.equal(after, weight):
        return None
    return [first, *others]
