"""The jet of a field: Φ and its derivatives at points, each computed when it is read.

The vocabulary of differential equations is the vocabulary of constraints: a residual reads ``u.value``,
``u.gradient``, ``u.laplacian`` or ``u.d("tt")``, and what it reads decides what is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields.chain import Chain
from sinefield.fields.derivatives import HIGHEST, WHOLE, Derivative, LaplacianAlong, Partial
from sinefield.fields.field import evaluating
from sinefield.jet_views import Derivatives

CHUNK: Final = 16_384
"""How many points are evaluated at a time where nothing is differentiated."""


@final
class Jet(Derivatives):
    """Φ and its derivatives at n points; made by :func:`jet`.

    Derivatives are kept once computed. Reading one that is not there yet computes it, together with all
    that was asked for before, in one sweep of the kernel.

    Args:
        field: Φ, from points ``(n, d)`` to values ``(n, c)``; or a chain, whose weights may have leading axes.
        points: where, ``(n, d)``; of a chain with leading axes also ``(…, n, d)``.
        needs: derivatives known to be wanted, so that the first sweep computes them together.
        axes: names of the coordinates.

    A field that has names for its own coordinates, ``field.axes``, is evaluated at those alone: m(x) beside u(t, x).
    Its gradient, Jacobian and Hessian are by its own coordinates then, in its order.

    Raises:
        ValueError: the points are of another shape, dimension or other axes than the field's, or a name has no meaning.
    """

    def __init__(
        self,
        field: nn.Module | Chain,
        points: Tensor,
        needs: Iterable[Derivative | str] = (),
        axes: Sequence[str] | None = None,
    ) -> None:
        batch = field.batch if isinstance(field, Chain) else ()
        if points.ndim != 2 and not (batch and points.ndim > 2):
            raise ValueError(f"points must have shape (n, d), got {tuple(points.shape)}; reshape them to two axes")
        self.field = field
        self.points = points
        self.read: set[Derivative] = set()
        self._needs = {_checked(each) for each in needs}
        self._known: dict[Derivative, Tensor] = {}
        self._names = None if axes is None else tuple(axes)

    @cached_property
    def _taken(self) -> Sequence[int] | None:
        """Which coordinates the field takes; None: all of them. It is asked for when something is read.

        Raises:
            ValueError: the field takes others than there are.
        """
        own = getattr(self.field, "axes", None)
        taken: Sequence[int] | None = None
        if own is not None and self._names is not None and tuple(own) != self._names:
            missing = [each for each in own if each not in self._names]
            if missing:
                raise ValueError(
                    f"a field of {', '.join(own)} cannot be evaluated at points of {', '.join(self._names)}: "
                    f"there is no {' and no '.join(missing)}"
                )
            taken = [self._names.index(each) for each in own]
        expected = getattr(self.field, "in_features", 0)  # 0: any, as a constant
        count = self.points.shape[-1] if taken is None else len(taken)
        if expected and expected != count:
            raise ValueError(
                f"the field takes points of {expected} coordinates, but those of the domain have {count}; give a field "
                f"of {count} inputs, or names to the axes of the domain and, by field.axes, to those of the field"
            )
        return taken

    def _get(self, need: Derivative) -> Tensor:
        self.read.add(need)
        if need not in self._known:
            self._needs.add(need)
            # A kernel that computes a derivative has the value at hand; asking for it costs nothing.
            wanted: set[Derivative] = {"value", *self._needs}
            points = self.points if self._taken is None else self.points[..., list(self._taken)]
            self._known |= kernels.evaluate(self.field, points, wanted)
        return self._known[need]

    def _axis(self, axis: str | int) -> int:
        dimension = self.points.shape[-1]
        if isinstance(axis, int):
            if not 0 <= axis < dimension:
                raise ValueError(f"there is no axis {axis}: the points have {dimension}, counted from 0")
            return axis
        if self._names is None:
            raise ValueError(
                f"the axis {axis!r} has no meaning: these points have no names for their axes; name them in the "
                "domain, as Box([0, 0], [1, 1], axes='tx'), or give indices, u.d(0, 0)"
            )
        if axis not in self._names:
            raise ValueError(f"there is no axis {axis!r}; these points have {', '.join(self._names)}")
        return self._names.index(axis)

    def at(self, points: Tensor) -> Jet:
        """Return the jet of the same field at other points, for residuals that depend on more than one point.

        Args:
            points: where, ``(k, d)``, in the coordinates of the domain; the residual's rows are still those of its own.
        """
        self.read.add("value")  # so that the field is seen to be read
        return Jet(self.field, points, axes=self._names)

    def d(self, *axes: str | int) -> Tensor:
        """Return one derivative; see :meth:`Derivatives.d`. It is zero along an axis that the field does not take."""
        found = self._axes(axes)
        if self._taken is None:
            return self._get(Partial.by(found))
        if all(each in self._taken for each in found):
            return self._get(Partial.by(self._taken.index(each) for each in found))
        return torch.zeros_like(self.value)

    def laplacian_along(self, *axes: str | int) -> Tensor:
        """Return the Laplacian along some axes; see :meth:`Derivatives.laplacian_along`."""
        if self._taken is None:
            return super().laplacian_along(*axes)
        own = sorted(self._taken.index(each) for each in self._axes(axes) if each in self._taken)
        return self._get(LaplacianAlong(tuple(own))) if own else torch.zeros_like(self.value)

    def _named(self, text: str) -> Sequence[str]:
        return [text] if self._names is not None and text in self._names else list(text)


def _checked(need: Derivative | str) -> Derivative:
    """Return a derivative that was named.

    Raises:
        ValueError: there is none of that name.
    """
    if not isinstance(need, str):
        return need
    if need == "gradient":  # a Jacobian of one row
        return "jacobian"
    if need not in WHOLE:
        raise ValueError(
            f"a jet has no {need!r}; ask for {', '.join(WHOLE)}, gradient, or a Partial up to order {HIGHEST}"
        )
    return need  # type: ignore[return-value]  # it is one of the names


def jet(
    field: nn.Module | Chain,
    points: Tensor,
    needs: Iterable[Derivative | str] = (),
    axes: Sequence[str] | None = None,
) -> Jet:
    """Return Φ and its derivatives at ``points``, exact to rounding, computed as they are read.

    Everything read can be differentiated again, by the parameters of the field and by the points.

    Args:
        field: Φ, any ``nn.Module`` that maps points ``(n, d)`` to values ``(n, c)``, each on its own; or a chain.
        points: where, ``(n, d)``, in the coordinates of the field.
        needs: derivatives known to be wanted (``"value"``, ``"jacobian"``, ``"gradient"``, ``"laplacian"``,
            ``"hessian"``), to have them in one sweep whatever is read first.
        axes: names of the coordinates, for ``u.d("tx")``.

    Raises:
        ValueError: ``points`` is not of shape ``(n, d)``, or there is no derivative of a name.

    The Laplacian of x² + 3y² is 8 everywhere:

    >>> import torch
    >>> class Paraboloid(nn.Module):
    ...     def forward(self, points):
    ...         return points[:, :1] ** 2 + 3 * points[:, 1:] ** 2
    >>> u = jet(Paraboloid(), torch.tensor([[1.0, 2.0]]), axes="xy")
    >>> u.laplacian.item(), u.gradient.tolist(), u.d("yy").item()
    (8.0, [[2.0, 12.0]], 6.0)
    """
    return Jet(field, points, needs, axes)


def jets_of(field: nn.Module, points: Tensor, needs: Iterable[Derivative | str] = ("value",)) -> Iterator[Jet]:
    """Yield jets of a field that is not being fitted at many points, a chunk of these after the other.

    Args:
        field: Φ, evaluated without dropout and without a record for gradients.
        points: where, ``(n, d)``, of any kind and on any device.
        needs: derivatives that will be read.
    """
    with evaluating(field) as like:
        for chunk in points.split(CHUNK):
            u = jet(field, chunk.to(like), needs)
            _ = u.value  # and with it all that was asked for, while the field is as it is to be evaluated
            yield u
