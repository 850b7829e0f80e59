"""Fields made of other fields: sums, products, read-outs, functions in closed form, unknown constants.

The derivatives of such a field follow from those of its parts by the rules of calculus, so that each part is computed
by the fastest kernel that it has: of g + d Φ only Φ is a network. A part is asked for no more than a rule needs.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.field import register


class Evaluate(Protocol):
    """Whatever computes derivatives of a part, such as :func:`sinefield.kernels.evaluate`."""

    def __call__(
        self, field: nn.Module | Chain, points: Tensor, needs: Set[Derivative], /
    ) -> Mapping[Derivative, Tensor]:
        """Return the derivatives ``needs`` of ``field`` at ``points``."""
        ...


def _values(field: nn.Module | Chain, points: Tensor, needs: Set[Derivative]) -> Mapping[Derivative, Tensor]:
    assert needs == {"value"}, "a value takes no derivative"
    return {"value": field(points)}


class Composite(nn.Module, ABC):
    """A field whose derivatives follow from those of its parts."""

    in_features: int
    out_features: int
    axes: Sequence[str] | None = None  # names of the coordinates that it takes

    @abstractmethod
    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return which derivatives of which parts are needed."""

    @abstractmethod
    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives ``needs`` at ``points`` ``(n, d)``, those of the parts computed by ``evaluate``."""

    def forward(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(n, d)`` as values ``(n, c)``."""
        return self.derivatives(points, {"value"}, _values)["value"]


@final
class Sum(Composite):
    """Φ = Σ_k Φ_k.

    Args:
        *fields: Φ_1, Φ_2, …, of as many inputs and outputs.

    >>> from sinefield.jet import jet
    >>> square = Formula(lambda x: x.square(), 1, 1)
    >>> jet(Sum(square, square), torch.tensor([[3.0]])).gradient.item()
    12.0
    """

    def __init__(self, *fields: nn.Module) -> None:
        super().__init__()
        self.in_features, self.out_features = sizes_of(*fields)
        self.terms = nn.ModuleList(fields)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return all terms."""
        return [(each, needs) for each in self.terms]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the sums of the terms' derivatives."""
        found = [evaluate(each, points, needs) for each in self.terms]
        return {need: sum((each[need] for each in found[1:]), start=found[0][need]) for need in needs}


