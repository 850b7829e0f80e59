"""Tests of clips as problems: a fit, metrics against their definition, rendering between frames, bad requests."""

from __future__ import annotations

import json
import math
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from command import run
from films import encode, waves
from sinefield import kinds, plots, problems, solve
from sinefield.io import SignalWarning
from sinefield.io import video as clips
from sinefield.io.clips.colours import Colours
from sinefield.problem import Problem
from sinefield.problems import video
from sinefield.signals.lattice import Lattice
from sinefield.signals.video import VideoSignal

RATE, SHAPE = 10.0, (8, 12, 16)
TINY: dict[str, Any] = {"hidden_features": 32, "hidden_layers": 1}


def formula(t: Any, y: Any, x: Any, channels: int) -> NDArray[np.float64]:
    """Return values from 0 to 255 of a moving pattern; t in frames, y and x in pixels, from the edges."""
    parts = [128 + 70 * np.sin(x / 5 + t / 3 + k) + 50 * np.cos(y / 4 - t / 5) for k in range(channels)]
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def places(*sizes: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of equal parts of the clip's axes, in frames and pixels."""
    axes = [(np.arange(size) + 0.5) * whole / size for size, whole in zip(sizes, SHAPE, strict=True)]
    t, y, x = np.meshgrid(*axes, indexing="ij")
    return t, y, x


def moving(channels: int = 1) -> NDArray[np.uint8]:
    return np.rint(formula(*places(*SHAPE), channels)).astype(np.uint8)


class Truth(nn.Module):
    """The field that is the pattern, in the coordinates of its problem."""

    in_features = 3

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.phases = nn.Parameter(torch.arange(channels, dtype=torch.float64))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        frames, height, width = SHAPE
        t = (points[:, :1] + 1) / 2 * frames
        y, x = (points[:, 1:2] * width + height) / 2, (points[:, 2:] + 1) / 2 * width  # x is the longest side
        values = 128 + 70 * torch.sin(x / 5 + t / 3 + self.phases) + 50 * torch.cos(y / 4 - t / 5)
        return values / 127.5 - 1


def signal_of(problem: Problem) -> VideoSignal:
    assert isinstance(problem.signal, VideoSignal)
    return problem.signal


@pytest.mark.parametrize("channels", [1, 3])
def test_the_field_that_is_the_clip_has_no_error_and_gives_it_back(channels: int) -> None:
    problem = video(moving(channels), rate=RATE, **TINY)
    found = problem.measure({"u": Truth(channels)}, None)
    # Rounding to integers leaves an error of variance 1/12 at a peak of 255.
    assert found["psnr"] == pytest.approx(10 * math.log10(12 * 255**2), abs=0.3)
    assert found["psnr_mean"] == pytest.approx(found["psnr"], abs=0.3)
    assert 0 < found["psnr_spread"] < 1
    assert problem.measure({"u": Truth(channels)}, 100).keys() == {"psnr"}
    rendered = signal_of(problem).sample(Truth(channels))
    assert rendered.shape == (*SHAPE, channels)
    assert np.abs(rendered - formula(*places(*SHAPE), channels)).max() < 1e-3


def test_metrics_are_those_of_their_definition() -> None:
    class Grey(Truth):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            return 0 * super().forward(points)

    found = video(moving(3), rate=RATE, **TINY).measure({"u": Grey(3)}, None)
    errors = ((moving(3) / 127.5 - 1) ** 2).reshape(SHAPE[0], -1).mean(1)
    each = 10 * np.log10(4 / errors)
    assert found["psnr"] == pytest.approx(10 * math.log10(4 / errors.mean()), rel=1e-6)
    assert found["psnr_mean"] == pytest.approx(each.mean(), rel=1e-6)
    assert found["psnr_spread"] == pytest.approx(each.std(), rel=1e-5)


def test_frames_without_error_do_not_count_in_the_spread() -> None:
    clip = np.zeros((2, 2, 2), dtype=np.uint8)
    clip[1] = 255

    class Black(nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            return torch.full((len(points), 1), -1.0)

    found = video(clip, rate=1, **TINY).measure({"u": Black()}, None)
    assert found["psnr"] == pytest.approx(10 * math.log10(2))
    assert found["psnr_mean"] == pytest.approx(0)
    assert found["psnr_spread"] == 0


def test_other_sizes_and_rates_are_evaluations_of_the_same_function() -> None:
    signal = signal_of(video(moving(3), rate=RATE, **TINY))
    fine = signal.sample(Truth(3), (40, 20), fps=3 * RATE)
    assert np.abs(fine - formula(*places(3 * SHAPE[0], 20, 40), 3)).max() < 1e-3
    part = signal.sample(Truth(3), start=0.2, stop=0.5)
    assert np.abs(part - formula(*places(*SHAPE), 3)[2:5]).max() < 1e-3
    moment = signal.sample(Truth(3), time=0.333)
    _, y, x = places(*SHAPE)
    assert moment.shape == (*SHAPE[1:], 3)
    assert np.abs(moment - formula(3.33, y[0], x[0], 3)).max() < 1e-3


def test_a_clip_is_fitted_drawn_and_written(tmp_path: Path) -> None:
    problem = video(moving(3), rate=RATE, **TINY)
    solution = solve(problem, passes=60, batch=256)
    assert solution.metrics["psnr"] > 25
    assert solve(problem, passes=60, batch=256, psnr=20.0).stopped == "goal"
    signal = signal_of(problem)
    told = signal.write(solution.field, tmp_path / "a.mp4", (32, 24), fps=20, speed=0.5)
    assert told == "32 x 24, 32 frames at 20 a second, 1.60 s"
    found = clips.read(tmp_path / "a.mp4")
    assert (found.frames, found.width, found.height, found.rate) == (32, 32, 24, 20)
    expected = solution.render((32, 24), fps=40)
    error = found.values.reshape(expected.shape) - expected.astype(float)
    assert np.abs(error).mean() < 6
    signal.write(solution.field, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), solution.render())
    assert signal.write(solution.field, tmp_path / "a.png", time=0.4) == "16 x 12, the moment 0.4 s"
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert np.abs(picture - np.clip(solution.render(time=0.4), 0, 255)).max() <= 0.51
    plots.save_figure(plots.solution_figure(solution), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_a_clip_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sinefield import cli

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        printed = capsys.readouterr()
        return printed.out if not left.value.code else printed.err

    monkeypatch.chdir(tmp_path)
    clips.write("a.mp4", iter(moving(3)), RATE)
    small = ["--width", "8", "--depth", "0", "--passes", "1", "--device", "cpu"]
    assert "psnr spread" in run("fit", "a.mp4", "--frames", "0:6:2", "--size", "8x6", "--crop", "0,0,8,6", *small)
    assert "8 x 6, 6 frames at 10 a second" in run("render", "a.safetensors", "b.gif", "--fps", "10")
    assert "the moment 0.3 s" in run("render", "a.safetensors", "b.png", "--time", "0.3")
    assert "--frames is the first frame and the one after" in run("fit", "a.mp4", "--frames", "5")
    assert "axis is an option of kind volume and shape, and a.safetensors is of kind video" in run(
        "render", "a.safetensors", "c.gif", "--axis", "z"
    )
    assert "frames is an option of kind video" in run("fit", "sample:camera", "--frames", "0:2")
    assert "has 8 frames, and 0:9 is outside" in run("fit", "a.mp4", "--frames", "0:9")


def test_the_signal_survives_json() -> None:
    signal = signal_of(video(moving(3), rate=RATE, **TINY))
    assert kinds.signal_from_json(json.loads(json.dumps(signal.to_json()))) == signal
    for change in ({"rate": 0}, {"rate": "8"}, {"rate": math.nan}, {"channels": 2}):
        with pytest.raises(ValueError, match="stored clip is not plausible"):
            kinds.signal_from_json(signal.to_json() | change)


def test_the_frequency_grows_with_that_of_the_clip() -> None:
    def clip(frequency: int) -> NDArray[np.uint8]:
        x = np.arange(32) / 32
        rows = 128 + 100 * np.sin(2 * np.pi * frequency * x)
        return np.broadcast_to(rows, (4, 32, 32)).astype(np.uint8)

    low, high = (video(clip(f), rate=1, **TINY).omega or 0 for f in (4, 8))
    assert (high / low) ** 2 == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 0.3, "stop": 0.2}, "begins before it ends"),
        ({"stop": math.nan}, "begins before it ends"),
        ({"fps": 0.0}, "fps must be a positive number"),
        ({"fps": math.inf}, "fps must be a positive number"),
        ({"stop": 1e-6}, "must have at least 1"),
        ({"time": 0.9}, "outside the clip, which is 0.8 s long"),
        ({"time": math.nan}, "outside the clip"),
        ({"time": 0.1, "fps": 5.0}, "leave start, stop and fps out"),
        ({"size": (0, 5)}, "both must be at least 1"),
        ({"size": (2, 3, 4)}, "width and height"),
    ],
)
def test_what_cannot_be_rendered_is_told(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    signal = signal_of(video(moving(), rate=RATE, **TINY))
    with pytest.raises(ValueError, match=message):
        signal.sample(Truth(1), **options)
    with pytest.raises(ValueError, match=message):
        signal.write(Truth(1), tmp_path / ("a.png" if "time" in options else "a.mp4"), **options)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    signal = signal_of(video(moving(), rate=RATE, **TINY))
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("a.png", {}, r"ending must be one of \.mp4, \.gif"),
        ("a.mp4", {"time": 0.1}, "ending must be one of .png"),
        ("a.mp4", {"speed": 0.0}, "speed must be a positive number"),
        ("a.png", {"speed": 0.5, "time": 0.1}, "a moment has no speed"),
    ]
    for name, options, message in refused:
        with pytest.raises(ValueError, match=message):
            signal.write(Truth(1), tmp_path / name, **options)


