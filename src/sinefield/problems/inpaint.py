"""A picture from some of its pixels, or from means over larger ones: inpainting and super-resolution.

With a_p what is known, Ω the pixels whose neighbourhood holds one that is not, differences those of neighbouring
pixels, and ε = 0.01 rounding off the corner of the norm:

    value       Φ(x_p) − a_p = 0                          at known pixels
    mean        mean of Φ over K x K pixels − a_p = 0     in their place, where pixels are K times as large
    prior       √(‖∇ₕΦ‖² + ε²) − ε,  or of ∇ₕ²Φ           small in the mean over Ω: total variation, or of slopes

Absolute values forgive edges, and ask that all else be flat, or even. Norms are means over channels.

Sources: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992); arXiv
2006.09661, supplement; Bredies, Kunisch, Pock, "Total generalized variation", SIAM J. Imaging Sciences 3 (2010), for
second differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import metrics
from sinefield.constraint import Constraint
from sinefield.domains import Grid, Patches, PointCloud
from sinefield.fields.field import build
from sinefield.io import image as pictures
from sinefield.io.image import Picture
from sinefield.io.selection import Selection, read_selection
from sinefield.jet import Jet, jets_of
from sinefield.norms import MeanAbsolute
from sinefield.problem import Problem
from sinefield.problems.kept import KEPT
from sinefield.recipe import Changes
from sinefield.signals.image import ImageSignal
from sinefield.solvers import Adam, Muon

WEIGHTS: Mapping[str, float] = {"tv": 0.1, "hessian": 0.1}
"""The weight of each prior where a tenth of the pixels are known."""

ROUNDING = 0.01
"""ε, in field values a pixel or a pixel squared."""

HIGHEST = 60.0
"""The greatest ω₀ that many known pixels let a field start from."""

FAST: Changes = {"solver": Muon(1e-3, rest=Adam(4e-4)), "batch": 2000, "passes": 40}
"""How it is found."""


def inpaint(
    source: str | Path | NDArray[Any] | Tensor,
    *,
    mask: str | Path | NDArray[Any] | Tensor | None = None,
    pixels: float | None = None,
    seed: int = 0,
    prior: str = "hessian",
    weight: float | None = None,
    scale: int = 1,
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a picture of which some pixels are known, or all of them as means over larger areas.

    Args:
        source: a picture, as :func:`sinefield.problems.image` takes it. Without a mask, ``pixels`` and ``scale`` those
            of its pixels are filled in that hold no sample, or whose alpha is 0.
        mask: white where the picture is to be filled in.
        pixels: know only so many pixels, drawn at random: a whole number of them, or a fraction below 1.
        seed: of the draw.
        prior: total variation ``"tv"``, or that of the slopes, ``"hessian"``.
        weight: of the prior; None: that of :data:`WEIGHTS`.
        scale: super-resolution: find a picture of so many times the pixels each way, of which the pixels of this one
            are means.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: nothing to fill in, nothing known, more than one of mask, pixels and scale, an unknown prior, a
            weight or number of pixels out of its range, a mask of another size, or a picture that cannot be used.
        FileNotFoundError: there is no such file.

    >>> problem = inpaint("sample:camera", pixels=0.1)
    >>> [each.name for each in problem.constraints]
    ['value', 'prior']
    """
    if prior not in WEIGHTS:
        raise ValueError(f"the prior is one of {', '.join(WEIGHTS)}, got {prior!r}")
    if weight is not None and not 0 <= weight < math.inf:
        raise ValueError(f"the weight of the prior is a number from 0 on, got {weight}")
    if type(scale) is not int or scale < 1:
        raise ValueError(f"the scale of super-resolution is a whole number from 2 on, got {scale}")
    if (mask is not None) + (pixels is not None) + (scale > 1) > 1:
        raise ValueError("a mask, a number of pixels and a scale are different tasks; give one of them")
    picture = pictures.read(source)
    known = _known(picture, mask, pixels, seed)
    if scale == 1 and known.all():
        raise ValueError(f"every pixel of {picture.name} is known; give a mask, a number of pixels, or a scale")
    truth = picture if pixels is not None else None
    if scale > 1:
        picture = _enlarged(picture, scale)
        known = known.repeat(scale, 0).repeat(scale, 1)
    signal = replace(ImageSignal.of(picture), mask=None, details=replace(picture.details, nodata=None))
    values = signal.lattice.to_field(picture.values)
    domain = _domain(known, values, prior, scale)
    count = int(known.sum()) / scale**2
    deviation = float(values[torch.from_numpy(known).flatten()].std(0, correction=0).mean()) or 1.0
    # A pixel of the prior weighs as much beside a known pixel however many of them are known.
    share = WEIGHTS[prior] if weight is None else weight
    share *= 0.1 * known.size / (count * deviation)
    measured: Constraint
    if scale > 1:
        measured = Constraint(domain, partial(_mean, patches=domain, scale=scale), "mean", 1 / deviation**2)
    else:
        there = torch.from_numpy(np.flatnonzero(known))
        cloud = PointCloud(Grid(signal.lattice.shape).at(there).points, {"value": values[there]})
        measured = Constraint(cloud, _value, "value", 1 / deviation**2)
    residual = partial(_PRIORS[prior], patches=domain)
    constraints = [measured, Constraint(domain, residual, "prior", share, MeanAbsolute())]
    size = {"hidden_features": 128 if count < 10_000 else 256} | dict(settings)
    build("siren", 2, signal.channels, **size)  # an unknown setting is refused here, not in solve
    area = 4 * math.prod(signal.lattice.extent)
    return Problem.of_one(
        name="inpaint",
        constraints=constraints if share > 0 else constraints[:1],
        network=partial(_network, signal.channels, size),
        signal=signal,
        measure=partial(_measure, known, values, truth is not None, scale),
        omega=min(math.sqrt(count / area), HIGHEST),
        reference=picture,
        tuning={"fast": {**FAST, "first_omega": None}},
    )


