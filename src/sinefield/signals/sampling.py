"""Fields evaluated at the samples of a lattice, in blocks of bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.domains import Grid
from sinefield.fields.derivatives import Derivative
from sinefield.io.allocation import allocate, release
from sinefield.jet import CHUNK, Jet, jets_of
from sinefield.randomness import ORDERED, order_of_window

_RELEASED = 256  # blocks after which what was written is handed to the disk


def sample_grid(
    field: nn.Module,
    axes: Sequence[Tensor],
    channels: int,
    read: Callable[[Jet], Tensor],
    needs: Iterable[Derivative | str] = ("value",),
    precision: type[np.floating[Any]] = np.float32,
) -> NDArray[Any]:
    """Return what is read of a field at every combination of coordinates, ``(len(axes[0]), …, k)``.

    What is too large for memory is mapped from a temporary file.

    Args:
        field: Φ, from ``(n, d)`` to ``(n, channels)``.
        axes: the coordinates along each of d axes.
        channels: c, of the signal.
        read: what is read of the jet, ``(n, k)``.
        needs: the derivatives that it reads.
        precision: of the result.

    Raises:
        ValueError: the field has other than d inputs or ``channels`` outputs, or the disk cannot hold the result.
    """
    shape = tuple(len(each) for each in axes)
    inputs = getattr(field, "in_features", len(axes))
    if inputs != len(axes):
        raise ValueError(
            f"the field has {inputs} coordinates and the signal {len(axes)}; give one fitted to this signal"
        )
    found: NDArray[Any] | None = None
    for number, block in enumerate(_blocks(shape)):
        some = [each[part] for each, part in zip(axes, block, strict=True)]
        points = torch.stack(torch.meshgrid(*some, indexing="ij"), dim=-1).flatten(0, -2)
        for u in jets_of(field, points, needs):  # one of them, as a block is no longer than a chunk
            values = read(u).to("cpu", torch.float64 if precision is np.float64 else torch.float32).numpy()
            if u.value.shape[1] != channels:
                raise ValueError(
                    f"the field has {u.value.shape[1]} outputs and the signal {channels} channels; give one fitted to "
                    "this signal"
                )
            if found is None:
                found = allocate("what is to be rendered", (*shape, values.shape[1]), precision)
            found[block] = values.reshape(*(len(each) for each in some), -1)
        if number % _RELEASED == 0 and found is not None:
            release(found)
    if found is None:
        raise ValueError(f"there is nothing to render: the axes have {shape} samples; give at least one along each")
    return found


def _blocks(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the blocks of an array, of at most ``CHUNK`` points and about as long along each axis."""
    sides, room = [], float(CHUNK)
    # Short axes first: what they do not use is left to the longer ones.
    for rank, axis in enumerate(sorted(range(len(shape)), key=lambda axis: shape[axis])):
        side = min(shape[axis], max(1, int(room ** (1 / (len(shape) - rank)))))
        sides.append((axis, side))
        room /= side
    steps = dict(sides)
    starts = [range(0, extent, steps[axis]) for axis, extent in enumerate(shape)]
    for corner in itertools.product(*starts):
        yield tuple(slice(start, start + steps[axis]) for axis, start in enumerate(corner))


def compare(field: nn.Module, grid: Grid, count: int | None, name: str = "value") -> Iterator[tuple[Tensor, Tensor]]:
    """Yield values of a field beside the targets of a grid, chunk by chunk.

    Both are ``(n, c)``; where the grid has the target ``known``, only the m numbers that are known, ``(m,)``.

    Args:
        field: Φ.
        grid: with the target ``name``.
        count: of points spread over the grid; None: all, in order.
        name: of the target.
    """
    if count is None or count >= grid.size:
        chunks: Iterator[Tensor] = (
            torch.arange(start, min(start + CHUNK, grid.size)) for start in range(0, grid.size, CHUNK)
        )
    else:
        # Of a large grid the first runs that are visited, in their order, so that neighbours are looked up together.
        some = order_of_window(grid.size, 0, 0)[:count]
        chunks = iter((some if grid.size <= ORDERED else some.sort().values).split(CHUNK))
    for index in chunks:
        samples = grid.at(index)
        for u in jets_of(field, samples.points):  # one of them, as these are no more than a chunk
            yield select_known(u.value.float().cpu(), samples.targets[name], samples.targets.get("known"))


def select_known(value: Tensor, target: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return values and targets ``(n, c)``, or only the m numbers of both that are known, ``(m,)``.

    Args:
        value: of a field.
        target: of the same shape.
        known: 1 or 0 as ``(n, 1)`` or ``(n, c)``; None: all are known.
    """
    if known is None:
        return value, target
    there = known.expand_as(value) > 0
    return value[there], target[there]


def crop_middle(grid: Grid, count: int, name: str = "value") -> Tensor:
    """Return the targets in the middle of a grid, at most about ``count`` of its proportions, ``(…, c)``."""
    factor = min(1.0, (count / grid.size) ** (1 / grid.dimension))
    kept = [max(1, int(size * factor)) for size in grid.shape]
    ranges = [torch.arange((n - k) // 2, (n - k) // 2 + k) for n, k in zip(grid.shape, kept, strict=True)]
    index = torch.zeros([1] * grid.dimension, dtype=torch.long)
    for axis, (size, some) in enumerate(zip(grid.shape, ranges, strict=True)):
        shape = [1] * grid.dimension
        shape[axis] = -1
        index = index * size + some.view(shape)
    values = grid.targets[name][index.flatten()]
    return values.reshape(*kept, -1)


def check_count(what: str, count: float) -> int:
    """Return how many samples there shall be.

    Raises:
        ValueError: it is less than one, or not a number.
    """
    if not (math.isfinite(count) and round(count) >= 1):
        raise ValueError(f"{what} would have {count:g} samples; it must have at least 1")
    return round(count)
