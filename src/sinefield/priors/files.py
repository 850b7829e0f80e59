"""Priors as files, which are field files of the architecture ``prior``; and the fields that they find."""

from __future__ import annotations

import math
import reprlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield import __version__, checkpoint
from sinefield.fields import Siren
from sinefield.io import SignalWarning, audio, image
from sinefield.io.selection import read_selection
from sinefield.io.sets import shapes, sounds
from sinefield.io.source import Source
from sinefield.priors.contexts import context_of, random_masks
from sinefield.priors.prior import Prior
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal


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


@final
@dataclass(frozen=True, eq=False)
class Given:
    """A signal of the kind and the size of a prior's.

    Args:
        values: in field values, ``(pixels, c)``.
        has: 1 where there is a sample, else 0, ``(pixels,)``.
        name: in messages.
    """

    values: Tensor
    has: Tensor
    name: str


def read_signal(path: str | Path, prior: Prior) -> Given:
    """Return a picture, a sound or a shape of the size and the channels that a prior is of.

    A sound is resampled to the rate of the prior's. Of a longer one the beginning is taken, and of a shorter one what
    follows is not known; both are told.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no signal of that kind, or of another size or number of channels.

    Warns:
        SignalWarning: a sound is not taken as it is.
    """
    match prior.kind:
        case "audio":
            return _read_sound(Path(path), prior)
        case "shape":
            distances = torch.from_numpy(shapes.read_one(path, prior.shape[0]))
            return Given(distances.reshape(-1, 1), torch.ones(prior.pixels), str(path))
    picture = image.read(path)
    height, width, channels = picture.values.shape
    if (height, width, channels) != (*prior.shape, prior.channels):
        raise ValueError(
            f"{path} is {width} x {height} with {channels} channels, and the prior is of pictures of "
            f"{prior.shape[1]} x {prior.shape[0]} with {prior.channels}; scale or convert it"
        )
    # Black and white are those of the picture: 16 bits beside 8 are the same colours.
    scaled = (np.asarray(picture.values, np.float64) - picture.low) / (picture.high - picture.low) * 2 - 1
    has = np.ones(prior.pixels) if picture.known is None else picture.known.all(2).flatten()
    return Given(
        torch.from_numpy(scaled).float().reshape(-1, prior.channels), torch.from_numpy(has).float(), picture.name
    )


def _read_sound(path: Path, prior: Prior) -> Given:
    recording = audio.read(path)
    rate, count = int(prior.settings["rate"]), prior.pixels
    known = torch.ones(len(recording.values)) if recording.known is None else torch.from_numpy(recording.known.all(1))
    if recording.rate != rate and not bool(known.all()):
        raise ValueError(f"{path} has gaps, and is not of {rate} samples a second as the prior's sounds; resample it")
    values = sounds.resampled(recording, rate)
    if values.shape[1] != prior.channels:
        raise ValueError(
            f"{path} has {values.shape[1]} channels, and the prior is of sounds of {prior.channels}; convert it"
        )
    changes = [f"resampled from {recording.rate} to {rate} samples a second"] * (recording.rate != rate)
    changes += [f"cut to its first {count:,} samples"] * (len(values) > count)
    changes += [f"known for its {len(values):,} samples, of {count:,}"] * (len(values) < count)
    if changes:
        warnings.warn(f"{path} is {' and '.join(changes)}, as the prior is of such sounds", SignalWarning, stacklevel=3)
    scaled = torch.from_numpy(sounds.fitted(values, count)) / float(prior.settings["high"])
    has = torch.zeros(count)
    has[: len(values)] = known[:count].float() if recording.rate == rate else 1.0
    return Given(scaled, has, str(path))


def read_context(
    given: Given,
    prior: Prior,
    *,
    mask: str | Path | NDArray[Any] | None = None,
    pixels: float | None = None,
    seed: int = 0,
) -> Tensor:
    """Return the context ``(1, in_features)`` that is known of a signal.

    Args:
        given: of the size of the prior's.
        prior: which.
        mask: white where a pixel is known; None: see ``pixels``.
        pixels: how many are known, drawn at random: a number, or a fraction below 1; None: all that have a sample.
        seed: of the draw.

    Raises:
        ValueError: no pixel is known, or more than there are, or both are given, or a mask of a sound.
    """
    if mask is not None and pixels is not None:
        raise ValueError("a context is told by --mask or by --pixels; give one of them")
    what = "samples" if prior.kind == "audio" else "pixels"
    known = given.has
    if mask is not None:
        if prior.kind == "audio":
            raise ValueError(
                "a mask is a picture, which no sound has; give --pixels, or a file of floats with NaN for gaps"
            )
        known = torch.from_numpy(read_selection(mask, prior.shape, given.name)).flatten().float() * given.has
    elif pixels is not None:
        if not (pixels > 0 and math.isfinite(pixels)):
            raise ValueError(f"a context needs at least one {what[:-1]}, got --pixels {pixels:g}")
        count = max(1, round(pixels * prior.pixels)) if pixels < 1 else round(pixels)
        if count > prior.pixels:
            raise ValueError(f"{given.name} has {prior.pixels} {what}, and --pixels asks for {count} of them")
        known = random_masks(1, prior.pixels, count, torch.Generator().manual_seed(seed))[0] * given.has
    if not bool(known.any()):
        raise ValueError(f"no {what[:-1]} of {given.name} is known: where they are asked for it has no sample")
    return context_of(given.values.unsqueeze(0), known.unsqueeze(0))


def signal_of(prior: Prior, *, spread: bool = False) -> Signal:
    """Return how fields of a prior are read back; those of the spread of shapes, which are no distances, as pictures.

    Shapes are read back in samples of the lattice, sounds with 16 bits.
    """
    lattice = prior.lattice
    match prior.kind:
        case "audio":
            return AudioSignal(lattice, int(prior.settings["rate"]), 16)
        case "shape" if not spread:
            half = prior.shape[0] / 2
            return ShapeSignal((half, half), half, (shapes.REACH, shapes.REACH))
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
    spread: bool = False,
) -> None:
    """Write a field that a prior found, as any signal's: ``render``, ``info`` and ``view`` read it.

    Args:
        path: where.
        field: a SIREN with plain weights.
        prior: that found it.
        recipe: what is stored of how.
        source: the signal.
        metrics: what was reached.
        seed: of what was drawn.
        spread: whether it is the field of a spread.

    Raises:
        OSError: the place cannot be written to.
    """
    checkpoint.save(
        path,
        field,
        signal=signal_of(prior, spread=spread).to_json(),
        problem="prior",
        recipe={"name": "prior", "method": cast("str", prior.settings["method"]), **recipe},
        metrics=dict(metrics or {}),
        source=None if source is None else source.to_json(),
        seed=seed,
        sinefield=__version__,
    )
