"""Sound tracks that FFmpeg decodes: M4A, WMA, Matroska and the like, and those of clips. PyAV, the extra ``video``.

Only formats of files are opened, never lists or addresses of others, and what is opened is a file, never a name, which
could be taken for an address.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io.recordings.containers import find_samples, read_at, skip_tags
from sinefield.io.recordings.decoding import Length, Sound
from sinefield.io.recordings.ends import find_end
from sinefield.io.recordings.pages import find_links
from sinefield.io.recordings.pieces import Pieces

_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,dtshd,eac3,flac,flv,loas,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,ogg,tak,tta,truehd,w64,wav,wv"
)
_TIMED = ("mov,", "matroska", "asf", "tta", "wv", "ape", "caf", "flac", "tak")  # their headers tell how long they are
_GAP = 0.05  # seconds between blocks, from which on it is a gap and not rounding
_RATES = 1e6  # microseconds, in which FFmpeg tells how long a file is
_SPEAKERS = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR")


def open_track(path: Path, file: IO[bytes], track: int | None) -> Sound:
    """Return a sound track of a file.

    Args:
        path: of the file, for messages.
        file: the same, open, for as long as blocks are read.
        track: which, from 0; None: the first, and that is told where there are more.

    Raises:
        ValueError: PyAV is missing, there is no such track, it cannot be decoded, or more than a little is missing.
    """
    if importlib.util.find_spec("av") is None:
        raise ValueError(
            f"{path} is damaged, or of a format that needs PyAV; install it with: pip install 'sinefield[video]'"
        )
    import av

    notes = _check_end(path, file)
    whole = Pieces(file, [range(file.seek(0, 2))])  # a damaged file may say where to seek, which is no error in this
    try:
        container = av.open(whole, options={"format_whitelist": _FORMATS})
    except (av.FFmpegError, UnicodeDecodeError, ValueError, OverflowError) as error:
        if notes:
            raise ValueError(f"{path} ends early, and what is there cannot be decoded; get another copy") from error
        raise ValueError(
            f"{path} cannot be read as a recording; it may be damaged, protected, or of another format: then "
            "convert it to WAV or FLAC"
        ) from error
    tracks = [each for each in container.streams if each.type == "audio"]
    pictures = [each for each in container.streams if each.type == "video" and not _is_cover(each)]
    if not tracks:
        found = "only pictures; fit them with --kind video" if pictures else "nothing that is known"
        raise ValueError(f"{path} has no sound in it, {found}")
    if not 0 <= (track or 0) < len(tracks):
        raise ValueError(f"{path} has {len(tracks)} sound tracks, 0 to {len(tracks) - 1}; there is no track {track}")
    if pictures:
        notes.append("holds a clip, of which only the sound is used; --kind video fits its pictures")
    if track is None and len(tracks) > 1:
        notes.append(f"has {len(tracks)} sound tracks, and the first is used; choose another with --track 1")
    stream = tracks[track or 0]
    if stream.codec_context is None:
        raise ValueError(
            f"{path} holds sound of a codec that is not known, or that is protected; convert it to WAV or FLAC"
        )
    return _decoded(path, container, stream, notes, alone=not pictures)


def _check_end(path: Path, file: IO[bytes]) -> list[str]:
    """Return what is to be told of bytes that are missing at the end.

    Raises:
        ValueError: they are more than a little.
    """
    start, size = skip_tags(file), file.seek(0, 2)
    samples, end = find_samples(file, start), find_end(file, start)
    told = None
    if samples is not None and samples.missing:
        told = Length(samples.used, samples.used + samples.missing, "bytes of samples").compared(path)
    elif end is not None and size < end:
        told = Length(size, end, "bytes").compared(path)
    elif read_at(file, start, 4) == b"OggS" and not find_links(file, start).closed:
        told = "has no end mark, as if it had been cut: what is there is used"
    return [] if told is None else [told]


def _is_cover(stream: Any) -> bool:
    """Return whether pictures are only the cover of a recording."""
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _decoded(path: Path, container: Any, stream: Any, notes: list[str], *, alone: bool) -> Sound:
    """Return the sound of a stream, whose first frame tells what it is like.

    Raises:
        ValueError: nothing of it can be decoded.
    """
    faults = _Faults()
    frames = faults.frames(container, stream)
    first = next(frames, None)
    if first is None or not first.sample_rate:
        container.close()
        raise ValueError(f"{path} holds sound that cannot be decoded; it may be damaged or end early: get another copy")
    rate, channels = int(first.sample_rate), int(first.layout.nb_channels)
    name = first.format.name.rstrip("p")
    codec = str(stream.codec_context.name)
    floats = name in ("flt", "dbl") and (codec.startswith("pcm_f") or codec == "wavpack")
    bits = {"u8": 8, "s32": 32 if codec.startswith("pcm_s32") else 24, "s64": 64, "flt": 32, "dbl": 64}.get(name, 16)
    if name in ("flt", "dbl") and not floats:
        bits = 16  # lossy: as many as such files are made of
    dtype: type[np.generic] = np.int16 if name in ("u8", "s16") else np.float32
    sound = Sound(rate, channels, dtype, bits, floats, _speakers(first), iter(()), notes)

    def blocks() -> Iterator[NDArray[Any]]:
        seen, gaps, expected = 0, 0.0, first.time
        with container:
            for frame, block in _converted(path, first, frames, channels, dtype):
                if frame is not None and frame.time is not None and expected is not None:
                    gap = frame.time - expected
                    gaps += gap if gap > _GAP else 0.0
                    expected = frame.time + frame.samples / rate
                seen += len(block)
                if len(block):
                    yield block
            _tell(sound, path, container, stream, seen, gaps, faults, alone=alone)

    sound.blocks = blocks()
    return sound


class _Faults:
    """The frames of a stream, and what of it could not be decoded."""

    def __init__(self) -> None:
        self.packets = self.bad = 0
        self.final = False

    def frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield frames, and count the packets that give none because they are damaged."""
        import av

        try:
            for packet in container.demux(stream):
                self.packets += packet.size > 0
                try:
                    found = packet.decode()
                except av.FFmpegError:
                    self.bad += 1
                    self.final = True
                    continue
                self.final = self.final and not found
                yield from found
        except (av.FFmpegError, UnicodeDecodeError):
            self.bad += 1