def test_a_field_of_another_signal_is_told() -> None:
    signal = signal_of(video(moving(), rate=RATE, **TINY))
    with pytest.raises(ValueError, match="3 outputs and the signal 1 channels"):
        signal.sample(Truth(3))


def test_clips_are_known_by_their_ending(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        stream: Any = container.add_stream("libvpx", rate=10)
        stream.height, stream.width, stream.pix_fmt = 12, 16, "yuv420p"
        for each in moving(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        container.mux(stream.encode())
    assert problems.of(tmp_path / "a.webm", **TINY).name == "video"
    with pytest.raises(ValueError, match="crop is an option of kind video"):
        problems.of("sample:camera", crop=(0, 0, 4, 4))


class Interpolated(nn.Module):
    """The field that gives back the samples of a clip, the nearest one everywhere."""

    in_features = 3

    def __init__(self, clip: clips.Clip, signal: VideoSignal) -> None:
        super().__init__()
        shape = (clip.frames, clip.height, clip.width)
        samples = torch.from_numpy(clip.values.astype(np.float32)).reshape(*shape, -1)
        self.samples = nn.Parameter(samples / 127.5 - 1)
        self.extent = torch.tensor(signal.lattice.extent)
        self.shape = torch.tensor(shape)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        places = (points / self.extent + 1) / 2 * self.shape
        t, y, x = torch.minimum(places.floor().clamp(min=0), self.shape - 1).long().unbind(1)
        return self.samples[t, y, x]


def round_trip(path: Path, output: Path, **options: Any) -> tuple[clips.Clip, clips.Clip, VideoSignal]:
    """Return a clip, what is read of what its field writes, and the signal as a field file keeps it."""
    problem = video(path, **TINY)
    assert isinstance(problem.reference, clips.Clip)
    signal = kinds.signal_from_json(json.loads(json.dumps(signal_of(problem).to_json())))
    assert isinstance(signal, VideoSignal)
    assert signal == problem.signal
    signal.write(Interpolated(problem.reference, signal), output, **options)
    return problem.reference, clips.read(output), signal


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
@pytest.mark.parametrize("rate", [25, 12.5, Fraction(30000, 1001)])
def test_what_is_read_and_written_keeps_size_rate_and_colours(suffix: str, rate: Any, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", waves(12, 24, 32), "ffv1", "bgr0", Fraction(rate))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        before, after, _ = round_trip(path, tmp_path / f"b{suffix}")
    assert len(told) == (suffix == ".gif" and rate not in (25, 12.5))
    assert (after.frames, after.height, after.width) == (12, 24, 32)
    exact = suffix == ".mp4" or rate in (25, 12.5)
    assert after.rate == pytest.approx(before.rate, rel=1e-12 if exact else 0.01)
    assert np.abs(after.values.astype(int) - before.values).mean() < 4


def test_proportions_of_pixels_are_kept_and_written(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", waves(4, 48, 48), aspect=Fraction(16, 9))
    with pytest.warns(SignalWarning, match="not square, but 16:9"):
        before, after, signal = round_trip(path, tmp_path / "b.mp4")
    assert signal.lattice.extent == pytest.approx((1, 9 / 16, 1))
    assert (after.width, after.height, after.aspect) == (48, 48, before.aspect)
    assert after.aspect == pytest.approx(16 / 9)
    field = Interpolated(before, signal)
    told = signal.write(field, tmp_path / "c.mp4")
    assert told == "48 x 48 (shown as 85 x 48), 4 frames at 25 a second, 0.16 s"
    assert signal.write(field, tmp_path / "d.mp4", (86, 48)).startswith("86 x 48, 4")
    assert clips.read(tmp_path / "d.mp4").aspect == 1
    assert signal.write(field, tmp_path / "c.gif").startswith("86 x 48, 4")
    assert signal.write(field, tmp_path / "c.png", time=0.1).startswith("86 x 48, the moment")


def test_a_turned_clip_whose_pixels_are_not_square(tmp_path: Path) -> None:
    """What is shown is a circle, 16:9, turned: it is one in the coordinates of the field, and in a picture."""
    y, x = np.mgrid[0:96, 0:96] + 0.5
    circle = np.where(np.hypot((x - 48) * 16 / 9, y - 48) < 30, 230, 20).astype(np.uint8)
    frames = np.repeat(np.stack([circle] * 3)[..., None], 3, 3)
    path = encode(tmp_path / "a.mp4", frames, aspect=Fraction(16, 9), turn=(90, False, False))
    with pytest.warns(SignalWarning, match="not square, but 9:16"):
        problem = video(path, **TINY)
    signal = signal_of(problem)
    assert isinstance(problem.reference, clips.Clip)
    signal.write(Interpolated(problem.reference, signal), tmp_path / "a.png", time=0.05)
    picture = np.asarray(Image.open(tmp_path / "a.png"))[..., 0] > 128
    assert picture.shape == (170, 96)
    rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
    assert len(rows) == pytest.approx(60, abs=3)
    assert len(columns) == pytest.approx(60, abs=3)


def test_colours_of_high_dynamic_range_are_kept_with_the_field() -> None:
    signal = VideoSignal(Lattice((3, 4, 8), (1.0, 0.5, 1.0), 3, 0.0, 255.0), 25.0, Colours(9, 16))
    stored = json.loads(json.dumps(signal.to_json()))
    assert kinds.signal_from_json(stored) == signal
    for change in ({"primaries": "9"}, {"transfer": 0}, {"transfer": 300}, {"primaries": None}):
        with pytest.raises(ValueError, match="the stored clip is not plausible: its colours are"):
            kinds.signal_from_json(stored | change)


def test_cases_on_the_command_line(tmp_path: Path) -> None:
    """A name with a colon, a rate and a stream that are chosen, what is told in a line each, and nothing besides."""
    small = ["--width", "8", "--depth", "0", "--passes", "1", "--device", "cpu", "--quiet"]
    encode(tmp_path / "a.mp4", waves(6, 24, 24), aspect=Fraction(4, 3)).rename(tmp_path / "12:30.mp4")
    found = run(tmp_path, "fit", "12:30.mp4", "--fps", "10", *small, "-o", "a.safetensors")
    assert found.returncode == 0
    assert found.stderr == (
        "sinefield: 12:30.mp4: its pixels are not square, but 4:3; the 24 x 24 samples are fitted as they are, in the "
        "proportions in which they are shown\n"
    )
    found = run(tmp_path, "render", "a.safetensors", "b:c.mp4")
    assert "24 x 24 (shown as 32 x 24), 6 frames at 10 a second, 0.60 s" in found.stdout
    found = run(tmp_path, "fit", "12:30.mp4", "--stream", "3", *small, "-o", "c.safetensors")
    assert found.returncode == 2
    assert found.stderr == "sinefield: 12:30.mp4 has 1 clip in it and none of number 3; the first is 0\n"
