"""Outgoing waves in a perfectly matched layer: cylinder functions of the stretched coordinates, in closed form.

The layer is that of :mod:`sinefield.problems.helmholtz`: with d = max(|x| − a, 0) the depth in it and L its width,

    X(x) = x + i sign(x) A d³ / 3L²,      dX/dx = e(x) = 1 + i A d²/L²

and what solves ΔU + k² U = 0 solves the equation of the layer as U(X(x), Y(y)). Outgoing are the Hankel functions of
the first kind U_n = H_n(kR) e^(inΘ) with R² = X² + Y² and e^(iΘ) = (X + iY)/R, which the layer damps; and by the ladder

    (∂_X + i ∂_Y) U_n = −k U_(n+1),      (∂_X − i ∂_Y) U_n = k U_(n−1)

all their derivatives are of that kind. They are unbounded at the origin: a factor 1 − ½ erfc((s/δ) log(r/s)) takes them
away there, whatever their order.

Source: Chew & Weedon, "A 3D perfectly matched medium from modified Maxwell's equations with stretched coordinates",
1994; NIST Digital Library of Mathematical Functions, equation 10.6.2.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

_NEAR = 12.0  # log(s/r) s/δ beyond which nothing is left, of waves of any order: erfc(12) is 1e-64


@final
@dataclass(frozen=True)
class Outgoing:
    """(1 − w) U_n of size 1 at r = s; rows are n, k, A, a, L, s, δ, and the last number β of Re(e^(−iβ) …)."""

    def is_smooth(self, terms: Tensor) -> bool:  # noqa: ARG002
        """Return that they are not."""
        return False

    def width(self, dimension: int) -> int:
        """Return how many numbers a function has.

        Raises:
            ValueError: there are not two coordinates.
        """
        if dimension != 2:
            raise ValueError(f"outgoing waves in a layer are functions of 2 coordinates, got points of {dimension}")
        return 8

    def evaluate(self, terms: Tensor, points: Tensor, need: tuple[tuple[int, ...], tuple[int, ...]]) -> Tensor:
        """Return a derivative up to second order of functions ``(m, 8)`` at points ``(n, 2)``, as ``(n, m)``.

        Raises:
            ValueError: a derivative of higher order, or functions of several layers.
        """
        by, along = need
        if len(by) + 2 * bool(along) > 2:
            raise ValueError("outgoing waves in a layer have derivatives up to second order")
        if bool((terms[:, 1:7] != terms[:1, 1:7]).any()):
            raise ValueError("outgoing waves that are evaluated together are of one layer")
        orders, place = torch.unique(terms[:, 0], return_inverse=True)
        numbers = terms[0, 1:7].tolist() if len(terms) else [1.0] * 6
        total = torch.zeros(len(points), len(orders), dtype=torch.complex128)
        wanted = [tuple(by)] if not along else [(axis, axis) for axis in along]
        far = points.square().sum(1) > numbers[4] ** 2 * math.exp(-2 * _NEAR * numbers[5] / numbers[4])
        if bool(far.any()):
            parts = _Parts(points[far], orders, *numbers)
            total[far] = torch.stack([parts.derivative(each) for each in wanted]).sum(0)
        phase = terms[:, -1]
        found: Tensor = phase.cos() * total.real[:, place] + phase.sin() * total.imag[:, place]
        return found


@final
class _Parts:
    """Derivatives of the windowed waves at some points."""

    def __init__(
        self,
        points: Tensor,
        orders: Tensor,
        k: float,
        strength: float,
        start: float,
        width: float,
        radius: float,
        slope: float,
    ) -> None:
        from scipy import special

        depth = (points.abs() - start).clamp(min=0)
        sign = points.sign()
        stretched = torch.complex(points, sign * strength * depth**3 / (3 * width**2))
        self.e = torch.complex(torch.ones_like(points), strength * depth**2 / width**2)
        self.slope_of_e = torch.complex(torch.zeros_like(points), sign * strength * 2 * depth / width**2)
        distance = stretched.square().sum(1).sqrt()[:, None]
        turn = (stretched[:, :1] + 1j * stretched[:, 1:]) / distance
        low, high = int(orders.min()) - 2, int(orders.max()) + 2
        every = torch.arange(low, high + 1, dtype=torch.float64)
        reached = k * distance[:, 0]
        hankel = [torch.from_numpy(special.hankel1(n, reached.numpy())) for n in (0, 1)]
        for n in range(1, max(-low, high)):  # upwards, as they grow
            hankel.append(2 * n / reached * hankel[n] - hankel[n - 1])
        signed = [hankel[abs(n)] * (-1) ** min(0, n) for n in range(low, high + 1)]
        sizes = torch.from_numpy(abs(special.hankel1(orders.numpy(), k * radius)))
        self.waves = torch.stack(signed, 1) * turn ** every.to(turn.dtype)
        self.place = (orders - low).long()
        self.sizes, self.k, self.points = sizes, k, points
        # 1 − w and its derivatives by t = r²
        squares, scale = points.square().sum(1), radius / (2 * slope)
        argument = scale * (squares / radius**2).log()
        bump = (-argument.square()).exp() / math.sqrt(math.pi) * scale / squares
        self.window = (torch.erfc(-argument) / 2, bump, -(2 * argument * scale + 1) / squares * bump)

    def derivative(self, axes: tuple[int, ...]) -> Tensor:
        """Return ∂^α((1 − w) U_n), ``(n, m)``, by Leibniz's rule."""
        total = torch.zeros((), dtype=torch.complex128)
        for chosen in range(2 ** len(axes)):
            left = tuple(axis for number, axis in enumerate(axes) if chosen >> number & 1)
            right = tuple(axis for number, axis in enumerate(axes) if not chosen >> number & 1)
            total = total + self._of_window(left)[:, None] * self._of_waves(right)
        return total

    def _of_window(self, axes: tuple[int, ...]) -> Tensor:
        value, first, second = self.window
        match axes:
            case ():
                return value
            case (i,):
                return 2 * self.points[:, i] * first
        i, j = axes
        return 4 * self.points[:, i] * self.points[:, j] * second + (2.0 if i == j else 0.0) * first

    def _of_waves(self, axes: tuple[int, ...]) -> Tensor:
        """Return derivatives by x and y, from those by X and Y."""
        counts = Counter(axes)
        found = self._stretched(counts[0], counts[1])
        for axis in axes:
            found = found * self.e[:, axis, None]
        if len(axes) == 2 and axes[0] == axes[1]:
            found = found + self.slope_of_e[:, axes[0], None] * self._stretched(1 - axes[0], axes[0])
        return found

    def _stretched(self, by_x: int, by_y: int) -> Tensor:
        """Return ∂_X^p ∂_Y^q U_n: ∂_X = ½(L₊ + L₋), ∂_Y = (L₊ − L₋)/2i with L₊ U_n = −k U_(n+1), L₋ U_n = k U_(n−1)."""
        steps: dict[int, complex] = {0: 1.0}
        for up, down in [(-self.k / 2, self.k / 2)] * by_x + [(0.5j * self.k, 0.5j * self.k)] * by_y:
            moved: dict[int, complex] = {}
            for step, factor in steps.items():
                moved[step + 1] = moved.get(step + 1, 0) + factor * up
                moved[step - 1] = moved.get(step - 1, 0) + factor * down
            steps = moved
        parts = [factor * self.waves[:, self.place + step] for step, factor in steps.items()]
        return torch.stack(parts).sum(0) / self.sizes