def _known(
    picture: Picture, mask: str | Path | NDArray[Any] | Tensor | None, pixels: float | None, seed: int
) -> Selection:
    """Return which pixels are known, ``(height, width)``.

    Raises:
        ValueError: none is, or ``pixels`` is out of its range.
    """
    shape = (picture.values.shape[0], picture.values.shape[1])
    known = np.ones(shape, bool)
    if picture.known is not None:
        known = picture.known[..., 0].copy()  # of colours
    if mask is not None:
        known &= ~read_selection(mask, shape, picture.name)
    if pixels is not None:
        most = int(known.sum())
        count = round(pixels * most) if 0 < pixels < 1 else int(pixels) if float(pixels).is_integer() else 0
        if not 1 <= count <= most:
            raise ValueError(
                f"the pixels to know of {picture.name} are a whole number from 1 to {most:,}, or a fraction below 1 "
                f"that makes at least one, got {pixels:g}"
            )
        kept = np.random.default_rng(seed).permutation(np.flatnonzero(known))[:count]
        known = np.zeros(shape, bool)
        known.flat[kept] = True
    if not known.any():
        raise ValueError(f"no pixel of {picture.name} is known: the mask selects all of them; give a smaller mask")
    return np.asarray(known)


def _enlarged(picture: Picture, scale: int) -> Picture:
    """Return a picture with each pixel ``scale`` times as many each way."""
    return replace(
        picture,
        values=picture.values.repeat(scale, 0).repeat(scale, 1),
        known=None if picture.known is None else picture.known.repeat(scale, 0).repeat(scale, 1),
        details=picture.details.scaled(scale, scale),
    )


