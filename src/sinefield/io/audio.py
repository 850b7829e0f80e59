"""Recordings: files and arrays to samples ``(n, channels)``, block by block.

Decoded samples keep their type, 16-bit integers where these suffice, and long recordings are kept in a file: an hour
takes no more memory than a minute. Which library decodes a file is told in :mod:`.recordings.decoding`; what is
written, in :mod:`.recordings.encoding`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io import SignalWarning
from sinefield.io.allocation import Spool, iterate_slabs
from sinefield.io.known import fill_unknown
from sinefield.io.recordings.decoding import Sound, UnknownFormatError, open_sound
from sinefield.io.recordings.encoding import check_suffix, write
from sinefield.io.recordings.tracks import open_track

__all__ = ["SUFFIXES", "Recording", "check_suffix", "read", "write"]

SUFFIXES = (
    *(".wav", ".wave", ".bwf", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"),
    *(".m4a", ".m4b", ".m4r", ".aac", ".wma", ".mka", ".weba", ".amr", ".3ga", ".ac3", ".eac3", ".ec3"),
    *(".wv", ".tta"),
)
"""The endings of recordings that can be read."""

_CLIPPED = 1e-3  # fraction of samples at full scale: a recording with more is clipped
_LOUD = 16.0  # of full scale: floats beyond are taken for integers that were never divided
_SOFTEST, _LOUDEST = 1e-30, 1e30  # of full scale: what single precision scales without loss
_RATES = (1, 2**24)  # Hz: from a thermometer's to a radio's
_FULL = {np.dtype(np.int16): 2.0**15, np.dtype(np.float32): 1.0}
_USUAL = {1: 0x4, 2: 0x3}  # speakers of so many channels that nobody needs to be told: the centre, left and right


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording.

    Args:
        values: samples ``(n, channels)`` as stored, 16-bit integers or floats.
        full: stored value of full scale, 32,768 or 1 unless another was given.
        rate: samples per second.
        peak: largest absolute sample, as a fraction of full scale.
        clipped: fraction of samples that are at full scale and next to another one there.
        bits: bits of a sample: 8, 16, 24, 32 or 64.
        name: name of the recording in messages.
        floats: whether its samples are floating-point numbers.
        speakers: a bit for each speaker that has a channel, as WAVE files tell them; None: that is not told.
        known: which samples are known, as ``values``; None: all. Those that are not have the value of a neighbour.
    """

    values: NDArray[Any]
    full: float
    rate: int
    peak: float
    clipped: float
    bits: int
    name: str
    floats: bool = False
    speakers: int | None = None
    known: NDArray[np.bool_] | None = None

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.values) / self.rate


def read(
    source: str | Path | NDArray[Any] | Tensor,
    rate: int | None = None,
    *,
    track: int | None = None,
    full_scale: float | None = None,
) -> Recording:
    """Return the recording in a file, or in an array ``(n,)`` or ``(n, channels)``.

    Arrays are of floats, of which 1 is full scale, or of integers of 8, 16 or 32 bits, whose full scale is that of
    their type; bytes without a sign lie around 128, as in WAV files.

    Args:
        source: a path, an array or a tensor.
        rate: samples per second of an array; files tell theirs.
        track: which sound track of a file with several, from 0; None: the first.
        full_scale: stored value that is full scale, of an array or of a file of floats; None: as above.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is not a recording, is damaged, ends early by more than a little, is silent, has fewer
            than two samples, an implausible rate or no such track, or holds no numbers.
    """
    if full_scale is not None and not 0 < full_scale < float("inf"):
        raise ValueError(f"full_scale is the stored value of full scale, a number above 0; got {full_scale:g}")
    if isinstance(source, Tensor):
        source = source.detach().cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source, rate, full_scale)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a recording, such as a WAV or FLAC file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one recording in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a recording")
    with path.open("rb") as file:
        sound = _open(path, file, track)
        _check_rate(sound.rate, str(path))
        if full_scale is not None and not sound.floats:
            raise ValueError(f"{path} holds no floating-point numbers, and tells its full scale; leave full_scale out")
        with Spool(sound.channels, sound.dtype) as spool:
            for block in sound.blocks:
                spool.add(block)
            values = spool.gather()
    for note in sound.notes:
        warnings.warn(f"{path} {note}", SignalWarning, stacklevel=2)
    full = full_scale or _FULL[values.dtype]
    speakers = None if sound.speakers == _USUAL.get(sound.channels) else sound.speakers
    return _make_recording(values, full, sound.rate, sound.bits, str(path), sound.floats, speakers)


def _open(path: Path, file: IO[bytes], track: int | None) -> Sound:
    """Return the sound in a file, by libsndfile where it knows the format.

    Raises:
        ValueError: neither library decodes it, or there is no such track.
    """
    try:
        sound = open_sound(path, file)
    except UnknownFormatError:
        return open_track(path, file, track)
    if track:
        raise ValueError(f"{path} has one sound track, 0; there is no track {track}")
    return sound


