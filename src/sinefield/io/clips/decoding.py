"""Decoding of clips by FFmpeg: the frames that are shown, upright, with their times, and what a file promises."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io.clips import colours
from sinefield.io.clips.colours import STANDARD, Colours, Pixels
from sinefield.io.clips.crop import find_crop
from sinefield.io.clips.ends import find_missing

_LARGEST = 36_000_000  # pixels of a frame, those of 8K; damaged headers claim more
_THREADED = 1 << 17  # pixels of a frame, from which on threads save more than they take
_PROMISING = ("matroska", "flv", "asf", "avi", "mov", "mxf")  # formats whose headers tell how long they are
_BLOCK = 1 << 20  # bytes
_OPTIONS = {"protocol_whitelist": "none", "max_pixels": str(_LARGEST)}
_HURRY = 0.015  # seconds: what browsers show a frame of GIF for a tenth of a second instead of
_HURRIED = re.compile(rb"!\xf9\x04.[\0\1]\0.\0[,!]", re.DOTALL)  # control of a frame of GIF, a time of 0 or 10 ms
_RAW = {"mjpeg": "JPEG files one after the other", "h264": "raw H.264", "hevc": "raw H.265", "m4v": "raw MPEG-4"}
ON_WHITE = "what is transparent in it lies on white"
_CUT = "ends early"
_REMEDY = "get another copy, or use the frames before with --frames 0:"


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame that is shown.

    Args:
        pixels: ``(height, width, c)``, upright.
        time: when it is shown, in seconds; None: not known.
        seconds: how long; 0: not known.
    """

    pixels: Pixels
    time: float | None
    seconds: float = 0.0


@dataclass(eq=False)
class Footage:
    """What a file says of its clip, and the frames, which can be iterated once.

    Args:
        frames: the frames in the order of showing.
        nominal: frames per second by the header; 0: not known.
        tick: precision of the times of frames, in seconds.
        aspect: width of a pixel over its height, upright; known from the first frame on, as the next two are.
        colours: of the samples.
        unsure: what is told where the rate is taken that the file seems to have.
        told: what is to be told.
    """

    frames: Iterator[Frame]
    nominal: Fraction
    tick: float
    aspect: Fraction = Fraction(1)
    colours: Colours = STANDARD
    unsure: str = ""
    told: list[str] = field(default_factory=list)


