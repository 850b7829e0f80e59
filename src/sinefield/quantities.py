"""The quantities that can be rendered of a field: its value and what is derived from it.

Signals, figures and the command line read this table; a new quantity is one entry in it, and nothing else. Nothing
here imports torch, so that the command line can name the quantities at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from torch import Tensor

    from sinefield.jet_views import Derivatives


@final
@dataclass(frozen=True)
class Quantity:
    """A function of Φ and its derivatives, linear in the contrast of Φ.

    Args:
        name: what it is called, such as ``"gradient"``.
        title: what figures call it.
        needs: the derivatives it is computed from, as a jet names them.
        compute: the quantity ``(n, k)`` of these derivatives, in their order.
        order: of the derivative, which is the power of the spacing that makes it one per sample; 0 is a value itself.
        signed: whether it can be negative.

    >>> [each.name for each in QUANTITIES.values() if each.signed]
    ['value', 'laplacian']
    """

    name: str
    title: str
    needs: tuple[str, ...]
    compute: Callable[..., Tensor]
    order: int
    signed: bool

    def of(self, u: Derivatives) -> Tensor:
        """Return the quantity ``(n, k)`` of a jet, in the units of the field."""
        return self.compute(*(getattr(u, each) for each in self.needs))

    def scale(self, low: float, high: float, least: float, most: float) -> tuple[float, float]:
        """Return which numbers are drawn in black and in white.

        Args:
            low: black of the signal itself.
            high: white of the signal itself.
            least: the least number of what is drawn.
            most: the greatest number of what is drawn.

        Returns:
            of a value those of the signal; of a derivative from minus to plus its largest size, or from 0 where it
            cannot be negative.

        >>> QUANTITIES["laplacian"].scale(0.0, 255.0, -3.0, 2.0), QUANTITIES["gradient"].scale(0.0, 255.0, 1.0, 2.0)
        ((-3.0, 3.0), (0.0, 2.0))
        """
        if self.order == 0:
            return low, high
        largest = max(-least, most) or 1.0
        return (-largest if self.signed else 0.0), largest


def _norm(jacobian: Tensor) -> Tensor:
    """Return ‖∇Φ_k‖ ``(n, c)`` of a Jacobian ``(n, c, d)``."""
    import torch

    norm: Tensor = torch.linalg.vector_norm(jacobian, dim=-1)
    return norm


QUANTITIES: dict[str, Quantity] = {
    each.name: each
    for each in (
        Quantity("value", "value", ("value",), lambda value: value, order=0, signed=True),
        Quantity("gradient", "‖gradient‖", ("jacobian",), _norm, order=1, signed=False),
        Quantity("laplacian", "Laplacian", ("laplacian",), lambda laplacian: laplacian, order=2, signed=True),
    )
}
"""Every quantity by name: Φ, ‖∇Φ‖ and ΔΦ of each output."""

COMPLEX: dict[str, Quantity] = {
    each.name: each
    for each in (
        Quantity("real", "real part", ("value",), lambda value: value[:, ::2], order=0, signed=True),
        Quantity("imaginary", "imaginary part", ("value",), lambda value: value[:, 1::2], order=0, signed=True),
        Quantity(
            "modulus", "modulus", ("value",), lambda value: value[:, ::2].hypot(value[:, 1::2]), order=0, signed=False
        ),
        Quantity("phase", "phase", ("value",), lambda value: value[:, 1::2].atan2(value[:, ::2]), order=0, signed=True),
    )
}
"""Quantities of complex fields besides, whose outputs are real and imaginary parts in turn."""


def quantity_named(name: str) -> Quantity:
    """Return the quantity of a name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in QUANTITIES:
        raise ValueError(f"unknown quantity {name!r}; choose one of {', '.join(QUANTITIES)}")
    return QUANTITIES[name]
