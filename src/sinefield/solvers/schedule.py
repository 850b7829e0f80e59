"""Schedules: the factor of a solver's rates as the budget is used."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final


class Schedule(ABC):
    """The factor of the rates when a part of the budget is used."""

    @abstractmethod
    def rate_at(self, fraction: float) -> float:
        """Return the factor after ``fraction`` of the budget, from 0 to 1."""


@final
@dataclass(frozen=True)
class Constant(Schedule):
    """The full rate all along."""

    def rate_at(self, fraction: float) -> float:  # noqa: ARG002 - it is the same at all
        """Return 1."""
        return 1.0


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """The full rate at first, falling along half a cosine.

    Args:
        final_rate: the factor at the end, in [0, 1].

    Raises:
        ValueError: it is outside.

    >>> Cosine(0.5).rate_at(1.0)
    0.5
    """

    final_rate: float = 0.005

    def __post_init__(self) -> None:
        """Refuse a final rate out of its range.

        Raises:
            ValueError: as the class says.
        """
        if not 0 <= self.final_rate <= 1:
            raise ValueError(f"final_rate of a schedule lies in [0, 1], got {self.final_rate}")

    def rate_at(self, fraction: float) -> float:
        """Return the factor after ``fraction`` of the budget."""
        cosine = (1 + math.cos(math.pi * min(max(fraction, 0.0), 1.0))) / 2
        return self.final_rate + (1 - self.final_rate) * cosine
