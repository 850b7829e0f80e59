"""Least squares with windows: many small sine layers side by side in place of a large one, solved block by block.

    Φ(x) = Σ_s w_s(x) Φ_s(x),     Σ_s w_s = 1

where w_s is 0 but in a strip of the domain, and at most two strips overlap anywhere. A row of the matrix of a linear
equation then has entries in two neighbouring blocks of columns at most,

    ( A_1  B_1           )                                     ( R_1  C_1           )
    (      A_2  B_2      )     and by orthogonal reflections   (      R_2  C_2      )
    (           A_3  …   )                                     (           R_3  …   )

one block after the other: the rows that reflections leave of B_s are joined to A_{s+1}. With n features in each of S
windows this is about 27 S n³ products of numbers and 2 S n² numbers, where one layer of S n features takes 8 S³ n³ and
4 S² n².

Source: Björck, "Numerical methods for least squares problems", 1996, section 6.3 (block angular and banded problems);
windows: Moseley et al., "Finite basis physics-informed neural networks", 2023, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.domains import Samples
from sinefield.fields.compose import Product, Sum
from sinefield.fields.window import Window
from sinefield.objective import Batch, Objective
from sinefield.solvers.last_layer import LastLayer, linearise_last_layer
from sinefield.solvers.newton import orders_of
from sinefield.solvers.sine_layers import sine_layers

_TINY = 1e-300
_PROBE = 64  # points of each window that the sizes of rows and columns are measured at
_ITERATIONS = 8  # towards the direction that is hardly seen


def windows_of(objective: Objective) -> Sequence[Product]:
    """Return the terms w_s Φ_s of the unknown, in the order of their strips; none where it is not of this form."""
    unknown, *others = objective.unknowns.values()
    terms = list(unknown.terms) if isinstance(unknown, Sum) and not others else []
    found = [each for each in terms if isinstance(each, Product) and isinstance(each.first, Window)]
    strips = [each for each in found if isinstance(each.first, Window) and each.first.settings["kind"] == "strip"]
    return strips if len(strips) == len(terms) > 1 else []


@final
@dataclass(frozen=True, eq=False)
class SolvedByWindows:
    """The last maps and the factors of their matrix.

    Args:
        linear: the last maps, one of each window.
        triangles: R_s, ``(n_s, n_s)``.
        couplings: C_s, ``(n_s, n_{s+1})``.
        lengths: by which columns were divided, ``(n_s,)`` of each window.
    """

    linear: LastLayer
    triangles: Sequence[Tensor]
    couplings: Sequence[Tensor]
    lengths: Sequence[Tensor]

    def weakest(self, values: Tensor) -> Tensor:
        """Return coefficients that the matrix sees least beside values ``(n, p)``.

        See :meth:`sinefield.solvers.orthogonal.OrthogonalFactors.weakest`.
        """
        lengths = torch.cat(list(self.lengths))
        scaled = values / lengths
        found = torch.randn(len(lengths), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        for _ in range(_ITERATIONS):
            found = self._forwards(scaled.T @ (scaled @ self.backwards(found / found.norm())))
        return self.backwards(found / found.norm()) / lengths

    def backwards(self, right: Tensor) -> Tensor:
        """Return R⁻¹ b, from the last window to the first."""
        parts = list(right.split([len(each) for each in self.lengths]))
        for place in reversed(range(len(parts))):
            if place + 1 < len(parts):
                parts[place] = parts[place] - self.couplings[place] @ parts[place + 1]
            parts[place] = torch.linalg.solve_triangular(self.triangles[place], parts[place][:, None], upper=True)[:, 0]
        return torch.cat(parts)

    def _forwards(self, right: Tensor) -> Tensor:
        """Return R⁻ᵀ b, from the first window to the last."""
        parts = list(right.split([len(each) for each in self.lengths]))
        for place, triangle in enumerate(self.triangles):
            if place:
                parts[place] = parts[place] - self.couplings[place - 1].T @ parts[place - 1]
            parts[place] = torch.linalg.solve_triangular(triangle.T, parts[place][:, None], upper=False)[:, 0]
        return torch.cat(parts)


@torch.no_grad()
def solve_by_windows(objective: Objective, batch: Batch, lower_order: float) -> SolvedByWindows:
    """Set the last maps of all windows to the least-squares solution of a linear equation.

    Args:
        objective: of the residuals, whose unknown has windows.
        batch: where.
        lower_order: weight of the rows of constraints that are not of the highest order.

    Returns:
        what it was solved with.

    Raises:
        ValueError: a window has no points.
    """
    blocks = _Blocks(objective, batch, lower_order)
    layers, count = sine_layers(objective), len(blocks.terms)
    factors, lengths = blocks.measured()
    triangles, couplings, rights = [], [], []
    carried = torch.zeros(0, len(lengths[0]) + 1, dtype=torch.float64)
    for place in range(count):
        alone, shared, right = blocks.rows(place, factors, lengths)
        wide = alone.shape[1]
        both = shared.any(dim=1) if place + 1 < count else torch.zeros(len(alone), dtype=torch.bool)
        own = torch.cat([carried, torch.cat([alone, right[:, None]], 1)[~both]])
        if len(own) > wide:
            triangle, rest, _ = _reflected(own, wide)
            own = torch.cat([triangle, rest], 1)
        following = shared[both]
        wider = torch.zeros(len(own) + len(following), wide + shared.shape[1] + 1, dtype=torch.float64)
        wider[: len(own), :wide], wider[: len(own), -1] = own[:, :wide], own[:, -1]
        wider[len(own) :] = torch.cat([alone[both], following, right[both, None]], 1)
        triangle, rest, carried = _reflected(wider, wide)
        diagonal = triangle.diagonal()
        diagonal[diagonal.abs() < _TINY] = 1.0  # of a column that is 0, whose coefficient is then 0
        triangles.append(triangle)
        couplings.append(rest[:, :-1])
        rights.append(rest[:, -1])
    maps = [each.last for each in layers]
    nothing = torch.zeros(0, dtype=torch.float64)
    solved = SolvedByWindows(LastLayer(maps, nothing, nothing, {}, nothing), triangles, couplings, lengths)
    solved.linear.assign(solved.backwards(torch.cat(rights)) / torch.cat(list(lengths)))
    return solved


def _reflected(matrix: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return R of the first columns, the same rows of the other columns, and the rows of these that are left."""
    if len(matrix) < count:
        matrix = torch.cat([matrix, matrix.new_zeros(count - len(matrix), matrix.shape[1])])
    reflections, scales = torch.geqrf(matrix[:, :count].contiguous())
    rest = torch.ormqr(reflections, scales, matrix[:, count:].contiguous(), transpose=True)
    return reflections[:count].triu(), rest[:count], rest[count:]


