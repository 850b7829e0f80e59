"""Pictures from their gradients alone whose fields are solved for, and not trained.

    ∇Φ(x) = g(x) at the pixels

is linear in the coefficients of sines: each tile has them in closed form, see :mod:`sinefield.solvers.slopes`, with the
levels that :func:`.integral.integrate` tells, which neighbouring tiles share.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final, final

import torch
from torch import Tensor

from sinefield.domains import Grid
from sinefield.problem import Problem
from sinefield.problems.integral import INTEGRAL
from sinefield.problems.tiles_of_sines import TilesOfSines, solved_by
from sinefield.solvers.alone import one_thread
from sinefield.solvers.leave_one_out import Band, Expected
from sinefield.solvers.slopes import Slopes

_BAND: Final = Band(1.0, 1.2)
_EXPECTED: Final = Expected(0.1, 3.0)
_NOISE, _VALUE_NOISE = 1e-6, 1e-2
# Gradients left out were predicted best by these, of 27 tried on one picture: sines beyond the pixels' limit meet the
# gradients of stencils more closely, which no function has, and nothing else.

_JUDGED = 48  # tiles whose gradients are left out
_BORDER = 2  # samples along the edge of a tile: their neighbours are on one side


@final
@dataclass(frozen=True, eq=False)
class SolvedGradient:
    """The field of a picture's gradients that follows in closed form; see this module.

    Args:
        grid: the pixels, with the targets ``gradient`` ``(n, c, 2)`` and :data:`.integral.INTEGRAL`.
    """

    grid: Grid

    @property
    def is_sure(self) -> bool:
        """Whether the field is small enough to be made where nobody asked for it."""
        return self._tiles.is_small(_BAND)

    def problem(self, of: Problem) -> Problem:
        """Return a problem with the field that solves it.

        Args:
            of: the problem of the gradients.
        """
        start = time.perf_counter()
        with one_thread():
            slopes = Slopes(_BAND, _EXPECTED, self._tiles.seen, _NOISE, _VALUE_NOISE)
            solve = partial(self._solve, slopes)
            left_out = slopes.left_out(solve(self._tiles.spread(_JUDGED)))
            inner = left_out[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
            off = (inner if inner.numel() else left_out).square().mean()
            target = self.grid.targets["gradient"]
            assert isinstance(target, Tensor), "gradients are in memory, as they are computed from the picture"
            deviation = self.grid.spacings[0] * float(target.double().square().mean().sqrt())
            mean = torch.zeros(self._tiles.channels, dtype=torch.float64)
            field = self._tiles.field(slopes.axes, lambda tiles: slopes.coefficients(solve(tiles)), mean)
        gradient_alone = replace(of, constraints=[each for each in of.constraints if each.name == "gradient"])
        seconds = time.perf_counter() - start
        return solved_by(gradient_alone, field, left_out=math.sqrt(float(off)) / deviation, seconds=seconds)

    @cached_property
    def _tiles(self) -> TilesOfSines:
        return TilesOfSines(self.grid, self.grid.at(torch.zeros(1, dtype=torch.long)).targets["gradient"].shape[1])

    def _solve(self, slopes: Slopes, tiles: Tensor) -> Tensor:
        """Return what :class:`~sinefield.solvers.slopes.Slopes` finds for some tiles."""
        slope = self.grid.spacings[0] * self._tiles.samples("gradient", tiles)
        return slopes.solve(slope, self._tiles.samples(INTEGRAL, tiles))
