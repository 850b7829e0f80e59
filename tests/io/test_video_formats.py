"""Tests of the table of clips in the documentation: each ending is read, and each word on its metadata holds."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from documented import endings, rows
from films import encode, small, waves
from sinefield.io import SignalWarning, video

ROWS = rows("Clips")
MILLISECOND = Fraction(1, 1000)
TOLD = {".dv": "interlaced|not square", ".mjpeg": "do not say how many frames a second are shown; 25 are taken"}


def read(path: Path) -> tuple[video.Clip, list[str]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = video.read(path)
    return found, [str(each.message) for each in told]


def make(suffix: str, folder: Path) -> Path:
    if suffix not in (".png", ".webp"):
        return small(suffix, folder)
    pictures = [Image.fromarray(each) for each in waves(8, 32, 48)]
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    pictures[0].save(folder / f"a{suffix}", save_all=True, append_images=pictures[1:], duration=40, **options)
    return folder / f"a{suffix}"


def check_times(suffix: str, folder: Path) -> None:
    """Eight frames of a twelfth of a second, though the header says 25 a second."""
    pictures = [Image.fromarray(each) for each in waves(8, 32, 48)]
    path = folder / f"times{suffix}"
    if suffix in (".gif", ".png", ".webp", ".apng"):
        form = "png" if suffix == ".apng" else suffix[1:]
        pictures[0].save(path, form, save_all=True, append_images=pictures[1:], duration=80)
    else:
        encode(path, waves(8, 32, 48), times=range(0, 16, 2))
    assert read(path)[0].rate == 12.5


def check_aspect(suffix: str, folder: Path) -> None:
    """A picture of 48 x 32 that is shown 16:9."""
    found, told = read(encode(folder / f"aspect{suffix}", waves(4, 32, 48), aspect=Fraction(32, 27)))
    assert found.aspect == pytest.approx(32 / 27, rel=0.01)
    assert any("its pixels are not square" in each for each in told)


def check_matrix(suffix: str, folder: Path) -> None:
    """Green, whose luma is 182 by BT.601 and 219 by BT.709, in the full range."""
    path = folder / f"matrix{suffix}"
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    with av.open(str(path), "w", format={".mts": "mpegts", ".qt": "mov"}.get(suffix)) as container:
        stream: Any = container.add_stream(codec, rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = 1, 2
        for level in (255, 250, 245, 240):
            frame: Any = av.VideoFrame.from_ndarray(
                np.full((32, 48, 3), (0, level, 0), np.uint8), format="rgb24"
            ).reformat(format="yuv420p", dst_colorspace=1, dst_color_range=2)
            frame.colorspace, frame.color_range = 1, 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert read(path)[0].frame(0).reshape(-1, 3).mean(0) == pytest.approx((0, 255, 0), abs=3)


def check_turns(suffix: str, folder: Path) -> None:
    frames = waves(3, 16, 32)
    for turn, expected in (
        ((90.0, False, False), np.rot90(frames, 1, (1, 2))),
        ((0.0, True, False), frames[:, :, ::-1]),
    ):
        found, _ = read(encode(folder / f"turn{suffix}", frames, turn=turn))
        assert (found.height, found.width) == expected.shape[1:3]
        assert np.abs(found.values.reshape(expected.shape).astype(int) - expected).mean() < 12


def check_edits(suffix: str, folder: Path) -> None:
    path = encode(folder / f"edit{suffix}", waves(20), times=range(-10, 10), options={"bf": "0"})
    assert read(path)[0].frames == 10


def check_streams(suffix: str, folder: Path) -> None:
    path = folder / f"two{suffix}"
    with av.open(str(path), "w", format={".mts": "mpegts", ".qt": "mov"}.get(suffix)) as container:
        codec = {".webm": "libvpx", ".f4v": "libx264"}.get(suffix, "mpeg2video" if "ts" in suffix else "mpeg4")
        streams: list[Any] = [container.add_stream(codec, rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number, stream in enumerate(streams):
            for each in waves(3) // (1 + number):
                container.mux(
                    stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24").reformat(format="yuv420p"))
                )
            container.mux(stream.encode())
    first, told = read(path)
    assert any("there are 2 clips in it, and the first is used" in each for each in told)
    assert video.read(path, stream=1).values.mean() == pytest.approx(first.values.mean() / 2, abs=4)


def check_transparency(suffix: str, folder: Path) -> None:
    frames = np.zeros((3, 16, 16, 4), np.uint8)
    for k in range(3):
        frames[k, :, 8:] = (40 * k, 20, 90, 255)
    path = folder / f"alpha{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {"disposal": 2 if suffix == ".gif" else 1}
    pictures = [Image.fromarray(each) for each in frames]
    form = "png" if suffix == ".apng" else suffix[1:]
    pictures[0].save(path, form, save_all=True, append_images=pictures[1:], duration=100, **options)
    found, told = read(path)
    assert any("what is transparent in it lies on white" in each for each in told)
    assert (found.values.reshape(3, 16, 16, 3)[:, :, :8] == 255).all()


CHECKS: dict[str, Callable[[str, Path], None]] = {
    "time stamps": check_times,
    "pixel aspect": check_aspect,
    "matrix and range": check_matrix,
    "turns and flips": check_turns,
    "edits": check_edits,
    "several clips": check_streams,
    "transparency": check_transparency,
}
"""What checks each word of the column on metadata."""


def cases() -> list[Any]:
    return [
        pytest.param(ending, word, id=f"{ending} {word}")
        for row in ROWS
        for ending in endings(row)
        for word in row["Metadata honoured when reading"].split(", ")
        if word != "none"
    ]


def test_every_ending_is_in_one_row() -> None:
    found = [ending for row in ROWS for ending in endings(row)]
    assert sorted(found) == sorted({*video.SUFFIXES, ".png", ".webp"})


@pytest.mark.parametrize("ending", [ending for row in ROWS for ending in endings(row)])
def test_it_is_read(ending: str, tmp_path: Path) -> None:
    found, told = read(make(ending, tmp_path))
    assert (found.frames, found.rate) == (8, 25)
    assert all(re.search(TOLD.get(ending, "nothing is told"), each) for each in told)
    expected = waves(8, found.height, found.width)
    palette = 25 if ending == ".gif" else 8
    assert np.abs(found.values.astype(int) - expected.reshape(-1, 3)).mean() < palette


@pytest.mark.parametrize(("ending", "word"), cases())
def test_its_metadata_is_honoured(ending: str, word: str, tmp_path: Path) -> None:
    CHECKS[word](ending, tmp_path)


def test_what_is_written_is_what_the_last_column_says(tmp_path: Path) -> None:
    written = {ending: row["Written back"] for row in ROWS for ending in endings(row) if row["Written back"] != "no"}
    assert set(video.WRITTEN) <= set(written)
    for ending, text in written.items():
        assert (f"`{ending}`" in text) == (ending in video.WRITTEN)
    video.write(tmp_path / "a.mp4", iter(waves()), 25, 4 / 3)
    with pytest.warns(SignalWarning, match="not square, but 4:3"):
        assert video.read(tmp_path / "a.mp4").aspect == pytest.approx(4 / 3)
