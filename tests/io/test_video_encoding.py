"""Tests of the encoding of frames, as PyAV and Pillow read them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sinefield.io.video_encoding import encode


def fades(frames: int, height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """Return flat frames whose grey rises from 20 on, by 30 a frame."""
    levels = 20 + 30 * np.arange(frames, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (frames, height, width, channels)).copy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001)])
def test_mp4_holds_h264_of_the_rate(tmp_path: Path, channels: int, rate: Fraction) -> None:
    encode(tmp_path / "a.mp4", iter(fades(7, 32, 48, channels)), (32, 48), rate)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 48, 32)
        assert stream.average_rate == rate
        levels = [frame.to_ndarray(format="gray").mean() for frame in container.decode(stream)]
    assert levels == pytest.approx(list(range(20, 201, 30)), abs=3)


def test_the_last_row_and_column_of_an_odd_size_are_repeated(tmp_path: Path) -> None:
    frame = np.full((21, 33, 3), 60, np.uint8)
    frame[-1], frame[:, -1] = 200, 200
    encode(tmp_path / "a.mp4", iter([frame] * 3), (21, 33), Fraction(10))
    with av.open(str(tmp_path / "a.mp4")) as container:
        found = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
    assert found.shape == (22, 34)
    assert found[20:].mean() == pytest.approx(200, abs=6)
    assert found[:, 32:].mean() == pytest.approx(200, abs=6)
    assert found[:19, :31].mean() == pytest.approx(60, abs=6)


def test_every_frame_of_a_gif_has_the_palette_of_its_colours(tmp_path: Path) -> None:
    """Frames of 200 colours each keep them, though together they have more than the 256 of one palette."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (3, 200, 3), dtype=np.uint8)[:, random.integers(0, 200, (20, 31))]
    encode(tmp_path / "a.gif", iter(frames), (20, 31), Fraction(10))
    with Image.open(tmp_path / "a.gif") as picture:
        assert (picture.size, picture.n_frames) == ((31, 20), 3)  # type: ignore[attr-defined]
        for number, expected in enumerate(frames):
            picture.seek(number)
            assert picture.info["duration"] == 100
            assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - expected).mean() < 2


def test_a_rate_that_was_rounded_to_nothing_is_a_frame_in_1001_seconds(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", iter(fades(3, 16, 16)), (16, 16), Fraction(0))
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 1001, 2002], abs=1)
