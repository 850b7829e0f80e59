"""What networks that are no SIRENs are trained with on pictures: each its own rates and its own encoding.

Rates that suit sines suit no other network. Those here are the best that ``benchmarks/study_networks.py`` finds on
pictures that no figure shows, the better of Adam and Muon for each; ``benchmarks/results/study_networks.json`` keeps
all that was tried. Batches, schedule and passes are the recipe's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sinefield.recipe import Changes
from sinefield.solvers import Adam, Muon, Solver

BETAS, ITERATIONS, RATIO = (0.9, 0.95), 3, 2.5
"""As ``fast`` has them for values: of Adam, of Muon, and its matrices' rate over that of the rest."""


def solver_of(name: str, rate: float) -> Solver:
    """Return the solver ``"Adam"`` or ``"Muon"`` at a rate, for Muon that of what is no hidden matrix.

    >>> solver_of("Muon", 1e-3).rest.learning_rate
    0.001
    """
    adam = Adam(rate, BETAS)
    return adam if name == "Adam" else Muon(RATIO * rate, rest=adam, iterations=ITERATIONS)


CHOSEN: Mapping[str, tuple[str, float]] = {
    "relu": ("Muon", 3.2e-2),
    "tanh": ("Muon", 6.4e-2),
    "relu-nerf": ("Muon", 8e-3),
    "relu-fourier": ("Muon", 2e-3),
}
"""The solver on values and its rate, by the name of a network."""

REACH: Mapping[str, float] = {"relu-nerf": 2.0, "relu-fourier": 0.71}
"""The angular frequencies of an encoding over the ω₀ that the picture's spectrum suggests for a SIREN.

Of ``nerf`` its highest octave, of ``fourier`` their standard deviation along an axis.
"""


def encoding_of(network: str, omega: float, reach: float | None = None) -> dict[str, int | float | str]:
    """Return the settings of a network's encoding, none where it has no such.

    Args:
        network: its name.
        omega: ω₀ that the picture's spectrum suggests for a SIREN.
        reach: in place of :data:`REACH`.

    >>> encoding_of("relu-nerf", omega=16 * math.pi, reach=2.0)  # π, 2π, … 32π
    {'frequencies': 6}
    """
    reach = reach or REACH.get(network)
    if reach is None:
        return {}
    if network == "relu-nerf":
        return {"frequencies": max(1, 1 + round(math.log2(reach * omega / math.pi)))}
    return {"scale": reach * omega / (2 * math.pi)}


def tuning_of(network: str, order: int = 0) -> Mapping[str, Changes]:
    """Return what recipes change for a network.

    Args:
        network: its name.
        order: of the highest derivative that is constrained; there are rates of their own for values alone.
    """
    if order > 0 or network not in CHOSEN:
        return {}
    return {"fast": {"solver": solver_of(*CHOSEN[network])}}
