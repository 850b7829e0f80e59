"""Poisson's equation, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds.options import Options, option
from sinefield.laws import options
from sinefield.laws.law import Law


@final
@dataclass(frozen=True)
class PoissonOptions(Options):
    """What Poisson's equation is solved for."""

    source: str | None = options.expression("--source", "f of Δu + κ u = f. (default: 0, Laplace's equation)")
    boundary: str | None = options.expression("--boundary", "u on the boundary. (default: 0)")
    shift: float | None = option("--shift", float, "κ, as k² of Helmholtz's equation. (default: 0)")
    domain: str | None = options.domain(
        "square, disc, l-shape, bounds as 0,1,0,1, or POLYGON ((0 0, 1 0, 0 1, 0 0)); default square"
    )
    exact: str | None = options.exact()
    features: int | None = options.features()
    accuracy: float | None = options.accuracy()


LAW = Law(
    name="poisson",
    about="Poisson's equation Δu = f with the values of u on the boundary.",
    problem="sinefield.problems.poisson:poisson",
    options=PoissonOptions,
    example='sinefield solve poisson --source "-2*pi^2*sin(pi*x)*sin(pi*y)" --exact "sin(pi*x)*sin(pi*y)"',
)
