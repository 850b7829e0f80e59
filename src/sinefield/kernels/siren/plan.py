"""How derivatives of a SIREN are computed: which rows are carried forward, and which back."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial, axes_read, highest_order

Form = tuple[tuple[int, int], ...]
"""A sum Σ ∂²Φ/∂x_i∂x_j over pairs (i, j), which are places among the axes that are carried; i ≤ j."""

BLOCK_BYTES = 40 << 20
"""How much memory the activations of a block may take: about what the caches of a processor hold."""

KEPT_BYTES = 160 << 20
"""How much memory a call may keep for its backward; one with more points computes their activations again."""


@final
@dataclass(frozen=True)
class Shape:
    """d, the features of each sine layer, c, and how many networks there are side by side: None, just the one."""

    inputs: int
    widths: tuple[int, ...]
    outputs: int
    networks: int | None = None

    @property
    def side_by_side(self) -> tuple[int, ...]:
        """The axis of the networks, if there is one."""
        return () if self.networks is None else (self.networks,)


@final
@dataclass(frozen=True)
class Outputs:
    """What a sweep finds, or the gradient of a loss by it.

    Args:
        value: ``(…, n, c)``.
        first: derivatives along some axes, ``(axes, …, n, c)``.
        second: sums of second derivatives, ``(forms, …, n, c)``.
    """

    value: Tensor
    first: Tensor
    second: Tensor


@final
@dataclass(frozen=True)
class Plan:
    """The cheapest way to some derivatives.

    Args:
        shape: of the network.
        axes: those along which first derivatives are carried forward with the value.
        forms: sums of second derivatives that are computed.
        back: whether derivatives by features are carried back from the outputs: c rows a point, where each form takes
            a row forward. They give the Jacobian too, so that without forms no first derivatives are carried.
    """

    shape: Shape
    axes: tuple[int, ...]
    forms: tuple[Form, ...]
    back: bool

    @classmethod
    def of(cls, shape: Shape, needs: Iterable[Derivative]) -> Plan:
        """Return the plan for derivatives up to second order.

        Raises:
            ValueError: a derivative of higher order.
        """
        return _plan(shape, frozenset(needs))

    @property
    def rows(self) -> int:
        """How many rows are carried for a point."""
        return self.forward_rows + (self.shape.outputs if self.back else 0)

    @property
    def forward_rows(self) -> int:
        """How many of them go forward: the value, first derivatives, and second ones unless these are found back."""
        return 1 + len(self.axes) + (0 if self.back else len(self.forms))

    @property
    def numbers_per_point(self) -> int:
        """How many numbers are in memory for a point of one network, if they are kept."""
        total, most = sum(self.shape.widths), max(self.shape.widths)
        if self.back:
            kept = 2 * self.forward_rows + 2 * self.shape.outputs + 1 + (self.forward_rows if self.forms else 0)
            spare = 3 if self.forms else 0
            return kept * total + (2 * self.shape.outputs + 2 * self.forward_rows + spare) * most
        scratch = 2 if self.axes else 0
        return 2 * self.forward_rows * total + (2 * self.forward_rows + scratch) * most

    def bytes_per_point(self, like: Tensor) -> int:
        """Return how much memory a point takes in each network while it is evaluated and differentiated."""
        return self.numbers_per_point * like.element_size()

    def block(self, like: Tensor, networks: int = 1) -> int:
        """Return how many points a block has, of each of some networks side by side."""
        return self._fitting(BLOCK_BYTES, like, networks)

    def most(self, like: Tensor, networks: int = 1) -> int:
        """Return of how many points the activations are kept, of each of some networks side by side."""
        return self._fitting(KEPT_BYTES, like, networks)

    def _fitting(self, room: int, like: Tensor, networks: int) -> int:
        if like.device.type != "cpu":  # where memory is plenty, and small blocks leave most of the device idle
            room *= 32
        return max(64, room // (self.bytes_per_point(like) * networks) // 64 * 64)

    @property
    def first_axes(self) -> tuple[int, ...]:
        """The axes along which first derivatives are found: all of them where they are carried back."""
        return tuple(range(self.shape.inputs)) if self.back else self.axes

    def assemble(self, found: Outputs, needs: Sequence[Derivative]) -> tuple[Tensor, ...]:
        """Return derivatives out of what was found."""
        return tuple(self._read(found, need) for need in needs)

    def _read(self, found: Outputs, need: Derivative) -> Tensor:
        match need:
            case "value":
                return found.value
            case "jacobian":
                return found.first.movedim(0, -1)
            case Partial(axes=()):
                return found.value
            case Partial(axes=(axis,)):
                return found.first[self.first_axes.index(axis)]
            case "hessian":
                axes = range(self.shape.inputs)
                order = [self.forms.index(((min(i, j), max(i, j)),)) for i in axes for j in axes]
                hessian: Tensor = found.second[order].unflatten(0, (len(axes), len(axes))).movedim((0, 1), (-2, -1))
                return hessian
        rows = self._rows_of(need)
        return found.second[rows[0]] if len(rows) == 1 else found.second[rows].sum(0)

    def gather(self, gradients: Mapping[Derivative, Tensor], count: int, like: Tensor) -> Outputs:
        """Return the gradient by what was found, given that by derivatives: undoes :meth:`assemble`."""
        shape = (*self.shape.side_by_side, count, self.shape.outputs)
        total = Outputs(
            like.new_zeros(shape),
            like.new_zeros(len(self.first_axes), *shape),
            like.new_zeros(len(self.forms), *shape),
        )
        for need, gradient in gradients.items():
            match need:
                case "value" | Partial(axes=()):
                    total.value.add_(gradient)
                case "jacobian":
                    total.first.add_(gradient.movedim(-1, 0))
                case Partial(axes=(axis,)):
                    total.first[self.first_axes.index(axis)].add_(gradient)
                case "hessian":
                    for i, j in itertools.product(range(self.shape.inputs), repeat=2):
                        total.second[self.forms.index(((min(i, j), max(i, j)),))].add_(gradient[..., i, j])
                case _:
                    for row in self._rows_of(need):
                        total.second[row].add_(gradient)
        return total

    def _rows_of(self, need: Derivative) -> list[int]:
        """Return the forms that a second derivative is the sum of.

        Raises:
            ValueError: it is no second derivative.
        """
        form = _form(need, self.axes, self.shape.inputs)
        if form is None:
            raise ValueError(f"{need} is no second derivative")
        return [self.forms.index(form)] if form in self.forms else [self.forms.index((pair,)) for pair in form]


@functools.cache
def _plan(shape: Shape, needs: frozenset[Derivative]) -> Plan:
    order = highest_order(needs)
    if order > 2:
        raise ValueError(f"sweeps of a SIREN go up to second derivatives, got {sorted(map(str, needs))}")
    axes = tuple(axes_read(needs, shape.inputs))
    if order == 0:
        return Plan(shape, (), (), back=False)
    if order == 1:  # c rows back, or as many forward as there are axes
        back = shape.outputs < len(axes)
        return Plan(shape, () if back else axes, (), back=back)
    forms = {form: None for each in sorted(needs, key=repr) if (form := _form(each, axes, shape.inputs))}
    if "hessian" in needs:
        forms = dict.fromkeys(((i, j),) for i, j in itertools.combinations_with_replacement(range(len(axes)), 2))
    return Plan(shape, axes, tuple(forms), back="hessian" in needs or len(forms) > shape.outputs)


def _form(derivative: Derivative, axes: tuple[int, ...], dimension: int) -> Form | None:
    """Return a second derivative as a form; None: it is of lower order, or the whole Hessian."""
    match derivative:
        case Partial(axes=(i, j)):
            return ((axes.index(i), axes.index(j)),)
        case LaplacianAlong():
            return tuple((axes.index(i),) * 2 for i in derivative.axes)
        case "laplacian":
            return tuple((axes.index(i),) * 2 for i in range(dimension))
    return None
