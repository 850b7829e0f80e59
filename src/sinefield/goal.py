"""Goals: the value of a metric at which a fit may end, and how far it is from there in decibels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

MAIN: Final = ("mse", "psnr", "residual", "surface_error")
"""The metrics that a number alone is of, the first that a problem has; where it has none, its first, or the loss."""

_DECIBELS: Final = ("psnr", "snr")
_AT_MOST_ONE: Final = ("ssim", "correlation", "consistency")
_SQUARES: Final = ("mse", "loss")


@final
@dataclass(frozen=True)
class Goal:
    """A value of a metric that is good enough.

    Args:
        metric: its name, as :attr:`sinefield.Solution.metrics` has it, or ``loss``; empty: the main one of the problem.
        value: PSNR, SNR, SSIM, correlations and consistencies are at least that, all others at most.

    Raises:
        ValueError: a value that is not positive and finite, or one of 1 or more of what cannot exceed 1.
    """

    metric: str
    value: float

    def __post_init__(self) -> None:
        """Refuse what cannot be reached.

        Raises:
            ValueError: as the class says.
        """
        name = self.metric or "a metric"
        if not (self.value > 0 and math.isfinite(self.value)):
            raise ValueError(f"{name} to reach must be a positive number, got {self.value!r}; give one, as psnr=40")
        if self.metric.endswith(_AT_MOST_ONE) and self.value >= 1:
            raise ValueError(f"{name} to reach must lie below 1, which only an exact fit has; got {self.value!r}")

    @classmethod
    def of(cls, wanted: Goal | float | str) -> Goal:
        """Return a goal from a number, of the main metric, or from a text such as ``"psnr=40"`` or ``"1e-6"``.

        Raises:
            ValueError: the text is neither.

        >>> Goal.of("psnr=40"), Goal.of(1e-6)
        (Goal(metric='psnr', value=40.0), Goal(metric='', value=1e-06))
        """
        if isinstance(wanted, Goal):
            return wanted
        metric, equals, value = str(wanted).partition("=")
        if not equals:
            metric, value = "", metric
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isnan(number) or (equals and not metric.strip()):
            raise ValueError(f"a goal is a number, or a metric and its value as psnr=40; got {wanted!r}")
        return cls(metric.strip(), number)

    def among(self, metrics: Mapping[str, Any]) -> Goal:
        """Return this goal with the name of its metric, which is one of ``metrics`` or the loss.

        Raises:
            ValueError: there is no such metric.

        >>> Goal.of(1e-5).among({"snr": 1.0, "psnr": 2.0, "mse": 3.0}).metric
        'mse'
        """
        names = [*metrics, *(() if "loss" in metrics else ("loss",))]
        if not self.metric:
            return replace(self, metric=next((each for each in MAIN if each in metrics), names[0]))
        if self.metric not in names:
            raise ValueError(
                f"no metric {self.metric!r} is measured while fitting this problem; a goal is one of {', '.join(names)}"
            )
        return self

    def read(self, metrics: Mapping[str, float], loss: float) -> float:
        """Return the value of the metric among those that were measured; NaN where it is not."""
        return metrics.get(self.metric, loss if self.metric == "loss" else math.nan)

    def level(self, value: float) -> float:
        """Return a value of the metric in decibels, so that more is better; NaN where it is not known.

        The level is 10 log₁₀ of one over the squared error: of squares and losses −10 log₁₀ x, of errors −20 log₁₀ x,
        of what is at most 1 −20 log₁₀ (1 − x).

        >>> Goal("mse", 1e-4).level(1e-5) - Goal("mse", 1e-4).level(1e-4)
        10.0
        """
        if self.metric.startswith(_DECIBELS):
            return value
        error = 1 - value if self.metric.endswith(_AT_MOST_ONE) else value
        if math.isnan(error):
            return math.nan
        return -(10 if self.metric in _SQUARES else 20) * math.log10(error) if error > 0 else math.inf

    def value_at(self, level: float) -> float:
        """Return the value of the metric that has a level: the inverse of :meth:`level`.

        >>> Goal("residual", 1e-3).value_at(60.0)
        0.001
        """
        if self.metric.startswith(_DECIBELS):
            return level
        error: float = 10 ** (-level / (10 if self.metric in _SQUARES else 20))
        return 1 - error if self.metric.endswith(_AT_MOST_ONE) else error

    @property
    def wanted(self) -> float:
        """The level of the goal."""
        return self.level(self.value)

    def is_met(self, value: float) -> bool:
        """Return whether a value of the metric is good enough; NaN is not."""
        return self.level(value) >= self.wanted

    def told(self, value: float) -> str:
        """Return a value of the metric as text.

        >>> Goal("psnr", 40).told(39.581), Goal("mse", 1e-5).told(2e-5)
        ('psnr 39.58 dB', 'mse 2.00e-05')
        """
        if self.metric.startswith(_DECIBELS):
            return f"{self.metric} {value:.2f} dB"
        return f"{self.metric} {value:{'.3f' if self.metric.endswith(_AT_MOST_ONE) else '.2e'}}"

    def __str__(self) -> str:
        """Return the goal as the text that :meth:`of` reads."""
        return f"{self.metric}={self.value:g}" if self.metric else f"{self.value:g}"

    def to_json(self) -> dict[str, Any]:
        """Return the goal as JSON."""
        return {"metric": self.metric, "value": self.value}
