"""A photograph as a function, found from its values, its gradients, its Laplacian, or any mixture.

With a(x) the picture, scaled to [−1, 1], and pixels at the cell centres of a grid of spacing h:

    value       Φ(x) − a(x) = 0        where a is known
    gradient    ∇Φ(x) − ∇ₕa(x) = 0     ∇ₕ the Sobel operator over 8h
    laplacian   ΔΦ(x) − Δₕa(x) = 0     Δₕ the five-point Laplacian over h²

Derivative targets are in the units of the field and so give the right contrast. Gradients leave a constant
undetermined in each channel, the Laplacian any harmonic function. Nothing is asked of the field where a pixel has no
sample, of its colours where alpha is 0, and of derivatives where their stencil reaches there.

Source: arXiv 2006.09661, sections 4.1 and 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import metrics
from sinefield.constraint import Constraint
from sinefield.domains import Grid
from sinefield.fields.field import build
from sinefield.fields.frequency import mean_frequency
from sinefield.io import image as pictures
from sinefield.io.known import fill_unknown
from sinefield.io.scaled_array import ScaledArray
from sinefield.jet import jets_of
from sinefield.problem import Problem
from sinefield.problems.integral import FROM_INTEGRAL, INTEGRAL, INTEGRATED, start_constraint
from sinefield.problems.lattice import choose_tiles, make_grid, pose_on_lattice, psnr
from sinefield.problems.networks import encoding_of, tuning_of
from sinefield.problems.solved import SolvedSamples
from sinefield.problems.solved_derivative import SolvedDerivative
from sinefield.problems.supervision import SUPERVISED
from sinefield.problems.tiles import batch_of
from sinefield.quantities import QUANTITIES
from sinefield.signals.image import ImageSignal
from sinefield.signals.sampling import select_known

TILE = 96
"""The side of a tile in pixels: what a SIREN 64 x 2 fits as well as a 256 x 3 one fits 256 pixels."""

MEASURED = 1 << 20
"""From how many points at most the quality of a large picture is estimated."""

OMEGA = 6.2
"""ω₀ of the first layer over the square root of the mean frequency of a picture.

Best fits from 64 to 512 pixels need 35 to 110, and higher frequencies predict less between the pixels. The root, as
a picture of twice the frequencies has four times as many of them, and the network only so many parameters.
"""


TILED_OMEGA = 0.6
"""ω₀ of the first layer of a tile over that which :data:`OMEGA` gives.

