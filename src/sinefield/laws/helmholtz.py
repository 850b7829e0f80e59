"""Helmholtz's equation in the open plane, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from sinefield.kinds.options import Options, numbers_of, option
from sinefield.laws import options
from sinefield.laws.law import Law


def _sources_of(texts: Any) -> tuple[tuple[float, ...], ...]:
    """Return places, sizes and amplitudes of sources.

    Raises:
        ValueError: one is something else than two to four numbers with commas between.

    >>> _sources_of(["0,0", "0.2,-0.1,0.05"])
    ((0.0, 0.0), (0.2, -0.1, 0.05))
    """
    return tuple(numbers_of(each, ",", [2, 3, 4], float, "--source", "0.1,-0.2") for each in texts)


@final
@dataclass(frozen=True)
class HelmholtzOptions(Options):
    """What Helmholtz's equation is solved for."""

    wavenumber: float | None = option("--wavenumber", float, "k. (default: 20)", metavar="K")
    sources: tuple[tuple[float, ...], ...] = option(
        "--source",
        str,
        "Place, size (0.01) and amplitude (1) of a Gaussian source; may be repeated. (default: 0,0)",
        default=(),
        metavar="X,Y[,SIGMA[,A]]",
        many=True,
        parse=_sources_of,
    )
    speed: str | None = options.speed()
    disc: tuple[float, ...] | None = option(
        "--disc",
        str,
        "Middle, radius and relative speed of a disc, in place of --speed.",
        metavar="X,Y,R,SPEED",
        parse=lambda text: numbers_of(text, ",", [4], float, "--disc", "0.1,0,0.15,0.5"),
    )
    block: tuple[float, ...] | None = option(
        "--block",
        str,
        "Middle, width, height and relative speed of a rectangle, in place of --speed.",
        metavar="X,Y,W,H,SPEED",
        parse=lambda text: numbers_of(text, ",", [5], float, "--block", "0.1,0,0.3,0.2,0.5"),
    )
    layer: float | None = option("--layer", float, "Width of the absorbing layer in [-1, 1]². (default: 0.5)")
    features: int | None = option(
        "--features",
        int,
        "Sines that span the medium, or twice those around a source. (default: 600, or as many as it takes)",
        least=10,
    )
    accuracy: float | None = option("--accuracy", float, "Relative residual that counts as solved. (default: 1e-3)")


LAW = Law(
    name="helmholtz",
    about="Waves Δu + k² u/speed² = −f in the open plane, on [-1, 1]² with an absorbing layer.",
    problem="sinefield.problems.helmholtz:helmholtz",
    options=HelmholtzOptions,
    example="sinefield solve helmholtz --wavenumber 20 --source 0,0,0.01 --figure waves.png",
)
"""The law."""
