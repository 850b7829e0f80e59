"""Waves in a box as a sum of the modes that they are made of, each with a frequency of its own.

    Φ(t, x) = Σ_k [a_k cos ω_k t + b_k sin(ω_k t)/ω_k] ψ_k(x)       within the box, and 0 outside
    ψ_k(x)  = Σ_j V_jk φ_j(x)
    φ_j(x)  = Π_i sin(κ_ji (x_i − l_i)),   κ_ji = π n_ji / L_i       between fixed walls; cosines between free ones

The first coordinate is the time t, l the lower corner of the box and L its sides, and n whole numbers. Where V is the
identity each term is a wave of the frequency ω_j = c|κ_j|. All derivatives are in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.compose import Composite, Evaluate
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.field import register

_TOGETHER = 2**21  # numbers of a block of points
_EDGE = 1e-9  # of a side: points that are outside by rounding are within


@register("modes", part=True)
@final
class Modes(Composite):
    """Φ; see the module. Its buffers are set by :meth:`of`; those of a blank one are 0.

    Args:
        in_features: 1 + d.
        out_features: 1.
        walls: ``"fixed"`` for sines, ``"free"`` for cosines.
        hidden_features: how many functions φ there are.
        modes: how many modes ψ there are; 0: each function is one.

    Raises:
        ValueError: other walls, or other than one output.

    >>> field = Modes.of("fixed", torch.tensor([[0.0], [1.0]]), torch.tensor([[1]]), torch.tensor([math.pi]))
    >>> _ = field.weight.data[0].fill_(1.0)
    >>> f"{field(torch.tensor([[0.25, 0.5]], dtype=torch.float64)).item():.6f}"  # cos(π/4) sin(π/2)
    '0.707107'
    """

    architecture = "modes"
    box: Tensor
    orders: Tensor
    frequencies: Tensor
    mixing: Tensor

    def __init__(
        self, in_features: int, out_features: int = 1, walls: str = "fixed", hidden_features: int = 1, modes: int = 0
    ) -> None:
        super().__init__()
        if walls not in ("fixed", "free") or out_features != 1:
            raise ValueError(f"modes have fixed or free walls and one output, got {walls!r} and {out_features}")
        self.in_features, self.out_features, self.walls = in_features, out_features, walls
        self.settings: dict[str, int | float | str] = {
            "walls": walls,
            "hidden_features": hidden_features,
            "modes": modes,
        }
        count = modes or hidden_features
        self.register_buffer("box", torch.zeros(2, in_features - 1, dtype=torch.float64))
        self.register_buffer("orders", torch.zeros(hidden_features, in_features - 1, dtype=torch.float64))
        self.register_buffer("frequencies", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("mixing", torch.zeros(hidden_features if modes else 0, modes, dtype=torch.float64))
        self.weight = nn.Parameter(torch.zeros(2, count, dtype=torch.float64))

    @classmethod
    def of(cls, walls: str, box: Tensor, orders: Tensor, frequencies: Tensor, mixing: Tensor | None = None) -> Modes:
        """Return modes whose amplitudes a and b, the rows of ``weight``, are 0.

        Args:
            walls: ``"fixed"`` or ``"free"``.
            box: the lower and the upper corner, ``(2, d)``.
            orders: n, ``(m, d)``.
            frequencies: ω, ``(k,)``.
            mixing: V, ``(m, k)``; None: the identity.
        """
        field = cls(1 + orders.shape[1], 1, walls, len(orders), 0 if mixing is None else mixing.shape[1])
        field.box.copy_(box)
        field.orders.copy_(orders)
        field.frequencies.copy_(frequencies)
        if mixing is not None:
            field.mixing.copy_(mixing)
        return field

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:  # noqa: ARG002
        """Return no parts."""
        return []

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:  # noqa: ARG002
        """Return the derivatives, each in closed form."""
        every = range(self.in_features)
        wanted: dict[Derivative, list[tuple[int, ...]]] = {}
        for need in needs:
            match need:
                case "value":
                    wanted[need] = [()]
                case "jacobian":
                    wanted[need] = [(i,) for i in every]
                case "hessian":
                    wanted[need] = [(min(i, j), max(i, j)) for i in every for j in every]
                case Partial():
                    wanted[need] = [need.axes]
                case "laplacian" | LaplacianAlong():
                    wanted[need] = [(i, i) for i in (need.axes if isinstance(need, LaplacianAlong) else every)]
        axes = list(dict.fromkeys(each for some in wanted.values() for each in some))
        block = max(16, _TOGETHER // max(1, len(self.orders)))
        at_once = not torch.is_grad_enabled() and len(points) > 1 and bool((points[:, 0] == points[0, 0]).all())
        whole = _TOGETHER if at_once else block
        rows = [(self._at_one_time if at_once else self._each)(some, axes) for some in points.split(whole)]
        found = dict(zip(axes, torch.cat(rows, 1) if len(rows) > 1 else rows[0], strict=True))
        answer: dict[Derivative, Tensor] = {}
        for need, some in wanted.items():
            parts = [found[each][:, None] for each in some]
            if need == "jacobian":
                answer[need] = torch.stack(parts, -1)
            elif need == "hessian":
                answer[need] = torch.stack(parts, -1).unflatten(-1, (self.in_features, self.in_features))
            else:
                answer[need] = sum(parts[1:], start=parts[0])
        return answer

    def _each(self, points: Tensor, axes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return some derivatives at points that each have a time of their own, ``(len(axes), n)``."""
        inside, columns = self._inside(points), [each.long() for each in self.orders.unbind(1)]
        shapes: dict[tuple[int, ...], Tensor] = {}  # of the functions, by which axes have a slope in place of a value
        rows = []
        for each in axes:
            counts = [each.count(axis) for axis in range(self.in_features)]
            slopes = tuple(count % 2 for count in counts[1:])
            if slopes not in shapes:
                shapes[slopes] = torch.ones_like(points[:, :1])
                for axis, (column, slope) in enumerate(zip(columns, slopes, strict=True)):
                    shapes[slopes] = shapes[slopes] * self._table(points[:, axis + 1], axis, slope)[:, column]
            space = shapes[slopes] * self._factor(counts)
            space = space @ self.mixing if len(self.mixing) else space
            rows.append((space * self._in_time(points[:, :1], counts[0])).sum(1) * inside)
        return torch.stack(rows)

    def _at_one_time(self, points: Tensor, axes: Sequence[tuple[int, ...]]) -> Tensor:
        """Return some derivatives at points of one time, where a sum over all orders is one over each axis in turn."""
        sizes = [int(each) + 1 for each in self.orders.max(0).values]
        number = torch.zeros(len(self.orders), dtype=torch.int64)
        for size, column in zip(sizes, self.orders.unbind(1), strict=True):
            number = number * size + column.long()
        # Of a lattice there are few different coordinates.
        lines = [torch.unique(each, return_inverse=True) for each in points[:, 1:].unbind(1)]
        rows = []
        for each in axes:
            counts = [each.count(axis) for axis in range(self.in_features)]
            amplitudes = self._in_time(points[:1, :1], counts[0])[0]
            amplitudes = self.mixing @ amplitudes if len(self.mixing) else amplitudes
            dense = points.new_zeros(math.prod(sizes)).index_add_(0, number, amplitudes * self._factor(counts))
            total = dense.view(1, -1)
            for axis, (size, (line, place)) in enumerate(zip(sizes, lines, strict=True)):
                table = self._table(line, axis, counts[axis + 1] % 2)
                if axis:
                    total = (total.view(len(points), size, -1) * table[place][:, :, None]).sum(1)
                else:
                    total = (table @ total.view(size, -1))[place]
            rows.append(total[:, 0] * self._inside(points))
        return torch.stack(rows)

    def _waves(self) -> Tensor:
        """Return κ, ``(m, d)``."""
        return math.pi * self.orders / (self.box[1] - self.box[0])

    def _factor(self, counts: Sequence[int]) -> Tensor:
        """Return what pairs of derivatives of each function in space make of it, Π_i (−κ_i²)^⌊p_i/2⌋, ``(m,)``."""
        factor = torch.ones_like(self.orders[:, 0])
        for waves, count in zip(self._waves().unbind(1), counts[1:], strict=True):
            factor = factor * (-waves.square()) ** (count // 2)
        return factor

    def _table(self, line: Tensor, axis: int, slope: int) -> Tensor:
        """Return the values or the slopes of all functions of one coordinate, by order, ``(n, highest + 1)``."""
        orders = torch.arange(int(self.orders[:, axis].max()) + 1, dtype=torch.float64)
        waves = math.pi * orders / (self.box[1] - self.box[0])[axis]
        phases = (line[:, None] - self.box[0, axis]) * waves
        if self.walls == "fixed":
            return waves * phases.cos() if slope else phases.sin()
        return -waves * phases.sin() if slope else phases.cos()

    def _in_time(self, times: Tensor, count: int) -> Tensor:
        """Return a derivative by t of a cos ωt + b sin(ωt)/ω for each mode, ``(n, k)``."""
        omega, (a, b), recorded = self.frequencies, self.weight, torch.is_grad_enabled()
        factor, phases = (-omega.square()) ** (count // 2), times * omega
        total = torch.zeros_like(phases)
        if recorded or bool(a.any()):  # of waves from rest b is 0, and of those from nothing a
            total = total + factor * a * (-omega * phases.sin() if count % 2 else phases.cos())
        if recorded or bool(b.any()):
            over = torch.where(omega > 0, phases.sin() / torch.where(omega > 0, omega, 1.0), times)
            total = total + factor * b * (phases.cos() if count % 2 else over)
        return total

    def _inside(self, points: Tensor) -> Tensor:
        middle, half = self.box.mean(0), (self.box[1] - self.box[0]) / 2
        return ((points[:, 1:] - middle).abs() <= half * (1 + _EDGE)).all(1).to(points)
