"""The jet of a field: Φ, ∇Φ, its Jacobian, its Hessian and ΔΦ at points, each computed when it is read.

The vocabulary of differential equations is the vocabulary of constraints: a residual reads ``u.value``,
``u.gradient`` or ``u.laplacian``, and what it reads decides what is computed.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from sinefield import kernels


class Jet:
    """Φ and its derivatives at n points; made by :func:`jet`.

    Quantities are kept once computed. Reading one that is not there yet computes it, together with all
    that was asked for before, in one sweep of the kernel.

    Args:
        field: Φ, from points ``(n, d)`` to values ``(n, c)``.
        points: where, ``(n, d)``.
        needs: quantities known to be wanted, so that the first sweep computes them together.
    """

    def __init__(self, field: nn.Module, points: Tensor, needs: Iterable[str] = ()) -> None:
        if points.ndim != 2:
            raise ValueError(f"points must have shape (n, d), got {tuple(points.shape)}; reshape them to two axes")
        self.field = field
        self.points = points
        self.read: set[str] = set()
        self._needs = set(needs)
        self._known: dict[str, Tensor] = {}

    def _get(self, name: str) -> Tensor:
        self.read.add(name)
        if name not in self._known:
            self._needs.add(name)
            # A kernel that computes a derivative has the value at hand; asking for it costs nothing.
            self._known |= kernels.evaluate(self.field, self.points, self._needs | {"value"})
        return self._known[name]

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
        if jacobian.shape[1] != 1:
            raise ValueError(
                f"the gradient is defined for a field with one output, this one has {jacobian.shape[1]}; "
                "read jet.jacobian, of shape (n, c, d)"
            )
        return jacobian[:, 0]

    @property
    def laplacian(self) -> Tensor:
        """ΔΦ = Σ_i ∂²Φ_k/∂x_i², ``(n, c)``."""
        return self._get("laplacian")

    @property
    def hessian(self) -> Tensor:
        """∂²Φ_k/∂x_i∂x_j, ``(n, c, d, d)``."""
        return self._get("hessian")


def jet(field: nn.Module, points: Tensor, needs: Iterable[str] = ()) -> Jet:
    """Return Φ and its derivatives at ``points``, exact to rounding, computed as they are read.

    Everything read can be differentiated again, by the parameters of the field and by the points.

    Args:
        field: Φ, any ``nn.Module`` that maps points ``(n, d)`` to values ``(n, c)``, each on its own.
        points: where, ``(n, d)``, in the coordinates of the field.
        needs: quantities known to be wanted (``"value"``, ``"jacobian"``, ``"laplacian"``, ``"hessian"``),
            to have them in one sweep whatever is read first.

    Raises:
        ValueError: ``points`` is not of shape ``(n, d)``.

    The Laplacian of x² + 3y² is 8 everywhere:

    >>> import torch
    >>> class Paraboloid(nn.Module):
    ...     def forward(self, points):
    ...         return points[:, :1] ** 2 + 3 * points[:, 1:] ** 2
    >>> u = jet(Paraboloid(), torch.tensor([[1.0, 2.0]]))
    >>> u.laplacian.item(), u.gradient.tolist()
    (8.0, [[2.0, 12.0]])
    """
    return Jet(field, points, needs)
