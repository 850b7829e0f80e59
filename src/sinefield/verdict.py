"""Verdicts: whether an equation is solved, and what its solution is worth, in a sentence, from metrics alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

FREE = 1e-6
"""A stability below which a solution is not determined; well-posed problems have 0.01 to 10, resonance 1e-10."""

_CONTRADICTED = 0.03  # a residual above it is that of conditions which cannot hold together
_HELD = 0.03  # of that residual: what the others are left with without one of them
_CONSTANT = 0.02  # periods across the domain of what is called a constant


def judge(metrics: Mapping[str, float], accuracy: float) -> tuple[bool, str]:
    """Return whether an equation is solved, and why or why not.

    Args:
        metrics: ``residual`` and ``residual_NAME`` of each constraint, relative at points held out; where they are
            known ``size`` of the field, ``stability``, ``free_waves`` and ``free_share_NAME`` of what is hardly
            determined, ``without_NAME``, the residual that the other constraints can be brought to without one, and
            ``points_NAME``, how many points it has, where these are given one by one.
        accuracy: the residual that every constraint must hold to.

    >>> judge({"residual": 1e-12, "residual_heat": 1e-12, "stability": 0.3, "size": 1.0}, 1e-6)
    (True, 'solved: every constraint holds to 1.0e-12 of its terms at points held out')
    >>> judge({"residual": 0.0, "residual_wave": 0.0, "size": 0.0}, 1e-6)[1]
    'not a solution: 0 satisfies every constraint, as none of them has a right side; give one a source or a value'
    """
    reached = metrics["residual"]
    free = _free(metrics)
    if not reached <= accuracy:
        asked = f"holds to {reached:.1e} of its terms only, where {accuracy:.0e} was asked for"
        return False, f"not solved: {_worst(metrics)} {asked}; {_limit(metrics, free)}"
    if metrics.get("size") == 0.0:
        also = f"; and so does {free}: this is a resonance" if free else "; give one a source or a value"
        return False, f"not a solution: 0 satisfies every constraint, as none of them has a right side{also}"
    if free:
        return False, (
            f"not determined: every constraint holds to {reached:.1e} of its terms, but also if {free} is added, to "
            f"{metrics['stability']:.0e} of the terms of that; a condition is missing, or there is a resonance"
        )
    return True, f"solved: every constraint holds to {reached:.1e} of its terms {_where(metrics)}"


def _where(metrics: Mapping[str, float]) -> str:
    """Return at which points constraints hold: of those that are given one by one none are held out."""
    given = {name.removeprefix("points_"): int(each) for name, each in metrics.items() if name.startswith("points_")}
    if not given:
        return "at points held out"
    names = ", ".join(f"{count:,} of {name!r}" for name, count in given.items())
    others = sum(name.startswith("residual_") for name in metrics) > len(given)
    return f"at {'points held out and at ' * others}the points given, {names}: between those it is not tested"


def _worst(metrics: Mapping[str, float]) -> str:
    parts = {name: each for name, each in metrics.items() if name.startswith("residual_")}
    worst = max(parts, key=lambda name: math.inf if math.isnan(parts[name]) else parts[name])
    return repr(worst.removeprefix("residual_"))


def _limit(metrics: Mapping[str, float], free: str) -> str:
    """Return what keeps a residual from falling, as far as it is known."""
    others = {name.removeprefix("without_"): each for name, each in metrics.items() if name.startswith("without_")}
    agreeing = {name: each for name, each in others.items() if each <= _HELD * metrics["residual"]}
    if agreeing and metrics["residual"] > _CONTRADICTED:
        rest = max(agreeing.values())
        names = " or ".join(map(repr, agreeing))
        return f"without {names} the others hold to {rest:.0e}, so that it contradicts them"
    if free:
        return f"if {free} is added they hold as well: a condition is missing, or there is a resonance"
    return (
        "conditions that contradict each other, kinks and corners that sines do not have, or too few features for so "
        "fine a solution leave that much"
    )


def _free(metrics: Mapping[str, float]) -> str:
    """Return what is not determined; empty if all is."""
    if not metrics.get("stability", math.inf) <= FREE:
        return ""
    shares = {name: each for name, each in metrics.items() if name.startswith("free_share_")}
    whose = f" of {max(shares, key=lambda name: shares[name]).removeprefix('free_share_')!r}" if shares else ""
    waves = metrics.get("free_waves", math.nan)
    if waves < _CONSTANT:
        return f"a constant{whose}"
    return f"any multiple of a field{whose} with about {waves:.1g} waves across the domain"
