"""Waves of point sources around one disc of another speed, in closed form: what surveys of tests hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import h1vp, hankel1, jv, jvp

from sinefield.io.surveys import Survey

Doubles = NDArray[np.float64]
Complexes = NDArray[np.complex128]

CENTRE = (0.06, 0.04)
"""Of the disc."""


def of_point_sources(wavenumber: float, sources: Doubles, receivers: Doubles) -> Complexes:
    """Return i/4 H₀⁽¹⁾(k |x − x_s|), ``(s, r)``."""
    distances = np.linalg.norm(receivers[None] - sources[:, None], axis=-1)
    found: Complexes = 0.25j * hankel1(0, wavenumber * distances)
    return found


def around_a_disc(
    wavenumber: float,
    slowness: float,
    radius: float,
    sources: Doubles,
    receivers: Doubles,
    centre: tuple[float, float] = CENTRE,
    terms: int = 24,
) -> Complexes:
    """Return the pressures of point sources outside of a disc of other squared slowness, ``(s, r)``.

    By Graf's addition theorem the incident wave is i/4 Σ_n H_n(kρ_s) J_n(kρ) e^(in(θ−θ_s)); the scattered one has
    b_n H_n(kρ) in place of J_n(kρ), with b_n so that u and ∂u/∂ρ go on across the circle.
    """
    inner, n = wavenumber * slowness**0.5, np.arange(-terms, terms + 1)
    outside, inside = wavenumber * radius, inner * radius
    above = wavenumber * jvp(n, outside) * jv(n, inside) - inner * jv(n, outside) * jvp(n, inside)
    below = wavenumber * h1vp(n, outside) * jv(n, inside) - inner * hankel1(n, outside) * jvp(n, inside)
    places = [points - np.array(centre) for points in (sources, receivers)]
    waves = [
        hankel1(n[:, None], wavenumber * np.linalg.norm(each, axis=1)) * np.exp(1j * sign * n[:, None] * angle)
        for each, sign in zip(places, (-1, 1), strict=True)
        for angle in [np.arctan2(each[:, 1], each[:, 0])]
    ]
    scattered = -0.25j * np.einsum("n,ns,nr->sr", above / below, *waves)
    found: Complexes = of_point_sources(wavenumber, sources, receivers) + scattered
    return found


def places(sources: int, receivers: int, half: float = 0.35) -> tuple[Doubles, Doubles]:
    """Return sources below and receivers on three sides, as of the published example."""
    along = np.linspace(-half, half, receivers // 3)
    below = np.stack([np.linspace(-half, half, sources), np.full(sources, -half)], 1)
    level = np.full(len(along), half + 0.05)
    sides = [np.stack(each, 1) for each in ((along, level), (-level, along + 0.05), (level, along + 0.05))]
    return below, np.concatenate(sides)


def survey(
    wavenumber: float = 20.0, slowness: float = 1.5, radius: float = 0.12, sources: int = 5, receivers: int = 30
) -> Survey:
    """Return the survey of a disc."""
    below, around = places(sources, receivers)
    return Survey(below, around, around_a_disc(wavenumber, slowness, radius, below, around), wavenumber)
