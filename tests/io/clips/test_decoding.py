"""Tests of decoding: what is shown is what is read, whatever the container does with it, and whatever its name is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from films import encode, shades, small, waves
from sinefield.io import SignalWarning, video

LOSSLESS: dict[str, Any] = {"form": "yuv444p", "options": {"qp": "0"}}


def shaped(clip: video.Clip) -> NDArray[np.float64]:
    return clip.values.reshape(clip.frames, clip.height, clip.width, -1).astype(float)


def test_an_edit_that_hides_the_beginning(tmp_path: Path) -> None:
    """What `-ss 1 -c copy` makes: 30 of 60 frames lie before the beginning."""
    path = encode(
        tmp_path / "a.mp4",
        shades(range(20, 140, 2)),
        rate=30,
        times=range(-30, 30),
        options={"bf": "0", "g": "60", "crf": "8"},
    )
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 60
    found = video.read(path)
    assert (found.frames, found.rate, found.seconds) == (30, 30, 1)
    assert [found.frame(k).mean() for k in range(30)] == pytest.approx(list(range(80, 140, 2)), abs=1.5)


@pytest.mark.parametrize("between", ["0", "2"])
def test_an_edit_that_hides_the_end(between: str, tmp_path: Path) -> None:
    """The list of edits of a clip of two seconds says that one is shown."""
    options = {"bf": between, "g": "20", "crf": "8"}
    path = encode(tmp_path / "a.mp4", shades(range(20, 140, 2)), rate=30, options=options)
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 12  # after the name, the version and the count
    assert content[place : place + 4] == (2000).to_bytes(4, "big")
    content[place : place + 4] = (1000).to_bytes(4, "big")
    path.write_bytes(content)
    found = video.read(path)
    assert (found.frames, found.rate) == (30, 30)
    assert [found.frame(k).mean() for k in range(30)] == pytest.approx(list(range(20, 80, 2)), abs=1.5)


TURNS = [(angle, flipped, upside) for angle in (0, 90, 180, 270) for flipped, upside in ((False, False), (True, False))]


@pytest.mark.parametrize("turn", [*TURNS, (0, False, True), (90, False, True)])
def test_frames_are_turned_and_flipped_as_they_are_shown(turn: tuple[float, bool, bool], tmp_path: Path) -> None:
    frames = waves(3, 16, 32)
    found = video.read(encode(tmp_path / "a.mp4", frames, turn=turn if any(turn) else None, **LOSSLESS))
    angle, flipped, upside = turn
    expected = np.rot90(frames, int(angle) // 90, (1, 2))
    expected = expected[:, :: -1 if upside else 1, :: -1 if flipped else 1]
    assert (found.height, found.width) == expected.shape[1:3]
    assert np.abs(shaped(found) - expected).max() <= 3  # of rounding to luma and back


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi"])
def test_pixels_that_are_not_square_are_told(suffix: str, tmp_path: Path) -> None:
    path = encode(tmp_path / f"a{suffix}", waves(), "mpeg4", "yuv420p", aspect=Fraction(16, 11))
    with pytest.warns(
        SignalWarning, match="its pixels are not square, but 16:11; the 32 x 24 samples are fitted as they"
    ):
        found = video.read(path)
    assert found.aspect == pytest.approx(16 / 11)
    assert (found.width, found.height) == (32, 24)


def test_their_proportions_turn_with_the_picture_and_follow_crop_and_size(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", waves(), aspect=Fraction(2), turn=(90, False, False))
    with pytest.warns(SignalWarning, match="not square, but 1:2; the 24 x 32 samples"):
        found = video.read(path)
    assert (found.width, found.height, found.aspect) == (24, 32, 0.5)
    with pytest.warns(SignalWarning, match="not square"):
        found = video.read(path, size=(12, 32))
    assert found.aspect == 1
    with pytest.warns(SignalWarning, match="not square"):
        found = video.read(path, crop=(0, 0, 12, 16), size=(12, 8))
    assert found.aspect == 0.25


def test_a_cover_is_not_the_clip(tmp_path: Path) -> None:
    """An MP4 whose first stream of pictures is its cover."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        picture = av.VideoFrame.from_ndarray(shades([200], 64, 64)[0], format="rgb24").reformat(format="yuvj420p")
        container.mux(cover.encode(picture))
        for each in waves():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode())
    found = video.read(path)
    assert (found.frames, found.width, found.height) == (6, 32, 24)


def test_an_attached_cover_of_matroska_is_not_the_clip(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.fromarray(shades([200], 64, 64)[0]).save(picture, "jpeg")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.add_attachment("cover.jpg", "image/jpeg", picture.getvalue())
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for each in waves():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    found = video.read(path)
    assert (found.frames, found.width, found.height) == (6, 32, 24)


def two_streams(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        streams: list[Any] = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for stream, level in zip(streams, (60, 180), strict=True):
            for each in shades([level, level + 20, level + 40], 24, 32):
                container.mux(
                    stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24").reformat(format="yuv420p"))
                )
        for stream in streams:
            container.mux(stream.encode())
    return path


def test_of_several_clips_the_first_is_used_and_any_can_be(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "a.mkv")
    with pytest.warns(SignalWarning, match="there are 2 clips in it, and the first is used; --stream N takes another"):
        assert video.read(path).frame(0).mean() == pytest.approx(60, abs=3)
    assert video.read(path, stream=0).frame(0).mean() == pytest.approx(60, abs=3)
    assert video.read(path, stream=1).frame(0).mean() == pytest.approx(180, abs=3)
    with pytest.raises(ValueError, match="has 2 clips in it and none of number 2; the first is 0"):
        video.read(path, stream=2)


NAMES = ["12:30.mp4", "concat:a|b.mp4", "-clip.mp4", "a%03d.mp4", "http:b.mp4", "Käse Ω.mp4", "?*[a].mp4", "pipe:0.gif"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_addresses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    video.write(path, iter(waves()), 25)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert video.read(path).frames == 6


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    os.rename(small(".mp4", tmp_path), path)  # noqa: PTH104  # the name cannot be printed
    assert video.read(path).frames == 8


def test_a_list_of_files_is_no_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What FFmpeg takes for a list could open any file, or an address."""
    monkeypatch.chdir(tmp_path)
    small(".mp4", tmp_path)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile small.mp4\n")
    (tmp_path / "list.ts").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9.0,\nsmall.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list.mp4", "list.ts"):
        with pytest.raises(ValueError, match="cannot be read as a clip"):
            video.read(name)


def test_an_interlaced_clip_is_told(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mpg", waves(), options={"flags": "+ildct+ilme"})
    with av.open(str(path)) as container:
        interlaced = next(container.decode(video=0)).interlaced_frame
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        video.read(path)
    assert [("it is interlaced" in str(each.message)) for each in told] == [True] * interlaced


def test_nothing_of_libraries_is_printed(tmp_path: Path) -> None:
    path = small(".mp4", tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:1500] + bytes(300) + content[1800:])
    program = (
        f"from sinefield.io import video\ntry: video.read({str(path)!r})\nexcept ValueError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.count("\n") == 1
    assert found.stderr == ""


def test_frames_that_are_too_large_are_refused_by_the_header(tmp_path: Path) -> None:
    """The header of YUV4MPEG2 of 32 x 24 that claims 8192 x 8192."""
    path = encode(tmp_path / "a.y4m", waves())
    path.write_bytes(path.read_bytes().replace(b"W32 H24", b"W8192 H8192", 1))
    with pytest.raises(ValueError, match=r"has frames of 8192 x 8192 pixels by its header, and 36,000,000 pixels are"):
        video.read(path)
