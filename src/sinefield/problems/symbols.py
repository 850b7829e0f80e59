"""The symbol of an equation, found by trying plane waves, and the waves on its characteristic set.

Of a linear equation with constant coefficients C(u) = f the plane waves are eigenfunctions,

    C(e^(iw·x)) − C(0) = P(w) e^(iw·x)

with a polynomial P, the symbol. Where P(w) = 0 the wave solves the homogeneous equation: |w| = k for Helmholtz's,
ω = ±c|κ| for the wave equation, ω = iκ² for the heat equation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains import Box, Domain
from sinefield.fields.derivatives import highest_order
from sinefield.fields.expansion import Expansion
from sinefield.objective import Group, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples

_POINTS = 12  # that a wave is tried at
_EXTENT = 1000  # points that tell how large a domain is
_TOLERANCE = 1e-9  # relative, of a symbol that is the same at all points and a polynomial
_REAL = 1e-6  # relative, of a root's imaginary part
_QUARTERS = (0.0, math.pi / 2)  # cosine and sine
_GOLDEN = (math.sqrt(5) - 1) / 2
_MARGIN = 0.8  # of the bandwidth that so many waves have at most


@final
@dataclass(frozen=True, eq=False)
class Symbol:
    """P(w) = Σ c_k Π_i (w_i h_i)^(e_ki), in frequencies by the unit box.

    Args:
        exponents: e, ``(m, d)`` integers.
        coefficients: c, ``(m,)`` complex.
        box: the lowest and the highest coordinates of the domain, ``(2, d)``.
        homogeneous: whether f = 0.
        axes: names of the coordinates.
    """

    exponents: Tensor
    coefficients: Tensor
    box: Tensor
    homogeneous: bool
    axes: Sequence[str] | None

    @property
    def half(self) -> Tensor:
        """Half the sides of the box, h."""
        return (self.box[1] - self.box[0]) / 2

    @property
    def dimension(self) -> int:
        """The number of coordinates, d."""
        return self.exponents.shape[1]

    @property
    def isotropic(self) -> tuple[float, float] | None:
        """The numbers a and b with P(w) = −a |w|² + b, in two coordinates; None: there are none."""
        if self.dimension != 2:
            return None
        named = dict(zip(map(tuple, self.exponents.tolist()), self.coefficients.tolist(), strict=True))
        a, a_too, b = named.pop((2, 0), 0), named.pop((0, 2), 0), named.pop((0, 0), 0)
        a, a_too = -a * float(self.half[0]) ** 2, -a_too * float(self.half[1]) ** 2
        size = float(self.coefficients.abs().max()) * _TOLERANCE
        others = [abs(each) for each in (*named.values(), a.imag, b.imag)]
        if a == 0 or abs(a - a_too) > _TOLERANCE * abs(a) or max(others) > size:
            return None
        return a.real, b.real if abs(b) > size else 0.0

    @property
    def freedom(self) -> float:
        """How many functions waves as slow as those with P(w) = 0 span in the domain: B_d Π_i h_i |w| / π.

        B_d is the volume of the unit ball, |w| the frequency of these waves in a direction. 0: in some directions there
        are none.
        """
        found = self._on_a_closed_surface(_EXTENT, generator_of(3))
        if found is None:
            return 0.0
        ball = math.pi ** (self.dimension / 2) / math.gamma(self.dimension / 2 + 1)
        within = found.norm(dim=1).pow(self.dimension).mean() * (self.half / math.pi).prod()
        return float(ball * within)

    # ---- waves that solve the homogeneous equation

    def waves(self, count: int, generator: torch.Generator) -> tuple[str, Tensor] | None:
        """Return about ``count`` waves with P(w) = 0, of which the first ones are the slower; None: none are found.

        Args:
            count: how many functions at most.
            generator: of directions and phases.

        Returns:
            the name of their family, and a row of numbers for each.
        """
        found = self._on_a_closed_surface(count, generator)
        if found is not None:
            phases = (2 * math.pi * torch.rand(len(found), generator=generator, dtype=torch.float64)).tolist()
            rows = self._rows(found, (0.0,))
            rows[:, -1] = torch.tensor(phases, dtype=torch.float64)
            return "waves", rows
        for axis in self._axes_by_time():
            found_too = self._over_an_axis(axis, count, generator)
            if found_too is not None:
                return found_too
        return None

    def _axes_by_time(self) -> list[int]:
        names = list(self.axes or ())
        return sorted(range(self.dimension), key=lambda axis: (axis >= len(names) or names[axis] != "t", axis))

    def _on_a_closed_surface(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Return frequencies ``(count, d)``, one in each direction; None: in some directions there are none."""
        directions = torch.randn(count, self.dimension, generator=generator, dtype=torch.float64)
        if self.dimension == 2:  # as even as they can be, whatever number of the first is taken
            golden = (torch.arange(count, dtype=torch.float64) * _GOLDEN) % 1 * 2 * math.pi
            directions = torch.stack([golden.cos(), golden.sin()], 1)
        directions = directions / directions.norm(dim=1, keepdim=True)
        roots = self._roots(directions * self.half, self.exponents.sum(1))
        if roots is None:
            return None
        positive = (roots.imag.abs() <= _REAL * roots.abs()) & (roots.real > 0)
        if not bool(positive.any(1).all()):
            return None
        # Of several surfaces the directions take turns.
        turn = torch.arange(count) % positive.sum(1)
        chosen = (positive.cumsum(1) == turn[:, None] + 1).int().argmax(1)
        frequencies: Tensor = roots.real[torch.arange(count), chosen][:, None] * directions
        return frequencies

    def _over_an_axis(self, axis: int, count: int, generator: torch.Generator) -> tuple[str, Tensor] | None:
        """Return waves e^(i(κ·x + ω t)) with t one of the axes: for κ in a ball, all roots ω.

        None: some of them grow or decay along that axis, as those of the heat equation do, which smooth sines follow
        with far fewer functions; or there are none.
        """
        others = [each for each in range(self.dimension) if each != axis]
        branches = int(self.exponents[self.coefficients != 0, axis].max())
        if not others or branches < 1:
            return None
        number = max(1, count // max(1, branches - 1))  # of two branches one is often not needed: waves from rest
        unit = math.pi ** (len(others) / 2) / math.gamma(len(others) / 2 + 1)
        bandwidth = _MARGIN * math.pi * (number / unit) ** (1 / len(others))
        half = max(1, number // 2)  # as −κ gives the same waves as κ
        waves = torch.ones(half, self.dimension, dtype=torch.float64)
        waves[:, others] = bandwidth * _evenly_in_half_a_ball(half, len(others), generator)
        roots = self._roots(waves, self.exponents[:, axis])
        if roots is not None and branches > 1:
            # What stands begins wherever it comes from: c · T around the domain, which as many waves have to follow.
            far = 1 + 2 * float((roots.abs() / waves[:, others].norm(dim=1, keepdim=True)).max())
            waves[:, others] /= far
            roots = self._roots(waves, self.exponents[:, axis])
        size = waves[:, others].abs().max()
        if roots is None or bool((roots.imag.abs() > _REAL * (roots.abs() + size)).any()):
            return None
        w = waves[:, None].repeat(1, roots.shape[1], 1)
        w[..., axis] = torch.where(roots.real.abs() > _REAL * (roots.abs() + size), roots.real, 0.0)
        if roots.shape[1] == 2 and bool((roots.real.sum(1).abs() <= _TOLERANCE * roots.abs().max()).all()):
            return "standing", self._standing(w[:, 0] / self.half, axis)
        return "waves", self._rows((w / self.half).flatten(0, 1), _QUARTERS)

    def _roots(self, waves: Tensor, degrees: Tensor) -> Tensor | None:
        """Return the roots s of Σ c Π_i w_i^(e_i) s^degree for each of some w, ``(n, k)`` complex.

        None: the polynomial is constant, or of less than its degree for some w.
        """
        terms = self.coefficients * (waves[:, None, :] ** self.exponents).prod(-1)
        by_degree = torch.zeros(len(waves), int(degrees.max()) + 1, dtype=terms.dtype).index_add_(1, degrees, terms)
        highest = int((by_degree != 0).any(0).nonzero().max()) if bool(by_degree.any()) else 0
        first = by_degree[:, highest]
        if highest == 0 or bool((first.abs() <= _TOLERANCE * first.abs().max()).any()):
            return None
        companion = torch.zeros(len(waves), highest, highest, dtype=terms.dtype)
        companion[:, 1:, :-1] = torch.eye(highest - 1)
        companion[:, :, -1] = -by_degree[:, :highest] / first[:, None]
        roots: Tensor = torch.linalg.eigvals(companion)
        return roots.gather(1, roots.real.argsort(1))

    def _rows(self, waves: Tensor, phases: Sequence[float]) -> Tensor:
        """Return waves as rows of numbers, each with some phases."""
        one = torch.cat([waves, torch.zeros_like(waves), self.box.mean(0).expand_as(waves)], 1)
        return _with_phases(one, phases)

    def _standing(self, waves: Tensor, axis: int) -> Tensor:
        """Return waves that stand, each from rest and each from 0 at the beginning of the axis."""
        centre = self.box.mean(0)
        centre[axis] = self.box[0, axis]
        fixed = torch.tensor([*centre.tolist(), axis], dtype=torch.float64).expand(len(waves), -1)
        return _with_phases(_with_phases(torch.cat([waves, fixed], 1), _QUARTERS), _QUARTERS)


def _with_phases(rows: Tensor, phases: Sequence[float]) -> Tensor:
    """Return each row once with each phase after it, ``(n, k)`` to ``(n p, k + 1)``."""
    column = torch.tensor(phases, dtype=rows.dtype).repeat(len(rows))[:, None]
    return torch.cat([rows.repeat_interleave(len(phases), 0), column], 1)


def _evenly_in_half_a_ball(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Return points of the unit ball, of which of x and −x one is left out, in rising distance from its middle."""
    radii = ((torch.arange(count, dtype=torch.float64) + 0.5) / count) ** (1 / dimension)
    if dimension == 1:
        return radii[:, None]
    if dimension == 2:  # a sunflower: as even as they can be, whatever number of the first is taken
        angles = (torch.arange(count, dtype=torch.float64) * _GOLDEN) % 1 * math.pi
        return radii[:, None] * torch.stack([angles.cos(), angles.sin()], 1)
    directions = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    found: Tensor = radii[:, None] * directions / directions.norm(dim=1, keepdim=True)
    return found


# ---- how it is found


@torch.no_grad()
def symbol_of(objective: Objective, *, complex_field: bool) -> Symbol | None:
    """Return the symbol of the equation among some constraints: the one that reads derivatives of the highest order.

    None: there are several of that order, several unknowns or outputs, or the equation is not linear with constant
    coefficients.

    Args:
        objective: of the constraints.
        complex_field: whether the field has two outputs that are a complex one.
    """
    name, *more = objective.unknowns
    outputs = getattr(objective.unknowns[name], "out_features", 0)
    found = [
        (group, place)
        for group in objective.groups
        for place, each in enumerate(group.members)
        if highest_order(each.reads[name]) == objective.order
    ]
    if more or outputs != (2 if complex_field else 1) or len(found) != 1 or objective.order == 0:
        return None
    (group, place), dimension = found[0], found[0][0].domain.dimension
    box = _box_around(group.domain)
    half = (box[1] - box[0]) / 2
    if not bool((half > 0).all()):
        return None
    trial = _Trial(group, place, name, complex_field)
    every = itertools.product(range(objective.order + 1), repeat=dimension)
    exponents = torch.tensor([each for each in every if sum(each) <= objective.order])
    waves = 3 * torch.randn(2 * len(exponents) + 2, dimension, generator=generator_of(1), dtype=torch.float64)
    values: list[complex] = []
    for wave in waves:
        value = trial.symbol(wave / half)
        if value is None:
            return None
        values.append(value)
    powers = (waves[:, None, :] ** exponents).prod(-1).to(torch.complex128)
    right = torch.tensor(values, dtype=torch.complex128)
    coefficients = torch.linalg.lstsq(powers, right[:, None], driver="gelsd").solution[:, 0]
    size = float(right.abs().max())
    if float((powers @ coefficients - right).abs().max()) > _TOLERANCE * size or size == 0:
        return None
    coefficients[coefficients.abs() < _TOLERANCE * coefficients.abs().max()] = 0
    return Symbol(exponents, coefficients, box, trial.nothing <= 1e-13 * size, group.domain.axes)


def _box_around(domain: Domain) -> Tensor:
    """Return the least and the greatest coordinates of a domain, ``(2, d)``: its own, or those of some points."""
    own = getattr(domain, "bounding_box", None)
    if isinstance(own, Box):
        return torch.tensor([own.lower, own.upper], dtype=torch.float64)
    wide = draw_samples(domain, _EXTENT, generator_of(0)).points
    return torch.stack([wide.min(0).values, wide.max(0).values])


@final
class _Trial:
    """A constraint that plane waves are tried on."""

    def __init__(self, group: Group, place: int, name: str, complex_field: bool) -> None:
        self.group, self.member, self.name, self.complex_field = group, group.members[place], name, complex_field
        self.samples = draw_samples(group.domain, _POINTS, generator_of(2))
        still = torch.zeros(self.samples.points.shape[1], dtype=torch.float64)
        self.source = self._residual(still, (0.0, 0.0) if complex_field else (0.0,), 0.0)
        self.nothing = float(self.source.abs().max())

    def symbol(self, wave: Tensor) -> complex | None:
        """Return P(w); None: it is not the same at all points, or the equation is not linear."""
        phases = (self.samples.points @ wave)[:, None]
        factors: list[Tensor] = []
        for size in (1.0, 2.0):
            if self.complex_field:
                whole = self._residual(wave, (0.0, math.pi / 2), size) - self.source
            else:
                parts = [self._residual(wave, (shift,), size) - self.source for shift in (0.0, math.pi / 2)]
                if parts[0].is_complex():
                    return None
                whole = torch.complex(*parts)
            if whole.shape[1] != 1 or not whole.is_complex():
                return None
            factors.append(whole / size * torch.polar(torch.ones_like(phases), -phases))
        mean = complex(factors[0].mean())
        largest = max(float(each.abs().max()) for each in factors)
        different = max(float((each - mean).abs().max()) for each in factors)
        return mean if different <= _TOLERANCE * largest else None

    def _residual(self, wave: Tensor, shifts: Sequence[float], size: float) -> Tensor:
        """Return C, ``(n, 1)``, of a field of waves of one frequency."""
        rows = torch.tensor([[*wave.tolist(), *[0.0] * (2 * len(wave)), each] for each in shifts], dtype=torch.float64)
        field = Expansion.of("waves", rows, len(wave), len(shifts))
        field.weight.copy_(size * torch.eye(len(shifts)))
        unknowns: Mapping[str, Expansion] = {self.name: field}
        found = self.member.residual(self.group.jets(unknowns, self.samples.points), self.samples.targets)
        return found.reshape(len(found), -1)
