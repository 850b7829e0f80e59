"""Functions in closed form, by families: powers and logarithms, cylinder functions, plane waves, with all derivatives.

Each function is a row of numbers, and the real part of a complex function: Re(e^(−iβ) F(x)), β being the last number.
In the plane the derivatives by z and z̄ lead from one function of a family to another, so that every derivative is one
in closed form: with ∂_x = ½(L₋ + L₊) and ∂_y = (L₊ − L₋)/2i, where L₋ = 2∂_z and L₊ = 2∂_z̄,

    powers      L₋ z^a z̄^b = 2a z^(a−1) z̄^b,      L₊ z^a z̄^b = 2b z^a z̄^(b−1)
    cylinder    L₋ C_ν(kr) e^(iνθ) = ±k C_(ν−1)(kr) e^(i(ν−1)θ),      L₊ C_ν(kr) e^(iνθ) = ±k C_(ν+1)(kr) e^(i(ν+1)θ)

and the Laplacian is L₋ L₊, which is −k² for J and Y, and k² for I and K, to the last digit.

Source of the ladders: NIST Digital Library of Mathematical Functions, equations 10.6.2 and 10.29.2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, final

import numpy as np
import torch
from torch import Tensor

from sinefield.fields.outgoing import Outgoing

_LEAST = 1e-60  # of a distance: at the centre itself derivatives are large and finite, and powers are 0

Need = tuple[tuple[int, ...], tuple[int, ...]]
"""A derivative: the axes that it is taken by, and those along which the Laplacian is taken besides; () for none."""

Ladder = Mapping[tuple[int, int], complex]
"""A derivative as Σ c L₋^j L₊^k, by j and k."""


class Family(Protocol):
    """Functions of one kind, each a row of numbers."""

    def width(self, dimension: int) -> int:
        """Return how many numbers a function has.

        Raises:
            ValueError: there are no such functions of so many coordinates.
        """
        ...

    def evaluate(self, terms: Tensor, points: Tensor, need: Need) -> Tensor:
        """Return a derivative of functions ``(m, width)`` at points ``(n, d)``, as ``(n, m)``."""
        ...


class Planar(ABC):
    """Functions of two coordinates: a centre, the direction θ = 0, a length s, others, and β.

    They are of the point turned and scaled, ζ = e^(−iφ) (z − c)/s; their branch cut runs from the centre along θ = π.
    """

    own: int
    """How many numbers a function has of its own."""

    def width(self, dimension: int) -> int:
        """Return how many numbers a function has.

        Raises:
            ValueError: there are not two coordinates.
        """
        if dimension != 2:
            raise ValueError(f"these are functions of 2 coordinates, got points of {dimension}")
        return 5 + self.own

    @abstractmethod
    def climbed(self, radius: Tensor, angle: Tensor, terms: Tensor, steps: tuple[int, int]) -> Tensor:
        """Return L₋^j L₊^k F by the coordinates of ζ, complex ``(n, m)``.

        Args:
            radius: r = |z − c| in units of the coordinates, ``(n, m)``.
            angle: θ, ``(n, m)``.
            terms: s and the numbers of each function's own, ``(m, 1 + own)``.
            steps: j and k.
        """

    @final
    def evaluate(self, terms: Tensor, points: Tensor, need: Need) -> Tensor:
        """Return a derivative of functions ``(m, 5 + own)`` at points ``(n, 2)``, as ``(n, m)``."""
        # Sines and cosines of one function differ by β alone.
        different, place = torch.unique(terms[:, :-1], dim=0, return_inverse=True)
        x, y = (points[:, axis, None] - different[:, axis] for axis in (0, 1))
        turn = different[:, 2]
        radius = torch.hypot(x, y).clamp(min=_LEAST)
        angle = torch.atan2(y * turn.cos() - x * turn.sin(), x * turn.cos() + y * turn.sin())
        total = torch.zeros((), dtype=torch.complex128)
        for (down, up), factor in _ladder(need).items():
            turned = torch.polar(torch.ones_like(turn), turn * (up - down))
            total = total + factor * turned * self.climbed(radius, angle, different[:, 3:], (down, up))
        phase = terms[:, -1]
        parts: Tensor = phase.cos() * total.real[:, place] + phase.sin() * total.imag[:, place]
        return parts


def _ladder(need: Need) -> Ladder:
    """Return a derivative as a polynomial in L₋ and L₊.

    >>> _ladder(((), (0, 1)))
    {(1, 1): (1+0j)}
    """
    by, along = need
    steps: tuple[Ladder, Ladder] = ({(1, 0): 0.5, (0, 1): 0.5}, {(1, 0): 0.5j, (0, 1): -0.5j})
    factors: list[Ladder] = [steps[axis] for axis in by]
    if set(along) == {0, 1}:
        factors.append({(1, 1): 1.0})
    elif along:
        factors += [steps[along[0]]] * 2
    total: dict[tuple[int, int], complex] = {(0, 0): 1.0 + 0j}
    for factor in factors:
        product: dict[tuple[int, int], complex] = {}
        for (j, k), one in total.items():
            for (down, up), other in factor.items():
                product[j + down, k + up] = product.get((j + down, k + up), 0) + one * other
        total = product
    return {steps: factor for steps, factor in total.items() if factor != 0}


@final
@dataclass(frozen=True)
class Powers(Planar):
    """ζ^a ζ̄^b (log ζ)^l with l = 0 or 1: corner functions, logarithms, Laurent series and polynomials.

    With a > 0 and b = 0 these are the r^a cos aθ and r^a sin aθ of a corner, with a = 0 and l = 1 the logarithm of a
    hole, and with a < 0 the r^a cos aθ around it; b > 0 are r^(2b) times one of them.
    """

    own: int = 3

    def climbed(self, radius: Tensor, angle: Tensor, terms: Tensor, steps: tuple[int, int]) -> Tensor:
        """Return the derivative of the powers; see :meth:`Planar.climbed`."""
        scale, a, b, with_log = terms.unbind(1)
        down, up = steps
        logarithm = (radius / scale).log()
        size = ((a + b - down - up) * logarithm).exp() * (2 / scale) ** (down + up)
        whole = torch.polar(size, (a - b - down + up) * angle)
        falling, slope = _falling(a, down)
        inner = falling * torch.where(with_log > 0, torch.complex(logarithm, angle), 1.0 + 0j)
        return whole * _falling(b, up)[0] * (inner + slope * with_log)


def _falling(a: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return a (a − 1) … (a − count + 1), and its derivative by a."""
    value, slope = torch.ones_like(a), torch.zeros_like(a)
    for step in range(count):
        value, slope = value * (a - step), slope * (a - step) + value
    return value, slope


