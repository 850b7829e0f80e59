"""Expansions Φ(x) = A φ(x) in functions of closed form: what sines lack near corners, around holes, along rays.

The functions φ stay as they are; what is looked for is A, so that they are columns of a least-squares problem beside
the features of a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Affine, Chain
from sinefield.fields.closed_forms import FAMILIES, Family, Need
from sinefield.fields.compose import Composite, Evaluate, nothing, sizes_of
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.field import register


@final
class Columns(Composite):
    """φ: functions of one family, as the outputs of a field with nothing to learn in it.

    Args:
        family: a key of :data:`sinefield.fields.closed_forms.FAMILIES`.
        terms: a row of numbers for each function, ``(m, width)``, as the family has them.
        in_features: d.

    Raises:
        ValueError: an unknown family, or rows of another width.
    """

    terms: Tensor

    def __init__(self, family: str, terms: Tensor, in_features: int) -> None:
        super().__init__()
        if family not in FAMILIES:
            raise ValueError(f"unknown family of functions {family!r}; choose one of {', '.join(FAMILIES)}")
        width = FAMILIES[family].width(in_features)
        if terms.ndim != 2 or terms.shape[1] != width:
            raise ValueError(
                f"functions of the family {family!r} in {in_features} coordinates are rows of {width} numbers, got "
                f"shape {tuple(terms.shape)}"
            )
        self.in_features, self.out_features, self.family = in_features, len(terms), family
        self.register_buffer("terms", terms)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:  # noqa: ARG002
        """Return no parts."""
        return []

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:  # noqa: ARG002
        """Return the derivatives, each in closed form."""
        known: dict[Need, Tensor] = {}

        def of(need: Need) -> Tensor:
            if need not in known:
                known[need] = _evaluated(points, self.terms, FAMILIES[self.family], need)
            return known[need]

        every = tuple(range(self.in_features))
        found: dict[Derivative, Tensor] = {}
        for need in needs:
            match need:
                case "value":
                    found[need] = of(((), ()))
                case "jacobian":
                    found[need] = torch.stack([of(((i,), ())) for i in every], -1)
                case "laplacian":
                    found[need] = of(((), every))
                case "hessian":
                    rows = [torch.stack([of(((min(i, j), max(i, j)), ())) for j in every], -1) for i in every]
                    found[need] = torch.stack(rows, -2)
                case LaplacianAlong():
                    found[need] = of(((), need.axes))
                case Partial():
                    found[need] = of((need.axes, ()))
        return found


class _Evaluated(torch.autograd.Function):
    """A derivative of functions in closed form, whose own derivatives by the points are of the same kind."""

    @staticmethod
    def forward(points: Tensor, terms: Tensor, family: Family, need: Need) -> Tensor:
        """Return the derivative, ``(n, m)``."""
        return family.evaluate(terms.to(points), points, need)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        """Keep what the derivatives are made of."""
        points, terms, ctx.family, ctx.need = inputs
        ctx.save_for_backward(points, terms)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient by the points."""
        points, terms = ctx.saved_tensors
        by, along = ctx.need
        slopes = [
            (gradients[0] * _evaluated(points, terms, ctx.family, ((*by, axis), along))).sum(-1)
            for axis in range(points.shape[-1])
        ]
        return torch.stack(slopes, -1), None, None, None

    @staticmethod
    def vmap(
        info: Any,  # noqa: ARG004
        in_dims: tuple[int | None, ...],
        points: Tensor,
        terms: Tensor,
        family: Family,
        need: Need,
    ) -> tuple[Tensor, int | None]:
        """Return the derivative at several sets of points, ``(b, n, d)`` to ``(b, n, m)``."""
        if in_dims[0] is None:
            return _evaluated(points, terms, family, need), None
        moved = points.movedim(in_dims[0], 0)
        found = _evaluated(moved.flatten(0, -2), terms, family, need)
        return found.unflatten(0, moved.shape[:-1]), 0


def _evaluated(points: Tensor, terms: Tensor, family: Family, need: Need) -> Tensor:
    found: Tensor = _Evaluated.apply(points, terms, family, need)  # type: ignore[no-untyped-call]  # it is not typed
    return found


