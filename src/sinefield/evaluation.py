"""How a field is asked for values outside of a fit: without dropout, without a record for gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sinefield.tiled import TiledSiren


@contextmanager
def evaluating(field: nn.Module) -> Iterator[Tensor]:
    """Switch dropout and the recording of gradients off, and the mode back afterwards.

    Yields:
        a tensor of the device and the precision that points must have.
    """
    training = field.training
    field.eval()
    try:
        with torch.no_grad():
            like = next(field.parameters(), torch.empty(0))
            yield like.new_empty(0, dtype=torch.float64) if isinstance(field, TiledSiren) else like
    finally:
        field.train(training)