def _converted(
    path: Path, first: Any, frames: Iterator[Any], channels: int, dtype: type[np.generic]
) -> Iterator[tuple[Any, NDArray[Any]]]:
    """Yield frames and their samples ``(n, channels)``; the last of both may be samples alone.

    Raises:
        ValueError: the rate or the number of channels changes.
    """
    import av

    # Planes of eight channels and more cannot be read one by one: they are interleaved by FFmpeg.
    resampler = av.AudioResampler(format="s16" if dtype is np.int16 else "flt")
    seen = 0
    for frame in _chain(first, frames):
        if (frame.sample_rate, frame.layout.nb_channels) != (first.sample_rate, channels):
            raise ValueError(
                f"{path} changes from {channels} channels at {first.sample_rate} Hz to {frame.layout.nb_channels} at "
                f"{frame.sample_rate} Hz after {seen / first.sample_rate:.2f} s; convert it to one format, such as WAV"
            )
        try:
            parts = resampler.resample(frame)
        except (av.FFmpegError, ValueError) as error:
            raise ValueError(
                f"{path} changes the layout of its channels after {seen / first.sample_rate:.2f} s; convert it to one "
                "format, such as WAV"
            ) from error
        for part in parts:
            seen += part.samples
            yield frame, part.to_ndarray().reshape(-1, channels)
    for part in resampler.resample(None):
        yield None, part.to_ndarray().reshape(-1, channels)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _speakers(frame: Any) -> int | None:
    """Return the speakers of a frame's channels as WAVE files tell them; None: they are not known."""
    names = [each.name for each in frame.layout.channels]
    if not all(name in _SPEAKERS for name in names):
        return None
    return sum(1 << _SPEAKERS.index(name) for name in set(names))


def _tell(
    sound: Sound, path: Path, container: Any, stream: Any, seen: int, gaps: float, faults: _Faults, *, alone: bool
) -> None:
    """Compare what was decoded with what the header and the time stamps promise.

    Raises:
        ValueError: more than a little is missing or damaged.
    """
    form, promised = container.format.name, None
    if form.startswith(_TIMED):
        if stream.duration is not None and stream.time_base is not None:
            promised = float(stream.duration * stream.time_base)
        elif container.duration is not None and alone:
            promised = (container.duration - max(0, container.start_time or 0)) / _RATES
    there = seen / sound.rate + gaps
    if promised is not None and promised - there > max(0.1, 0.005 * promised):
        told = Length(round(there, 2), round(promised, 2), "s").compared(path)
        sound.notes += [] if told is None else [told]
    if gaps:
        sound.notes.append(f"has gaps of {gaps:.2f} s in all, which are left out")
    good = faults.packets - faults.bad
    if faults.bad > max(1, 0.02 * faults.packets):
        raise ValueError(f"{path} is damaged: {good} of {faults.packets} blocks can be decoded; get another copy")
    if faults.bad:
        where = "its last block" if faults.final else f"{faults.bad} of its {faults.packets} blocks"
        sound.notes.append(
            f"is damaged or ends early: {where} cannot be decoded; the {seen / sound.rate:.2f} s there are are used"
        )