Flat parts of maps are a third less noisy for it, together with :data:`PER_TILE`, for half a decibel at the samples.
"""

PER_TILE = 128
"""Points of a step in each tile."""


def masks_of(picture: pictures.Picture) -> dict[str, Tensor]:
    """Return which samples of a picture are known, and around which all are, ``(height · width, channels)`` of 1 and 0.

    It is empty where all are known.
    """
    if picture.known is None:
        return {}
    known = np.broadcast_to(picture.known, picture.values.shape)
    padded = np.pad(known, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] & padded[1:-1] & padded[2:]
    around = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    for edges in (around, around.swapaxes(0, 1)):  # at the edges, the third pixel inwards is read too
        edges[0] &= edges[1]
        edges[-1] &= edges[-2]
    masks = {"known": known, "around": around}
    return {name: torch.from_numpy(each.astype(np.float32)).flatten(0, 1) for name, each in masks.items()}


def targets_of(picture: pictures.Picture, on: Sequence[str]) -> dict[str, Tensor]:
    """Return what is constrained of a picture, each as ``(height · width, channels, …)`` in field units."""
    signal = ImageSignal.of(picture)
    values = signal.lattice.to_field(picture.values).unflatten(0, signal.lattice.shape)
    return {quantity: SUPERVISED[quantity].target(values, signal.spacing).flatten(0, 1) for quantity in on}


def image(
    source: str | Path | NDArray[Any] | Tensor,
    on: Sequence[str] = ("value",),
    *,
    network: str = "siren",
    longest: int | None = None,
    tiles: Sequence[int] | None = None,
    tile_size: int | None = None,
    page: int | None = None,
    nodata: float | None = None,
    value_range: tuple[float, float] | None = None,
    channels: Literal["first", "last"] | None = None,
    start: Literal["integral", "nothing"] = "integral",
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a picture as a function, from its values, gradients, Laplacian or a mixture.

    Each constraint is weighted by 1 / the variance of its target, so that a loss is the part of the target
    not explained and a mixture is balanced.

    Args:
        source: a file, ``"sample:camera"``, or an array; see :func:`sinefield.io.image.read`.
        on: what is constrained, of ``"value"``, ``"gradient"``, ``"laplacian"``.
        network: which network, of :data:`sinefield.fields.NETWORKS`; each is trained with its own rates, see
            :mod:`.networks`.
        longest: fit the picture scaled to this many pixels on its longest side.
        tiles: rows and columns of a tiled field, see :mod:`.tiles`; one of each for one network; None: as many as a
            large picture on its values needs, else one.
        tile_size: the side of a tile in pixels, in place of ``tiles``.
        page: which picture of a file that holds several; this and the next three are those of
            :func:`sinefield.io.image.read`.
        nodata: the value that marks pixels without a sample.
        value_range: the values of black and white.
        channels: which axis of an array holds them.
        start: what is known to begin with of a picture fitted on gradients or Laplacians alone, where all are known:
            their integral, see :mod:`.integral`, or nothing, as published.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: nothing or something unknown is constrained, the picture cannot be used, is too small for
            its derivatives, or has none to fit.
        FileNotFoundError: there is no such file.

    >>> problem = image("sample:camera", on=["gradient"], longest=32)
    >>> [each.name for each in problem.constraints]
    ['gradient', 'start']
    """
    unknown = [each for each in on if each not in SUPERVISED]
    if unknown or not on:
        raise ValueError(f"a picture is fitted on {', '.join(SUPERVISED)} or several of them, got {unknown or 'none'}")
    on = tuple(dict.fromkeys(on))
    picture = pictures.read(source, page=page, nodata=nodata, value_range=value_range, channels=channels)
    if longest is not None:
        picture = pictures.resize(picture, longest)
    signal = ImageSignal.of(picture)
    lattice = signal.lattice
    counts = choose_tiles(
        lattice.shape,
        tiles,
        tile_size,
        network,
        usual=(TILE, TILE),
        large=picture.large and on == ("value",),
    )
    asked = tiles is not None or tile_size is not None
    if counts is not None and on != ("value",):
        raise ValueError(f"a tiled field is fitted on value, got {' and '.join(on)}; leave the tiles out")
    if counts is not None or (picture.large and on == ("value",)):
        return _as_stored(picture, signal, counts, network, settings, asked=asked)
    if picture.large:
        picture = replace(picture, values=picture.values.astype(np.float32))
    height, width = lattice.shape
    if on != ("value",) and min(height, width) < 3:
        raise ValueError(f"{picture.name} is {width} x {height} pixels; derivatives need at least 3 each way")
    grid, constraints = _constraints_on(picture, signal, on, start)
    reference = lattice.to_field(picture.values)
    if picture.known is not None:  # what lies under alpha 0 has a spectrum too, which is not that of the picture
        seen = fill_unknown(reference.unflatten(0, lattice.shape).numpy(), picture.known)
        reference = torch.from_numpy(seen).flatten(0, 1)
    omega, chosen = (
        _omega(reference.unflatten(0, lattice.shape), signal.spacing),
        asked or network != "siren" or settings,
    )
    settings = encoding_of(network, omega) | settings
    # An unknown network or setting is refused here, not in solve.
    build(network, 2, lattice.channels, **settings)
    problem = Problem.of_one(
        name="image",
        constraints=constraints,
        network=partial(_network, network, lattice.channels, settings),
        signal=signal,
        measure=partial(_measure, grid, reference),
        omega=omega,
        reference=picture,
        tuning={"fast": FROM_INTEGRAL}
        if len(constraints) > len(on) and network == "siren"
        else tuning_of(network, max(QUANTITIES[each].order for each in on)),
    )
    if chosen:
        return problem
    if on == ("value",):
        return replace(problem, solved=SolvedSamples(grid))
    return replace(problem, solved=SolvedDerivative(grid, on[0])) if INTEGRAL in grid.targets else problem


def _constraints_on(
    picture: pictures.Picture, signal: ImageSignal, on: Sequence[str], start: str
) -> tuple[Grid, Sequence[Constraint]]:
    """Return the constraints of a picture on some quantities, and that by which a fit on gradients alone begins.

    The grid of its samples comes first.

    Raises:
        ValueError: a quantity is the same everywhere, or the start is unknown.
    """
    if start not in {"integral", "nothing"}:
        raise ValueError(f"a fit starts from integral or nothing, got {start!r}")
    targets, masks = targets_of(picture, on), masks_of(picture)
    if start == "integral" and len(on) == 1 and on[0] in INTEGRATED and not masks:
        known = targets[on[0]].unflatten(0, signal.lattice.shape)
        targets[INTEGRAL] = INTEGRATED[on[0]](known, signal.spacing).flatten(0, 1).float()
    grid = Grid(signal.lattice.shape, targets | masks)
    constraints = []
    for quantity in on:
        supervision = SUPERVISED[quantity]
        target = _with_mean_where_unknown(targets[quantity], masks.get(supervision.mask))
        deviation = target - target.mean(0)
        spread = float(deviation.square().mean())  # over all, as the loss is
        # What rounding to single precision leaves of a target that is the same everywhere; one step of one 16-bit
        # pixel is well above it.
        rounding = 4 * torch.finfo(torch.float32).eps * (4 / signal.spacing) ** QUANTITIES[quantity].order
        if not float(deviation.abs().max()) > rounding:
            raise ValueError(f"the {quantity} of {picture.name} is the same everywhere; fit it on value instead")
        residual = supervision.masked if masks else supervision.residual
        constraints.append(Constraint(grid, residual, name=quantity, weight=1 / spread))
    begins = "gradient" in targets and INTEGRAL in targets
    return grid, [*constraints, start_constraint(grid)] if begins else constraints


