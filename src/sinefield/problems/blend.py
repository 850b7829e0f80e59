"""A part of one picture put into another by its gradients: seamless cloning, and compositing of gradients.

With d the destination, s the source where it is placed, Ω the pixels that the mask selects, f the field inside of Ω and
d outside, and differences of neighbouring pixels p, q of which one is in Ω at least:

    value       Φ(x_p) − d_p = 0                    outside of Ω
    gradient    f(x_q) − f(x_p) − v_pq = 0          at the pairs of Ω
    level       Φ(x_p) − f̂_p = 0                    in Ω, f̂ what solves the second for pixels: see :mod:`.guidance`

with the guidance v of

    cloning     v_pq = s_q − s_p
    mixed       s_q − s_p, or d_q − d_p where that is larger
    weight w    w (s_q − s_p) + (1 − w) (d_q − d_p)

The last constraint has the same answer as those before it, which say so little of low frequencies that a search by them
alone is far from it after minutes. Differences reach over the border of Ω to pixels that are known, so that nothing of
the destination gives way; beyond the edges of both pictures there is nothing, which is Neumann's condition.

Source: Pérez, Gangnet, Blake, "Poisson image editing", SIGGRAPH 2003; arXiv 2006.09661, section 4.2.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
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
from sinefield.domains import Grid, Patches
from sinefield.fields.field import build
from sinefield.fields.frequency import mean_frequency
from sinefield.io import SignalWarning
from sinefield.io import image as pictures
from sinefield.io.image import Picture
from sinefield.io.selection import Selection, read_selection
from sinefield.jet import Jet, jets_of
from sinefield.problem import Problem
from sinefield.problems.guidance import Floats, Guidance, differences_of, pairs_of
from sinefield.problems.image import OMEGA
from sinefield.problems.kept import KEPT
from sinefield.recipe import Changes
from sinefield.signals.image import ImageSignal
from sinefield.solvers import Adam, Muon

SIDE = 8
"""The side of the squares of pixels that a step takes whole."""

FAST: Changes = {"solver": Muon(1e-3, rest=Adam(4e-4)), "batch": 1296, "passes": 120, "first_omega": 50.0}
"""How it is found."""

PictureSource = str | Path | NDArray[Any] | Tensor


def blend(
    source: PictureSource,
    destination: PictureSource,
    *,
    mask: PictureSource | None = None,
    at: tuple[int, int] = (0, 0),
    mixed: bool = False,
    weight: float = 1.0,
    level: bool = True,
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a picture that has the gradients of one inside of a mask, and is another outside.

    Args:
        source: a picture, as :func:`sinefield.problems.image` takes it, which is pasted.
        destination: the picture that it is pasted into.
        mask: white where the source is used, of the size of the source; None: where the source is at least half
            opaque, which without alpha is all of it.
        at: column and row of the destination that the upper left corner of the source comes to lie on; parts that
            lie outside are left out.
        mixed: take the larger of both pictures' gradients in the mask.
        weight: of the source's gradients in their weighted mean with the destination's.
        level: constrain the values of the discrete problem's solution too.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: a mask of another size or that selects nothing, a source that lies outside, one that covers the
            whole destination in normal cloning, a weight outside of (0, 1], pictures whose channels do not fit, or a
            picture that cannot be used.
        FileNotFoundError: there is no such file.

    Warns:
        SignalWarning: a grey picture is taken as one of colours, or colours have different profiles.

    >>> problem = blend("sample:coins", "sample:camera", at=(100, 100))
    >>> [each.name for each in problem.constraints]
    ['value', 'gradient']
    """
    if not 0 < weight <= 1:
        raise ValueError(f"the weight of the source's gradients is in (0, 1], got {weight}")
    if mixed and weight != 1:
        raise ValueError("mixed gradients are the larger ones, and have no weight; give one of both")
    pasted, onto = matched(pictures.read(source), pictures.read(destination))
    guidance, kept = _place(pasted, onto, _selected(pasted, mask), at, mixed=mixed, weight=weight)
    if guidance.inside.all() and not mixed and weight == 1:
        raise ValueError(
            f"{pasted.name} covers all of {onto.name}, of which nothing would be left; give a smaller mask, or mixed "
            "or weighted gradients"
        )
    signal = ImageSignal.of(onto)
    solved = guidance.solve()
    if onto.has_alpha:  # which is the destination's everywhere
        alpha = (onto.values[..., -1:].astype(np.float64) - onto.low) / (onto.high - onto.low) * 2 - 1
        solved = np.concatenate([solved, alpha], axis=2)
    known = _known(guidance, kept, signal.channels, level=level)
    domain = _domain(guidance, solved, known)
    spread = float(solved.reshape(-1, signal.channels).var(0).mean()) or 1.0
    constraints = [
        Constraint(domain, _value, name="value", weight=1 / spread),
        Constraint(domain, partial(_gradient, width=domain.width), name="gradient", weight=1 / spread),
    ]
    build("siren", 2, signal.channels, **settings)  # an unknown setting is refused here, not in solve
    values = signal.lattice.to_signal(torch.from_numpy(solved)).numpy().astype(np.float32)
    return Problem.of_one(
        name="blend",
        constraints=constraints if known.any() else constraints[1:],
        network=partial(_network, signal.channels, settings),
        signal=signal,
        measure=partial(_measure, guidance, kept, torch.from_numpy(solved).float().flatten(0, 1)),
        omega=OMEGA * math.sqrt(mean_frequency(torch.from_numpy(solved), signal.spacing)),
        reference=replace(onto, values=np.where(guidance.inside[..., None], values, onto.values)),
        tuning={"fast": FAST},
    )


