"""The laws that ``sinefield solve`` knows: one record each. Nothing here imports torch."""

from __future__ import annotations

from sinefield.laws import burgers, eikonal, heat, helmholtz, inverse_helmholtz, poisson, wave
from sinefield.laws.law import Law

__all__ = ["LAWS", "Law"]

_ALL = (poisson, helmholtz, heat, wave, burgers, eikonal, inverse_helmholtz)

LAWS: dict[str, Law] = {each.LAW.name: each.LAW for each in _ALL}
"""Every law by name."""