def _with_mean_where_unknown(target: Tensor, mask: Tensor | None) -> Tensor:
    """Return a target with its mean where it is not known: the squares of deviations add up to those that are."""
    if mask is None:
        return target
    known = mask.reshape(*mask.shape, *[1] * (target.ndim - mask.ndim))
    return torch.where(known > 0, target, (target * known).sum(0) / known.sum(0).clamp(min=1))


def _as_stored(
    picture: pictures.Picture,
    signal: ImageSignal,
    counts: Sequence[int] | None,
    network: str,
    settings: Mapping[str, int | float | str],
    *,
    asked: bool,
) -> Problem:
    """Return the problem of a picture, its pixels as they are stored."""
    lattice = signal.lattice
    stored = ScaledArray(picture.values.reshape(-1, lattice.channels), lattice.low, lattice.high)
    known = None if picture.known is None else picture.known.reshape(-1, picture.known.shape[2])
    return pose_on_lattice(
        signal,
        make_grid(stored, lattice.shape, lattice.extent, in_tiles=counts is not None, known=known),
        lattice.channels,
        _omega if counts is None else _tiled_omega,
        settings,
        network=network,
        tiles=counts,
        asked=asked,
        measure=_measure_some,
        reference=picture,
        tuning=tuning_of(network) if counts is None else {"tiled": {"batch": batch_of(counts, PER_TILE)}},
    )


def _omega(values: Tensor, spacings: float | Sequence[float]) -> float:
    return OMEGA * math.sqrt(mean_frequency(values, spacings))


def _tiled_omega(values: Tensor, spacings: float | Sequence[float]) -> float:
    return TILED_OMEGA * _omega(values, spacings)


def _measure_some(grid: Grid, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the PSNR of a field of a large picture, at most from :data:`MEASURED` points."""
    return psnr(grid, field, min(MEASURED, count or MEASURED))


def _network(network: str, channels: int, settings: Mapping[str, int | float | str], first_omega: float) -> nn.Module:
    frequency = {"first_omega": first_omega} if network == "siren" else {}
    return build(network, 2, channels, **(frequency | dict(settings)))


def _measure(grid: Grid, reference: Tensor, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the metrics of a field, from ``count`` points spread over the grid or from all."""
    generator = torch.Generator().manual_seed(0)
    everything = count is None or count >= grid.size
    index = torch.arange(grid.size) if everything else torch.randperm(grid.size, generator=generator)[:count]
    wanted = sorted({"value"}.union(*(QUANTITIES[each].needs for each in grid.targets if each in QUANTITIES)))
    parts: dict[str, list[Tensor]] = {each: [] for each in wanted}
    for u in jets_of(field, grid.at(index).points, wanted):
        for each in wanted:
            parts[each].append(getattr(u, each).float().cpu())
    found = {each: torch.cat(values) for each, values in parts.items()}
    target = reference[index]
    error = found["value"] - target
    masks = {name: grid.targets[name][index] for name in ("known", "around") if name in grid.targets}
    known = masks.get("known")
    if "value" not in grid.targets:
        there = torch.ones(len(index), dtype=torch.bool) if known is None else known.all(1)
        rest = error[there]
        removed = (
            metrics.without_constant(rest)
            if "gradient" in grid.targets
            else metrics.without_harmonic(rest, grid.at(index[there]).points)
        )
        target, error, known = target[there], removed.to(target.dtype), None if known is None else known[there]
    reached = {"psnr": metrics.psnr(*select_known(target + error, target, known), peak=2.0)}
    if everything and "value" in grid.targets:
        shape = (*grid.shape, -1)
        seen = error if known is None else error * known  # nothing is wrong where nothing is known
        reached["ssim"] = metrics.ssim((target + seen).reshape(shape), target.reshape(shape), peak=2.0)
    around = masks.get("around")
    if "gradient" in grid.targets:
        gradient = grid.targets["gradient"][index]
        inside = None if around is None else around[..., None]
        reached["gradient_error"] = metrics.relative_l2(*select_known(found["jacobian"], gradient, inside))
    if "laplacian" in grid.targets:
        laplacian = grid.targets["laplacian"][index]
        reached["laplacian_correlation"] = metrics.correlation(*select_known(found["laplacian"], laplacian, around))
    return reached