# ---- the discrete problem


def matched(source: Picture, destination: Picture) -> tuple[Picture, Picture]:
    """Return both pictures with as many colours; the alpha of each, which is no colour, stays where it is.

    Raises:
        ValueError: one has neither as many as the other, nor one.

    Warns:
        SignalWarning: a grey picture is taken as one of colours, or colours have different profiles.
    """
    counts = [each.values.shape[2] - each.has_alpha for each in (source, destination)]
    most = max(counts)
    found = []
    for each, count in zip((source, destination), counts, strict=True):
        if count not in (1, most):
            raise ValueError(
                f"{source.name} has {counts[0]} channels of colour and {destination.name} {counts[1]}; both need as "
                "many, or one of them a single one"
            )
        if count < most:
            warnings.warn(f"{each.name} is grey, and is taken as {most} equal channels", SignalWarning, stacklevel=3)
            each = replace(
                each,
                values=np.repeat(each.values, most, axis=2),
                details=replace(each.details, profile=b""),
                known=None if each.known is None else each.known[..., :1],
            )
        found.append(each)
    profiles = [each.details.profile for each in found]
    if profiles[0] != profiles[1] and counts[0] == counts[1]:
        warnings.warn(
            f"the colours of {source.name} have another profile than those of {destination.name}, and are taken as if "
            "they had the same",
            SignalWarning,
            stacklevel=3,
        )
    return found[0], found[1]


def _colours(picture: Picture) -> tuple[Floats, Selection]:
    """Return the colours of a picture as field values ``(height, width, c)``, and where they are known."""
    values = picture.values[..., :-1] if picture.has_alpha else picture.values
    scaled = (values.astype(np.float64) - picture.low) / (picture.high - picture.low) * 2 - 1
    known = np.ones(values.shape[:2], bool) if picture.known is None else picture.known[..., 0]
    return scaled, known


def _selected(source: Picture, mask: PictureSource | None) -> Selection:
    """Return which pixels of the source are used, ``(height, width)``.

    Raises:
        ValueError: none, or the mask is none of it.
    """
    shape = (source.values.shape[0], source.values.shape[1])
    _, known = _colours(source)
    if mask is not None:
        selected = read_selection(mask, shape, source.name)
    elif source.has_alpha:
        selected = source.values[..., -1] >= (source.low + source.high) / 2
    else:
        selected = known
    if not (selected & known).any():
        raise ValueError(f"the mask selects no pixel of {source.name} that has a sample; nothing would be pasted")
    return np.asarray(selected & known)


