"""Recordings: files and arrays to samples ``(n, channels)``, and back, block by block.

soundfile, by way of libsndfile, reads WAV, FLAC, OGG, MP3 and other formats. Decoded samples keep their type, 16-bit
integers where these suffice, and long recordings are kept in a file: an hour takes no more memory than a minute.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io import SignalWarning
from sinefield.io.allocation import Spool, iterate_slabs
from sinefield.io.files import replacing

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64")
"""The endings of recordings that can be read."""

_WRITTEN = {  # libsndfile's name of each format, and of its subtypes with 16 bits, with more, and with floats
    ".wav": ("WAV", "PCM_16", "PCM_24", "FLOAT"),
    ".flac": ("FLAC", "PCM_16", "PCM_24", "PCM_24"),
    ".ogg": ("OGG", "VORBIS", "VORBIS", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III", "MPEG_LAYER_III", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_16", "PCM_24", "FLOAT"),
}
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 32}
_CLIPPED = 1e-3  # fraction of samples at full scale: a recording with more is clipped
_SHORT = re.compile(r"(?:data|SSND)\s*: (\d+) \(should be (\d+)\)")  # libsndfile's words for missing bytes
_UNKNOWN = 0x7FFF0000  # bytes: headers written before the number was known claim at least so many
_RATES = (1, 2**24)  # Hz: from a thermometer's to a radio's
_BLOCK = 1 << 18  # samples


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording.

    Args:
        values: samples ``(n, channels)`` as stored, 16-bit integers or floats.
        full: stored value of full scale, 32,768 or 1.
        rate: samples per second.
        peak: largest absolute sample, as a fraction of full scale.
        clipped: fraction of samples that are at full scale and next to another one there.
        bits: bits of a sample: 8, 16, 24, or 32 for floats.
        name: name of the recording in messages.
    """

    values: NDArray[Any]
    full: float
    rate: int
    peak: float
    clipped: float
    bits: int
    name: str

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.values) / self.rate


def read(source: str | Path | NDArray[Any] | Tensor, rate: int | None = None) -> Recording:
    """Return the recording in a file, or in an array ``(n,)`` or ``(n, channels)`` of floats or 16-bit integers.

    Args:
        source: a path, an array or a tensor.
        rate: samples per second of an array; files tell theirs.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is not a recording, is damaged, ends early, is silent, has fewer than two samples or an
            implausible rate, or holds NaN or infinity.
    """
    if isinstance(source, Tensor):
        source = source.detach().cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source, rate)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a recording, such as a WAV or FLAC file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one recording in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a recording")
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            _check_rate(file.samplerate, str(path))
            exact = _BITS.get(file.subtype, 16 if file.format in ("MP3", "OGG") else 32)
            dtype = "int16" if file.subtype in ("PCM_S8", "PCM_U8", "PCM_16") else "float32"
            with Spool(file.channels, dtype) as spool:
                count = 0
                for block in file.blocks(_BLOCK, dtype=dtype, always_2d=True):
                    spool.add(block)
                    count += len(block)
                short = _SHORT.search(file.extra_info)
                if short and int(short[2]) < int(short[1]) < _UNKNOWN:
                    raise ValueError(
                        f"{path} ends early: {short[2]} of {short[1]} bytes of samples are there; get another copy"
                    )
                if count < file.frames:
                    raise ValueError(f"{path} ends early: {count} of {file.frames} samples are there; get another copy")
                return _make_recording(spool.gather(), file.samplerate, exact, str(path))
    except soundfile.LibsndfileError as error:
        reason = " ".join(error.error_string.split()).rstrip(".")
        raise ValueError(
            f"{path} cannot be read as a recording ({reason}); it may be damaged, protected, or of another format"
        ) from error


def _from_array(array: NDArray[Any], rate: int | None) -> Recording:
    name = f"an array of shape {array.shape}"
    if rate is None:
        raise ValueError(f"{name} does not say how many samples a second has; give rate=")
    _check_rate(rate, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "fi" or (array.dtype.kind == "i" and array.dtype != np.int16):
        raise ValueError(
            f"{name} of {array.dtype} is no recording; expected (n,) or (n, channels) of floats or 16-bit integers"
        )
    integers = array.dtype == np.int16
    return _make_recording(array if integers else array.astype(np.float32), rate, 16 if integers else 32, name)


def _check_rate(rate: int, name: str) -> None:
    least, most = _RATES
    if not least <= rate <= most:
        raise ValueError(
            f"{name} claims {rate} samples a second; expected {least} to {most}, its header may be damaged"
        )


def _make_recording(values: NDArray[Any], rate: int, bits: int, name: str) -> Recording:
    if len(values) < 2:
        raise ValueError(f"{name} has {len(values)} samples; a recording needs at least 2")
    full = 32768.0 if values.dtype == np.int16 else 1.0
    peak, clipped = 0.0, 0
    for some in iterate_slabs(values):
        size = np.abs(values[some].astype(np.float32)) / full
        peak = max(peak, float(size.max()))
        if not np.isfinite(size).all():
            raise ValueError(f"{name} holds NaN or infinity; replace those samples by numbers first")
        most = (size >= 32767 / 32768) & (size <= 1)  # floats beyond full scale are loud rather than clipped
        beside = np.zeros_like(most)  # a peak may just reach full scale, clipped samples stay there
        beside[1:] |= most[:-1]
        beside[:-1] |= most[1:]
        clipped += int((most & beside).sum())
    if peak == 0:
        raise ValueError(f"{name} is silent: every sample is 0; there is nothing to fit, give another recording")
    part = clipped / values.size
    if part > _CLIPPED:
        warnings.warn(
            f"{name}: {100 * part:.2g} % of the samples are at full scale, as if clipped; the field will have them so",
            SignalWarning,
            stacklevel=3,
        )
    return Recording(values, full, rate, peak, part, bits, name)


def check_suffix(path: str | Path) -> None:
    """Check that a recording can be written to a file of this name.

    Raises:
        ValueError: the ending is none that :func:`write` knows.
    """
    if Path(path).suffix.lower() not in _WRITTEN:
        raise ValueError(f"cannot write {path}: a recording's ending must be one of {', '.join(_WRITTEN)}")


def write(path: str | Path, blocks: Iterator[NDArray[np.float32]], rate: int, channels: int, bits: int) -> float:
    """Write a recording, whole or not at all.

    Args:
        path: file to write; its ending chooses the format.
        blocks: samples ``(n, channels)``, full scale 1; larger ones are clipped unless the file holds floats.
        rate: samples per second.
        channels: number of channels.
        bits: bits of a sample: up to 16, 24, or 32 for floats; a format without them gets the nearest it has.

    Returns:
        The fraction of samples that were clipped.

    Raises:
        ValueError: the format is not known, or cannot hold such a recording.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    import soundfile

    form, usual, more, floats = _WRITTEN[Path(path).suffix.lower()]
    subtype = usual if bits <= 16 else more if bits == 24 else floats
    clipped, written = 0, 0
    with replacing(path) as temporary:
        try:
            with soundfile.SoundFile(temporary, "w", rate, channels, subtype, format=form) as file:
                for block in blocks:
                    clipped += int((np.abs(block) > 1).sum())
                    written += block.size
                    file.write(block if subtype in ("FLOAT", "DOUBLE") else np.clip(block, -1, 1))
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"cannot write {path}: {form} does not hold {channels} channels at {rate} Hz "
                f"({error.error_string.rstrip('.')}); choose .wav"
            ) from error
    return 0.0 if subtype == "FLOAT" else clipped / max(written, 1)
