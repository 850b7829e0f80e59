"""Regions: what a domain with an inside, an outside and a boundary between them can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from sinefield.domains.box import Box
from sinefield.domains.domain import Samples


class Boundary(Protocol):
    """A boundary, or a part of one, with points, normals, and a function that vanishes on it alone."""

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        ...

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution, with the target ``normal``, the outward unit normal."""
        ...

    def vanishing(self, points: Tensor) -> Tensor:
        """Return a function that is 0 on the boundary, positive inside and smooth there, ``(n,)``, without a unit."""
        ...


class Region(Protocol):
    """A domain with an inside: boxes, balls, polygons, and differences of these."""

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        ...

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes."""
        ...

    @property
    def boundary(self) -> Boundary:
        """∂Ω, whose samples carry the target ``normal``, the outward unit normal ``(n, d)``."""
        ...

    @property
    def bounding_box(self) -> Box:
        """A box around the region."""
        ...

    def contains(self, points: Tensor) -> Tensor:
        """Return which of the points ``(n, d)`` are inside, ``(n,)``; those on the boundary may be either."""
        ...

    def level(self, points: Tensor, within: Box) -> Tensor:
        """Return a function that is positive inside, negative outside and 0 on the boundary, ``(n,)``, without a unit.

        Args:
            points: where, ``(n, d)``.
            within: a box that nothing outside of counts; parts of the boundary on it or beyond may be left out.
        """
        ...

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution; see :meth:`ContinuousDomain.draw`."""
        ...
