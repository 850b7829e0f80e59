"""Recordings that libsndfile decodes, and how their length is compared with what their header promises.

libsndfile (soundfile) decodes what it knows, and FFmpeg (:mod:`.tracks`) the rest. Where both can, they agree: to
the last bit for WAV and FLAC, to 1e-6 of full scale for MP3 and to 6e-8 for Vorbis. libsndfile is part of every
installation, keeps the rate of Opus, and takes half the time for MP3.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import library_messages
from sinefield.io.recordings.containers import Samples, find_samples, skip_tags
from sinefield.io.recordings.mpeg import Frames, find_frames
from sinefield.io.recordings.pages import find_links
from sinefield.io.recordings.pieces import Pieces

MISSING = 0.02
"""The part of a recording that may be missing from a file that is used nevertheless, and that is told."""

_BLOCK = 1 << 18  # samples, of all channels together
_FLAC = b"fLaC\0\0\0\x22"  # what a FLAC file begins with
_FRAME = 4096  # samples that are decoded at a time where damage in one of them would spoil all
_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
    "ALAC_20": 24,
    "ALAC_24": 24,
    "ALAC_32": 32,
    "DWVW_24": 24,
}
_WIDE = {*(name for name, bits in _BITS.items() if bits > 8), "VORBIS", "OPUS"}  # more than 16 bits hold
_PACKED = ("IMA_ADPCM", "DWVW_12", "DWVW_16", "DWVW_24", "GSM610")  # AIFF counts blocks of these
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3")

SPEAKERS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
"""The speakers of so many channels in FLAC, Vorbis and Opus, as WAVE files tell them."""

XIPH_ORDER = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
"""Which channels of a Vorbis or Opus stream are those of a WAVE file, in its order (Vorbis I, section 4.3.9)."""


class UnknownFormatError(ValueError):
    """Raised for a file that libsndfile does not decode."""


@final
@dataclass
class Sound:
    """A recording while it is decoded.

    Args:
        rate: samples per second.
        channels: number of channels.
        dtype: of the blocks, 16-bit integers or floats of full scale 1.
        bits: bits of a sample: 8, 16, 24, 32 or 64.
        floats: whether they are floating-point numbers.
        speakers: a bit for each speaker that has a channel, as WAVE files tell them; None: that is not told.
        blocks: the samples ``(n, channels)``, block by block; more is told in ``notes`` when they have been read.
        notes: what is to be told, each a part of a sentence about the file.
    """

    rate: int
    channels: int
    dtype: type[np.generic]
    bits: int
    floats: bool
    speakers: int | None
    blocks: Iterator[NDArray[Any]]
    notes: list[str] = field(default_factory=list)


@final
@dataclass(frozen=True)
class Length:
    """How much of a recording is there, and how much its header promises, in a unit.

    >>> Length(9, 9, "bytes").compared("a.wav")
    >>> Length(99, 100, "bytes").compared("a.wav")
    'ends early: 99 of 100 bytes are there, and are used; get another copy for the rest'
    """

    there: float
    promised: float
    unit: str

    def compared(self, name: str | Path) -> str | None:
        """Return what is to be told of the difference; None: there is none.

        Raises:
            ValueError: more than :data:`MISSING` of the recording is missing.
        """
        both = f"{self.there:.12g} of {self.promised:.12g} {self.unit}"
        if self.there < (1 - MISSING) * self.promised:
            raise ValueError(f"{name} ends early: {both} are there; get another copy")
        if self.there < self.promised:
            return f"ends early: {both} are there, and are used; get another copy for the rest"
        if self.there > self.promised:
            return (
                f"goes on longer than its header says: {self.there:.12g} {self.unit} are there, not "
                f"{self.promised:.12g}; all are used"
            )
        return None


def open_sound(path: Path, file: IO[bytes]) -> Sound:
    """Return a recording that libsndfile decodes.

    Args:
        path: of the file, for messages.
        file: the same, open, for as long as blocks are read.

    Raises:
        UnknownFormatError: it is none that libsndfile decodes, or it is damaged at its beginning.
        ValueError: more than a little is missing.
    """
    start = skip_tags(file)
    samples = find_samples(file, start)
    if samples is not None:
        return _in_chunks(path, file, samples)
    file.seek(start)
    magic = file.read(4)
    if magic == b"fLaC":
        return _in_flac(path, file, start)
    if magic == b"OggS":
        return _in_ogg(path, file, start)
    if magic[:3] != b"\0\0\0" and magic != b"\x1a\x45\xdf\xa3":  # the beginnings of MP4 and of Matroska
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            frames = find_frames(data, start)
        if frames is not None:
            return _in_frames(path, file, frames)
    raise UnknownFormatError(f"{path} is none of the formats of libsndfile")


def _decoder() -> Any:
    import soundfile

    class Stream(soundfile.SoundFile):  # type: ignore[misc]
        """A file that is read to its end: soundfile stops at the length that the header promises in one that seeks."""

        def seekable(self) -> bool:
            return False

    return Stream


def _opened(source: Any) -> Any:
    """Return an open decoder.

    Raises:
        UnknownFormatError: libsndfile does not decode it.
    """
    import soundfile

    try:
        with library_messages.discarded():
            stream = _decoder()(source)
    except (soundfile.LibsndfileError, soundfile.SoundFileError, TypeError, OverflowError) as error:
        raise UnknownFormatError("libsndfile does not decode it") from error
    if stream.format not in _FORMATS:
        stream.close()
        raise UnknownFormatError(f"{stream.format} does not tell how long it is")
    return stream


def _sound(stream: Any, speakers: int | None) -> Sound:
    name = stream.subtype
    dtype = np.float32 if name in _WIDE or "MPEG" in name else np.int16
    bits = _BITS.get(name, 16)
    return Sound(stream.samplerate, stream.channels, dtype, bits, name in ("FLOAT", "DOUBLE"), speakers, iter(()))


def _blocks(
    stream: Any, dtype: type[np.generic], most: int | None = None, size: int = _BLOCK
) -> Iterator[NDArray[Any]]:
    """Yield what is decoded, until the end, ``most`` samples of each channel, or damage.

    Raises:
        soundfile.LibsndfileError: the rest cannot be decoded.
    """
    size, seen = max(1, size // stream.channels), 0
    while most is None or seen < most:
        count = size if most is None else min(size, most - seen)
        with library_messages.discarded():
            block = stream.read(count, dtype=dtype.__name__, always_2d=True)
        if not len(block):
            return
        seen += len(block)
        yield block


def _until_damage(stream: Any, blocks: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Yield blocks until the end or damage, which their number tells, and close the stream."""
    import soundfile

    with stream, suppress(soundfile.LibsndfileError):
        yield from blocks


