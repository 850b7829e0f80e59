"""Options that several laws take."""

from __future__ import annotations

import math
from typing import Any

from sinefield.kinds.options import numbers_of, option


def expression(flag: str, about: str, metavar: str = "EXPR") -> Any:
    """Return an option that holds a function of the coordinates, checked by the problem, which knows their names."""
    return option(flag, str, about, metavar=metavar)


def exact() -> Any:
    """Return the option ``--exact``."""
    return expression("--exact", "The solution where it is known, to measure the error by.")


def features() -> Any:
    """Return the option ``--features``."""
    return option("--features", int, "Sines of the field. (default: 1600)", least=10)


def accuracy(default: float = 1e-6) -> Any:
    """Return the option ``--accuracy``."""
    about = f"Relative residual of every constraint that counts as solved. (default: {default:g})"
    return option("--accuracy", float, about, parse=_positive)


def domain(example: str) -> Any:
    """Return the option ``--domain`` of a law whose domains are such."""
    return option("--domain", str, f"Where: {example}", metavar="BOUNDS")


def until() -> Any:
    """Return the option ``--until``."""
    return option("--until", float, "The time at which it ends. (default: 1)", metavar="T", parse=_positive)


def points_of(texts: Any) -> tuple[tuple[float, ...], ...]:
    """Return the places that ``--source`` holds.

    Raises:
        ValueError: one is something else than two or three numbers with commas between.

    >>> points_of(["0,0", "0.2,-0.1,0.05"])
    ((0.0, 0.0), (0.2, -0.1, 0.05))
    """
    return tuple(numbers_of(each, ",", [2, 3], float, "--source", "0.1,-0.2") for each in texts)


def _positive(value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"a positive number was expected, got {value:g}")
    return value
