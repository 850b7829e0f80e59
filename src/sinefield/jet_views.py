"""What can be read of a jet: Φ and its derivatives, of all outputs, of some, or of pairs of them as complex numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial


class Derivatives(ABC):
    """Φ and its derivatives at n points, of all outputs or of some."""

    points: Tensor

    @abstractmethod
    def _get(self, need: Derivative) -> Tensor:
        """Return a derivative."""

    @abstractmethod
    def _axis(self, axis: str | int) -> int:
        """Return which coordinate an axis is."""

    @property
    def value(self) -> Tensor:
        """Φ(x), ``(n, c)``."""
        return self._get("value")

    @property
    def jacobian(self) -> Tensor:
        """∂Φ_k/∂x_i, ``(n, c, d)``."""
        return self._get("jacobian")

    @property
    def gradient(self) -> Tensor:
        """∇Φ, ``(n, d)``, of a field with one output.

        Raises:
            ValueError: the field has several outputs; read ``jacobian`` then.
        """
        jacobian = self._get("jacobian")
        if jacobian.shape[-2] != 1:
            raise ValueError(
                f"the gradient is defined for a field with one output, this one has {jacobian.shape[-2]}; "
                "read jet.jacobian, of shape (n, c, d), or that of one output, jet[0].gradient"
            )
        return jacobian[..., 0, :]

    @property
    def laplacian(self) -> Tensor:
        """ΔΦ = Σ_i ∂²Φ_k/∂x_i², ``(n, c)``."""
        return self._get("laplacian")

    @property
    def hessian(self) -> Tensor:
        """∂²Φ_k/∂x_i∂x_j, ``(n, c, d, d)``."""
        return self._get("hessian")

    def d(self, *axes: str | int) -> Tensor:
        """Return one derivative, ``(n, c)``: ``u.d("tt")`` or ``u.d(0, 0)`` is ∂²Φ/∂t².

        Args:
            *axes: what is differentiated by, up to four times: indices of coordinates, or their names, which the
                domain gives; names of one letter may stand together.

        Raises:
            ValueError: there is no such axis, or the order is above four.
        """
        return self._get(Partial.by(self._axes(axes)))

    def laplacian_along(self, *axes: str | int) -> Tensor:
        """Return Σ ∂²Φ/∂x_i² over some axes, ``(n, c)``: ``u.laplacian_along("xy")`` where there is a time too.

        Args:
            *axes: as for :meth:`d`, each once.

        Raises:
            ValueError: there is no such axis, or one twice.
        """
        found = sorted(self._axes(axes))
        if not found or len(set(found)) < len(found):
            raise ValueError(f"a Laplacian is along one or several different axes, got {axes}")
        return self._get(LaplacianAlong(tuple(found)))

    def _axes(self, axes: Sequence[str | int]) -> list[int]:
        return [self._axis(one) for each in axes for one in ([each] if isinstance(each, int) else self._named(each))]

    def _named(self, text: str) -> Sequence[str]:
        return list(text)

    @property
    def complex(self) -> Derivatives:
        """The jet of a complex field: outputs 0, 2, 4, … are real parts, 1, 3, 5, … the imaginary parts after them."""
        return _Complex(self)

    def __getitem__(self, outputs: int | slice) -> Derivatives:
        """Return the jet of one output, or of some."""
        return _Component(self, outputs)


@final
class _Component(Derivatives):
    """The jet of some of the outputs."""

    def __init__(self, whole: Derivatives, outputs: int | slice) -> None:
        self.whole, self.points = whole, whole.points
        self.outputs = slice(outputs, outputs + 1 or None) if isinstance(outputs, int) else outputs

    def _get(self, need: Derivative) -> Tensor:
        return _along_outputs(self.whole._get(need), need)[..., self.outputs].movedim(-1, _place(need))

    def _axis(self, axis: str | int) -> int:
        return self.whole._axis(axis)

    def d(self, *axes: str | int) -> Tensor:
        """Return one derivative of these outputs; see :meth:`Derivatives.d`."""
        return self.whole.d(*axes)[..., self.outputs]

    def laplacian_along(self, *axes: str | int) -> Tensor:
        """Return the Laplacian of these outputs along some axes; see :meth:`Derivatives.laplacian_along`."""
        return self.whole.laplacian_along(*axes)[..., self.outputs]


@final
class _Complex(Derivatives):
    """The jet of pairs of outputs as complex numbers."""

    def __init__(self, whole: Derivatives) -> None:
        self.whole, self.points = whole, whole.points

    def _get(self, need: Derivative) -> Tensor:
        return _paired(_along_outputs(self.whole._get(need), need)).movedim(-1, _place(need))

    def _axis(self, axis: str | int) -> int:
        return self.whole._axis(axis)

    def d(self, *axes: str | int) -> Tensor:
        """Return one derivative; see :meth:`Derivatives.d`."""
        return _paired(self.whole.d(*axes))

    def laplacian_along(self, *axes: str | int) -> Tensor:
        """Return the Laplacian along some axes; see :meth:`Derivatives.laplacian_along`."""
        return _paired(self.whole.laplacian_along(*axes))


def _paired(values: Tensor) -> Tensor:
    """Return ``(…, 2c)`` real numbers as ``(…, c)`` complex ones.

    Raises:
        ValueError: they are no pairs.
    """
    if values.shape[-1] % 2:
        raise ValueError(f"a complex field has pairs of real outputs, this one has {values.shape[-1]}")
    return torch.complex(values[..., ::2], values[..., 1::2])


def _place(need: Derivative) -> int:
    """Return which axis of a derivative is that of the outputs, counted from the end."""
    return {"jacobian": -2, "hessian": -3}.get(need, -1) if isinstance(need, str) else -1


def _along_outputs(values: Tensor, need: Derivative) -> Tensor:
    return values.movedim(_place(need), -1)
