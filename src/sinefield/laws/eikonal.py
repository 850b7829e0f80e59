"""Travel times, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from sinefield.kinds.options import Options, numbers_of, option
from sinefield.laws import options
from sinefield.laws.law import Law


def _place_of(text: str) -> Any:
    return numbers_of(text, ",", [2, 3], float, "--source", "0.1,-0.2")


@final
@dataclass(frozen=True)
class EikonalOptions(Options):
    """What travel times are looked for."""

    source: tuple[float, ...] = option(
        "--source", str, "Where waves start. (default: 0,0)", default=(0.0, 0.0), metavar="X,Y[,Z]", parse=_place_of
    )
    speed: str | None = options.speed()
    domain: str | None = options.domain("the least and the greatest coordinate of each axis. (default: -1,1,-1,1)")
    exact: str | None = options.exact()
    features: int | None = option("--features", int, "Sines of the field. (default: 1000, or 1600 of kinks)", least=10)
    accuracy: float | None = option(
        "--accuracy", float, "Relative residual that counts as solved. (default: 1e-4, or 1e-2 of kinks)"
    )


LAW = Law(
    name="eikonal",
    about="Travel times |∇T| = 1/speed of first arrivals from a point.",
    problem="sinefield.problems.eikonal:eikonal",
    options=EikonalOptions,
    example='sinefield solve eikonal --source 0,-0.5 --speed "1 + 0.5*(y + 1)" --figure times.png',
)
