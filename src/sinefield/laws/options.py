"""Options that several laws take."""

from __future__ import annotations

import math
from typing import Any

from sinefield.kinds.options import option


def expression(flag: str, about: str, metavar: str = "EXPR") -> Any:
    """Return an option that holds a function of the coordinates, checked by the problem, which knows their names."""
    return option(flag, str, about, metavar=metavar)


def exact() -> Any:
    """Return the option ``--exact``."""
    return expression("--exact", "The solution where it is known, to measure the error by.")


def features() -> Any:
    """Return the option ``--features``."""
    return option("--features", int, "Sines of the field, at most. (default: as many as it takes)", least=10)


def accuracy(default: float = 1e-6, otherwise: str = "") -> Any:
    """Return the option ``--accuracy``, with what its default is besides."""
    about = f"Relative residual of every constraint that counts as solved. (default: {default:g}{otherwise})"
    return option("--accuracy", float, about, parse=_positive)


def domain(example: str) -> Any:
    """Return the option ``--domain`` of a law whose domains are such."""
    return option("--domain", str, f"Where: {example}", metavar="BOUNDS")


def speed() -> Any:
    """Return the option ``--speed``."""
    about = "Of the waves: an expression, or a .npy file over the domain. (default: 1)"
    return option("--speed", str, about, metavar="EXPR|FILE", parse=_speed_of)


def until() -> Any:
    """Return the option ``--until``."""
    return option("--until", float, "The time at which it ends. (default: 1)", metavar="T", parse=_positive)


def _speed_of(text: str) -> Any:
    """Return a speed: an expression, or the array of a file.

    Raises:
        ValueError: the file cannot be read.
    """
    if not text.lower().endswith(".npy"):
        return text
    import numpy as np

    try:
        return np.load(text, allow_pickle=False)
    except OSError as error:
        raise ValueError(f"cannot read the speed from {text}: {error}") from error


def _positive(value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"a positive number was expected, got {value:g}")
    return value