def _place(
    source: Picture,
    destination: Picture,
    selected: Selection,
    at: tuple[int, int],
    *,
    mixed: bool,
    weight: float,
) -> tuple[Guidance, Selection]:
    """Return the discrete problem of the colours, and which pixels keep those of the destination.

    Raises:
        ValueError: what is selected lies outside of the destination.
    """
    pasted, sampled = _colours(source)
    onto, known = _colours(destination)
    height, width, _ = onto.shape
    left, top = at
    rows, columns = slice(max(top, 0), top + selected.shape[0]), slice(max(left, 0), left + selected.shape[1])
    part = (slice(max(-top, 0), max(height - top, 0)), slice(max(-left, 0), max(width - left, 0)))
    inside = np.zeros((height, width), bool)
    there, covered = np.zeros_like(onto), np.zeros((height, width), bool)
    if top + selected.shape[0] > 0 and left + selected.shape[1] > 0:
        inside[rows, columns] = selected[part]
        there[rows, columns] = pasted[part]
        covered[rows, columns] = sampled[part]
    if not inside.any():
        raise ValueError(
            f"{source.name} at {left},{top} lies outside of {destination.name}, which is {width} x {height} pixels; "
            "give another place"
        )
    # Beyond the edge of the source its colours go on as they are: differences are 0 there.
    both = pairs_of(covered, covered)[..., None]
    theirs, ours = np.where(both, differences_of(there), 0.0), differences_of(onto)
    if mixed:
        stronger = np.square(ours).sum(-1, keepdims=True) > np.square(theirs).sum(-1, keepdims=True)
        differences = np.where(stronger, ours, theirs)
    else:
        differences = weight * theirs + (1 - weight) * ours
    level = onto
    if inside.all():
        level = (there + onto) / 2 if mixed else weight * there + (1 - weight) * onto
    return Guidance(level, inside, differences, pairs_of(inside, inside | known)), ~inside & known


# ---- the constraints


def _known(guidance: Guidance, kept: Selection, channels: int, *, level: bool) -> Selection:
    """Return which values are constrained, ``(height, width, channels)``: all of alpha."""
    colours = kept | guidance.inside if level else kept
    known = np.repeat(colours[..., None], channels, axis=2)
    known[..., guidance.level.shape[2] :] = True
    return known


def _domain(guidance: Guidance, solved: Floats, known: Selection) -> Patches:
    """Return the pixels with what the constraints are about."""
    pairs = guidance.pairs[..., None] * np.ones(guidance.level.shape[2])
    targets = {
        "value": solved,
        "known": known,
        KEPT: ~guidance.inside[..., None],
        "differences": np.concatenate(list(guidance.differences * pairs), axis=2),
        "pairs": np.concatenate(list(pairs), axis=2),
    }
    return Patches(
        guidance.inside.shape,
        {name: torch.from_numpy(each.astype(np.float32)).flatten(0, 1) for name, each in targets.items()},
        side=SIDE,
    )


def _value(u: Jet, value: Tensor, known: Tensor) -> Tensor:
    return known * (u.value - value)


def _gradient(u: Jet, value: Tensor, kept: Tensor, differences: Tensor, pairs: Tensor, width: int = 0) -> Tensor:
    """Return the differences of neighbours less the guidance, 0 where no pair counts, of patches of a width."""
    colours = differences.shape[1] // 2
    composed = torch.where(kept > 0, value, u.value)[:, :colours].unflatten(0, (-1, width, width))
    down = composed[:, 1:, :-1] - composed[:, :-1, :-1]
    right = composed[:, :-1, 1:] - composed[:, :-1, :-1]
    along = nn.functional.pad(torch.cat([down, right], dim=-1), (0, 0, 0, 1, 0, 1)).flatten(0, 2)
    own = nn.functional.pad(torch.ones_like(down[..., :1]), (0, 0, 0, 1, 0, 1)).flatten(0, 2)
    return own * pairs * (along - differences)


def _network(channels: int, settings: Mapping[str, int | float | str], first_omega: float) -> nn.Module:
    return build("siren", 2, channels, **({"first_omega": first_omega} | dict(settings)))


def _measure(
    guidance: Guidance, kept: Selection, solved: Tensor, field: nn.Module, count: int | None
) -> dict[str, float]:
    """Return the PSNR of a field beside the solution of the discrete problem: of all, in the mask, and outside.

    Where the mask is everything a constant is left open; it is taken from the solution.
    """
    colours = guidance.level.shape[2]
    grid = Grid(guidance.inside.shape)
    everything = count is None or count >= grid.size
    generator = torch.Generator().manual_seed(0)
    index = torch.arange(grid.size) if everything else torch.randperm(grid.size, generator=generator)[:count]
    values = torch.cat([u.value.float().cpu() for u in jets_of(field, grid.at(index).points, ["value"])])
    error = (values - solved[index])[:, :colours]
    if guidance.inside.all():
        error = metrics.without_constant(error)
    parts = {"psnr": kept | guidance.inside, "psnr_inside": guidance.inside, "psnr_outside": kept}
    found = {}
    for name, part in parts.items():
        some = error[torch.from_numpy(part).flatten()[index]]
        if len(some):
            found[name] = metrics.psnr(some, torch.zeros_like(some), peak=2.0)
    return found
