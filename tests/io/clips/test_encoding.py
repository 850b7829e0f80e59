"""Tests of the encoding of frames, as PyAV and Pillow read them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from films import shades
from sinefield.io.clips.colours import Colours
from sinefield.io.clips.encoding import check_rate, check_size, encode, find_fraction

LEVELS = list(range(20, 201, 30))
BARS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128], [255, 255, 255], [0, 0, 0]], np.uint8)


def write(path: Path, frames: NDArray[np.uint8], rate: float | Fraction, *rest: float | Colours) -> Path:
    with path.open("wb") as file:
        encode(file, path.suffix[1:], iter(frames), frames.shape[1:3], rate, *rest)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001)])
def test_mp4_holds_h264_of_the_rate(tmp_path: Path, channels: int, rate: Fraction) -> None:
    path = write(tmp_path / "a.mp4", shades(LEVELS)[..., :channels], rate)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 48, 32)
        assert stream.average_rate == rate
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(stream)]
    assert levels == pytest.approx(LEVELS, abs=2)


@pytest.mark.parametrize("size", [(32, 96), (33, 97)])
def test_colours_are_those_of_the_tag(tmp_path: Path, size: tuple[int, int]) -> None:
    """The luma and differences that BT.709 defines for six colours, limited range, and tags that say so."""
    frame = np.ascontiguousarray(np.broadcast_to(BARS.repeat(16, 0)[:96], (size[0], 96, 3)))
    frame = np.pad(frame, [(0, 0), (0, size[1] - 96), (0, 0)], mode="edge")
    path = write(tmp_path / "a.mp4", np.stack([frame] * 3), 25)
    red, green, blue = (BARS / 255).T
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = [16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748]
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == size[::-1]
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        assert tags == (1, 1, 1, 1)
        decoded = next(container.decode(video=0))
    assert decoded.format.name == ("yuv444p" if size[0] % 2 else "yuv420p")
    for plane, values in zip(decoded.planes, expected, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[plane.height // 2]
        half = 1 if plane.width > 60 else 2
        assert rows[8 // half : 96 // half : 16 // half] == pytest.approx(values, abs=2)


def test_primaries_transfer_and_aspect_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", shades(LEVELS), 25, 16 / 11, Colours(9, 16))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert stream.sample_aspect_ratio == Fraction(16, 11)
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 9, 16)


def test_every_frame_of_a_gif_has_the_palette_of_its_colours(tmp_path: Path) -> None:
    """Frames of 200 colours each keep them, though together they have more than the 256 of one palette."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (3, 200, 3), dtype=np.uint8)[:, random.integers(0, 200, (20, 31))]
    path = write(tmp_path / "a.gif", frames, 10)
    with Image.open(path) as picture:
        assert (picture.size, picture.n_frames) == ((31, 20), 3)  # type: ignore[attr-defined]
        for number, expected in enumerate(frames):
            picture.seek(number)
            assert picture.info["duration"] == 100
            assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - expected).mean() < 2


def test_a_rate_is_a_simple_fraction() -> None:
    for exact in (Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(1, 60), Fraction(1, 86400)):
        assert find_fraction(float(exact)) == exact


def test_frames_that_are_shown_for_hours_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", shades([20, 90, 200]), 1 / 3600)
    with av.open(str(path)) as container:
        assert [frame.time for frame in container.decode(video=0)] == [0, 3600, 7200]


def test_what_gif_does_not_quite_hold_is_told() -> None:
    assert check_rate("mp4", 29.97) == check_rate("gif", 25) == check_rate("gif", 12.5) == check_rate("gif", 50) == []
    assert "frames are shown for 30 or 40 ms, 30 a second on average" in check_rate("gif", 30)[0]
    assert "more than 50 frames a second as one of 10" in check_rate("gif", 60)[0]
    for rate in (101, 1e-3):
        with pytest.raises(ValueError, match=r"^GIF holds 0.00153 to 100 frames a second, and the rate is"):
            check_rate("gif", rate)
    assert check_size("gif", (3, 5, 3)) == check_size("mp4", (4, 6, 3)) == []
    assert "5 x 4 has an odd side" in check_size("mp4", (4, 5, 3))[0]
