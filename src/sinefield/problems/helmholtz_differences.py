"""Helmholtz's equation by finite differences: pressures of sources at receivers, and their gradient by the adjoint.

    Δu + k² m u = −δ(x − x_s)        m squared slowness, 1 outside of a rectangle; waves leave

With e^(−iωt) left out, a uniform medium gives u = i/4 H₀⁽¹⁾(k |x − x_s|). Around the rectangle lies a perfectly matched
layer, in which coordinates are stretched by e = 1 + i a₀ (depth / width)² (Berenger, "A perfectly matched layer for the
absorption of electromagnetic waves", 1994; in the form of Chew & Weedon, 1994).

The stencil is Numerov's along both axes: with D second differences and B = 1 + h² δ² / 12,

    A u = (D_x B_y + B_x D_y + k² B_x B_y m) u = B_x B_y f,

nine points, of the fourth order inside the rectangle. One sparse factorisation of A serves all sources, and by its
transpose the adjoint: with λ = A⁻ᵀ Rᵀ ḡ for the gradient g by the pressures R u,

    ∂L/∂m = −k² Re Σ_sources (B_x B_y)ᵀ λ ∘ u

(Plessix, "A review of the adjoint-state method", 2006, section 2). Sources and receivers lie between the nodes, where
u is interpolated by sines cut off by a Kaiser window (Hicks, "Arbitrary source and receiver positioning in
finite-difference schemes", 2002).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Doubles = NDArray[np.floating[Any]]
Complexes = NDArray[np.complexfloating[Any, Any]]

_MOST = 1_000_000  # nodes, whose factors take some 10 GB

STRETCH = 5.0
"""a₀, by which coordinates are stretched at the end of the layer."""

_RADIUS, _KAISER = 6, 9.42  # nodes on each side, and the window's parameter: errors below those of the stencil


@final
class Differences:
    """Pressures of sources at receivers, as a function of the squared slowness at the nodes of a rectangle.

    Args:
        wavenumber: k, where the squared slowness is 1.
        sources: ``(s, 2)``.
        receivers: ``(r, 2)``.
        lower: least coordinates of the rectangle, outside of which the squared slowness is 1.
        upper: greatest ones.
        resolution: nodes a wavelength, at least.
        layer: width of the layer in wavelengths.

    Raises:
        ValueError: there would be too many nodes.

    Attributes:
        nodes: those inside the rectangle, ``(n, 2)``.

    >>> from scipy.special import hankel1
    >>> grid = Differences(6.0, [[0.0, 0.0]], [[1.0, 0.3]], [-0.2, -0.2], [1.2, 0.5])
    >>> found = grid.pressures(torch.ones(len(grid.nodes), dtype=torch.float64)).item()
    >>> bool(abs(found - 0.25j * hankel1(0, 6 * 1.09**0.5)) < 1e-3)
    True
    """

    def __init__(
        self,
        wavenumber: float,
        sources: Any,
        receivers: Any,
        lower: Sequence[float],
        upper: Sequence[float],
        *,
        resolution: float = 12.0,
        layer: float = 1.0,
    ) -> None:
        import scipy.sparse

        self.wavenumber = wavenumber
        length = 2 * math.pi / wavenumber
        self.spacing = h = length / resolution
        width = math.ceil(layer * resolution) * h
        count = math.prod((high - low + 2 * width) / h for low, high in zip(lower, upper, strict=True))
        if count > _MOST:
            raise ValueError(
                f"finite differences of {resolution:g} nodes a wavelength of {length:.3g} would have {count:.2g} nodes "
                f"in this rectangle, and {_MOST:,} are the most; is the wavenumber in the units of the coordinates?"
            )
        axes = [_axis(low, high, width, h) for low, high in zip(lower, upper, strict=True)]
        (second_x, mean_x), (second_y, mean_y) = (
            _operators(each, low, high, width, h) for each, low, high in zip(axes, lower, upper, strict=True)
        )
        self._mass = scipy.sparse.kron(mean_x, mean_y).tocsc()
        self._stiffness = (scipy.sparse.kron(second_x, mean_y) + scipy.sparse.kron(mean_x, second_y)).tocsc()
        x, y = np.meshgrid(*axes, indexing="ij")
        within = (x > lower[0]) & (x < upper[0]) & (y > lower[1]) & (y < upper[1])
        self._inside = np.flatnonzero(within.ravel())
        self.nodes = torch.from_numpy(np.stack([x[within], y[within]], axis=1))
        self.shape = (int(within.any(1).sum()), int(within.any(0).sum()))
        self._receivers = _interpolation(axes, np.asarray(receivers, float), h)
        spread = _interpolation(axes, np.asarray(sources, float), h).T / h**2  # δ as the adjoint of interpolation
        self._right = -(self._mass @ spread).toarray().astype(complex)
        self._last: tuple[bytes, Any, Complexes] | None = None

    def pressures(self, slowness: Tensor) -> Tensor:
        """Return the pressures at the receivers, complex ``(s, r)``, which can be differentiated once.

        Args:
            slowness: m, squared, at the nodes, ``(n,)``.
        """
        found: Tensor = _Pressures.apply(slowness, self)  # type: ignore[no-untyped-call]
        return found

    def solved(self, slowness: Tensor) -> tuple[Any, Complexes]:
        """Return the factors of A, and u at all nodes, ``(N, s)``; those of the last slowness are kept."""
        import scipy.sparse
        import scipy.sparse.linalg

        values = slowness.detach().cpu().double().numpy()
        key = values.tobytes()
        if self._last is None or self._last[0] != key:
            whole = np.ones(self._mass.shape[0])
            whole[self._inside] = values
            operator = self._stiffness + self.wavenumber**2 * self._mass @ scipy.sparse.diags_array(whole)
            # The pattern is symmetric and the layer keeps pivots on the diagonal large: half the fill-in.
            factors = scipy.sparse.linalg.splu(
                operator.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1, options={"SymmetricMode": True}
            )
            self._last = (key, factors, factors.solve(self._right))
        return self._last[1:]

    def at_receivers(self, slowness: Tensor) -> Tensor:
        """Return the pressures at the receivers, complex ``(s, r)``, without a record for gradients."""
        found = (self._receivers @ self.solved(slowness)[1]).T
        return torch.from_numpy(np.ascontiguousarray(found)).to(slowness.device)

    def adjoint(self, gradient: Tensor, slowness: Tensor) -> Tensor:
        """Return ∂L/∂m at the nodes, ``(…, n)``, from the gradient by the pressures, complex ``(…, s, r)``."""
        factors, u = self.solved(slowness)
        some = gradient.detach().cpu().numpy().conj().reshape(-1, *gradient.shape[-2:])  # (b, s, r)
        loads = np.moveaxis(some, 2, 0).reshape(some.shape[2], -1)  # (r, b s)
        waves = self._mass.T @ factors.solve(np.ascontiguousarray(self._receivers.T @ loads), trans="T")
        waves = waves[self._inside].reshape(len(self._inside), *some.shape[:2])  # (n, b, s)
        found = -(self.wavenumber**2) * np.einsum("nbs,ns->bn", waves, u[self._inside]).real
        return torch.from_numpy(found.reshape(*gradient.shape[:-2], -1)).to(slowness)


@final
class _Pressures(torch.autograd.Function):
    """m ↦ u at the receivers."""

    @staticmethod
    def forward(slowness: Tensor, grid: Differences) -> Tensor:
        """Return the pressures."""
        return grid.at_receivers(slowness)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Differences], output: Tensor) -> None:  # noqa: ARG004
        """Keep the slowness, whose factors the grid keeps."""
        ctx.save_for_backward(inputs[0])
        ctx.grid = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by the slowness."""
        return _Adjoint.apply(gradient, *ctx.saved_tensors, ctx.grid), None  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, None], slowness: Tensor, grid: Differences) -> tuple[Tensor, int]:  # noqa: ARG004
        """Return the pressures of several media, one after the other."""
        some = slowness.movedim(dims[0] or 0, 0)
        return torch.stack([grid.pressures(each) for each in some]), 0


