"""Uniform points by rejection: draws in a larger domain, of which some are kept, up to a bound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch

from sinefield.domains.domain import Samples

ROUNDS: Final = 1000
"""How often as many points as are wanted are drawn at most, before enough are kept."""


def first_samples(draws: Iterator[Samples], count: int, dtype: torch.dtype, what: str) -> Samples:
    """Return the first samples of several draws together.

    Args:
        draws: what was kept of ``count`` points, again and again.
        count: how many are wanted.
        dtype: precision that they are returned in.
        what: name of the domain in errors.

    Raises:
        ValueError: there are too few in :data:`ROUNDS` draws.
    """
    parts: list[Samples] = []
    found = 0
    for _, each in zip(range(ROUNDS), draws, strict=False):
        parts.append(each)
        found += len(each.points)
        if found >= count:
            break
    else:
        raise ValueError(
            f"{what} leaves too little of its whole: {found} of {ROUNDS * count} points, {count} are needed; "
            "give a smaller whole around what is left"
        )
    targets = {name: torch.cat([each.targets[name] for each in parts]) for name in parts[0].targets}
    together = Samples(torch.cat([each.points for each in parts]), targets).rows(0, count)
    return Samples(together.points.to(dtype), {name: each.to(dtype) for name, each in together.targets.items()})
