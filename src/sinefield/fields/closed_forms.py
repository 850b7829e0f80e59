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

_DEEPER = 200  # orders above the highest one that ratios are begun at: more than any argument of size takes

Need = tuple[tuple[int, ...], tuple[int, ...]]
"""A derivative: the axes that it is taken by, and those along which the Laplacian is taken besides; () for none."""

Ladder = Mapping[tuple[int, int], complex]
"""A derivative as Σ c L₋^j L₊^k, by j and k."""


class Family(Protocol):
    """Functions of one kind, each a row of numbers."""

    def is_smooth(self, terms: Tensor) -> bool:
        """Return whether all of some functions are smooth everywhere, so that sines lack none of them."""
        ...

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

    @abstractmethod
    def is_smooth(self, terms: Tensor) -> bool:
        """Return whether all of some functions are smooth everywhere."""

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

    def is_smooth(self, terms: Tensor) -> bool:
        """Return whether all of some functions are polynomials."""
        a, b, with_log = terms[:, 4:7].unbind(1)
        return bool(((a >= 0) & (a % 1 == 0) & (b >= 0) & (b % 1 == 0) & (with_log == 0)).all())

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

    def is_smooth(self, terms: Tensor) -> bool:
        """Return whether all of some functions are bounded at the centre and of whole orders."""
        return self.kind in ("j", "i") and bool((terms[:, 4] % 1 == 0).all())

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
        if self.kind != "j" and x.ndim == 2 and bool((order % 1 == 0).all()):
            return self._of_whole_orders(order, x)
        from scipy import special

        function = {"j": special.jv, "y": special.yv, "i": special.ive, "k": special.kve}[self.kind]
        found = function(*np.broadcast_arrays(order.numpy(), x.numpy()))
        return torch.from_numpy(np.asarray(found)).to(x)

    def _of_whole_orders(self, order: Tensor, x: Tensor) -> Tensor:
        """Return C_n(x), each order from the one before, once for all functions of one centre.

        Upwards by C_(n+1) = 2n/x C_n ∓ C_(n−1) for Y and K; for I by ratios r_n = I_n / I_(n−1) downwards,
        r_n = 1 / (2n/x + r_(n+1)); the ways in which rounding is not amplified.
        """
        _, place = torch.unique(x[:2], dim=1, return_inverse=True)
        first = torch.stack([(place == each).int().argmax() for each in range(int(place.max()) + 1)])
        if not bool((x == x[:, first][:, place]).all()):
            first = place = torch.arange(x.shape[1])
        known, most = x[:, first], max(1, int(order.abs().max()))
        if self.kind == "i":
            ratios, ratio = [], torch.zeros_like(known)
            for n in range(most + _DEEPER, 0, -1):
                ratio = 1 / (2 * n / known + ratio)
                ratios.append(ratio)
            zeroth = torch.special.i0e(known)
            table = torch.stack([zeroth, *(zeroth * torch.stack(ratios[::-1][:most]).cumprod(0))])
        else:
            from scipy import special

            functions = (special.y0, special.y1) if self.kind == "y" else (special.k0e, special.k1e)
            rows = [torch.from_numpy(each(known.numpy())) for each in functions]
            sign = -1 if self.kind == "y" else 1
            for n in range(1, most):
                rows.append(2 * n / known * rows[n] + sign * rows[n - 1])
            table = torch.stack(rows)
        found = table[order.abs().long(), :, place].mT
        turned = (self.kind == "y") & (order < 0) & (order % 2 != 0)  # Y_(−n) = (−1)ⁿ Y_n
        return torch.where(turned, -found, found)

    def _size(self, order: Tensor, x: Tensor) -> Tensor:
        """Return the size of C_ν about x, which is not 0 where C_ν is."""
        itself = self._scaled(order, x)
        neighbour = self._scaled(order + (1 if self.kind in ("j", "i") else -1), x)
        return torch.hypot(itself, neighbour).clamp(min=1e-290)


@final
@dataclass(frozen=True)
class StandingWaves:
    """cos(κ·(x − c) − β) cos(ω (t − c_t) − γ) with t one of the coordinates; w = (κ, ω), c, the axis of t, γ, and β."""

    def is_smooth(self, terms: Tensor) -> bool:  # noqa: ARG002
        """Return that they are."""
        return True

    def width(self, dimension: int) -> int:
        """Return how many numbers a function has."""
        return 2 * dimension + 3

    def evaluate(self, terms: Tensor, points: Tensor, need: Need) -> Tensor:
        """Return a derivative of functions ``(m, 2d + 3)`` at points ``(n, d)``, as ``(n, m)``."""
        of_axes = terms[:, -3].unique()
        if len(of_axes) != 1:  # of one axis after the other, so that all functions of one have the same derivatives
            total = points.new_zeros(len(points), len(terms))
            for axis in of_axes:
                total[:, terms[:, -3] == axis] = self.evaluate(terms[terms[:, -3] == axis], points, need)
            return total
        dimension = points.shape[1]
        waves, centre = terms[:, :dimension], terms[:, dimension : 2 * dimension]
        in_time = torch.arange(dimension, device=terms.device) == terms[:1, -3:-2]
        by, along = need
        phases = []
        for mine, shift in ((~in_time, terms[:, -1]), (in_time, terms[:, -2])):
            own = waves.masked_fill(~mine, 0.0)
            phases.append(points @ own.mT - ((own * centre).sum(1) + shift))
        total = torch.zeros_like(phases[0])
        known: dict[tuple[int, int], Tensor] = {}
        for axes in [(*by, axis, axis) for axis in along] or [by]:
            factor, later = waves[:, list(axes)].prod(1), int(in_time[0, list(axes)].sum())
            keys = [(0, (len(axes) - later) % 4), (1, later % 4)]
            for place, steps in keys:
                # Each derivative of a cosine is that of a quarter of a period before.
                if (place, steps % 2) not in known:
                    known[place, steps % 2] = phases[place].sin() if steps % 2 else phases[place].cos()
                factor = -factor if steps in (1, 2) else factor
            total = total.addcmul(known[0, keys[0][1] % 2] * factor, known[1, keys[1][1] % 2])
        return total


@final
@dataclass(frozen=True)
class Waves:
    """e^(iw·(x − c)) with a complex w: plane waves, and those that grow or decay; w real, w imaginary, c and β."""

    def is_smooth(self, terms: Tensor) -> bool:  # noqa: ARG002
        """Return that they are."""
        return True

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
    "standing": StandingWaves(),
    "waves": Waves(),
    "outgoing": Outgoing(),
}
"""Every family by the name that files hold."""
