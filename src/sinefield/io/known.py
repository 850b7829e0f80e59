"""Samples that a signal does not tell: missing elevations, voxels outside of a head, colours under alpha 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.allocation import iterate_slabs, release


@final
@dataclass(frozen=True, eq=False)
class Known:
    """Which samples are known, as 1 or 0 when they are looked up; the target ``known`` of a grid.

    A residual that is multiplied by it asks nothing of the field where the signal tells nothing. It is a
    :class:`sinefield.domains.Lookup`.

    Args:
        mask: ``(n, 1)`` for all channels together, or ``(n, c)``, booleans.

    >>> Known(np.array([[True], [False]]))[torch.tensor([1, 0])].tolist()
    [[0.0], [1.0]]
    """

    mask: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return n, the number of samples."""
        return len(self.mask)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return 1 or 0 as ``(len(index), 1)`` or ``(len(index), c)``, on the device of ``index``."""
        found = torch.from_numpy(self.mask[index.cpu().numpy()].astype(np.float32))
        release(self.mask)  # pages that have been read would otherwise count as memory of this process
        return found.to(index.device)

    @property
    def part(self) -> float:
        """The part of the samples that is known, 0 to 1."""
        known = sum(int(np.count_nonzero(self.mask[some])) for some in iterate_slabs(self.mask))
        return known / self.mask.size


def fill_unknown(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Return samples with those that are not known replaced by the nearest that are.

    Nothing is fitted to them; but spectra are taken over all samples, and a jump would count as a high frequency.

    Args:
        values: samples ``(…, c)`` on a lattice.
        known: which are known, ``(…, 1)`` or ``(…, c)``; at least one of each channel.

    >>> fill_unknown(np.array([[1.0], [np.nan], [np.nan], [4.0]]), np.array([[True], [False], [False], [True]]))[:, 0]
    array([1., 1., 4., 4.])
    """
    from scipy import ndimage  # takes long to import, and most signals are known everywhere

    filled = values.copy()
    for channel in range(values.shape[-1]):
        there = known[..., min(channel, known.shape[-1] - 1)]
        if not there.all():
            nearest = ndimage.distance_transform_edt(~there, return_distances=False, return_indices=True)
            filled[..., channel] = values[..., channel][tuple(nearest)]
    return filled
