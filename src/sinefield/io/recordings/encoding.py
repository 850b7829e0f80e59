"""Recordings to files, block by block: in as many bits as the original had, or the nearest that a format holds."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io.files import replacing
from sinefield.io.recordings.decoding import XIPH_ORDER

_BLOCK = 4096  # samples: libvorbis keeps a block on the stack, and a long one ends the process
_LARGEST = 2**32 - 2**16  # bytes of samples whose number 32 bits tell
_EXACT = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
_FLOATS = {32: "FLOAT", 64: "DOUBLE"}


@final
@dataclass(frozen=True)
class _Format:
    """A format that is written.

    Args:
        name: of libsndfile.
        subtypes: its names of integers and of floats, by their bits; of a lossy one, a single name.
        channels: how many it holds at most.
        rates: that it holds; None: any.
        wide: whether it holds more than 4 GiB.
    """

    name: str
    integers: Mapping[int, str]
    floats: Mapping[int, str]
    channels: int = 1024
    rates: tuple[int, ...] | range | None = None
    wide: bool = True

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return "Opus" if "OPUS" in self.integers.values() else self.name

    def subtype(self, bits: int, *, floats: bool) -> str:
        """Return the name of samples of so many bits, or of the nearest that are as good."""
        held = self.floats if floats and self.floats else self.integers
        return next((name for size, name in sorted(held.items()) if size >= bits), held[max(held)])


def _lossy(container: str, codec: str, channels: int, rates: tuple[int, ...] | range) -> _Format:
    return _Format(container, {16: codec}, {}, channels, rates)


_UNSIGNED = _EXACT | {8: "PCM_U8"}
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_AIFF = _Format("AIFF", _EXACT, _FLOATS, wide=False)
_AU = _Format("AU", _EXACT, _FLOATS, wide=False)
_OGG = _lossy("OGG", "VORBIS", 8, range(1, 200_001))  # libvorbis refuses more, and libsndfile then ends the process
WRITTEN: dict[str, _Format] = {
    ".wav": _Format("WAV", _UNSIGNED, _FLOATS, wide=False),
    ".flac": _Format("FLAC", {bits: name for bits, name in _EXACT.items() if bits <= 24}, {}, 8, range(1, 655_351)),
    ".ogg": _OGG,
    ".oga": _OGG,
    ".opus": _lossy("OGG", "OPUS", 8, _OPUS_RATES),
    ".mp3": _lossy("MP3", "MPEG_LAYER_III", 2, _MP3_RATES),
    ".aiff": _AIFF,
    ".aif": _AIFF,
    ".aifc": _AIFF,
    ".au": _AU,
    ".snd": _AU,
    ".caf": _Format("CAF", _EXACT, _FLOATS),
    ".w64": _Format("W64", _UNSIGNED, _FLOATS),
    ".rf64": _Format("RF64", _UNSIGNED, _FLOATS),
}
"""The formats that are written, by their endings."""


def check_suffix(path: str | Path) -> None:
    """Check that a recording can be written to a file of this name.

    Raises:
        ValueError: the ending is none that :func:`write` knows.
    """
    if Path(path).suffix.lower() not in WRITTEN:
        raise ValueError(f"cannot write {path}: a recording's ending must be one of {', '.join(WRITTEN)}")


def write(
    path: str | Path,
    blocks: Iterator[NDArray[np.float32]],
    rate: int,
    channels: int,
    bits: int,
    *,
    floats: bool | None = None,
    speakers: int | None = None,
    count: int = 0,
) -> float:
    """Write a recording, whole or not at all.

    Args:
        path: file to write; its ending chooses the format.
        blocks: samples ``(n, channels)``, full scale 1; larger ones are clipped unless the file holds floats.
        rate: samples per second.
        channels: number of channels.
        bits: bits of a sample: 8, 16, 24, 32 or 64; a format without them gets the next that it has.
        floats: whether they are floating-point numbers, in a format that has these; None: those of 32 bits and more.
        speakers: a bit for each speaker that has a channel, which WAV and RF64 files keep; None: it is not told.
        count: samples of each channel, where that is known before.

    Returns:
        The fraction of samples that were clipped.

    Raises:
        ValueError: the format is not known, or cannot hold such a recording.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    form = WRITTEN[Path(path).suffix.lower()]
    subtype = form.subtype(bits, floats=bits >= 32 if floats is None else floats)
    _check_held(path, form, subtype, rate, channels, count)
    import soundfile

    container = "WAVEX" if form.name == "WAV" and speakers is not None else form.name
    order = np.argsort(XIPH_ORDER[channels]) if form.name == "OGG" and channels in XIPH_ORDER else None
    clipped, written = 0, 0
    with replacing(path) as temporary:
        try:
            with soundfile.SoundFile(temporary, "w", rate, channels, subtype, format=container) as file:
                for block in blocks:
                    clipped += int((np.abs(block) > 1).sum())
                    written += block.size
                    stored = _quantised(block if order is None else block[:, order], subtype)
                    for start in range(0, len(stored), _BLOCK):
                        file.write(stored[start : start + _BLOCK])
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"cannot write {path}: {form.title} does not hold {channels} channels at {rate} Hz; choose .wav"
            ) from error
        if speakers is not None and form.name in ("WAV", "RF64"):
            _name_speakers(temporary, speakers)
    return 0.0 if subtype in _FLOATS.values() else clipped / max(written, 1)


