"""Which frequencies the right sides of equations have along each axis: a hint of those that the solution has."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sinefield.constraint import looked_for, moved
from sinefield.domains import Samples
from sinefield.linearisation import to_real_rows
from sinefield.objective import Batch, Group, Objective

Band = tuple[float, float]

_LINES = 12  # along each axis, in each domain
_PLACES = 512  # on a line
_ENERGY = 1e-3  # the part of the energy that may lie above the bandwidth
_LEAKING = 3  # places by which a Hann window, and ends that do not meet, widen a spectrum


@torch.no_grad()
def bands_of_right_sides(objective: Objective, batch: Batch, box: Tensor) -> tuple[Band | None, ...]:
    """Return the band of frequencies of the right sides along each axis, in radians for half a side of a box.

    A right side is what a constraint leaves where all unknowns are 0. It is looked at on lines through points of its
    domain that span the box: by its mean frequency, ‖∂f‖ / ‖f‖, and by where the power of its Fourier series under a
    Hann window ends, whichever is larger.

    Args:
        objective: of the constraints.
        batch: some points of each of their domains.
        box: least and greatest coordinates, ``(2, d)``.

    Returns:
        for each axis the lowest and the highest frequency of all right sides; None where none of them varies.
    """
    found: list[Band | None] = [None] * box.shape[1]
    nothing = {name: _Nothing(each) for name, each in objective.unknowns.items()}
    for group, samples in zip(objective.groups, batch.samples, strict=True):
        if samples.points.shape[1] == box.shape[1] and group.domain.granule == 1:
            for axis in range(box.shape[1]):
                for each in _along(group, nothing, moved(_lines(samples, axis, box), looked_for(objective.unknowns))):
                    low, high = found[axis] or each
                    found[axis] = (min(low, each[0]), max(high, each[1]))
    return tuple(found)


def _lines(samples: Samples, axis: int, box: Tensor) -> Samples:
    """Return places on lines along an axis through some of the points, and the targets of these all along."""
    some = slice(0, _LINES)
    points = samples.points[some].repeat_interleave(_PLACES, 0)
    count = len(samples.points[some])
    points[:, axis] = torch.linspace(float(box[0, axis]), float(box[1, axis]), _PLACES).to(points).repeat(count)
    return Samples(points, {name: each[some].repeat_interleave(_PLACES, 0) for name, each in samples.targets.items()})


def _along(group: Group, nothing: Mapping[str, nn.Module], lines: Samples) -> list[Band]:
    """Return the band of each constraint of a group whose right side varies along lines."""
    window = torch.hann_window(_PLACES, periodic=False, dtype=torch.float64)
    found: list[Band] = []
    for residual in Objective.evaluate_group(group, nothing, lines):
        rows = to_real_rows(residual).double().unflatten(0, (-1, _PLACES))  # (lines, places, k)
        rows = rows[torch.isfinite(rows).flatten(1).all(1)]
        varying = rows - rows.mean(1, keepdim=True)
        if not len(rows) or float(varying.norm()) <= 1e-9 * float(rows.norm()):
            continue
        slopes = varying.diff(dim=1).norm() * (_PLACES - 1) / 2 / rows.norm()
        power = torch.fft.rfft(varying * window[:, None], dim=1).abs().square().sum((0, 2))
        power /= power.sum()
        below, above = power.cumsum(0), power.flip(0).cumsum(0).flip(0)
        low, high = int((below < _ENERGY).sum()) + 1, int((above > _ENERGY).sum()) - _LEAKING
        highest = max(float(slopes), math.pi * high if high > 1 else 0.0)
        found.append((min(math.pi * low, highest) if low > _LEAKING else 0.0, highest))
    return found


class _Nothing(nn.Module):
    """A field like another that is 0 everywhere."""

    def __init__(self, like: nn.Module) -> None:
        super().__init__()
        self.in_features = getattr(like, "in_features", 0)
        self.out_features = int(getattr(like, "out_features", 1))
        self.axes = getattr(like, "axes", None)

    def forward(self, points: Tensor) -> Tensor:
        """Return zeros, ``(n, c)``, that can be differentiated."""
        return 0.0 * points.sum(1, keepdim=True).expand(-1, self.out_features)
