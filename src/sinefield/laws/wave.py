"""The wave equation, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds.options import Options, option
from sinefield.laws import options
from sinefield.laws.law import Law


@final
@dataclass(frozen=True)
class WaveOptions(Options):
    """What the wave equation is solved for."""

    start: str | None = options.expression(
        "--start", "u at t = 0, of x, y and z, as many as --domain has. (default: 0)"
    )
    velocity: str | None = options.expression("--velocity", "u_t at t = 0, of the same. (default: 0)")
    speed: str | None = options.expression("--speed", "c of u_tt = c² Δu, of the same. (default: 1)")
    domain: str | None = options.domain(
        "bounds, as 0,1 of a string (default), 0,1,0,1 of a membrane, six in space, or as of poisson."
    )
    until: float | None = options.until()
    walls: str | None = option("--walls", str, "fixed (default), u = 0; free, no slope; or open, which let waves out.")
    exact: str | None = options.exact()
    features: int | None = options.features()
    accuracy: float | None = options.accuracy(1e-6, "; 1e-4 where the speed varies in a plane")


LAW = Law(
    name="wave",
    about="The wave equation u_tt = c² Δu from a value and a velocity.",
    problem="sinefield.problems.wave:wave",
    options=WaveOptions,
    example='sinefield solve wave --start "sin(pi*x)" --speed 2 --exact "sin(pi*x)*cos(2*pi*t)" --animate wave.gif',
)
