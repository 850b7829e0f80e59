"""Contexts: pictures of which a few pixels are known, as the points that a prior is a function of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains import ContinuousDomain, Samples


@final
@dataclass(frozen=True, eq=False)
class Contexts(ContinuousDomain):
    """Pictures drawn from a set, each with known pixels that are drawn too.

    A point is the known values, 0 elsewhere, followed by 1 where a pixel is known and 0 elsewhere, and by the number of
    the picture, if that is asked for. How many pixels are known is drawn anew for each draw, log-uniformly: as often
    between 10 and 20 as between 100 and 200.

    Args:
        pictures: values in [−1, 1], ``(count, pixels, c)``.
        least: known pixels at least.
        most: known pixels at most.
        alike: how many pictures share a mask, so that what depends on the mask alone is computed once.
        numbered: whether the number of the picture is part of a point.
    """

    pictures: Tensor
    least: int
    most: int
    alike: int = 1
    numbered: bool = False

    @property
    def dimension(self) -> int:
        """Pixels times c + 1, and 1 more for a number."""
        _, pixels, channels = self.pictures.shape
        return pixels * (channels + 1) + self.numbered

    @property
    def target_names(self) -> frozenset[str]:
        """``picture``, the whole ``(n, pixels · c)``; ``gain``, ``(n, 1)``, of errors that shall count alike."""
        return frozenset({"picture", "gain"})

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return contexts of ``count`` pictures; see :class:`ContinuousDomain`."""
        total, pixels, _ = self.pictures.shape
        place = float(torch.rand((), generator=generator))
        known = round(math.exp(math.log(self.least) + place * math.log(self.most / self.least)))
        numbers = torch.randint(total, (count,), generator=generator)
        chosen = self.pictures[numbers].to(dtype)
        mask = random_masks(count, pixels, known, generator, self.alike).to(dtype)
        gain = torch.full((count, 1), known**0.25, dtype=dtype)  # squared errors fall about as 1/√known
        points = context_of(chosen, mask)
        if self.numbered:
            points = torch.cat([points, numbers.unsqueeze(1).to(dtype)], dim=1)
        return Samples(points, {"picture": chosen.flatten(1), "gain": gain})


def context_of(pictures: Tensor, mask: Tensor) -> Tensor:
    """Return pictures ``(n, pixels, c)`` and masks ``(n, pixels)`` as contexts ``(n, pixels · (c + 1))``.

    >>> context_of(torch.tensor([[[0.5], [0.25]]]), torch.tensor([[1.0, 0.0]])).tolist()
    [[0.5, 0.0, 1.0, 0.0]]
    """
    return torch.cat([(pictures * mask.unsqueeze(-1)).flatten(1), mask], dim=1)


def random_masks(count: int, pixels: int, known: int, generator: torch.Generator, alike: int = 1) -> Tensor:
    """Return masks ``(count, pixels)`` of which so many pixels are known, drawn evenly.

    Args:
        count: how many masks.
        pixels: of each.
        known: how many of them are known.
        generator: of the draw.
        alike: how many masks after one another are the same.

    Raises:
        ValueError: none is, or more than there are.
    """
    if not 1 <= known <= pixels:
        raise ValueError(f"a context has 1 to {pixels} pixels of a picture of so many, got {known}")
    kinds = math.ceil(count / alike)
    order = torch.rand(kinds, pixels, generator=generator).topk(known, dim=1).indices
    return torch.zeros(kinds, pixels).scatter_(1, order, 1.0)[torch.arange(count) // alike]


def known_counts(pixels: int) -> list[int]:
    """Return the numbers of known pixels that errors are measured for: 10, 50 and 200, where there are more.

    >>> known_counts(784), known_counts(64), known_counts(9)
    ([10, 50, 200], [10, 50], [3])
    """
    return [each for each in (10, 50, 200) if each < pixels] or [max(1, pixels // 3)]
