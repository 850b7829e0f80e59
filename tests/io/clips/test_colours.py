"""Tests of colours: six bars by the definitions of the standards, in every matrix, range and depth, tagged or not."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from films import encode, waves
from sinefield.io import SignalWarning, video
from sinefield.io.clips.colours import Colours

BARS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128], [255, 255, 255], [0, 0, 0]], np.uint8)
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Of red and blue in luma, by the code point of the matrix: BT.709, BT.601 twice, SMPTE 240M and BT.2020."""


def bars(
    path: Path, matrix: int, full: bool, *, tagged: bool = True, height: int = 32, form: str = "yuv444p", **tags: int
) -> Path:
    """Write two frames of six bars, 16 columns each, whose samples are made here by the definition of a matrix."""
    bits = 10 if "10" in form else 8
    red, green, blue = (BARS / 255).T
    of_red, of_blue = WEIGHTS[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    differences = [(blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)]
    scale = 2.0 ** (bits - 8)
    if full:
        planes = [(2**bits - 1) * luma, *(2 ** (bits - 1) + (2**bits - 1) * each for each in differences)]
    else:
        planes = [scale * (16 + 219 * luma), *(scale * (128 + 224 * each) for each in differences)]
    planes = [np.clip(np.rint(each), 0, 2**bits - 1) for each in planes]
    frame: Any = av.VideoFrame(96, height, form)
    for plane, values in zip(frame.planes, planes, strict=True):
        row = values.astype(np.uint8 if bits == 8 else np.uint16).repeat(plane.width // 6)
        padded = np.zeros(plane.line_size, np.uint8)
        padded[: row.nbytes] = row.view(np.uint8)
        plane.update(np.tile(padded, plane.height).tobytes())
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, height, form
        if path.suffix == ".mp4":
            stream.options = {"crf": "2"}
        frame.colorspace, frame.color_range = (matrix, 2 if full else 1) if tagged else (2, 0)
        context = stream.codec_context
        context.colorspace, context.color_range = frame.colorspace, frame.color_range
        for name, value in tags.items():
            setattr(context, name, value)
            setattr(frame, name, value)
        for number in range(2):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_bars(path: Path) -> NDArray[np.int_]:
    """Return the six colours in the middle of the bars, and check that all frames have them."""
    found = video.read(path)
    rows = found.values.reshape(found.frames, found.height, found.width, 3)[:, found.height // 2, 8::16]
    assert (abs(rows[0].astype(int) - rows[-1]) <= 2).all()
    return np.asarray(rows[0], int)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6, 7, 9])
def test_tagged_colours_are_read_by_their_tag(matrix: int, full: bool, suffix: str, tmp_path: Path) -> None:
    assert np.abs(read_bars(bars(tmp_path / f"a{suffix}", matrix, full)) - BARS).max() <= 3


@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p"])
def test_colours_of_every_resolution(form: str, tmp_path: Path) -> None:
    assert np.abs(read_bars(bars(tmp_path / "a.mp4", 1, full=False, form=form)) - BARS).max() <= 3


@pytest.mark.parametrize(("height", "matrix"), [(32, 6), (576, 6), (720, 1), (1080, 1)])
def test_colours_without_a_tag_are_those_of_custom(height: int, matrix: int, tmp_path: Path) -> None:
    """BT.601 up to 576 rows, BT.709 beyond, limited range."""
    path = bars(tmp_path / "a.mkv", matrix, full=False, tagged=False, height=height)
    assert np.abs(read_bars(path) - BARS).max() <= 3


@pytest.mark.parametrize("form", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_samples_of_ten_bits_are_rounded_and_told(form: str, tmp_path: Path) -> None:
    path = bars(tmp_path / "a.mkv", 9, full=False, form=form)
    with pytest.warns(SignalWarning, match=r"a\.mkv: samples of 10 bits are rounded to 8"):
        found = read_bars(path)
    assert np.abs(found - BARS).max() <= 3


@pytest.mark.parametrize(("curve", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_told_kept_and_written_back(curve: int, name: str, tmp_path: Path) -> None:
    path = bars(tmp_path / "a.mp4", 9, full=False, color_trc=curve, color_primaries=9)
    with pytest.warns(SignalWarning, match=rf"of high dynamic range \({name}\); .* tone-map the clip first"):
        found = video.read(path)
    assert found.colours == Colours(9, curve)
    frames = found.values.reshape(2, 32, 96, 3)
    video.write(tmp_path / "b.mp4", iter(frames), 25, colours=found.colours)
    with pytest.warns(SignalWarning, match="of high dynamic range"):
        again = video.read(tmp_path / "b.mp4")
    assert again.colours == found.colours
    assert np.abs(again.values.astype(int) - found.values).reshape(2, 32, 96, 3)[:, :, 8::16].max() <= 3


def test_what_is_written_is_read_by_the_filters_of_ffmpeg_alike(tmp_path: Path) -> None:
    frame = np.ascontiguousarray(np.broadcast_to(BARS.repeat(16, 0), (32, 96, 3)))
    video.write(tmp_path / "a.mp4", iter([frame, frame]), 25)
    assert np.abs(read_bars(tmp_path / "a.mp4") - BARS).max() <= 3
    with av.open(str(tmp_path / "a.mp4")) as container:
        decoded = next(container.decode(video=0))
        graph: Any = av.filter.Graph()
        nodes = [
            graph.add_buffer(width=96, height=32, format="yuv420p", time_base=decoded.time_base),
            graph.add("scale", "in_color_matrix=bt709:in_range=tv:out_range=pc"),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        ]
        for before, after in itertools.pairwise(nodes):
            before.link_to(after)
        graph.configure()
        graph.push(decoded)
        found = graph.pull().to_ndarray()
    assert np.abs(found[16, 8::16].astype(int) - BARS).max() <= 3


@pytest.mark.parametrize(("codec", "form", "suffix"), [("ffv1", "bgr0", ".avi"), ("png", "rgb24", ".mov")])
def test_samples_of_rgb_know_no_matrix(codec: str, form: str, suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 720, 16, 3), dtype=np.uint8)
    found = video.read(encode(tmp_path / f"a{suffix}", noise, codec, form))
    assert np.array_equal(found.values, noise.reshape(-1, 3))


def test_lossless_rgb_in_h264(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    found = video.read(encode(tmp_path / "a.mp4", noise, "libx264rgb", "rgb24", options={"qp": "0"}))
    assert np.array_equal(found.values, noise.reshape(-1, 3))


@pytest.mark.parametrize(("form", "top"), [("gray", 255), ("gray10le", 1023), ("gray16le", 65535)])
@pytest.mark.parametrize("limited", [False, True])
def test_grey_of_every_range_and_depth(form: str, top: int, limited: bool, tmp_path: Path) -> None:
    levels = np.linspace(0, 1, 32)
    unit = (top + 1) / 256
    stored = unit * (16 + 219 * levels) if limited else top * levels
    rows = np.broadcast_to(np.rint(stored).astype(np.uint8 if top == 255 else np.uint16), (24, 32))
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, form
        stream.codec_context.color_range = 1 if limited else 2
        for number in range(2):
            frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(rows), format=form)
            frame.color_range, frame.pts = 1 if limited else 2, number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = video.read(path)
    assert ["are rounded to 8" in str(each.message) for each in told] == [True] * (top > 255)
    assert found.values.shape == (2 * 24 * 32, 1)
    assert np.abs(found.values[:32, 0] - 255 * levels).max() <= 1


@pytest.mark.parametrize(("codec", "form", "suffix"), [("png", "rgba", ".mov"), ("ffv1", "yuva420p", ".mkv")])
def test_what_is_transparent_lies_on_white(codec: str, form: str, suffix: str, tmp_path: Path) -> None:
    frames = np.zeros((3, 32, 32, 4), np.uint8)
    frames[..., :3] = waves(3, 32, 32)
    frames[:, :, 16:, 3] = 255
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, form
        for each in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgba").reformat(format=form)))
        container.mux(stream.encode())
    with pytest.warns(SignalWarning, match="what is transparent in it lies on white"):
        found = video.read(path)
    shown = found.values.reshape(3, 32, 32, 3).astype(int)
    assert (shown[:, :, :15] == 255).all()
    assert np.abs(shown[:, :, 17:] - frames[:, :, 17:, :3]).mean() < 3


def test_transparency_that_is_left_out_is_told(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", waves(), "libvpx-vp9", "yuva420p")
    with pytest.warns(SignalWarning, match="its transparency is left out"):
        assert video.read(path).frames == 6
