"""The heat equation, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds.options import Options
from sinefield.laws import options
from sinefield.laws.law import Law


@final
@dataclass(frozen=True)
class HeatOptions(Options):
    """What the heat equation is solved for."""

    start: str | None = options.expression("--start", "u at t = 0, of x, or x and y. (default: 0)")
    boundary: str | None = options.expression("--boundary", "u on the boundary, of t too. (default: 0)")
    diffusivity: str | None = options.expression("--diffusivity", "a of u_t = a Δu + f. (default: 1)")
    source: str | None = options.expression("--source", "f, of t too. (default: 0)")
    domain: str | None = options.domain(
        "bounds of a rod, as 0,1, or 0,1,0,1 of a plate; disc, l-shape, POLYGON (…); default 0,1"
    )
    until: float | None = options.until()
    exact: str | None = options.exact()
    features: int | None = options.features()
    accuracy: float | None = options.accuracy()


LAW = Law(
    name="heat",
    about="The heat equation u_t = a Δu + f from a start, with values on the boundary.",
    problem="sinefield.problems.heat:heat",
    options=HeatOptions,
    example='sinefield solve heat --start "sin(pi*x)" --diffusivity 0.1 --exact "exp(-0.1*pi^2*t)*sin(pi*x)"',
)
