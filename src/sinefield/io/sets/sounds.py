"""Sets of short sounds of one length: folders of recordings, cut or continued by silence where their lengths differ."""

from __future__ import annotations

import math
import statistics
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import SignalWarning, audio
from sinefield.io.sets.signal_set import SignalSet, files_in, told_together

SUFFIXES: Final = audio.SUFFIXES
"""The endings of sounds in a folder."""


def read(
    source: str | Path, *, limit: int | None = None, rate: int | None = None, samples: int | None = None
) -> SignalSet:
    """Return the sounds in a folder.

    Args:
        source: a folder of recordings, which are read in the order of their names, those of folders in it too.
        limit: the most that are taken, the first; None: all.
        rate: samples a second that all are resampled to; None: those that they have.
        samples: how many there are of each; None: the median of what they have. Which are cut, or continued by silence,
            is told.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no sound, or such of several rates or numbers of channels, or with gaps, or a damaged one.
    """
    folder = Path(source)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; give a folder of recordings")
    files = files_in(folder, SUFFIXES)[:limit]
    if not files:
        raise ValueError(f"the folder {folder} holds no recording; give one of .wav, .flac, … files")
    found: list[NDArray[np.float32]] = []
    first, rate_of_first = files[0], rate
    with told_together(str(folder)):
        for path in files:
            recording = audio.read(path)
            if recording.known is not None:
                raise ValueError(f"{path} has gaps, which no sound that is learnt from may have; fill or remove them")
            if rate_of_first not in (None, recording.rate) and rate is None:
                raise ValueError(
                    f"the folder {folder} is mixed: {first.name} has {rate_of_first} samples a second, and {path.name} "
                    f"{recording.rate}; resample all with --rate"
                )
            rate_of_first = rate or recording.rate
            values = resampled(recording, rate_of_first)
            if found and values.shape[1] != found[0].shape[1]:
                raise ValueError(
                    f"the folder {folder} is mixed: {first.name} has {found[0].shape[1]} channels, and {path.name} "
                    f"{values.shape[1]}; keep sounds of one number of channels in it"
                )
            found.append(values)
    count = samples or int(statistics.median_low([len(each) for each in found]))
    _tell_lengths(folder, [len(each) for each in found], count, chosen=samples is not None)
    values = np.stack([fitted(each, count) for each in found])[:, None]
    peak = float(np.abs(values).max())
    if peak == 0:
        raise ValueError(
            f"the sounds of {folder} are silent in their first {count:,} samples; give more with --samples"
        )
    assert rate_of_first is not None, "there is a file"
    return SignalSet(values, -peak, peak, str(folder), "audio", rate_of_first)


def resampled(recording: audio.Recording, rate: int) -> NDArray[np.float32]:
    """Return the samples ``(n, channels)`` of a recording at another rate, full scale 1.

    Raises:
        ValueError: none would be left.
    """
    values = recording.values.astype(np.float32) / np.float32(recording.full)
    if rate == recording.rate:
        return values
    if len(values) * rate < 2 * recording.rate:
        raise ValueError(f"{recording.name} has fewer than 2 samples at {rate} a second; choose a higher --rate")
    from scipy.signal import resample_poly  # takes long to import

    common = math.gcd(rate, recording.rate)
    found: NDArray[np.float32] = resample_poly(values, rate // common, recording.rate // common, axis=0)
    return found.astype(np.float32)


def fitted(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return so many samples ``(count, channels)``: the first, or all and zeros."""
    some = values[:count]
    return np.concatenate([some, np.zeros((count - len(some), values.shape[1]), np.float32)])


def _tell_lengths(folder: Path, lengths: list[int], count: int, *, chosen: bool) -> None:
    longer = sum(each > count for each in lengths)
    shorter = sum(each < count for each in lengths)
    if longer + shorter == 0:
        return
    parts = [f"{longer:,} are cut"] * (longer > 0) + [f"{shorter:,} are continued by silence"] * (shorter > 0)
    why = "as asked" if chosen else "their median; --samples N chooses another length"
    told = f"{folder}: of {len(lengths):,} sounds {' and '.join(parts)} to {count:,} samples, {why}"
    warnings.warn(told, SignalWarning, stacklevel=3)
