"""Which derivatives of a field there are to ask for: what a residual reads, and a kernel computes.

Whole tensors go by name: ``"value"`` Φ, ``"jacobian"`` ∂Φ_k/∂x_i, ``"laplacian"`` Σ_i ∂²Φ_k/∂x_i² and ``"hessian"``
∂²Φ_k/∂x_i∂x_j. Single derivatives are a :class:`Partial`, sums of pure second ones a :class:`LaplacianAlong`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, final

HIGHEST = 4
"""The highest order of derivative that is computed."""

Whole = Literal["value", "jacobian", "laplacian", "hessian"]

WHOLE: Mapping[Whole, int] = {"value": 0, "jacobian": 1, "laplacian": 2, "hessian": 2}
"""The tensors that go by name, and the order of derivative each is."""


@final
@dataclass(frozen=True, order=True)
class Partial:
    """∂^k Φ / ∂x_i … ∂x_j, ``(n, c)``.

    Args:
        axes: i … j, in rising order; none: Φ itself.

    Raises:
        ValueError: an order above :data:`HIGHEST`, or indices out of order.
    """

    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what is not computed.

        Raises:
            ValueError: as the class says.
        """
        if len(self.axes) > HIGHEST:
            raise ValueError(f"derivatives are computed up to order {HIGHEST}, got one of order {len(self.axes)}")
        if min(self.axes, default=0) < 0 or tuple(sorted(self.axes)) != self.axes:
            raise ValueError(f"the axes of a derivative are indices in rising order, got {self.axes}")

    @classmethod
    def by(cls, axes: Iterable[int]) -> Partial:
        """Return the derivative by these axes in any order, which is the same."""
        return cls(tuple(sorted(axes)))


@final
@dataclass(frozen=True, order=True)
class LaplacianAlong:
    """Σ_i ∂²Φ/∂x_i² over some axes, ``(n, c)``.

    Args:
        axes: i, each once, in rising order.
    """

    axes: tuple[int, ...]


Derivative = Whole | Partial | LaplacianAlong
"""What can be asked for."""


def order_of(derivative: Derivative) -> int:
    """Return the order of a derivative.

    >>> order_of("laplacian"), order_of(Partial((0, 0, 1)))
    (2, 3)
    """
    match derivative:
        case Partial():
            return len(derivative.axes)
        case LaplacianAlong():
            return 2
    return WHOLE[derivative]


def highest_order(needs: Iterable[Derivative]) -> int:
    """Return the highest order of some derivatives; 0 of none."""
    return max(map(order_of, needs), default=0)


def in_order(needs: Set[Derivative]) -> list[Derivative]:
    """Return derivatives in an order that does not depend on how a set is laid out."""
    return sorted(needs, key=repr)


def axes_read(needs: Iterable[Derivative], dimension: int) -> Sequence[int]:
    """Return the axes along which some derivatives are taken."""
    found: set[int] = set()
    for each in needs:
        match each:
            case Partial() | LaplacianAlong():
                found |= set(each.axes)
            case "value":
                pass
            case _:
                return range(dimension)
    return sorted(found)
