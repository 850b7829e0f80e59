"""Samples as a file has them: looked up as the values of a field, in memory or mapped from a file."""

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
    """Samples ``(n, c)`` that become field values where they are looked up: low … high become −1 … 1.

    Integers stay integers, which take a half or a quarter of the memory of floats, and samples mapped from a file
    stay there.

    Args:
        values: of the signal.
        low: the value that becomes −1.
        high: the value that becomes 1.

    >>> ScaledArray(np.uint8([[0], [255]]), 0, 255)[torch.tensor([1, 0])].tolist()
    [[1.0], [-1.0]]
    """

    values: NDArray[Any]
    low: float
    high: float

    def __len__(self) -> int:
        """Return n."""
        return len(self.values)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return field values ``(len(index), c)``, on the device of ``index``."""
        found = torch.from_numpy(self.values[index.cpu().numpy()].astype(np.float32, copy=False))
        release(self.values)  # what has been read must not count as ours for ever
        return found.sub_(self.low).mul_(2 / (self.high - self.low)).sub_(1).to(index.device)

    @property
    def nbytes(self) -> int:
        """How many bytes of memory the samples take."""
        return 0 if isinstance(self.values, np.memmap) else self.values.nbytes