@final
class Product(Composite):
    """Φ = a b, output by output; one of them may have a single output, which multiplies all of the other's.

    Args:
        first: a.
        second: b.
    """

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.in_features, self.out_features = sizes_of(first, second, broadcast=True)
        self.first, self.second = first, second

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return both factors, with the derivatives that Leibniz's rule takes."""
        wanted = leibniz_needs(needs)
        return [(self.first, wanted), (self.second, wanted)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives by Leibniz's rule."""
        first, second = (evaluate(part, points, wanted) for part, wanted in self.parts(needs))
        return {need: leibniz(first, second, need) for need in needs}


def leibniz_needs(needs: Set[Derivative]) -> frozenset[Derivative]:
    """Return the derivatives of both factors that those of a product are made of."""
    found: set[Derivative] = {"value", *needs}
    for need in needs:
        match need:
            case "laplacian" | "hessian":
                found.add("jacobian")
            case Partial():
                found |= {Partial(part) for size in range(len(need.axes)) for part in _parts(need.axes, size)}
            case LaplacianAlong():
                found |= {Partial((axis,)) for axis in need.axes}
    return frozenset(found - {Partial(())})


def leibniz(first: Mapping[Derivative, Tensor], second: Mapping[Derivative, Tensor], need: Derivative) -> Tensor:
    """Return a derivative of a product from those of its factors, as :func:`leibniz_needs` names them.

    ∂^α(ab) = Σ ∂^β a ∂^(α−β) b over all parts β of α; so Δ(ab) = a Δb + 2 ∇a·∇b + b Δa.
    """
    a, b = first["value"], second["value"]
    match need:
        case "value":
            return a * b
        case "jacobian":
            return a.unsqueeze(-1) * second["jacobian"] + first["jacobian"] * b.unsqueeze(-1)
        case "laplacian":
            crossed = (first["jacobian"] * second["jacobian"]).sum(-1)
            return a * second[need] + 2 * crossed + first[need] * b
        case "hessian":
            crossed = first["jacobian"].unsqueeze(-1) * second["jacobian"].unsqueeze(-2)
            return a[..., None, None] * second[need] + crossed + crossed.mT + first[need] * b[..., None, None]
        case LaplacianAlong():
            slopes = [first[Partial((axis,))] * second[Partial((axis,))] for axis in need.axes]
            return a * second[need] + 2 * torch.stack(slopes).sum(0) + first[need] * b
    total = torch.zeros_like(a * b)
    for left in itertools.product((True, False), repeat=len(need.axes)):
        parts = [tuple(itertools.compress(need.axes, chosen)) for chosen in (left, [not each for each in left])]
        factors = [
            factor[Partial(part) if part else "value"] for factor, part in zip((first, second), parts, strict=True)
        ]
        total = total + factors[0] * factors[1]
    return total


def _parts(axes: tuple[int, ...], size: int) -> set[tuple[int, ...]]:
    return set(itertools.combinations(axes, size))


@final
class Formula(Composite):
    """A function in closed form, with nothing to learn in it.

    Args:
        function: from points ``(n, d)`` to values ``(n, c)``, each point on its own, of operations that PyTorch
            differentiates.
        in_features: d.
        out_features: c.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.function = _Function(function)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the function."""
        return [(self.function, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives, which nothing but the points can change."""
        found = evaluate(self.function, points, needs)
        return {need: found[need] if points.requires_grad else found[need].detach() for need in needs}


@final
class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, points: Tensor) -> Tensor:
        """Return the value of the function."""
        return self.function(points)


@final
class Readout(Composite):
    """Φ = A Ψ + b, linear combinations of the outputs of a field: components, sums of them, units.

    Args:
        field: Ψ.
        matrix: A, ``(c, k)``.
        shift: b, ``(c,)``; None: zero.
    """

    matrix: Tensor
    shift: Tensor

    def __init__(self, field: nn.Module, matrix: Tensor, shift: Tensor | None = None) -> None:
        super().__init__()
        self.in_features, outputs = sizes_of(field)
        self.out_features = len(matrix)
        if matrix.ndim != 2 or matrix.shape[1] != outputs:
            raise ValueError(
                f"a read-out of {outputs} outputs needs a matrix (c, {outputs}), got {tuple(matrix.shape)}"
            )
        self.field = field
        self.register_buffer("matrix", matrix)
        self.register_buffer("shift", torch.zeros(len(matrix)).to(matrix) if shift is None else shift)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the field."""
        return [(self.field, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the combinations of the field's derivatives."""
        found = evaluate(self.field, points, needs)
        answer: dict[Derivative, Tensor] = {}
        for need in needs:
            place = -1 - {"jacobian": 1, "hessian": 2}.get(need if isinstance(need, str) else "", 0)
            answer[need] = (found[need].movedim(place, -1) @ self.matrix.mT).movedim(-1, place)
            if need in ("value", Partial(())):
                answer[need] = answer[need] + self.shift
        return answer


@register("constant", part=True)
@final
class Constant(Composite):
    """Φ(x) = θ: an unknown number, or several, as a field that takes no coordinates.

    Args:
        in_features: 0: it is evaluated at any points.
        out_features: c.
        value: θ at first.

    >>> Constant(out_features=2, value=0.5)(torch.zeros(3, 1)).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    architecture = "constant"

    def __init__(self, in_features: int = 0, out_features: int = 1, value: float = 0.0) -> None:
        super().__init__()
        if out_features < 1:
            raise ValueError(f"a constant needs at least one output, got {out_features}")
        self.in_features, self.out_features = in_features, out_features
        self.settings: dict[str, int | float | str] = {"value": float(value)}
        self.theta = nn.Parameter(torch.full((out_features,), float(value)))

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:  # noqa: ARG002
        """Return no parts."""
        return []

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:  # noqa: ARG002
        """Return θ, and zeros for its derivatives."""
        # No view of θ, which would ask for a gradient where none is recorded.
        value = self.theta + self.theta.new_zeros(*points.shape[:-1], self.out_features)
        plain: Set[Derivative] = {"value", Partial(())}
        return nothing(value, needs, points.shape[-1]) | dict.fromkeys(needs & plain, value)


def nothing(like: Tensor, needs: Set[Derivative], dimension: int) -> dict[Derivative, Tensor]:
    """Return the derivatives of 0, of values of the shape, type and device of others."""
    axes = {"jacobian": 1, "hessian": 2}
    return {
        need: like.new_zeros(*like.shape, *(dimension,) * axes.get(need if isinstance(need, str) else "", 0))
        for need in needs
    }


def sizes_of(*fields: Any, broadcast: bool = False) -> tuple[int, int]:
    """Return how many inputs and outputs fields have.

    Raises:
        ValueError: they differ, or a field does not tell.
    """
    found = [(getattr(each, "in_features", None), getattr(each, "out_features", None)) for each in fields]
    inputs = {one for one, _ in found if one}  # a constant takes any
    outputs = {one for _, one in found}
    if broadcast and len(outputs) > 1:
        outputs -= {1}
    if not found or None in inputs | outputs or len(inputs) > 1 or len(outputs) != 1:
        described = ", ".join(f"{one} → {other}" for one, other in found) or "none"
        raise ValueError(
            f"fields that are put together need in_features and out_features that fit, got {described}; "
            "give functions as Formula(function, in_features, out_features)"
        )
    return next(iter(inputs), 0) or 0, int(outputs.pop() or 0)