def _check_held(path: str | Path, form: _Format, subtype: str, rate: int, channels: int, count: int) -> None:
    """Check that a format holds such a recording.

    Raises:
        ValueError: it does not.
    """
    if channels > form.channels:
        raise ValueError(
            f"cannot write {path}: {form.title} does not hold {channels} channels (at most {form.channels}); "
            "choose .wav"
        )
    if form.rates is not None and rate not in form.rates:
        held = f"up to {form.rates[-1]}" if isinstance(form.rates, range) else ", ".join(map(str, form.rates))
        raise ValueError(
            f"cannot write {path}: {form.title} holds {held} samples a second, and not {rate}; choose one of these "
            "with --rate, or .wav or .flac"
        )
    size = count * channels * {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(subtype, 4)
    if not form.wide and size > _LARGEST:
        raise ValueError(
            f"cannot write {path}: {size / 2**30:.1f} GiB of samples are more than the 4 GiB that {form.title} holds; "
            "choose .rf64, .w64 or .caf, or a part with --start and --stop"
        )


def _quantised(block: NDArray[np.float32], subtype: str) -> NDArray[Any]:
    """Return samples as they are stored: integers are rounded here, with full scale 2^(bits − 1) both ways.

    libsndfile multiplies by one less, so that a recording that is read and written would become softer by a step.

    >>> _quantised(np.float32([[-1], [0.25], [1]]), "PCM_16").T
    array([[-32768,   8192,  32767]], dtype=int16)
    """
    bits = _DEPTHS.get(subtype, 0)
    if subtype in _FLOATS.values():
        return block
    if bits == 0:
        return np.clip(block, -1, 1)
    full = 2.0 ** (bits - 1)
    whole = np.clip(np.rint(block.astype(np.float64) * full), -full, full - 1)
    stored = 16 if bits <= 16 else 32  # libsndfile takes the upper bits of these
    return (whole * 2.0 ** (stored - bits)).astype(f"int{stored}")


_DEPTHS = {"PCM_U8": 8, **{name: bits for bits, name in _EXACT.items()}}


def _name_speakers(path: Path, speakers: int) -> None:
    """Write which speakers have a channel into the header of a file of WAVE_FORMAT_EXTENSIBLE."""
    with path.open("r+b") as file:
        head = file.read(1 << 12)
        place = head.find(b"fmt ") + 8
        if place >= 8 and head[place : place + 2] == b"\xfe\xff":
            file.seek(place + 20)
            file.write(struct.pack("<I", speakers))
