"""Priors as files, which are field files of the architecture ``prior``; and the fields that they find."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield import __version__, checkpoint
from sinefield.fields import Siren
from sinefield.io import image
from sinefield.io.selection import read_selection
from sinefield.io.source import Source
from sinefield.priors.contexts import context_of, random_masks
from sinefield.priors.prior import Prior
from sinefield.signals.image import ImageSignal


def read(path: str | Path) -> tuple[Prior, dict[str, Any]]:
    """Return the prior in a file, and its header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or of a newer version, or it holds a field that is no prior.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no prior {path}; make one with: sinefield prior train DATA -o {path}")
    field, header = checkpoint.read(path)
    if not isinstance(field, Prior):
        raise ValueError(
            f"{path} holds a field of kind {reprlib.repr((header.get('signal') or {}).get('kind', 'unknown'))}, and no "
            "prior; make one with: sinefield prior train DATA"
        )
    return field, header


def read_picture(path: str | Path, prior: Prior) -> image.Picture:
    """Return a picture of the size and the channels that a prior is of.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or of another size or number of channels.
    """
    picture = image.read(path)
    height, width, channels = picture.values.shape
    if (height, width, channels) != (*prior.shape, prior.channels):
        raise ValueError(
            f"{path} is {width} x {height} with {channels} channels, and the prior is of pictures of "
            f"{prior.shape[1]} x {prior.shape[0]} with {prior.channels}; scale or convert it"
        )
    return picture


def read_context(
    picture: image.Picture,
    prior: Prior,
    *,
    mask: str | Path | NDArray[Any] | None = None,
    pixels: float | None = None,
    seed: int = 0,
) -> Tensor:
    """Return the context ``(1, in_features)`` that is known of a picture.

    Args:
        picture: of the size of the prior's.
        prior: which.
        mask: white where a pixel is known; None: see ``pixels``.
        pixels: how many are known, drawn at random: a number, or a fraction below 1; None: all that have a sample.
        seed: of the draw.

    Raises:
        ValueError: no pixel is known, or more than there are, or both are given.
    """
    if mask is not None and pixels is not None:
        raise ValueError("a context is told by --mask or by --pixels; give one of them")
    has = (
        torch.ones(prior.pixels) if picture.known is None else torch.from_numpy(picture.known.all(2)).flatten().float()
    )
    if mask is not None:
        known = torch.from_numpy(read_selection(mask, prior.shape, picture.name)).flatten().float() * has
    elif pixels is not None:
        if not (pixels > 0 and math.isfinite(pixels)):
            raise ValueError(f"a context needs at least one pixel, got --pixels {pixels:g}")
        count = max(1, round(pixels * prior.pixels)) if pixels < 1 else round(pixels)
        if count > prior.pixels:
            raise ValueError(f"{picture.name} has {prior.pixels} pixels, and --pixels asks for {count} of them")
        known = random_masks(1, prior.pixels, count, torch.Generator().manual_seed(seed))[0] * has
    else:
        known = has
    if not bool(known.any()):
        raise ValueError(f"no pixel of {picture.name} is known: where the mask is white it has no sample")
    # Black and white are those of the picture: 16 bits beside 8 are the same colours.
    scaled = (np.asarray(picture.values, np.float64) - picture.low) / (picture.high - picture.low) * 2 - 1
    values = torch.from_numpy(scaled).float().reshape(-1, prior.channels)
    return context_of(values.unsqueeze(0), known.unsqueeze(0))


def signal_of(prior: Prior) -> ImageSignal:
    """Return how fields of a prior are read back as pictures."""
    lattice = prior.lattice
    bits = {255.0: 8, 65535.0: 16}.get(lattice.high, 32) if lattice.low == 0 else 32
    return ImageSignal(lattice, bits)


def save_field(
    path: str | Path,
    field: Siren,
    prior: Prior,
    recipe: Mapping[str, Any],
    *,
    source: Source | None = None,
    metrics: Mapping[str, float] | None = None,
    seed: int = 0,
) -> None:
    """Write a field that a prior found, as any picture's: ``render``, ``info`` and ``view`` read it.

    Args:
        path: where.
        field: a SIREN with plain weights.
        prior: that found it.
        recipe: what is stored of how.
        source: the picture.
        metrics: what was reached.
        seed: of what was drawn.

    Raises:
        OSError: the place cannot be written to.
    """
    checkpoint.save(
        path,
        field,
        signal=signal_of(prior).to_json(),
        problem="prior",
        recipe={"name": "prior", "method": cast("str", prior.settings["method"]), **recipe},
        metrics=dict(metrics or {}),
        source=None if source is None else source.to_json(),
        seed=seed,
        sinefield=__version__,
    )
