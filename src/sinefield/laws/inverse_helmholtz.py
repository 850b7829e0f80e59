"""Full waveform inversion, as a law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from sinefield.kinds.options import Options, numbers_of, option
from sinefield.laws import options
from sinefield.laws.law import Law


def _bounds_of(text: str) -> Any:
    return numbers_of(text, ",", [4], float, "--domain", "-0.5,0.5,-0.5,0.5")


@final
@dataclass(frozen=True)
class InverseHelmholtzOptions(Options):
    """What is known of a survey, and how its slowness is looked for."""

    wavenumber: tuple[float, ...] | None = option(
        "--wavenumber",
        float,
        "k of the surroundings, where the file does not tell it; one a frequency.",
        many=True,
        parse=tuple,
    )
    domain: tuple[float, ...] | None = option(
        "--domain",
        str,
        "Where slowness is looked for. (default: a quarter of a wavelength around sources and receivers)",
        metavar="X,X,Y,Y",
        parse=_bounds_of,
    )
    time_sign: int | None = option(
        "--time-sign", int, "-1 for e^(-iωt), 1 for e^(+iωt). (default: as fits the surroundings better)"
    )
    variation: float | None = option(
        "--variation", float, "Weight of the total variation; more for noisy pressures. (default: 0.03)"
    )
    detail: float | None = option("--detail", float, "ω₀ of the network. (default: 15)")
    resolution: float | None = option("--resolution", float, "Nodes a wavelength of the differences. (default: 12)")
    form: str | None = option("--form", str, "adjoint; or network, as published, far slower. (default: adjoint)")
    accuracy: float | None = options.accuracy(0.05)


LAW = Law(
    name="inverse-helmholtz",
    about="Full waveform inversion: squared slowness m of Δu + k² m u = -δ from pressures of sources at receivers.",
    problem="sinefield.problems.inverse_helmholtz:inverse_helmholtz",
    options=InverseHelmholtzOptions,
    example="sinefield solve inverse-helmholtz survey.mat --wavenumber 20 --figure slowness.png",
    data="A .mat or .npz file with sources (s, 2), receivers (r, 2) and complex pressures (s, r).",
)