def _in_chunks(path: Path, file: IO[bytes], samples: Samples) -> Sound:
    notes = []
    if samples.promised is not None:
        told = Length(samples.used, samples.promised, "bytes of samples").compared(path)
        notes += [] if told is None else [told]
    if samples.follows > max(4096, MISSING * samples.used):
        notes.append(
            f"has {samples.follows} more bytes after the {samples.used} bytes of samples that its header promises; "
            "they are left out"
        )
    pieces = samples.mended(file)
    stream = _opened(str(path) if pieces is None else Pieces(file, pieces))
    sound = _sound(stream, samples.speakers)
    most = stream.frames
    if samples.count and most - samples.block < samples.count < most:  # the last block is filled up
        most = samples.count
    if samples.frames is not None and not notes and stream.subtype not in _PACKED:
        told = Length(most, samples.frames, "samples").compared(path)
        notes += [] if told is None else [told]
    sound.blocks, sound.notes = _until_damage(stream, _blocks(stream, sound.dtype, most)), notes
    return sound


def _in_flac(path: Path, file: IO[bytes], start: int) -> Sound:
    """Return the recording in a FLAC file (RFC 9639, section 8.2), read to its end whatever its header says.

    Raises:
        UnknownFormatError: it is damaged at its beginning.
    """
    file.seek(start + 4)
    head = file.read(38)
    if len(head) < 38 or head[0] & 0x7F:
        raise UnknownFormatError(f"{path} does not begin as FLAC does")
    promised = int.from_bytes(head[17:22], "big") & (2**36 - 1)
    unknown = bytes([head[17] & 0xF0]) + bytes(4)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        another = data.find(_FLAC, start + 42)
        end = another if another >= 0 else len(data)
    stream = _opened(Pieces(file, [range(start, start + 21), unknown, range(start + 26, end)]))
    sound = _sound(stream, SPEAKERS.get(stream.channels))
    if another >= 0:
        sound.notes.append(f"is followed by another FLAC file, from byte {another} on, which is left out")

    def blocks() -> Iterator[NDArray[Any]]:
        seen = 0
        # Up to what is promised first: tags after the last frame are damage, which would spoil a block that they end.
        parts = (_blocks(stream, sound.dtype, most, _FRAME * stream.channels) for most in (promised, None))
        for block in _until_damage(stream, chain.from_iterable(parts)):
            seen += len(block)
            yield block
        told = Length(seen, promised or seen, "samples").compared(path)
        sound.notes += [] if told is None else [told]

    sound.blocks = blocks()
    return sound