class _File(io.FileIO):
    """A file that is read where damaged headers send FFmpeg, without an error, which PyAV would print."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, a megabyte at most: memory is taken for as many as are asked for."""
        return super().read(_BLOCK if size is None or not 0 <= size <= _BLOCK else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Return the new place, or -1 where there is none."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError, ValueError):
            return -1


@contextmanager
def opened(path: Path, number: int | None) -> Iterator[Footage]:
    """Open a clip.

    Args:
        path: of the file. Its name is not looked at, as FFmpeg takes some names for addresses or patterns.
        number: which of several clips in the file; None: the first.

    Yields:
        The clip.

    Raises:
        ValueError: it is no clip, is damaged or ends early, or there is no such clip in it.
        OSError: it cannot be read.
    """
    import av

    form, identity = "", 0
    try:
        with _File(path) as file:
            file.name = "clip" + (path.suffix if path.suffix.isascii() else "")
            with av.open(file, options=_OPTIONS, metadata_errors="ignore") as container:
                reading = _Reading(container, path, number)
                form, identity = reading.form, reading.identity
                yield reading.footage
    except av.FFmpegError as error:
        raise ValueError(_describe_failure(path, form, identity)) from error
    except ValueError as error:
        missing = find_missing(path, form, identity)
        if not missing or _CUT in str(error):
            raise
        raise ValueError(f"{error}; it {_CUT}: {missing}") from error


def _describe_failure(path: Path, form: str, identity: int) -> str:
    missing = find_missing(path, form, identity)
    if missing:
        return f"{path} cannot be read as a clip: it {_CUT}, {missing}; get another copy"
    return (
        f"{path} cannot be read as a clip: nothing in it is of a format that FFmpeg reads, or what describes it is "
        "damaged or protected; if players show it, convert it to MP4 first"
    )


class _Reading:
    """The reading of a file: the footage, and what was found while its frames were decoded."""

    def __init__(self, container: Any, path: Path, number: int | None) -> None:
        self._container, self._path = container, path
        self.form, self.identity = str(container.format.name), 0
        self._seen = self._packets = 0
        self._transparent, self._elapsed = False, 0.0
        self._crop = (0, 0, 0, 0)
        told: list[str] = []
        self._stream = stream = _choose_stream(container, path, number, told)
        self.identity = int(stream.id or 0)
        if stream.codec_context is None:
            raise ValueError(f"{path} is coded in a way that FFmpeg has no decoder for; convert it to MP4 first")
        if stream.width * stream.height > _LARGEST:
            raise ValueError(
                f"{path} has frames of {stream.width} x {stream.height} pixels by its header, and {_LARGEST:,} pixels "
                "are the most; it may be damaged, else make it smaller first"
            )
        self._crop = find_crop(path, self.form, stream.index, (stream.width, stream.height))
        if stream.width * stream.height < _THREADED:
            stream.codec_context.thread_count = 1
        else:
            stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(_LARGEST)}
        # An edit may leave some of what is stored out of the index of MP4.
        indexed = len(stream.index_entries) if self.form.startswith("mov") else 0
        self._promised = min(stream.frames, indexed)
        nominal = Fraction(stream.average_rate or stream.guessed_rate or 0)
        unsure = ""
        if self.form in _RAW:
            unsure = (
                f"{_RAW[self.form]} do not say how many frames a second are shown; {float(nominal):g} are taken, and "
                "--fps gives another number"
            )
        tick = float(stream.time_base) if stream.time_base else 0.0
        self.footage = Footage(self._frames(), nominal, tick, unsure=unsure, told=told)

    def _frames(self) -> Iterator[Frame]:
        """Yield the frames, one later than they are decoded, as the last of a file that was cut short may be half."""
        before: Frame | None = None
        decoded = self._decoded()
        while True:
            try:
                frame = next(decoded, None)
            except Exception:
                if before is not None:
                    yield before
                raise
            if frame is None:
                break
            if before is not None:
                yield before
            before = frame
        missing = find_missing(self._path, self.form, self.identity)
        self._compare(before, missing)
        if before is not None and not (missing and self._lacks(before)):
            yield before
        elif before is not None:
            self._seen -= 1

    def _decoded(self) -> Iterator[Frame]:
        """Yield the frames as they are decoded.

        Raises:
            av.FFmpegError: none can be decoded.
            ValueError: the file is damaged or ends early.
        """
        import av

        stream, path = self._stream, self._path
        cut, skipped = False, 0
        try:
            for packet in self._container.demux(stream):
                self._packets += packet.size > 0
                cut = cut or packet.is_corrupt  # its frame may come packets later
                for frame in packet.decode():
                    if frame.is_corrupt and self._seen == 0:
                        skipped += 1  # a recording that begins between two pictures that can be decoded alone
                        continue
                    if frame.is_corrupt and not cut:
                        raise ValueError(f"{path} is damaged at frame {self._seen}; {_REMEDY}{self._seen}")
                    if frame.is_corrupt:
                        continue
                    yield self._prepare(frame)
                    self._seen += 1
        except av.FFmpegError as error:
            if self._seen == 0:
                raise
            raise ValueError(f"{path} cannot be decoded after frame {self._seen - 1}; {_REMEDY}{self._seen}") from error
        if skipped:
            self.footage.told.append(
                f"the first {skipped} frames cannot be decoded, as what they refer to is missing; left out"
            )
        if cut:
            raise ValueError(
                f"{path} ends early: {self._seen} of {self._promised or 'more'} frames are there; "
                f"{_REMEDY}{max(0, self._seen - 1)}"
            )

    def _prepare(self, frame: Any) -> Frame:
        upright, turned = _find_turn(frame)
        if self._seen == 0:
            self._describe(frame, turned)
        pixels, transparent = colours.convert(frame)
        if transparent and not self._transparent:
            self._transparent = True
            self.footage.told.append(ON_WHITE)
        left, top, right, bottom = self._crop
        if pixels.shape[1::-1] == (self._stream.width, self._stream.height):
            pixels = pixels[top : pixels.shape[0] - bottom, left : pixels.shape[1] - right]
        time = frame.time if frame.pts is not None else None
        seconds = float((frame.duration or 0) * (frame.time_base or Fraction(0)))
        if self.form == "gif":
            time, seconds = self._elapsed, 0.1 if seconds < _HURRY else seconds
            self._elapsed += seconds
        return Frame(np.ascontiguousarray(upright(pixels)), time, seconds)

    def _describe(self, frame: Any, turned: bool) -> None:
        """Note what the first frame says of all."""
        footage = self.footage
        aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        if not Fraction(1, 100) <= aspect <= 100:
            aspect = Fraction(1)
        footage.aspect = 1 / aspect if turned else aspect
        footage.colours = Colours.of(frame)
        footage.told += colours.describe(frame)
        if self.form == "gif" and _HURRIED.search(self._path.read_bytes()):
            footage.unsure = (
                "frames to be shown for less than 20 ms are shown for 100, as browsers do; --fps is another way"
            )
        a, b, c, d = _read_matrix(frame) or (1, 0, 0, 1)
        straight, across = abs(a) + abs(d), abs(b) + abs(c)
        if min(straight, across) > 0.02 * max(straight, across):
            footage.told.append("it is shown turned by an angle that is no quarter of a turn; the nearest one is taken")
        if frame.interlaced_frame:
            footage.told.append(
                "it is interlaced: every second row is of another moment, and is fitted as it is; deinterlace it first "
                "where things move"
            )
        if self._stream.metadata.get("alpha_mode") == "1" and len(frame.format.components) == 3:
            footage.told.append("its transparency is left out, and colours are as they are stored below it")

    def _lacks(self, last: Frame) -> bool:
        """Return whether a file whose end is missing lacks frames, so that the last one may be a part only."""
        if self._promised:
            return bool(self._seen < self._promised)
        promised = self._promised_seconds()
        return promised is None or (self._find_end(last) or 0.0) < promised - self._usual / 2

    @property
    def _usual(self) -> float:
        """The time of a frame in seconds, by the header."""
        return float(1 / self.footage.nominal) if self.footage.nominal else 0.0

    def _find_end(self, last: Frame) -> float | None:
        """Return when the clip ends, by its last frame; None: not known."""
        return None if last.time is None else last.time + (last.seconds or self._usual)

    def _promised_seconds(self) -> float | None:
        """Return when the clip ends by the header; None: it does not say."""
        tagged = self._stream.metadata.get("DURATION", "").split(":")
        if len(tagged) == 3 and all(each.replace(".", "", 1).isdigit() for each in tagged):
            return 3600 * float(tagged[0]) + 60 * float(tagged[1]) + float(tagged[2])
        if not self.form.startswith(_PROMISING) or len(self._container.streams) > 1:
            return None
        whole = self._container.duration
        if self.form == "avi" and self._stream.frames:  # of which some may have no data, as the one before stays
            return float(self._stream.frames * self.footage.tick)
        return whole / 1e6 if whole else None

    def _compare(self, last: Frame | None, missing: str) -> None:
        """Tell of the difference between what was promised and what is there.

        Raises:
            ValueError: frames are missing.
        """
        seen, promised = self._seen, self._promised
        if last is None:
            if missing:
                raise ValueError(
                    f"{self._path} ends early, before the end of its first frame: {missing}; get another copy"
                )
            return
        lost = promised - self._packets
        if lost > 0 and seen < promised and (missing or lost > 1 + promised // 50):
            raise ValueError(f"{self._path} ends early: {seen} of {promised} frames are there; {_REMEDY}{seen}")
        if lost > 0 and seen < promised:
            self.footage.told.append(f"{promised} frames are promised and {seen} are there, which are used")
        if promised and seen > promised:
            self.footage.told.append(f"{promised} frames are promised and {seen} are there, which are used")
        end = self._find_end(last)
        seconds = self._promised_seconds()
        if missing:
            part = "" if not self._lacks(last) else "; the last frame, which may be half, is left out"
            amount = f"{seen} frames"
            if seconds and end is not None:
                amount += f", {end:.2f} of {seconds:.2f} s,"
            self.footage.told.append(f"it ends early, {missing}: {amount} are there and used{part}")
        elif seconds and end is not None and not promised and seconds > 1.001 * end + 0.75 * self._usual:
            self.footage.told.append(f"{seconds:.2f} s are promised and {end:.2f} s are there, which are used")


def _choose_stream(container: Any, path: Path, number: int | None, told: list[str]) -> Any:
    """Return the stream of the clip: pictures that are shown one after the other, no cover.

    Raises:
        ValueError: there is none, or none of that number.
    """
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    found = [each for each in container.streams.video if not each.disposition & still]
    if not found:
        kinds = sorted({str(each.type) for each in container.streams} - {"video"})
        if "audio" in kinds:
            raise ValueError(f"{path} has no moving pictures in it, only sound; fit it with --kind audio")
        raise ValueError(f"{path} has no moving pictures in it; give a clip")
    if number is not None and not 0 <= number < len(found):
        raise ValueError(
            f"{path} has {len(found)} clip{'s' * (len(found) > 1)} in it and none of number {number}; the first is 0"
        )
    if number is None and len(found) > 1:
        told.append(f"there are {len(found)} clips in it, and the first is used; --stream N takes another, from 0 on")
    return found[number or 0]


def _find_turn(frame: Any) -> tuple[Callable[[NDArray[Any]], NDArray[Any]], bool]:
    """Return what turns and flips the pixels of a frame as they are shown, and whether rows become columns."""
    matrix = _read_matrix(frame)
    if matrix is None:
        return (lambda pixels: pixels), False
    a, b, c, d = matrix
    # x' = a x + c y and y' = b x + d y, x to the right and y down.
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (lambda pixels: pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]), False
    return (lambda pixels: pixels.swapaxes(0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]), True


def _read_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    from av.sidedata.sidedata import Type

    stored = frame.side_data.get(Type.DISPLAYMATRIX)
    if stored is None:
        return None
    numbers = np.frombuffer(bytes(stored), np.int32)
    if len(numbers) < 9 or not (numbers[0] or numbers[1]):
        return None
    return int(numbers[0]), int(numbers[1]), int(numbers[3]), int(numbers[4])
