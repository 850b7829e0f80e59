"""Least squares for the last layer: linear equations solved to the digits of double precision.

With one sine layer that stays as it is,

    Φ(x) = Σ_j c_j sin(w_j·x + b_j) + c_0,     |w_j| ≤ R uniform in a ball, b_j uniform in a period

a linear equation is a linear least-squares problem for c. What decides is R, the bandwidth: below that of the solution
nothing helps, and far above it the features do not suffice. It is found by residuals at points held out.

Source: extreme learning machines for equations (Dong & Li, "Local extreme learning machines and domain decomposition
for solving linear and nonlinear partial differential equations", 2021, section 2), with the first layer of a SIREN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine
from sinefield.fields.derivatives import highest_order
from sinefield.fields.field import Field
from sinefield.objective import Batch, Objective
from sinefield.residuals import draw_samples, relative_residuals
from sinefield.sampler import generator_of
from sinefield.solvers.last_layer import LastLayer, is_linear, linearise_last_layer
from sinefield.solvers.solver import Solver, Tensors

_HALVINGS = 12  # of a step of Newton that is no step down
_SETTLED = 0.99  # of the residual before: a step of Newton that gains less is the last
_LOWEST = 1.0  # the least bandwidth that is tried, in half periods of a side


@final
@dataclass(frozen=True)
class LeastSquares(Solver):
    """Solves the last layer exactly, for one bandwidth of the first layer after the other; the best is kept.

    A step is a bandwidth: first by powers of two with some of the features, then around the best, then with all of
    them, until the tolerance is reached.

    Args:
        tolerance: relative residual at points held out, see :func:`sinefield.residuals.relative_residuals`, that is
            good enough.
        features: how many of the features the first bandwidths are tried with.
        rows: points of the constraints of the highest order, for each feature.
        boundary_rows: points of the other constraints together, for each feature.
        boundary_weight: of the rows of the other constraints, beside those of the highest order.
        iterations: steps of Newton at most, for nonlinear equations; a linear one takes one.
    """

    tolerance: float = 1e-12
    features: int = 800
    rows: float = 3.0
    boundary_rows: float = 1.0
    boundary_weight: float = 10.0
    iterations: int = 12

    def init(self, objective: Objective) -> Tensors:
        """Return what was tried: nothing yet.

        Raises:
            ValueError: an unknown is not one sine layer with an affine map after it, in double precision.
        """
        first = [_sine_layer(each) for each in _networks(objective)]
        if not first:
            raise ValueError(
                "least squares solves for the last layer of networks with one sine layer in double precision, such as "
                "Siren(2, 1, hidden_features=1000, hidden_layers=0).double(); there is none among the unknowns"
            )
        state = {
            "bandwidths": torch.zeros(self.steps, dtype=torch.float64),
            "residuals": torch.full((self.steps,), math.inf, dtype=torch.float64),
            "steps": torch.tensor(0),
            "terms": torch.full((len(_orders(objective)),), math.inf, dtype=torch.float64),
            "done": torch.tensor(False),
            "seed": _seed_of(first[0].weight),
        }
        state["linear"] = torch.tensor(is_linear(objective, self._batch(objective, state["seed"], 16, 2)))
        state |= {f"best/{name}": each.detach().clone() for name, each in objective.parameters.items()}
        return Tensors(state)

    @property
    def steps(self) -> int:
        """How many bandwidths are tried at most."""
        return 14

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - all is solved at once
        """Return the squares of the relative residuals by constraint, after solving for one more bandwidth."""
        chosen = self._choose(objective, state)
        if chosen is not None:
            bandwidth, count = chosen
            self._place(objective, state["seed"], bandwidth)
            points = self._batch(objective, state["seed"], count, 0)
            self._solve(objective, points, count, linear_equation=bool(state["linear"]))
            held_out = self._batch(objective, state["seed"], self.features, 1).samples
            found = relative_residuals(objective.groups, objective.unknowns, held_out)
            number, better = int(state["steps"]), found.worst < float(state["residuals"].min())
            state["bandwidths"][number], state["residuals"][number] = bandwidth, found.worst
            state["steps"].add_(1)
            state["terms"].copy_(torch.tensor(list(found.relative.values()), dtype=torch.float64) ** 2)
            for name, each in objective.parameters.items() if better else ():
                state[f"best/{name}"].copy_(each)
        state["done"].fill_(self._choose(objective, state) is None)
        return dict(zip(_orders(objective), state["terms"].clone(), strict=True))

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or every bandwidth was tried."""
        return bool(state["done"])

    def answer(self, state: Tensors) -> Mapping[str, Tensor]:
        """Return the parameters of the least residual."""
        return {name.removeprefix("best/"): each for name, each in state.tensors().items() if name.startswith("best/")}

    # ---- which bandwidth

    def _choose(self, objective: Objective, state: Tensors) -> tuple[float, int] | None:
        """Return the bandwidth to try next, and with how many features; None: it is good enough, or all were tried."""
        number = int(state["steps"])
        residuals, bandwidths = state["residuals"], state["bandwidths"]
        if number >= self.steps or (number and float(residuals.min()) <= self.tolerance):
            return None
        networks = _networks(objective)
        whole = min(_sine_layer(each).out_features for each in networks)
        some = min(self.features, whole)
        dimension = max(_sine_layer(each).in_features for each in networks)
        coarse = _powers_of_two(_highest_bandwidth(some, dimension))
        if number < len(coarse):
            return coarse[number], some
        best = float(bandwidths[int(residuals[: len(coarse)].argmin())])
        around = [(best * factor, some) for factor in (2**0.5, 2**-0.5)]
        if number - len(coarse) < len(around):
            return around[number - len(coarse)]
        best = float(bandwidths[int(residuals[: len(coarse) + len(around)].argmin())])
        grown = (whole / some) ** (1 / dimension)
        rest = [(best * factor, whole) for factor in dict.fromkeys((1.0, grown**0.5, grown, grown * 1.4))]
        place = number - len(coarse) - len(around)
        return rest[place] if place < len(rest) and whole > some else None

    # ---- features, points and the solution

    def _place(self, objective: Objective, seed: Tensor, bandwidth: float) -> None:
        """Draw the frequencies of the first layers within a bandwidth, of points that span [−1, 1] along each axis."""
        centre, half = self._extent(objective, seed)
        for number, each in enumerate(_networks(objective)):
            layer, omega = _sine_layer(each), _omega(each)
            generator = generator_of(int(seed), number)
            directions = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
            radii = torch.rand(len(directions), 1, generator=generator, dtype=torch.float64) ** (1 / layer.in_features)
            phases = 2 * math.pi * torch.rand(len(directions), generator=generator, dtype=torch.float64)
            frequencies = bandwidth * radii * directions / directions.norm(dim=1, keepdim=True) / half
            layer.weight.copy_(frequencies / omega)
            assert layer.bias is not None, "sine layers have phases"
            layer.bias.copy_((phases - frequencies @ centre) / omega)

    def _extent(self, objective: Objective, seed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the centre and half the lengths of the box around all domains."""
        points = torch.cat([each.points for each in self._batch(objective, seed, 4096, 2).samples])
        lower, upper = points.min(0).values, points.max(0).values
        return (lower + upper) / 2, ((upper - lower) / 2).clamp(min=1e-300)

    def _batch(self, objective: Objective, seed: Tensor, count: int, purpose: int) -> Batch:
        """Return points for so many features: to solve with (purpose 0), held out (1), or to see the extent (2)."""
        highest, others = _groups_by_order(objective)
        per_group = [
            self.rows / len(highest) if place in highest else self.boundary_rows / max(1, len(others))
            for place in range(len(objective.groups))
        ]
        samples = [
            draw_samples(group.domain, max(16, math.ceil(part * count)), generator_of(int(seed), purpose, place))
            for place, (group, part) in enumerate(zip(objective.groups, per_group, strict=True))
        ]
        return Batch(samples)

    def _solve(self, objective: Objective, batch: Batch, count: int, *, linear_equation: bool) -> None:
        """Set the last maps to the least-squares solution with the first ``count`` features of each.

        Of a nonlinear equation these are steps of Newton, halved until they are steps down.
        """
        linear = linearise_last_layer(objective, batch)
        used, whole = _used_columns(linear, count), linear.jacobian.new_zeros(linear.jacobian.shape[1])
        linear.assign(whole)
        rows: Tensor | None = None
        for _ in range(1 if linear_equation else self.iterations):
            linear = linearise_last_layer(objective, batch)
            matrix = linear.jacobian[:, used]
            if rows is None:
                rows = self._row_scales(objective, linear, matrix)
            right = -rows * linear.residuals
            step = torch.zeros_like(whole)
            step[used] = _solve_rows(matrix * rows[:, None], right)
            before, after = float(right.norm()), math.inf
            for halvings in range(_HALVINGS):
                linear.assign(whole + step * 0.5**halvings)
                after = float((rows * objective.residuals(batch)).norm())
                if after < before:
                    whole = whole + step * 0.5**halvings
                    break
            else:
                linear.assign(whole)
            if not after < _SETTLED * before:
                return

    def _row_scales(self, objective: Objective, linear: LastLayer, matrix: Tensor) -> Tensor:
        """Return the factor of each row: constraints are made alike, those of lower order weigh more."""
        highest = max(order for order in _orders(objective).values())
        scales, start = [], 0
        weights = {
            each.constraint.name: each.constraint.weight_at(0.0) for group in objective.groups for each in group.members
        }
        for name, count in linear.rows.items():
            size = float(matrix[start : start + count].square().mean().sqrt()) or 1.0
            order = _orders(objective)[name]
            factor = math.sqrt(weights[name]) * (1.0 if order == highest else self.boundary_weight) / size
            scales.append(torch.full((count,), factor, dtype=matrix.dtype))
            start += count
        return torch.cat(scales)


def _seed_of(weight: Tensor) -> Tensor:
    """Return the seed of frequencies, phases and points: that of the initial weights, by way of their bits."""
    bits = weight.detach().cpu().contiguous().view(torch.int64)
    return bits.sum() & (2**31 - 1)


def _solve_rows(matrix: Tensor, right: Tensor) -> Tensor:
    """Return the least-squares solution by orthogonal factors, columns scaled to length 1.

    Features of one bandwidth are nearly dependent. Without pivots and without a cut-off, which would leave out what
    the last digits are made of, coefficients stay of moderate size all the same: rounding itself regularises them.
    """
    lengths: Tensor = torch.linalg.vector_norm(matrix, dim=0).clamp(min=1e-300)
    found: Tensor = torch.linalg.lstsq(matrix / lengths, right[:, None], driver="gels").solution[:, 0]
    return found.div(lengths)


def _networks(objective: Objective) -> Sequence[Field]:
    """Return the networks among the unknowns, and in what these are made of, whose last layer can be solved for."""
    found: list[Field] = []
    for unknown in objective.unknowns.values():
        for module in unknown.modules():
            if isinstance(module, Field) and isinstance(module, nn.Module):
                try:
                    links = module.chain().links
                except TypeError:
                    continue
                one = len(links) == 3 and isinstance(links[1], Sine)
                if one and next(module.parameters()).dtype == torch.float64:
                    found.append(module)
    return found


def _sine_layer(network: Field) -> Affine:
    first = network.chain().links[0]
    assert isinstance(first, Affine), "what was looked for"
    return first


def _omega(network: Field) -> float:
    sine = network.chain().links[1]
    assert isinstance(sine, Sine), "what was looked for"
    return float(sine.omega)


def _orders(objective: Objective) -> dict[str, int]:
    """Return the order of each constraint by name."""
    return {
        each.constraint.name: max(highest_order(needs) for needs in each.reads.values())
        for group in objective.groups
        for each in group.members
    }


def _groups_by_order(objective: Objective) -> tuple[list[int], list[int]]:
    """Return which groups have a constraint of the highest order, and which have none."""
    orders = _orders(objective)
    highest = max(orders.values())
    found = [
        place
        for place, group in enumerate(objective.groups)
        if any(orders[each.constraint.name] == highest for each in group.members)
    ]
    return found, [place for place in range(len(objective.groups)) if place not in found]


def _used_columns(linear: LastLayer, count: int) -> Tensor:
    """Return the columns of the first features of each output, of the biases, and all of expansions, without biases."""
    used, start = [], 0
    for each in linear.maps:
        outputs, features = each.weight.shape
        wide = features + (each.bias is not None)
        for output in range(outputs):
            begin = start + output * wide
            some = features if each.bias is None else min(count, features)
            used += [*range(begin, begin + some), *range(begin + features, begin + wide)]
        start += outputs * wide
    return torch.tensor(used)


def _highest_bandwidth(features: int, dimension: int) -> float:
    """Return R such that functions within it have as many degrees of freedom on [−1, 1]ᵈ as there are features.

    There are about 2ᵈ |B_R| / (2π)ᵈ of them, with |B_R| the volume of the ball of radius R (Weyl's law).

    >>> round(_highest_bandwidth(1000, 1)), round(_highest_bandwidth(1000, 2))
    (1571, 56)
    """
    unit = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1)
    return float(math.pi * (features / unit) ** (1 / dimension))


def _powers_of_two(highest: float) -> Sequence[float]:
    """Return bandwidths from the highest down, each half of the one before; the middle ones come first."""
    count = max(1, min(7, math.floor(math.log2(max(highest, _LOWEST) / _LOWEST)) + 1))
    down = [highest / 2**step for step in range(count)]
    return sorted(down, key=lambda each: abs(math.log2(each / 12)))
