"""Pictures from their gradients, or their Laplacian, alone whose fields are solved for, and not trained.

    ∇Φ(x) = g(x), or ΔΦ(x) = f(x), at the pixels

is linear in the coefficients of sines: each tile has them in closed form, see
:mod:`sinefield.solvers.known_derivatives`. What a derivative does not tell, a level or a harmonic function,
neighbouring tiles have to share: they are near the picture that the discrete problem finds, see :mod:`.integral`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final, final

import torch
from torch import Tensor

from sinefield.domains import Grid
from sinefield.problem import Problem
from sinefield.problems.integral import INTEGRAL
from sinefield.problems.tiles_of_sines import TilesOfSines, solved_by
from sinefield.quantities import QUANTITIES
from sinefield.solvers.alone import one_thread
from sinefield.solvers.known_derivatives import KnownDerivatives
from sinefield.solvers.leave_one_out import Band, Expected

_SINES: Final[Mapping[str, tuple[Band, Expected]]] = {
    "gradient": (Band(1.0, 1.2), Expected(0.1, 3.0)),
    "laplacian": (Band(1.2, 1.15), Expected(0.25)),
}
_NOISE, _VALUE_NOISE = 1e-6, 1e-2
# Derivatives left out were predicted best by these, of those tried on one picture: sines far beyond the pixels' limit
# meet gradients of stencils more closely, which no function has, and nothing else.

_JUDGED = 48  # tiles whose derivatives are left out
_BORDER = 2  # samples along the edge of a tile: their neighbours are on one side


@final
@dataclass(frozen=True, eq=False)
class SolvedDerivative:
    """The field of a picture's derivatives that follows in closed form; see this module.

    Args:
        grid: the pixels, with the targets of that name, ``(n, c, …)``, and :data:`.integral.INTEGRAL`.
        quantity: ``"gradient"`` or ``"laplacian"``.
    """

    grid: Grid
    quantity: str

    def problem(self, of: Problem, *, asked: bool, psnr: float | None = None) -> Problem | None:
        """Return a problem with the field that solves it; None: it is too large to be made where nobody asked for it.

        Args:
            of: the problem of the derivatives.
            asked: whether it was asked for.
            psnr: in dB, that is wanted; None: nobody said. Derivatives are not met by fewer sines.
        """
        if not asked and (psnr is not None or not self._tiles.is_small(_SINES[self.quantity][0])):
            return None
        start = time.perf_counter()
        with one_thread():
            sines = _SINES[self.quantity]
            known = KnownDerivatives(self.quantity, *sines, self._tiles.seen, _NOISE, _VALUE_NOISE)
            solve = partial(self._solve, known)
            left_out = known.left_out(solve(self._tiles.spread(_JUDGED)))
            inner = left_out[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
            off = (inner if inner.numel() else left_out).square().mean()
            target = self.grid.targets[self.quantity]
            assert isinstance(target, Tensor), "derivatives are in memory, as they are computed from the picture"
            deviation = self._unit * float(target.double().square().mean().sqrt())
            mean = torch.zeros(self._tiles.channels, dtype=torch.float64)
            field = self._tiles.field(known.axes, lambda tiles: known.coefficients(solve(tiles)), mean)
        alone = replace(of, constraints=[each for each in of.constraints if each.name == self.quantity])
        seconds = time.perf_counter() - start
        return solved_by(alone, field, left_out=math.sqrt(float(off)) / deviation, seconds=seconds)

    @property
    def _unit(self) -> float:
        """What derivatives in field coordinates are multiplied by to be over the distance of samples."""
        return self.grid.spacings[0] ** QUANTITIES[self.quantity].order

    @cached_property
    def _tiles(self) -> TilesOfSines:
        return TilesOfSines.of(self.grid, self.quantity)

    def _solve(self, known: KnownDerivatives, tiles: Tensor) -> Tensor:
        """Return what :class:`~sinefield.solvers.known_derivatives.KnownDerivatives` finds for some tiles."""
        value = self._tiles.samples(INTEGRAL, tiles)
        derivative = self._unit * self._tiles.samples(self.quantity, tiles)
        return known.solve(derivative.view(*value.shape, -1), value)