def _domain(known: Selection, values: Tensor, prior: str, scale: int) -> Patches:
    """Return the pixels in squares, with what the prior and means are about."""
    kept = known & (scale == 1)
    padded = np.pad(~kept, 1)
    near = np.any([np.roll(padded, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)[1:-1, 1:-1]
    flags = {"near": near, "inside": np.ones_like(known), KEPT: kept, "known": known}
    targets = {name: torch.from_numpy(each.astype(np.float32)).reshape(-1, 1) for name, each in flags.items()}
    side = scale * -(-8 // scale)
    return Patches(known.shape, targets | {"value": values}, side=side, before=int(prior == "hessian"), after=1)


# ---- residuals


def _value(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def _mean(u: Jet, value: Tensor, known: Tensor, *, patches: Patches, scale: int) -> Tensor:
    """Return the mean of the field over the samples of a pixel less the pixel's value, at each of the samples."""
    own = slice(patches.before, patches.before + patches.side)
    squares = (u.value * known, value * known)
    off, there = (each.unflatten(0, (-1, patches.width, patches.width))[:, own, own] for each in squares)
    blocks = (off - there).unflatten(2, (-1, scale)).unflatten(1, (-1, scale)).mean((2, 4), keepdim=True)
    means = blocks.expand(-1, -1, scale, -1, scale, -1).flatten(3, 4).flatten(1, 2)
    return _framed(means, patches)


def _total_variation(u: Jet, near: Tensor, inside: Tensor, *, patches: Patches) -> Tensor:
    """Return √(‖∇ₕΦ‖² + ε²) − ε by differences to the next pixel, where such pixels are."""
    width = patches.width
    values, there = (each.unflatten(0, (-1, width, width)) for each in (u.value, inside))
    down = (values[:, 1:, :-1] - values[:, :-1, :-1]) * there[:, 1:, :-1]
    right = (values[:, :-1, 1:] - values[:, :-1, :-1]) * there[:, :-1, 1:]
    return near * _framed(_rounded(down.square() + right.square()), patches)


def _slopes(u: Jet, near: Tensor, inside: Tensor, *, patches: Patches) -> Tensor:
    """Return √(‖∇ₕ²Φ‖² + ε²) − ε by second differences, where the pixels that they take are."""
    width = patches.width
    values, there = (each.unflatten(0, (-1, width, width)) for each in (u.value, inside))
    before, here, after = slice(0, -2), slice(1, -1), slice(2, None)
    middle = values[:, here, here]
    down = values[:, after, here] - 2 * middle + values[:, before, here]
    right = values[:, here, after] - 2 * middle + values[:, here, before]
    mixed = values[:, after, after] - values[:, after, here] - values[:, here, after] + middle
    squares = (down * there[:, after, here] * there[:, before, here]).square()
    squares = squares + (right * there[:, here, after] * there[:, here, before]).square()
    squares = squares + 2 * (mixed * there[:, after, after]).square()
    return near * _framed(_rounded(squares), patches)


_PRIORS: Mapping[str, Callable[..., Tensor]] = {"tv": _total_variation, "hessian": _slopes}


def _rounded(squares: Tensor) -> Tensor:
    return (squares.mean(-1, keepdim=True) + ROUNDING**2).sqrt() - ROUNDING


def _framed(middle: Tensor, patches: Patches) -> Tensor:
    """Return rows for all points of patches, of values ``(k, side, side, c)`` in their middle: 0 around."""
    frame = (patches.before, patches.after)
    return nn.functional.pad(middle, (0, 0, *frame, *frame)).flatten(0, 2)


# ---- the field


def _network(channels: int, settings: Mapping[str, int | float | str], first_omega: float) -> nn.Module:
    return build("siren", 2, channels, **({"first_omega": first_omega} | dict(settings)))


def _measure(
    known: Selection, values: Tensor, whole: bool, scale: int, field: nn.Module, count: int | None
) -> dict[str, float]:
    """Return the PSNR of a field where the picture is known, and where it is not if it is whole.

    In super-resolution that of means over larger pixels, which takes all of them.
    """
    grid = Grid(known.shape)
    some = None if scale > 1 or count is None or count >= grid.size else count
    generator = torch.Generator().manual_seed(0)
    index = torch.arange(grid.size) if some is None else torch.randperm(grid.size, generator=generator)[:some]
    found = torch.cat([u.value.float().cpu() for u in jets_of(field, grid.at(index).points, ["value"])])
    error, there = found - values[index], torch.from_numpy(known).flatten()[index]
    if scale > 1:
        blocks = error.reshape(known.shape[0] // scale, scale, known.shape[1] // scale, scale, -1)
        error, there = blocks.mean((1, 3)).flatten(0, 1), torch.from_numpy(known[::scale, ::scale]).flatten()
    parts = {"psnr": there} | ({"psnr_unknown": ~there} if whole else {})
    return {
        name: metrics.psnr(error[part], torch.zeros_like(error[part]), peak=2.0)
        for name, part in parts.items()
        if part.any()
    }
