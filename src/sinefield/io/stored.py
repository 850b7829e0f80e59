"""Samples as a file has them: looked up as the values of a field, in memory or mapped from a file."""

from __future__ import annotations

import mmap
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IN_MEMORY = 256 << 20
"""Up to how many bytes decoded samples are held in memory; more are mapped from a temporary file."""


@final
@dataclass(frozen=True, eq=False)
class Stored:
    """Samples ``(n, c)`` that become field values where they are looked up: low … high become −1 … 1.

    Integers stay integers, which take a half or a quarter of the memory of floats, and samples mapped from a file
    stay there.

    Args:
        values: of the signal.
        low: the value that becomes −1.
        high: the value that becomes 1.

    >>> Stored(np.uint8([[0], [255]]), 0, 255)[torch.tensor([1, 0])].tolist()
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
        mapped = getattr(self.values, "_mmap", None)
        if mapped is not None and hasattr(mapped, "madvise"):  # what has been read must not count as ours for ever
            mapped.madvise(mmap.MADV_DONTNEED)
        return found.sub_(self.low).mul_(2 / (self.high - self.low)).sub_(1).to(index.device)

    @property
    def nbytes(self) -> int:
        """How many bytes of memory the samples take."""
        return 0 if isinstance(self.values, np.memmap) else self.values.nbytes


class Spool:
    """Gathers blocks of samples ``(n, c)``: in memory, or in a temporary file where they are many. Used as a context.

    Args:
        channels: c.
        dtype: of the samples.
    """

    def __init__(self, channels: int, dtype: Any) -> None:
        self._channels, self._dtype = channels, np.dtype(dtype)
        # The file has no name by the time it is mapped: whatever happens, it is gone with the process.
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="sinefield-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, block: NDArray[Any]) -> None:
        """Append a block.

        Raises:
            OSError: the disk is full.
        """
        self._file.write(np.ascontiguousarray(block, dtype=self._dtype).tobytes())

    def gathered(self) -> NDArray[Any]:
        """Return all samples ``(n, c)``; nothing can be added afterwards."""
        file = self._file
        size = file.tell()
        file.seek(0)
        if size <= IN_MEMORY:
            return np.frombuffer(file.read(), dtype=self._dtype).reshape(-1, self._channels)
        file.flush()
        return np.memmap(file, dtype=self._dtype, mode="r").reshape(-1, self._channels)
