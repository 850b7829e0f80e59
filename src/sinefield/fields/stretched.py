"""Fields in a coordinate that is stretched near a plane, where a solution changes fast.

With y = x_i − c the coordinate becomes ξ = α + β asinh(y/δ): a logarithm far from the plane, a straight line within δ
of it, so that a layer of the width δ and the smooth rest of a solution take about as many waves. α and β are such that
the ends of an interval [a, b] stay where they are.

Source: layer-adapted coordinates, as in Linß, "Layer-adapted meshes for reaction-convection-diffusion problems", 2010,
section 2.1, with a map that is smooth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence, Set
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.compose import Composite, Evaluate, sizes_of
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial


@final
class Stretched(Composite):
    """Φ(x) = Ψ(…, ξ(x_i), …).

    Args:
        field: Ψ.
        axis: i.
        centre: c, where the plane is.
        width: δ > 0.
        bounds: a and b, the ends of the interval along the axis.

    Raises:
        ValueError: a width that is not positive, or bounds out of order.

    >>> from sinefield.fields.compose import Formula
    >>> field = Stretched(Formula(lambda x: x, 1, 1), 0, 0.0, 0.1, (-1.0, 1.0))
    >>> [round(each, 3) for each in field(torch.tensor([[-1.0], [0.0], [0.1], [1.0]])).flatten().tolist()]
    [-1.0, 0.0, 0.294, 1.0]
    """

    def __init__(self, field: nn.Module, axis: int, centre: float, width: float, bounds: tuple[float, float]) -> None:
        super().__init__()
        if not (width > 0 and bounds[0] < bounds[1]):
            raise ValueError(
                f"a coordinate is stretched by a width > 0 between rising bounds, got {width} and {bounds}"
            )
        self.in_features, self.out_features = sizes_of(field)
        self.field, self.axis, self.centre, self.width, self.bounds = field, axis, centre, width, bounds
        lower, upper = (math.asinh((each - centre) / width) for each in bounds)
        self.factor = (bounds[1] - bounds[0]) / (upper - lower)
        self.shift = bounds[0] - self.factor * lower

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the field, with the derivatives that the chain rule takes."""
        wanted: set[Derivative] = {"value"}
        for need in needs:
            for axes in self._partials(need):
                times = axes.count(self.axis)
                rest = [each for each in axes if each != self.axis]
                wanted |= {Partial.by([*rest, *[self.axis] * k]) for k in range(min(times, 1), times + 1)}
        return [(self.field, wanted - {Partial(())})]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives by the chain rule."""
        slopes = self._slopes(points[:, self.axis : self.axis + 1], max(map(self._order, needs)))
        moved = torch.cat([points[:, : self.axis], slopes[0], points[:, self.axis + 1 :]], 1)
        ((field, wanted),) = self.parts(needs)
        found = evaluate(field, moved, wanted)
        single = {axes: self._single(found, slopes, axes) for need in needs for axes in self._partials(need)}
        dimension = self.in_features
        answer: dict[Derivative, Tensor] = {}
        for need in needs:
            match need:
                case "jacobian":
                    answer[need] = torch.stack([single[i,] for i in range(dimension)], -1)
                case "hessian":
                    rows = [[single[min(i, j), max(i, j)] for j in range(dimension)] for i in range(dimension)]
                    answer[need] = torch.stack([torch.stack(row, -1) for row in rows], -2)
                case _:  # one derivative, or a sum of second ones
                    terms = [single[axes] for axes in self._partials(need)]
                    answer[need] = torch.stack(terms).sum(0)
        return answer

    def _partials(self, need: Derivative) -> Sequence[tuple[int, ...]]:
        """Return the single derivatives that a derivative consists of, by their axes."""
        every = range(self.in_features)
        match need:
            case "value":
                return [()]
            case "jacobian":
                return [(i,) for i in every]
            case "hessian":
                return list(itertools.combinations_with_replacement(every, 2))
            case "laplacian":
                return [(i, i) for i in every]
            case LaplacianAlong():
                return [(i, i) for i in need.axes]
        return [need.axes]

    def _order(self, need: Derivative) -> int:
        return max(axes.count(self.axis) for axes in self._partials(need))

    def _slopes(self, x: Tensor, order: int) -> list[Tensor]:
        """Return ξ, ξ', … up to an order."""
        y = x - self.centre
        square = y.square() + self.width**2
        root = square.sqrt()
        found = [
            self.shift + self.factor * torch.asinh(y / self.width),
            self.factor / root,
            -self.factor * y / root**3,
            self.factor * (2 * y.square() - self.width**2) / root**5,
            self.factor * y * (9 * self.width**2 - 6 * y.square()) / root**7,
        ]
        return found[: order + 1]

    def _single(self, found: Mapping[Derivative, Tensor], slopes: Sequence[Tensor], axes: tuple[int, ...]) -> Tensor:
        """Return one derivative by the formula of Faà di Bruno."""
        times, rest = axes.count(self.axis), [each for each in axes if each != self.axis]

        def inner(count: int) -> Tensor:
            need = Partial.by([*rest, *[self.axis] * count])
            return found["value" if need == Partial(()) else need]

        if times == 0:
            return inner(0)
        one, two, three, four = (*slopes[1:], *[slopes[0]] * 4)[:4]
        match times:
            case 1:
                factors = [one]
            case 2:
                factors = [two, one**2]
            case 3:
                factors = [three, 3 * one * two, one**3]
            case _:
                factors = [four, 4 * one * three + 3 * two**2, 6 * one**2 * two, one**4]
        return torch.stack([factor * inner(count) for count, factor in enumerate(factors, 1)]).sum(0)
