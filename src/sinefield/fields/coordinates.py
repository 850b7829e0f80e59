"""Fields in other coordinates: affine maps, restrictions to some axes, periods.

Derivatives are by the new coordinates, and follow from those of the field by the chain rule. Where the field is a chain
the map becomes the first of its links, so that it costs next to nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence, Set
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Composite, Evaluate, sizes_of
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.field import Field


@final
class AffineMap(Composite):
    """Φ(x) = Ψ(A x + b): a field in other coordinates, its derivatives by the new ones.

    Args:
        field: Ψ, of k inputs.
        matrix: A, ``(k, d)``.
        shift: b, ``(k,)``; None: zero.
    """

    matrix: Tensor
    shift: Tensor

    def __init__(self, field: nn.Module, matrix: Tensor, shift: Tensor | None = None) -> None:
        super().__init__()
        inputs, self.out_features = sizes_of(field)
        if matrix.ndim != 2 or len(matrix) != inputs:
            raise ValueError(f"a map to {inputs} coordinates needs a matrix ({inputs}, d), got {tuple(matrix.shape)}")
        self.in_features = matrix.shape[1]
        self.field = field
        self.register_buffer("matrix", matrix)
        self.register_buffer("shift", torch.zeros(len(matrix)).to(matrix) if shift is None else shift)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the chain with the map before it; of a field without a chain, what the chain rule takes."""
        if isinstance(self.field, Field):
            return [(self.field.chain().after(Affine(self.matrix, self.shift)), needs)]
        return [(self.field, _mapped_needs(needs, len(self.matrix)))]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives by the new coordinates."""
        ((part, wanted),) = self.parts(needs)
        if isinstance(part, Chain):
            return dict(evaluate(part, points, needs))
        found = evaluate(part, Affine(self.matrix, self.shift)(points), wanted)
        return {need: self._pulled_back(found, need) for need in needs}

    def _pulled_back(self, found: Mapping[Derivative, Tensor], need: Derivative) -> Tensor:
        match need:
            case "value":
                return found[need]
            case "jacobian":
                return found[need] @ self.matrix
            case "hessian":
                return self.matrix.mT @ found[need] @ self.matrix
            case "laplacian":
                return (found["hessian"] * (self.matrix @ self.matrix.mT)).sum((-2, -1))
            case LaplacianAlong():
                some = self.matrix[:, list(need.axes)]
                return (found["hessian"] * (some @ some.mT)).sum((-2, -1))
        total: Tensor | None = None
        for old in itertools.product(range(len(self.matrix)), repeat=len(need.axes)):
            factor = math.prod((self.matrix[i, j] for i, j in zip(old, need.axes, strict=True)), start=1.0)
            term = factor * found[Partial.by(old)]
            total = term if total is None else total + term
        assert total is not None, "a field has at least one input"
        return total


def _mapped_needs(needs: Set[Derivative], dimension: int) -> frozenset[Derivative]:
    found: set[Derivative] = set()
    for need in needs:
        match need:
            case "laplacian" | LaplacianAlong():
                found.add("hessian")
            case Partial():
                every = itertools.combinations_with_replacement(range(dimension), len(need.axes))
                found |= {Partial(each) for each in every}
            case _:
                found.add(need)
    return frozenset(found)


@final
class Restriction(Composite):
    """Φ(x) = Ψ(x_i, …, x_j): a field of some of the coordinates, evaluated at those alone.

    Args:
        field: Ψ.
        axes: i … j, which coordinates it takes, in its order.
        in_features: d, how many there are.

    ``m(x)`` beside ``u(t, x)`` is ``Restriction(m, (1,), 2)``.
    """

    def __init__(self, field: nn.Module, axes: Sequence[int], in_features: int) -> None:
        super().__init__()
        inputs, self.out_features = sizes_of(field)
        if len(axes) != inputs or len(set(axes)) < inputs or not all(0 <= each < in_features for each in axes):
            raise ValueError(
                f"a field of {inputs} inputs is restricted to {inputs} different axes of {in_features}, got {axes}"
            )
        self.in_features, self.axes_taken = in_features, tuple(axes)
        self.field = field

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the field, with those of its derivatives that are not zero."""
        return [(self.field, frozenset(inner for need in needs if (inner := self._inner(need)) is not None))]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives, zero along axes that the field does not take."""
        ((field, wanted),) = self.parts(needs)
        found = evaluate(field, points[..., list(self.axes_taken)], wanted | {"value"})
        return {need: self._widened(found, need) for need in needs}

    def _inner(self, need: Derivative) -> Derivative | None:
        """Return a derivative in the axes of the field; None: it is zero."""
        match need:
            case Partial():
                known = all(axis in self.axes_taken for axis in need.axes)
                return Partial.by(self.axes_taken.index(axis) for axis in need.axes) if known else None
            case LaplacianAlong():
                some = tuple(sorted(self.axes_taken.index(axis) for axis in need.axes if axis in self.axes_taken))
                return LaplacianAlong(some) if some else None
        return need

    def _widened(self, found: Mapping[Derivative, Tensor], need: Derivative) -> Tensor:
        inner, axes = self._inner(need), list(self.axes_taken)
        if inner is None:
            return torch.zeros_like(found["value"])
        if need not in ("jacobian", "hessian"):
            return found[inner]
        wide = found[inner].new_zeros(*found["value"].shape, *(self.in_features,) * (1 if need == "jacobian" else 2))
        if need == "jacobian":
            wide[..., axes] = found[inner]
        else:
            wide[..., torch.tensor(axes)[:, None], torch.tensor(axes)] = found[inner]
        return wide


@final
class Periodic(nn.Module):
    """Φ(x) = Ψ(sin(2πx_i/T_i), cos(2πx_i/T_i), …): a field of period T_i along axis i, by construction.

    Args:
        field: Ψ, of 2d inputs: the sines of all axes, then the cosines. With a chain its jets are fast; without one,
            those of Φ are found by nested differentiation.
        periods: T, for each of d axes.
    """

    angular: Tensor
    phases: Tensor

    def __init__(self, field: nn.Module, periods: Sequence[float]) -> None:
        super().__init__()
        inputs, self.out_features = sizes_of(field)
        if inputs != 2 * len(periods) or not all(0 < each < math.inf for each in periods):
            raise ValueError(
                f"a field of {inputs} inputs is made periodic along {inputs // 2} axes, by a positive period for each; "
                f"got {periods}"
            )
        self.in_features = len(periods)
        self.field = field
        angular = torch.diag(2 * math.pi / torch.tensor(periods, dtype=torch.float64))
        phases = torch.cat([torch.zeros(len(periods)), torch.full((len(periods),), math.pi / 2, dtype=torch.float64)])
        # In double precision whatever the field's: a period that is rounded is another one.
        self.register_buffer("angular", torch.cat([angular, angular]))
        self.register_buffer("phases", phases)

    def _phases(self, like: Tensor) -> Affine:
        return Affine(self.angular.to(like), self.phases.to(like))

    def chain(self) -> Chain:
        """Return the chain of the field, after the sines of the coordinates.

        Raises:
            TypeError: the field has no chain.
        """
        if not isinstance(self.field, Field):
            raise TypeError(f"a {type(self.field).__name__} has no chain")
        chain = self.field.chain()
        return chain.after(self._phases(next(chain.tensors())), Sine())

    def forward(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(n, d)`` as values ``(n, c)``."""
        values: Tensor = self.field(Sine()(self._phases(points)(points)))
        return values
