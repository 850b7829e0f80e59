"""Colours of frames: which matrix and range samples are stored in, and their conversion to 8-bit RGB or grey.

Samples of video are luma and two differences of colour. Which matrix makes RGB of them, and whether 16 or 0 is black,
stands in the file, or goes by custom: BT.709 from high definition on, else BT.601, and the limited range. Code points
are those of ITU-T H.273.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

BT709, UNKNOWN, BT601 = 1, 2, 6
FULL = 2
"""The range of samples from 0 to the largest number, as FFmpeg numbers it; 1 is the limited one, 0 is not known."""

_CURVES = {16: "PQ", 18: "HLG"}  # transfer functions of high dynamic range
_CONVERTED = {1, 4, 5, 6, 7, 9, 10}  # matrices that FFmpeg converts; 10 as 9, of constant luminance
_MATRICES = {
    0: "RGB",
    3: "reserved",
    8: "YCgCo",
    11: "SMPTE 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived",
}
_BACKGROUND = 255  # what lies behind transparent pixels


@dataclass(frozen=True)
class Colours:
    """What red, green and blue are, and how light becomes numbers.

    Args:
        primaries: code point of the primaries.
        transfer: code point of the transfer function.
    """

    primaries: int = BT709
    transfer: int = BT709

    @classmethod
    def of(cls, frame: Any) -> Colours:
        """Return the colours of a frame; those that are not known are BT.709, which differs little from sRGB."""
        found = (int(frame.color_primaries), int(frame.color_trc))
        return cls(*(each if each not in (0, 3, UNKNOWN) and 0 < each < 256 else BT709 for each in found))


STANDARD = Colours()
"""The colours of high definition, and near enough those of displays."""


def convert(frame: Any) -> tuple[Pixels, bool]:
    """Return the samples of a frame as bytes ``(height, width, c)``, c = 1 where it is grey, else 3.

    What is transparent lies on white; the second value tells whether something is.

    Raises:
        av.FFmpegError: FFmpeg cannot convert its format.
    """
    if is_grey(frame):
        return _convert_grey(frame)
    # The frame's own tags are what FFmpeg converts by; where they do not say, custom does.
    if not is_rgb(frame):
        frame.colorspace = choose_matrix(frame)
        if frame.color_range == 0 and not frame.format.name.startswith("yuvj"):
            frame.color_range = 1
    if not (frame.format.has_palette or any(each.is_alpha for each in frame.format.components)):
        return np.asarray(_reformat(frame, "rgb24").to_ndarray()), False
    samples = _reformat(frame, "rgba").to_ndarray()
    return lay_on_background(samples[:, :, :3], samples[:, :, 3:])


def _reformat(frame: Any, form: str) -> Any:
    from av.video.reformatter import Interpolation

    exact = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    return frame.reformat(format=form, interpolation=exact, threads=1)


def _convert_grey(frame: Any) -> tuple[Pixels, bool]:
    """Return a grey frame as bytes; FFmpeg takes every grey format for one of full range."""
    name = frame.format.name
    if name.startswith(("ya", "mono")):
        pair = _reformat(frame, "rgba").to_ndarray()
        return lay_on_background(pair[:, :, :1], pair[:, :, 3:])
    if frame.format.is_big_endian:
        frame = frame.reformat(format=name[:-2] + "le", threads=1)
    samples = frame.to_ndarray()
    if samples.dtype == np.uint8 and frame.color_range != 1:
        return np.asarray(samples[:, :, None]), False
    if samples.dtype.kind == "f":
        scaled = samples
    else:
        step = 2.0 ** (frame.format.components[0].bits - 8)
        low, high = (16 * step, 235 * step) if frame.color_range == 1 else (0.0, 256 * step - 1)
        scaled = (samples.astype(np.float32) - low) / (high - low)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)[:, :, None], False


def lay_on_background(colours: Pixels, alpha: Pixels) -> tuple[Pixels, bool]:
    """Return colours ``(h, w, c)`` on white, by their alpha ``(h, w, 1)``, and whether something is transparent."""
    if alpha.min() == 255:
        return np.ascontiguousarray(colours), False
    weight = alpha / np.float32(255)
    return np.rint(colours * weight + _BACKGROUND * (1 - weight)).astype(np.uint8), True


def is_grey(frame: Any) -> bool:
    """Return whether a frame has luma only."""
    return bool(frame.format.name.startswith(("gray", "mono", "ya8", "ya16")))


def is_rgb(frame: Any) -> bool:
    """Return whether a frame holds red, green and blue, or a palette of them."""
    return bool(frame.format.is_rgb or frame.format.has_palette)


def choose_matrix(frame: Any) -> int:
    """Return the code point of the matrix of a frame."""
    stated = int(frame.colorspace)
    if stated in _CONVERTED:
        return 9 if stated == 10 else stated
    return BT709 if frame.width >= 1280 or frame.height > 576 else BT601


def describe(frame: Any) -> list[str]:
    """Return what is told of the colours of a frame: precision that is lost, high dynamic range, unknown matrices."""
    found = []
    bits = max((each.bits for each in frame.format.components), default=8)
    if bits > 8:
        found.append(f"samples of {bits} bits are rounded to 8")
    if frame.color_trc in _CURVES:
        found.append(
            f"colours are of high dynamic range ({_CURVES[frame.color_trc]}); they are fitted and written as they are "
            "stored, and look pale where that is not known; tone-map the clip first to have ordinary ones"
        )
    if not (is_grey(frame) or is_rgb(frame)) and frame.colorspace not in (*_CONVERTED, UNKNOWN):
        name = _MATRICES.get(int(frame.colorspace), f"of code point {int(frame.colorspace)}")
        found.append(
            f"its colours are stored by a matrix that is not known here ({name}); they are read as "
            f"BT.{709 if choose_matrix(frame) == BT709 else 601}, and may be wrong"
        )
    return found