def _from_array(array: NDArray[Any], rate: int | None, full_scale: float | None) -> Recording:
    name = f"an array of shape {array.shape}"
    if rate is None:
        raise ValueError(f"{name} does not say how many samples a second has; give rate=")
    _check_rate(rate, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} of {array.dtype} is no recording; expected (n,) or (n, channels) of floats or integers"
        )
    samples, channels = array.shape
    if channels > samples > 1:
        raise ValueError(
            f"{name} has {channels} channels of {samples} samples, if it is (n, channels); give its transpose, "
            "array.T, if channels come first"
        )
    if full_scale is not None:
        return _make_recording(array.astype(np.float32), full_scale, rate, 32, name, floats=True)
    values, full, bits = _stored(array, name)
    recording = _make_recording(values, full, rate, bits, name, floats=array.dtype.kind == "f")
    if array.dtype == np.int32 and recording.peak <= 2.0**-8:
        _warn(
            f"{name} of int32 has no sample beyond {recording.peak * 2.0**31:.0f}, as if they were of fewer bits; they "
            "are as soft as that, unless full_scale= tells what full scale is, such as 32768"
        )
    return recording


def _stored(array: NDArray[Any], name: str) -> tuple[NDArray[Any], float, int]:
    """Return the samples of an array as they are kept, their full scale, and the bits that they had.

    Raises:
        ValueError: the type of the array does not tell its full scale.
    """
    dtype = array.dtype
    if dtype.kind == "f":
        return array.astype(np.float32), 1.0, 64 if dtype.itemsize > 4 else 32
    if dtype == np.int16:
        return array, 2.0**15, 16
    if dtype in (np.int8, np.uint8):
        centred = array.astype(np.int16) - (128 if dtype == np.uint8 else 0)
        return centred * np.int16(256), 2.0**15, 8
    if dtype == np.int32:
        return (array / 2.0**31).astype(np.float32), 1.0, 32
    raise ValueError(
        f"{name} of {dtype} does not tell its full scale; give full_scale=, its value, or floats of -1 to 1"
    )


def _check_rate(rate: int, name: str) -> None:
    least, most = _RATES
    if not least <= rate <= most:
        raise ValueError(
            f"{name} claims {rate} samples a second; expected {least} to {most}, its header may be damaged"
        )


def _make_recording(
    values: NDArray[Any],
    full: float,
    rate: int,
    bits: int,
    name: str,
    floats: bool = False,
    speakers: int | None = None,
) -> Recording:
    if len(values) < 2:
        raise ValueError(f"{name} has {len(values)} samples; a recording needs at least 2")
    known = None
    if values.dtype.kind == "f":
        values, known = _fill_unknown(values, name)
    peak, clipped = 0.0, 0
    for some in iterate_slabs(values):
        size = np.abs(values[some].astype(np.float32)) / np.float32(full)
        peak = max(peak, float(size.max()))
        most = (size >= 32767 / 32768) & (size <= 1)  # floats beyond full scale are loud rather than clipped
        beside = np.zeros_like(most)  # a peak may just reach full scale, clipped samples stay there
        beside[1:] |= most[:-1]
        beside[:-1] |= most[1:]
        clipped += int((most & beside).sum())
    if peak < _SOFTEST:
        raise ValueError(f"{name} is silent: every sample is 0; there is nothing to fit, give another recording")
    if peak > _LOUDEST:
        raise ValueError(
            f"{name} has samples of {peak:.3g} times full scale, which are no sound; it may be damaged, or in "
            "another order of bytes"
        )
    part = clipped / values.size
    if part > _CLIPPED:
        _warn(
            f"{name}: {100 * part:.2g} % of the samples are at full scale, as if clipped; the field will have them so"
        )
    if floats and peak > _LOUD:
        _warn(
            f"{name}: its largest sample is {peak:.6g} times full scale, as if integers had been stored as floats; "
            "they are fitted and written as they are, unless --full-scale tells what full scale is, such as 32768"
        )
    return Recording(values, full, rate, peak, part, bits, name, floats, speakers, known)


def _warn(text: str) -> None:
    warnings.warn(text, SignalWarning, stacklevel=4)


def _fill_unknown(values: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return samples without NaN and infinity, and which are known; None: all.

    Raises:
        ValueError: a channel holds no number.
    """
    unknown = 0
    for some in iterate_slabs(values):
        unknown += int(np.count_nonzero(~np.isfinite(values[some])))
    if unknown == 0:
        return values, None
    known = np.isfinite(values)
    if not known.any(axis=0).all():
        channel = int(np.flatnonzero(~known.any(axis=0))[0])
        raise ValueError(
            f"{name} holds only NaN or infinity in channel {channel}; there is nothing to fit, replace them by numbers"
        )
    _warn(
        f"{name}: {unknown} of {values.size} samples are NaN or infinity; nothing is fitted there, and the field has "
        "values of its own"
    )
    return fill_unknown(np.where(known, values, 0), known), known
