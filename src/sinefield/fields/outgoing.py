"""Outgoing waves in a perfectly matched layer: cylinder functions of the stretched coordinates, in closed form.

The layer is that of :mod:`sinefield.problems.helmholtz`: with d = max(|x| − a, 0) the depth in it and L its width,

    X(x) = x + i sign(x) A d³ / 3L²,      dX/dx = e(x) = 1 + i A d²/L²

and what solves ΔU + k² U = 0 solves the equation of the layer as U(X(x), Y(y)). Outgoing are the Hankel functions of
the first kind about a centre, U_n = H_n(kR) e^(inΘ) with R² = (X − c_x)² + (Y − c_y)² and
e^(iΘ) = (X − c_x + i(Y − c_y))/R, which the layer damps; and by the ladder

    (∂_X + i ∂_Y) U_n = −k U_(n+1),      (∂_X − i ∂_Y) U_n = k U_(n−1)

all their derivatives are of that kind. They are unbounded at the centre. A factor 1 − ½ erfc((s/δ) log(r/s)) takes them
away there, whatever their order; with δ = 0 they are 0 nearer to the centre than s/2, where nobody asks for them.

Source: Chew & Weedon, "A 3D perfectly matched medium from modified Maxwell's equations with stretched coordinates",
1994; NIST Digital Library of Mathematical Functions, equation 10.6.2.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

_KEPT = 8192  # points whose waves are kept for a while
_NEAR = 12.0  # log(s/r) s/δ beyond which nothing is left, of waves of any order: erfc(12) is 1e-64


@final
@dataclass(frozen=True)
class Outgoing:
    """(1 − w) U_n of size 1 at r = s; rows are n, k, A, a, L, c_x, c_y, s, δ, and β of Re(e^(−iβ) …)."""

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
        return 10

    def evaluate(self, terms: Tensor, points: Tensor, need: tuple[tuple[int, ...], tuple[int, ...]]) -> Tensor:
        """Return a derivative up to second order of functions ``(m, 10)`` at points ``(n, 2)``, as ``(n, m)``.

        Raises:
            ValueError: a derivative of higher order.
        """
        by, along = need
        if len(by) + 2 * bool(along) > 2:
            raise ValueError("outgoing waves in a layer have derivatives up to second order")
        found = points.new_zeros(len(points), len(terms), dtype=torch.float64)
        different, kinds = torch.unique(terms[:, 1:9], dim=0, return_inverse=True)
        wanted = [tuple(by)] if not along else [(axis, axis) for axis in along]
        for kind, numbers in enumerate(different.tolist()):
            some = (kinds == kind).nonzero()[:, 0]
            found[:, some] = _of_one_centre(terms[some], points, wanted, numbers)
        return found


def _of_one_centre(
    terms: Tensor, points: Tensor, wanted: Sequence[tuple[int, ...]], numbers: Sequence[float]
) -> Tensor:
    """Return the sum of some derivatives of functions that differ by n and β alone, ``(n, m)``."""
    orders, place = torch.unique(terms[:, 0], return_inverse=True)
    *_, x, y, radius, slope = numbers
    total = torch.zeros(len(points), len(orders), dtype=torch.complex128)
    least = radius * math.exp(-_NEAR * slope / radius) if slope else radius / 2
    far = (points - points.new_tensor([x, y])).square().sum(1) > least**2
    if bool(far.any()):
        some, every = points[far], tuple(orders.tolist())
        key = (some.numpy().tobytes(), every, tuple(numbers))
        parts = _known_parts(*key) if len(some) <= _KEPT else _Parts(some, orders, *numbers)
        total[far] = torch.stack([parts.derivative(each) for each in wanted]).sum(0)
    phase = terms[:, -1]
    found: Tensor = phase.cos() * total.real[:, place] + phase.sin() * total.imag[:, place]
    return found


@lru_cache(maxsize=128)
def _known_parts(points: bytes, orders: tuple[float, ...], numbers: tuple[float, ...]) -> _Parts:
    """Return what derivatives are made of: real and imaginary parts, and each derivative, are asked for in turn."""
    found = torch.frombuffer(bytearray(points), dtype=torch.float64).view(-1, 2)
    return _Parts(found, torch.tensor(orders, dtype=torch.float64), *numbers)


def _first_two(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return H_0 and H_1; outside of the layer z is real, where they take a tenth of the time."""
    from scipy import special

    real = z.imag == 0
    x, others = z.real[real].numpy(), z[~real].numpy()
    found = []
    for n, (j, y) in enumerate(((special.j0, special.y0), (special.j1, special.y1))):
        values = torch.empty_like(z)
        values[real] = torch.complex(torch.from_numpy(j(x)), torch.from_numpy(y(x)))
        values[~real] = torch.from_numpy(special.hankel1(n, others))
        found.append(values)
    return found[0], found[1]


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
        x: float,
        y: float,
        radius: float,
        slope: float,
    ) -> None:
        from scipy.special import hankel1

        depth = (points.abs() - start).clamp(min=0)
        sign, centre = points.sign(), points.new_tensor([x, y])
        self.points = points - centre
        stretched = torch.complex(self.points, sign * strength * depth**3 / (3 * width**2))
        self.e = torch.complex(torch.ones_like(points), strength * depth**2 / width**2)
        self.slope_of_e = torch.complex(torch.zeros_like(points), sign * strength * 2 * depth / width**2)
        distance = stretched.square().sum(1).sqrt()[:, None]
        turn = (stretched[:, :1] + 1j * stretched[:, 1:]) / distance
        low, high = int(orders.min()) - 2, int(orders.max()) + 2
        reached = k * distance[:, 0]
        hankel = list(_first_two(reached))
        for n in range(1, max(-low, high)):  # upwards, as they grow
            hankel.append(2 * n / reached * hankel[n] - hankel[n - 1])
        signed = [hankel[abs(n)] * (-1) ** min(0, n) for n in range(low, high + 1)]
        sizes = torch.from_numpy(abs(hankel1(orders.numpy(), k * radius)))
        turns = [torch.ones_like(turn[:, 0])]
        for _ in range(max(-low, high)):
            turns.append(turns[-1] * turn[:, 0])
        backwards = [1 / each for each in turns[: max(0, -low) + 1]]
        powers = [turns[n] if n >= 0 else backwards[-n] for n in range(low, high + 1)]
        self.waves = torch.stack(signed, 1) * torch.stack(powers, 1)
        self.place = (orders - low).long()
        self.sizes, self.k = sizes, k
        self.window = self._window(radius, slope) if slope else None

    def _window(self, radius: float, slope: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return 1 − w and its derivatives by t = r²."""
        squares, scale = self.points.square().sum(1), radius / (2 * slope)
        argument = scale * (squares / radius**2).log()
        bump = (-argument.square()).exp() / math.sqrt(math.pi) * scale / squares
        return torch.erfc(-argument) / 2, bump, -(2 * argument * scale + 1) / squares * bump

    def derivative(self, axes: tuple[int, ...]) -> Tensor:
        """Return ∂^α((1 − w) U_n), ``(n, m)``, by Leibniz's rule."""
        if self.window is None:
            return self._of_waves(axes)
        total = torch.zeros((), dtype=torch.complex128)
        for chosen in range(2 ** len(axes)):
            left = tuple(axis for number, axis in enumerate(axes) if chosen >> number & 1)
            right = tuple(axis for number, axis in enumerate(axes) if not chosen >> number & 1)
            total = total + self._of_window(left, *self.window)[:, None] * self._of_waves(right)
        return total

    def _of_window(self, axes: tuple[int, ...], value: Tensor, first: Tensor, second: Tensor) -> Tensor:
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
