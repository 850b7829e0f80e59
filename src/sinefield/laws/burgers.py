"""Burgers' equation, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds.options import Options, option
from sinefield.laws import options
from sinefield.laws.law import Law


@final
@dataclass(frozen=True)
class BurgersOptions(Options):
    """What Burgers' equation is solved for."""

    viscosity: float | None = option("--viscosity", float, "ν > 0. (default: 0.01/π)")
    end: float | None = options.until()
    features: int | None = option("--features", int, "Sines of each slab of time. (default: 1000)", least=10)
    accuracy: float | None = options.accuracy(1e-5)


LAW = Law(
    name="burgers",
    about="Burgers' equation u_t + u u_x = ν u_xx on [−1, 1] from −sin πx, whose solution is known.",
    problem="sinefield.problems.burgers:burgers",
    options=BurgersOptions,
    example="sinefield solve burgers --figure burgers.png --animate burgers.gif",
)
