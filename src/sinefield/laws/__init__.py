"""The laws that ``sinefield solve`` knows: one record each. Nothing here imports torch."""

from __future__ import annotations

from sinefield.laws import burgers, eikonal, heat, helmholtz, inverse_helmholtz, poisson
from sinefield.laws.law import Law

__all__ = ["LAWS", "Law"]

LAWS: dict[str, Law] = {
    each.name: each for each in (poisson.LAW, helmholtz.LAW, heat.LAW, burgers.LAW, eikonal.LAW, inverse_helmholtz.LAW)
}
"""Every law by name."""
