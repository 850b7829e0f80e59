"""Arrays of stored samples, in memory or mapped from a file, that are scaled to field values when looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.allocation import release


@final
@dataclass(frozen=True, eq=False)
class ScaledArray:
    """Stored samples ``(n, c)``, of which low … high become −1 … 1 when they are looked up.

    Integers stay integers, which take a half or a quarter of the memory of floats, and samples that are mapped from a
    file stay in it. It is a :class:`sinefield.domains.Lookup`, the targets of a grid.

    Args:
        values: stored samples, ``(n, c)``.
        low: stored value that becomes −1.
        high: stored value that becomes 1.

    >>> ScaledArray(np.uint8([[0], [255]]), 0, 255)[torch.tensor([1, 0])].tolist()
    [[1.0], [-1.0]]
    """

    values: NDArray[Any]
    low: float
    high: float

    def __len__(self) -> int:
        """Return n, the number of samples."""
        return len(self.values)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return field values ``(len(index), c)``, on the device of ``index``."""
        found = torch.from_numpy(self.values[index.cpu().numpy()].astype(np.float32, copy=False))
        release(self.values)  # pages that have been read would otherwise count as memory of this process
        return found.sub_(self.low).mul_(2 / (self.high - self.low)).sub_(1).to(index.device)

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the samples take: none where they are mapped from a file."""
        return 0 if isinstance(self.values, np.memmap) else self.values.nbytes