@final
class _Adjoint(torch.autograd.Function):
    """The gradient by the pressures ↦ that by m; for many of them at once, as Jacobians take them."""

    @staticmethod
    def forward(gradient: Tensor, slowness: Tensor, grid: Differences) -> Tensor:
        """Return the gradient by the slowness."""
        return grid.adjoint(gradient, slowness)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep nothing: gradients are not differentiated."""

    @staticmethod
    def vmap(
        info: Any,  # noqa: ARG004
        dims: tuple[int | None, int | None, None],
        gradient: Tensor,
        slowness: Tensor,
        grid: Differences,
    ) -> tuple[Tensor, int]:
        """Return the gradients by one medium, all with the same factors."""
        assert dims[1] is None, "many gradients are by one medium"
        return _Adjoint.apply(gradient.movedim(dims[0] or 0, 0), slowness, grid), 0  # type: ignore[no-untyped-call]


def _axis(lower: float, upper: float, width: float, h: float) -> Doubles:
    """Return equally spaced nodes from one end of the layers to the other."""
    count = math.ceil((upper - lower + 2 * width) / h - 1e-9) + 1
    found: Doubles = (lower + upper) / 2 + h * (np.arange(count) - (count - 1) / 2)
    return found


def _operators(axis: Doubles, lower: float, upper: float, width: float, h: float) -> tuple[Any, Any]:
    """Return D, second differences by the stretched coordinate, and B = 1 + h² δ² / 12; u is 0 beyond the ends."""
    import scipy.sparse

    def stretch(x: Doubles) -> Complexes:
        depth = np.maximum(np.maximum(lower - x, x - upper), 0.0) / width
        found: Complexes = 1 + 1j * STRETCH * depth**2
        return found

    between = 1 / stretch(np.append(axis - h / 2, axis[-1] + h / 2)) / h**2  # at the middles, the ends included
    off = between[1:-1]
    second = scipy.sparse.diags_array([off, -(between[1:] + between[:-1]), off], offsets=[-1, 0, 1])
    one = np.ones(len(axis))
    mean = scipy.sparse.diags_array([one[1:] / 12, one * 10 / 12, one[1:] / 12], offsets=[-1, 0, 1])
    return scipy.sparse.diags_array(1 / stretch(axis)) @ second, mean


def _interpolation(axes: Sequence[Doubles], points: Doubles, h: float) -> Any:
    """Return the matrix ``(p, N)`` that gives values at points from those at the nodes of two axes."""
    import scipy.sparse

    weights, numbers = [], []
    for axis, places in zip(axes, points.T, strict=True):
        near = np.floor((places - axis[0]) / h).astype(int)[:, None] + np.arange(1 - _RADIUS, _RADIUS + 1)
        away = near - (places[:, None] - axis[0]) / h
        window = np.i0(_KAISER * np.sqrt(np.maximum(1 - (away / _RADIUS) ** 2, 0))) / np.i0(_KAISER)
        weights.append(np.sinc(away) * window * ((near >= 0) & (near < len(axis))))
        numbers.append(near.clip(0, len(axis) - 1))
    columns = numbers[0][:, :, None] * len(axes[1]) + numbers[1][:, None]
    values = weights[0][:, :, None] * weights[1][:, None]
    rows = np.broadcast_to(np.arange(len(points))[:, None, None], values.shape)
    shape = (len(points), len(axes[0]) * len(axes[1]))
    return scipy.sparse.csr_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=shape)
