"""How far drawn values are from the distribution they should have, for tests of domains."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sinefield.domains import ContinuousDomain

COUNT = 20_000
# The Kolmogorov–Smirnov distance of n draws to their own law exceeds x/√n with probability 2 e^(−2x²): here 7e-6.
CRITICAL = 2.5 / math.sqrt(COUNT)


def draw(domain: ContinuousDomain, count: int = COUNT, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return domain.draw(count, torch.Generator().manual_seed(seed), dtype).points


def distance(values: Tensor, law: Callable[[Tensor], Tensor]) -> float:
    """Return the Kolmogorov–Smirnov distance of draws to a distribution function."""
    ordered = values.double().sort().values
    steps = torch.arange(len(values) + 1, dtype=torch.float64) / len(values)
    expected = law(ordered).clamp(0, 1)
    return float(torch.maximum(steps[1:] - expected, expected - steps[:-1]).max())


def uniform(low: float, high: float) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - low) / (high - low)
