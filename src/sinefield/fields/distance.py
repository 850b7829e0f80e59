"""The distance from a point, as a field: travel times of a medium that is the same everywhere."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.field import register


@register("distance", part=True)
@final
class Distance(nn.Module):
    """Φ(x) = s √(|x − c|² + ε²), of one output, with nothing to learn in it.

    Args:
        in_features: d.
        out_features: 1.
        factor: s.
        rounding: ε ≥ 0, so that it has a slope at c.
        **centre: c, as ``at_0``, ``at_1``, …

    Raises:
        ValueError: other than one output, or centres of other than d coordinates.

    >>> Distance(2, 1, factor=2.0, at_0=1.0, at_1=0.0)(torch.tensor([[1.0, 3.0]])).item()
    6.0
    """

    architecture = "distance"

    def __init__(
        self, in_features: int, out_features: int = 1, factor: float = 1.0, rounding: float = 0.0, **centre: float
    ) -> None:
        super().__init__()
        names = [f"at_{axis}" for axis in range(in_features)]
        if out_features != 1 or set(centre) != set(names):
            raise ValueError(
                f"a distance has one output and the coordinates {', '.join(names)} of its centre, got {out_features} "
                f"and {', '.join(centre) or 'none'}"
            )
        self.in_features, self.out_features = in_features, 1
        self.settings: dict[str, int | float | str] = {"factor": factor, "rounding": rounding, **centre}
        self.factor, self.rounding, self.centre = factor, rounding, [float(centre[name]) for name in names]

    def forward(self, points: Tensor) -> Tensor:
        """Return the distances, ``(n, 1)``."""
        offsets = points - torch.tensor(self.centre, dtype=points.dtype, device=points.device)
        found: Tensor = self.factor * (offsets.square().sum(-1, keepdim=True) + self.rounding**2).sqrt()
        return found
