"""Separable least squares: the weights of last layers projected out of the residuals, coefficients left.

Constraints that hold exactly, the equation and its conditions, and measured ones, whose targets carry noise of unknown
size σ, are one least-squares problem in the weights c of the last layers and in the coefficients θ,

    min over c, θ of  F = W² Σ |C_exact(c, θ)|² + Σ |C_measured(c, θ)|² + ridge and prior,    W large.

For given θ it is linear in c, or mildly nonlinear, and solved. What is left is a function of θ alone, whose
Gauss-Newton step is least squares with the part of ∂r/∂θ that no change of c can follow, D = (1 − Q Qᵀ) ∂r/∂θ with Q
an orthonormal basis of the columns ∂r/∂c. σ² is the sum of squares of the measured residuals over the degrees of
freedom that c and θ leave them, and σ² (DᵀD)⁻¹ the covariance of the coefficients.

Source: Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
separate", SIAM J. Numer. Anal. 10 (1973), section 4; the Jacobian as simplified by Kaufman, BIT 15 (1975).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.compose import Constant
from sinefield.fields.derivatives import highest_order
from sinefield.objective import Batch, Objective
from sinefield.solvers.last_layer import linearise_last_layer

_NEWTON = 10  # steps for the last layers of an equation that is nonlinear in the field
_HALVINGS = 10  # of a step of these that is no step down
_DAMPINGS = 12  # of a step of the coefficients that is none
_SETTLED = 1e-9  # of F, that a step gains: nothing changes any more
_DEPENDENT = 1e-8  # of the length of a column, that is left of it: rounding and the ridge
_ALIKE = 1e-2  # singular value, of columns of length 1, of coefficients that measurements do not tell apart
_SHARE = 0.01  # of the square of a direction, that a coefficient with a part in it has
_DIFFERENCE = 1e-4  # of a constant, for central differences
_LINEAR = 1e-10  # of the residuals: rounding
_BOUNDARY = 10.0  # weight of conditions beside the equation


def constants_of(objective: Objective) -> dict[str, nn.Parameter]:
    """Return the unknown numbers of an objective, by the names of their parameters."""
    modules = [each for unknown in objective.unknowns.values() for each in unknown.modules()]
    numbers = {id(each.theta) for each in modules if isinstance(each, Constant)}
    return {name: each for name, each in objective.parameters.items() if id(each) in numbers}


@final
@dataclass(frozen=True)
class Settings:
    """How a separable problem is posed.

    Args:
        measured: names of the constraints whose targets carry noise.
        exactness: W, the weight of the exact constraints.
        ridge: keeps weights small, relative to the lengths of their columns.
        variation: by how much coefficients that are fields are expected to change over half of the domain.
    """

    measured: tuple[str, ...] = ()
    exactness: float = 1e3
    ridge: float = 1e-8
    variation: float = 1.0


@final
@dataclass(frozen=True)
class Estimates:
    """What coefficients are found to be, and how sure that is.

    Args:
        values: θ by the name of the parameter, ``(k,)`` each.
        standard_errors: of them, likewise; infinite where measurements do not tell them from others.
        noise: σ of each measured constraint, in its own unit.
    """

    values: Mapping[str, Tensor]
    standard_errors: Mapping[str, Tensor]
    noise: Mapping[str, float]


@final
class Separable:
    """A separable least-squares problem at fields as they are, which its methods change.

    Args:
        settings: how it is posed.
        objective: of the constraints and the unknowns.
        batch: where.
    """

    def __init__(self, settings: Settings, objective: Objective, batch: Batch) -> None:
        self.settings, self.objective, self.batch = settings, objective, batch
        linear = linearise_last_layer(objective, batch)
        self.maps = linear.maps
        sizes = [each.weight.numel() + (0 if each.bias is None else each.out_features) for each in self.maps]
        self.ends = list(itertools.accumulate(sizes, initial=0))
        stops = itertools.accumulate(linear.rows.values())
        self.rows = {name: slice(stop - linear.rows[name], stop) for name, stop in zip(linear.rows, stops, strict=True)}
        self.solved, self.linear = self._choose_solved()
        self.unsolved = [place for place in range(len(self.maps)) if place not in self.solved]
        self.constants = constants_of(objective)
        self.weights = self._weights(linear.jacobian)
        self.lengths = self.basis = self.left = self.reach = torch.ones(0)
        self.damping = 0.1  # of the squares of singular values, with columns of length 1
        self.noise = {name: self._size(name) for name in settings.measured}

    # ---- which parameters are solved for, and which are coefficients

    def _choose_solved(self) -> tuple[list[int], bool]:
        """Return the maps that are projected out, and whether residuals are linear in them.

        The main field's, and those of every other unknown that residuals are linear in together with it.
        """
        names = {id(each): name for name, one in self.objective.unknowns.items() for each in one.parameters()}
        owners = [names[id(each.weight)] for each in self.maps]
        main = next(iter(self.objective.unknowns))
        solved = [place for place, each in enumerate(owners) if each == main] or [0]
        linear = self._is_linear(solved)
        for other in dict.fromkeys(owners):
            more = [place for place, each in enumerate(owners) if each == other and place not in solved]
            if more and linear and self._is_linear(solved + more):
                solved += more
        return sorted(solved), linear

    def _is_linear(self, places: Sequence[int]) -> bool:
        """Return whether r(a) + r(b) = r(a + b) + r(0) for random weights of some maps."""
        kept = self.columns
        used = self._indices(places)
        generator = torch.Generator().manual_seed(0)
        a, b = torch.randn(2, len(used), generator=generator, dtype=torch.float64).to(kept) / len(used) ** 0.5
        found = []
        for each in (a, b, a + b, torch.zeros_like(a)):
            self.columns = kept.index_copy(0, used, each)
            found.append(self.objective.residuals(self.batch))
        self.columns = kept
        size = max(float(each.norm()) for each in found)
        return float((found[0] + found[1] - found[2] - found[3]).norm()) <= _LINEAR * size

    def _indices(self, places: Sequence[int]) -> Tensor:
        parts = [torch.arange(self.ends[place], self.ends[place + 1]) for place in places]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)

    @property
    def columns(self) -> Tensor:
        """The weights and biases of all maps, ``(p,)``, in the order of the columns of their Jacobian."""
        blocks = [
            each.weight if each.bias is None else torch.cat([each.weight, each.bias[:, None]], 1) for each in self.maps
        ]
        return torch.cat([each.detach().flatten() for each in blocks])

    @columns.setter
    def columns(self, values: Tensor) -> None:
        for place, each in enumerate(self.maps):
            block = values[self.ends[place] : self.ends[place + 1]].view(each.out_features, -1)
            each.weight.copy_(block[:, : each.in_features])
            if each.bias is not None:
                each.bias.copy_(block[:, -1])

    @property
    def coefficients(self) -> Tensor:
        """θ: the constants, and the weights of the maps that are not projected out."""
        constants = [each.detach().flatten() for each in self.constants.values()]
        return torch.cat([*constants, self.columns[self._indices(self.unsolved)]])

    @coefficients.setter
    def coefficients(self, values: Tensor) -> None:
        start = 0
        for each in self.constants.values():
            each.copy_(values[start : start + each.numel()].view_as(each))
            start += each.numel()
        self.columns = self.columns.index_copy(0, self._indices(self.unsolved), values[start:])

    # ---- rows

    def _weights(self, jacobian: Tensor) -> Tensor:
        """Return the factor of each row: exact constraints are brought to one size by their columns, and weigh W."""
        orders = {
            each.constraint.name: max(highest_order(needs) for needs in each.reads.values())
            for group in self.objective.groups
            for each in group.members
        }
        highest = max((order for name, order in orders.items() if name not in self.settings.measured), default=0)
        parts, used = [], self._indices(self.solved)
        for name, rows in self.rows.items():
            count = rows.stop - rows.start
            factor = math.sqrt(count)  # undoes the average, so that a row is a residual as it was measured
            if name not in self.settings.measured:
                size = float(jacobian[rows][:, used].square().mean().sqrt()) or 1.0
                factor = self.settings.exactness * (1.0 if orders[name] == highest else _BOUNDARY) / size
            parts.append(torch.full((count,), factor, dtype=jacobian.dtype))
        return torch.cat(parts)

    def _relative_weights(self) -> Tensor:
        """Return the weights with those of measured constraints divided by their noise, relative to the first's."""
        found = self.weights.clone()
        for name, each in self.noise.items():
            found[self.rows[name]] *= next(iter(self.noise.values())) / each
        return found

    # ---- the weights of last layers

    def fit(self) -> None:
        """Set the maps that are solved for to the least-squares solution for the coefficients as they are.

        Of an equation that is nonlinear in the field these are steps of Newton, halved until they are steps down.
        """
        used, weights, ridge = self._indices(self.solved), self._relative_weights(), self.settings.ridge
        for _ in range(1 if self.linear else _NEWTON):
            linear, columns = linearise_last_layer(self.objective, self.batch), self.columns
            matrix = weights[:, None] * linear.jacobian[:, used]
            if len(self.lengths) != len(used):
                self.lengths = torch.linalg.vector_norm(matrix, dim=0).clamp(min=1e-300)
            tall = torch.cat([matrix / self.lengths, ridge * torch.eye(len(used), dtype=matrix.dtype)])
            self.left = torch.cat([weights * linear.residuals, ridge * self.lengths * columns[used]])
            self.basis, upper = torch.linalg.qr(tall)
            step = -torch.linalg.solve_triangular(upper, (self.basis.mT @ self.left)[:, None], upper=True)[:, 0]
            start, before, after = self.left, self.value, math.inf
            for halvings in range(1 if self.linear else _HALVINGS):
                moved = columns[used] + step / self.lengths * 0.5**halvings
                self.columns = columns.index_copy(0, used, moved)
                self.left = torch.cat([weights * self.objective.residuals(self.batch), ridge * self.lengths * moved])
                after = self.value
                if after < before:
                    break
            else:
                if not self.linear:  # a linear one is solved; what it has not gained is rounding
                    self.columns, self.left = columns, start
            if not before - after > _SETTLED * before:
                return

    @property
    def value(self) -> float:
        """F, its prior included."""
        prior = self._prior * self.coefficients
        return float(self.left.square().sum() + prior.square().sum())

    # ---- the coefficients

    def improve(self) -> bool:
        """Take a step of Levenberg and Marquardt for the coefficients, damped until it is a step down.

        Returns:
            whether nothing changes any more.
        """
        kept, before = self.coefficients, self.value
        if not len(kept):
            return True
        matrix = torch.cat([self._reduced(), torch.diag(self._prior)])
        right = torch.cat([self.left, self._prior * kept])
        scale = torch.linalg.vector_norm(matrix, dim=0).clamp(min=1e-300)
        left, sizes, directions = torch.linalg.svd(matrix / scale, full_matrices=False)
        for _ in range(_DAMPINGS):
            step = directions.mT @ (sizes / (sizes**2 + self.damping) * (left.mT @ right))
            self.coefficients = kept - step / scale
            self.fit()
            if self.value < before:
                self.damping /= 10
                return before - self.value < _SETTLED * before
            self.damping *= 5
        self.coefficients = kept
        self.fit()
        return True

    @property
    def _prior(self) -> Tensor:
        """The factors s of rows s θ that keep fields among the coefficients small; 0 for constants, and for biases.

        One of p weights of sines has the expected size √(2/p) times the variation.
        """
        parts = [torch.zeros(each.numel(), dtype=torch.float64) for each in self.constants.values()]
        sigma = next(iter(self.noise.values()), 0.0)
        for place in self.unsolved:
            last = self.maps[place]
            factor = sigma * math.sqrt(last.in_features / 2) / self.settings.variation
            wide = last.in_features + (last.bias is not None)
            block = torch.full((last.out_features, wide), factor, dtype=torch.float64)
            block[:, last.in_features :] = 0.0
            parts.append(block.flatten())
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def _reduced(self) -> Tensor:
        """Return D, what of ∂r/∂θ no change of the weights c can follow.

        By constants it is from central differences, exact for residuals that are polynomials of second degree in them.
        """
        weights, parts = self._relative_weights(), []
        for each in self.constants.values():
            for entry in range(each.numel()):
                at, kept = each.view(-1)[entry], float(each.view(-1)[entry])
                step, rows = _DIFFERENCE * abs(kept) or _DIFFERENCE, []
                for side in (step, -step):
                    at.fill_(kept + side)
                    rows.append(self.objective.residuals(self.batch))
                at.fill_(kept)
                parts.append((rows[0] - rows[1])[:, None] / (2 * step))
        if self.unsolved:
            last = linearise_last_layer(self.objective, self.batch)
            parts.append(last.jacobian[:, self._indices(self.unsolved)])
        whole = weights[:, None] * torch.cat(parts, 1)
        whole = torch.cat([whole, whole.new_zeros(len(self.basis) - len(whole), whole.shape[1])])
        self.reach = torch.linalg.vector_norm(whole, dim=0)
        for _ in range(2):  # once more: what rounding of the first leaves is not small beside D
            whole = whole - self.basis @ (self.basis.mT @ whole)
        return whole

    # ---- what they are worth

    @property
    def noise_matters(self) -> bool:
        """Whether what is found depends on the noise: on that of several constraints, or beside a prior."""
        return len(self.noise) > 1 or bool(self.noise and self.unsolved)

    def _size(self, name: str) -> float:
        """Return a first guess of the noise: a tenth of what is measured, as a residual has it where the field is 0."""
        kept = self.columns
        self.columns = kept.index_fill(0, self._indices(self.solved), 0.0)
        rows = (self.weights * self.objective.residuals(self.batch))[self.rows[name]]
        self.columns = kept
        return 0.1 * float(rows.square().mean().sqrt()) or 1.0

    def update_noise(self) -> float:
        """Set σ of each measured constraint, from its residuals.

        Each of its rows leaves 1 − |q|² degrees of freedom, q its row in a basis of all columns.

        Returns:
            by which part σ changed, at most.
        """
        bases = [self.basis]
        if len(self.coefficients):
            bases.append(torch.linalg.qr(torch.cat([self._reduced(), torch.diag(self._prior)]))[0])
        relative, changes = self._relative_weights(), [0.0]
        found: dict[str, float] = {}
        for name, before in self.noise.items():
            rows = self.rows[name]
            free = rows.stop - rows.start - sum(float(each[rows].square().sum()) for each in bases)
            residuals = self.left[rows] * (self.weights[rows] / relative[rows])
            found[name] = math.sqrt(float(residuals.square().sum()) / free) if free > 0.5 else math.inf
            changes.append(abs(found[name] / before - 1))
        if all(math.isfinite(each) for each in found.values()):
            self.noise = {name: max(each, 1e-300) for name, each in found.items()}
        if len(self.noise) > 1:
            self.fit()
        return max(changes)

    def estimates(self) -> Estimates:
        """Return the constants, with their standard errors, and the noise.

        With dependent columns there is a direction of θ that changes no residual; every coefficient that has a part in
        it is free.
        """
        if not len(self.coefficients):
            return Estimates({}, {}, self.noise)
        reduced, prior = self._reduced(), torch.diag(self._prior)
        if self.noise:  # exact constraints tell nothing of coefficients but by what is measured; rest is inexactness
            reduced = torch.cat([reduced[self.rows[name]] for name in self.noise])
        matrix = torch.cat([reduced, prior])
        scale = torch.linalg.vector_norm(matrix, dim=0)
        hidden = scale <= _DEPENDENT * self.reach
        scale = scale.clamp(min=1e-300)
        _, sizes, directions = torch.linalg.svd(matrix / scale, full_matrices=False)
        kept = sizes > _ALIKE
        sigma = next(iter(self.noise.values()), math.nan)
        variances = (directions[kept] / sizes[kept, None]).square().sum(0) * (sigma / scale) ** 2
        free = hidden | (directions[~kept].square().sum(0) > _SHARE)
        errors = variances.sqrt().masked_fill(free, math.inf)
        sizes_of = [each.numel() for each in self.constants.values()]
        values, deviations = (each[: sum(sizes_of)].split(sizes_of) for each in (self.coefficients, errors))
        return Estimates(
            dict(zip(self.constants, values, strict=True)),
            dict(zip(self.constants, deviations, strict=True)),
            dict(self.noise),
        )