Kind = Literal["j", "y", "i", "k"]


@final
@dataclass(frozen=True)
class Cylinder(Planar):
    """C_ν(kr) e^(iνθ), of size 1 at r = s: solutions of Δu = ∓k² u, for any real order ν.

    Args:
        kind: C is the Bessel function J or Y, for Δu = −k² u, or the modified one I or K, for Δu = k² u; J and I are
            bounded at the centre, Y and K are not.
    """

    kind: Kind
    own: int = 2

    def climbed(self, radius: Tensor, angle: Tensor, terms: Tensor, steps: tuple[int, int]) -> Tensor:
        """Return the derivative of the cylinder functions; see :meth:`Planar.climbed`."""
        scale, order, k = terms.unbind(1)
        down, up = steps
        below, above = {"j": (1, -1), "y": (1, -1), "i": (1, 1), "k": (-1, -1)}[self.kind]
        reached = order - down + up
        values = self._scaled(reached, k * radius) / self._size(order, k * scale)
        growth = {"i": 1.0, "k": -1.0}.get(self.kind, 0.0)
        values = values * (growth * k * (radius - scale)).exp() * (below * k) ** down * (above * k) ** up
        return torch.complex(values * (reached * angle).cos(), values * (reached * angle).sin())

    def _scaled(self, order: Tensor, x: Tensor) -> Tensor:
        """Return C_ν(x), without its factor e^x or e^(−x)."""
        from scipy import special

        function = {"j": special.jv, "y": special.yv, "i": special.ive, "k": special.kve}[self.kind]
        found = function(*np.broadcast_arrays(order.numpy(), x.numpy()))
        return torch.from_numpy(np.asarray(found)).to(x)

    def _size(self, order: Tensor, x: Tensor) -> Tensor:
        """Return the size of C_ν about x, which is not 0 where C_ν is."""
        itself = self._scaled(order, x)
        neighbour = self._scaled(order + (1 if self.kind in ("j", "i") else -1), x)
        return torch.hypot(itself, neighbour).clamp(min=1e-290)


@final
@dataclass(frozen=True)
class Waves:
    """e^(iw·(x − c)) with a complex w: plane waves, and those that grow or decay; w real, w imaginary, c and β."""

    def width(self, dimension: int) -> int:
        """Return how many numbers a function has."""
        return 3 * dimension + 1

    def evaluate(self, terms: Tensor, points: Tensor, need: Need) -> Tensor:
        """Return a derivative of functions ``(m, 3d + 1)`` at points ``(n, d)``, as ``(n, m)``."""
        dimension = points.shape[1]
        real, imaginary, centre = (terms[:, part * dimension : (part + 1) * dimension] for part in range(3))
        by, along = need
        slopes = torch.complex(-imaginary, real)
        factor = torch.ones(len(terms), dtype=slopes.dtype, device=slopes.device)
        for axis in by:
            factor = factor * slopes[:, axis]
        if along:
            factor = factor * slopes[:, list(along)].square().sum(1)
        phase = points @ real.mT - (real * centre).sum(1) - terms[:, -1]
        total = torch.zeros_like(phase)
        if bool(factor.real.any()):
            total = total + factor.real * phase.cos()
        if bool(factor.imag.any()):
            total = total - factor.imag * phase.sin()
        if bool(imaginary.any()):
            total = total * ((imaginary * centre).sum(1) - points @ imaginary.mT).exp()
        return total


FAMILIES: Final[Mapping[str, Family]] = {
    "powers": Powers(),
    "bessel-j": Cylinder("j"),
    "bessel-y": Cylinder("y"),
    "bessel-i": Cylinder("i"),
    "bessel-k": Cylinder("k"),
    "waves": Waves(),
    "outgoing": Outgoing(),
}
"""Every family by the name that files hold."""