@final
class _Blocks:
    """The rows of a matrix by the windows that their points lie in."""

    def __init__(self, objective: Objective, batch: Batch, lower_order: float) -> None:
        (self.name,) = objective.unknowns
        self.terms = windows_of(objective)
        self.objective = objective
        self.samples = [_by_window(each, self.terms) for each in batch.samples]
        orders = orders_of(objective)
        highest = max(orders.values())
        members = [each.constraint for group in objective.groups for each in group.members]
        self.weights = {
            each.name: math.sqrt(each.weight_at(0.0)) * (1.0 if orders[each.name] == highest else lower_order)
            for each in members
        }

    def linear(self, place: int, samples: Sequence[Samples]) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Return the rows ``(m, n)`` of each constraint by the columns of one window, and −r of Φ = 0, by name."""
        some = [number for number, each in enumerate(samples) if len(each.points)]
        groups = [self.objective.groups[number] for number in some]
        constraints = [each.constraint for group in groups for each in group.members]
        if not constraints:
            return {}, {}
        alone = copy(self.objective)  # what its constraints read is known
        alone.unknowns, alone.groups = {self.name: self.terms[place]}, groups
        found = linearise_last_layer(alone, Batch([samples[number] for number in some]))
        sizes = [found.rows[each.name] ** 0.5 for each in constraints]  # norms are averages
        matrices = found.jacobian.split([found.rows[each.name] for each in constraints])
        rights = (found.images - found.residuals).split([found.rows[each.name] for each in constraints])
        names = [each.name for each in constraints]
        return (
            {name: size * each for name, size, each in zip(names, sizes, matrices, strict=True)},
            {name: size * each for name, size, each in zip(names, sizes, rights, strict=True)},
        )

    def measured(self) -> tuple[Mapping[str, float], Sequence[Tensor]]:
        """Return the factor of each constraint's rows, which makes them alike, and the lengths of all columns.

        Raises:
            ValueError: a window has no points.
        """
        found = [
            self.linear(place, [each[place][0].rows(0, _PROBE) for each in self.samples])[0]
            for place in range(len(self.terms))
        ]
        factors = {}
        for name, weight in self.weights.items():
            some = [each[name] for each in found if name in each]
            entries = sum(each.numel() for each in some)
            size = math.sqrt(sum(float(each.square().sum()) for each in some) / max(1, entries)) or 1.0
            factors[name] = weight / size
        lengths = []
        for each, term in zip(found, self.terms, strict=True):
            if not each:
                strip = term.first.settings["numbers"] if isinstance(term.first, Window) else ""
                raise ValueError(f"there are no points in the window {strip}; give fewer windows")
            rows = torch.cat([factors[name] * matrix for name, matrix in each.items()])
            norms = torch.linalg.vector_norm(rows, dim=0)
            lengths.append(torch.where(norms > 0, norms, torch.ones_like(norms)))
        return factors, lengths

    def rows(
        self, place: int, factors: Mapping[str, float], lengths: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows that begin in a window: by its columns, by those of the next window, and right sides."""
        matrices, rights = self.linear(place, [each[place][0] for each in self.samples])
        last = place + 1 == len(self.terms)
        next_ones = {} if last else self.linear(place + 1, [each[place][1] for each in self.samples])[0]
        width = 0 if last else len(lengths[place + 1])
        own, shared, right = [], [], []
        for name, matrix in matrices.items():
            own.append(factors[name] * matrix / lengths[place])
            other = matrix.new_zeros(len(matrix), width)
            if name in next_ones:
                other[len(other) - len(next_ones[name]) :] = factors[name] * next_ones[name] / lengths[place + 1]
            shared.append(other)
            right.append(factors[name] * rights[name])
        nothing = torch.zeros(0, dtype=torch.float64)
        if not own:
            return nothing.view(0, len(lengths[place])), nothing.view(0, width), nothing
        return torch.cat(own), torch.cat(shared), torch.cat(right)


def _by_window(samples: Samples, terms: Sequence[Product]) -> Sequence[tuple[Samples, Samples]]:
    """Return for each window the samples that begin in it, those in the next one too at the end, and these alone."""
    within = torch.stack([_weight(each.first, samples.points) > 0 for each in terms])
    first = within.int().argmax(0)
    found = []
    for place in range(len(terms)):
        begins = first == place
        too = within[place + 1] if place + 1 < len(terms) else torch.zeros_like(begins)
        single, both = ((begins & each).nonzero()[:, 0] for each in (~too, too))
        found.append((_some(samples, torch.cat([single, both])), _some(samples, both)))
    return found


def _weight(window: nn.Module, points: Tensor) -> Tensor:
    found: Tensor = window(points)
    return found[:, 0]


def _some(samples: Samples, index: Tensor) -> Samples:
    return Samples(samples.points[index], {name: each[index] for name, each in samples.targets.items()})