@final
class Expansion(Composite):
    """Φ(x) = A φ(x): linear combinations of functions that stay as they are.

    Args:
        columns: φ, a field of m outputs, with nothing that is learnt; of one :class:`Columns` it can be stored.
        out_features: c.

    The corner function r^(2/3) sin 2θ/3 of a re-entrant right angle at the origin, whose middle is the direction φ:

    >>> import math
    >>> middle, exponent = 0.75 * math.pi, 2 / 3
    >>> turned = math.pi / 2 - exponent * middle  # sin αθ = Re e^(−iβ) e^(iα(θ − φ)) with β = π/2 − αφ
    >>> term = torch.tensor([[0.0, 0.0, middle, 1.0, exponent, 0.0, 0.0, turned]], dtype=torch.float64)
    >>> field = Expansion(Columns("powers", term, 2), 1)
    >>> _ = torch.nn.init.ones_(field.weight)
    >>> f"{field(torch.tensor([[0.0, 8.0]], dtype=torch.float64)).item():.6f}"  # 4 sin π/3
    '3.464102'
    """

    def __init__(self, columns: nn.Module, out_features: int = 1) -> None:
        super().__init__()
        self.in_features, count = sizes_of(columns)
        self.out_features = out_features
        self.columns = columns
        self.weight = nn.Parameter(torch.zeros(out_features, count, dtype=torch.float64))
        if isinstance(columns, Columns):
            self.architecture = "expansion"
            self.settings: dict[str, int | float | str] = {"family": columns.family, "hidden_features": count}

    @classmethod
    def of(cls, family: str, terms: Tensor, in_features: int, out_features: int = 1) -> Self:
        """Return the expansion in functions of a family; see :class:`Columns`."""
        return cls(Columns(family, terms, in_features), out_features)

    @property
    def is_smooth(self) -> bool:
        """Whether its functions are known to be smooth everywhere, so that sines lack none of them."""
        known = self.columns
        return isinstance(known, Columns) and FAMILIES[known.family].is_smooth(known.terms)

    @property
    def last(self) -> Affine:
        """The map A."""
        return Affine(self.weight)

    @property
    def _is_left_out(self) -> bool:
        """Whether A is 0 and is not looked for: thousands of functions need not be evaluated then."""
        own = isinstance(self.weight, nn.Parameter)  # weights given from outside may be several at once
        return own and not self.weight.requires_grad and not bool(self.weight.any())

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the functions."""
        return [(self.columns, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the combinations of the functions' derivatives."""
        if self._is_left_out:
            value = self.weight.new_zeros(*points.shape[:-1], self.out_features)
            return nothing(value, needs, points.shape[-1])
        found = evaluate(self.columns, points, needs)
        return {need: (each.movedim(1, -1) @ self.weight.mT).movedim(-1, 1) for need, each in found.items()}


@final
class ComplexExpansion(Composite):
    """Φ(x) = Σ_j c_j F_j(x) with complex numbers c_j, as real and imaginary part.

    With A the real and imaginary parts of c, and J a turn by a right angle, Φ = A Re F + J A Im F. Two real expansions
    of Re F and of Im F would also hold the conjugates of F, which solve other equations.

    Args:
        family: a key of :data:`sinefield.fields.closed_forms.FAMILIES`.
        terms: a row of numbers for each function, ``(m, width)``; the last of them is β of Re(e^(−iβ) F).
        in_features: d.
    """

    terms: Tensor
    architecture = "complex-expansion"

    def __init__(self, family: str, terms: Tensor, in_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.family = in_features, 2, family
        self.register_buffer("terms", terms)
        self.weight = nn.Parameter(torch.zeros(2, len(terms), dtype=torch.float64))
        self.settings: dict[str, int | float | str] = {"family": family, "hidden_features": len(terms)}

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the expansions of Re F and of Im F, whose map is the same."""
        found: list[tuple[nn.Module | Chain, Set[Derivative]]] = []
        for turn in (0.0, math.pi / 2):
            terms = torch.cat([self.terms[:, :-1], self.terms[:, -1:] + turn], 1)
            each = Expansion.of(self.family, terms, self.in_features, 2)
            each.weight = self.weight
            found.append((each, needs))
        return found

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return A Re F + J A Im F, and derivatives of that."""
        real, imaginary = (evaluate(part, points, wanted) for part, wanted in self.parts(needs))
        turned = {need: torch.stack([-each[:, 1], each[:, 0]], 1) for need, each in imaginary.items()}
        return {need: real[need] + turned[need] for need in needs}


@register("complex-expansion", part=True)
def _complex_blank(
    in_features: int, out_features: int, family: str = "outgoing", hidden_features: int = 1
) -> ComplexExpansion:
    """Return an expansion whose functions and weights are all zeros, as a file describes it.

    Raises:
        ValueError: an unknown family, or a number of outputs other than real and imaginary part.
    """
    if family not in FAMILIES or out_features != 2:
        raise ValueError(f"a complex expansion of the family {family!r} with {out_features} outputs is unknown")
    width = FAMILIES[family].width(in_features)
    return ComplexExpansion(family, torch.zeros(hidden_features, width, dtype=torch.float64), in_features)


@register("expansion", part=True)
def _blank(in_features: int, out_features: int, family: str = "powers", hidden_features: int = 1) -> Expansion:
    """Return an expansion whose functions and weights are all zeros, as a file describes it."""
    width = FAMILIES[family].width(in_features) if family in FAMILIES else 0
    terms = torch.zeros(hidden_features, width, dtype=torch.float64)
    return Expansion.of(family, terms, in_features, out_features)