def _in_ogg(path: Path, file: IO[bytes], start: int) -> Sound:
    """Return the recordings in an Ogg file, of Vorbis or Opus, whose channels are put into the order of WAVE files."""
    links = find_links(file, start)
    first = _opened(Pieces(file, [links.ranges[0]]))
    sound = _sound(first, SPEAKERS.get(first.channels))
    order = XIPH_ORDER.get(first.channels)

    def blocks() -> Iterator[NDArray[Any]]:
        seen = 0
        for number, link in enumerate(links.ranges):
            stream = first if number == 0 else _opened(Pieces(file, [link]))
            if (stream.samplerate, stream.channels) != (sound.rate, sound.channels):
                raise ValueError(
                    f"{path} changes from {sound.channels} channels at {sound.rate} Hz to {stream.channels} at "
                    f"{stream.samplerate} Hz after {seen / sound.rate:.2f} s; convert it to one format, such as WAV"
                )
            for block in _until_damage(stream, _blocks(stream, sound.dtype, size=_FRAME * stream.channels)):
                seen += len(block)
                yield block if order is None else block[:, order]
        if not links.closed and seen == 0:
            raise ValueError(f"{path} ends early: no part of it can be decoded; get another copy")
        if not links.closed:
            sound.notes.append(
                f"has no end mark, as if it had been cut: the {seen / sound.rate:.2f} s that are there are used"
            )

    sound.blocks = blocks()
    return sound


def _in_frames(path: Path, file: IO[bytes], frames: Frames) -> Sound:
    notes = []
    if frames.is_whole and frames.promised > frames.count:
        notes.append(
            f"tells {frames.promised} frames in its header, and {frames.count} are there, which are all of its bytes; "
            "they are used"
        )
    elif (told := Length(frames.count, frames.promised, "frames").compared(path)) is not None:
        notes.append(told)
    if frames.between:
        notes.append(f"has {frames.between} bytes between its frames that are no sound; they are left out")
    if frames.after > 4096:
        notes.append(
            f"has {frames.after} bytes after its last frame that are no sound of its rate and number of channels; they "
            "are left out"
        )
    # libsndfile estimates the length, by the size of the first frame, and decodes no more. The bit rates of frames
    # differ by a factor of 40 at most: of a file that seems to hold all of them 64 times, it decodes enough.
    stream = _opened(Pieces(file, list(frames.pieces) * 64))
    sound = _sound(stream, None)
    whole = frames.count * frames.samples
    skip = frames.info.skip
    stop = whole - (frames.info.padding if frames.promised == frames.count else 0)

    def blocks() -> Iterator[NDArray[Any]]:
        seen = 0
        for block in _until_damage(stream, _blocks(stream, sound.dtype, whole, _FRAME * stream.channels)):
            kept = block[max(0, skip - seen) : max(0, stop - seen)]
            seen += len(block)
            if len(kept):
                yield kept
        told = Length(seen, whole, "samples").compared(path)
        sound.notes += [] if told is None else [told]

    sound.blocks, sound.notes = blocks(), notes
    return sound
