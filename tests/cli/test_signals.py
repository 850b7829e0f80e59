"""Tests of the command line on recordings and in tiles, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tifffile

from command import run

SMALL = ["--width", "16", "--depth", "1", "--passes", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.flac"
    times = np.arange(4000) / 8000
    soundfile.write(path, np.stack([np.sin(1000 * times), np.sin(1500 * times)], axis=1) / 2, 8000)
    return path


@pytest.fixture(scope="module")
def field(song: Path) -> Path:
    found = run(song.parent, "fit", song.name, "--figure", "song.png", *SMALL)
    assert found.returncode == 0, found.stderr
    assert "SNR" in found.stdout
    assert (song.parent / "song.png").stat().st_size > 10_000
    return song.with_suffix(".safetensors")


def test_a_recording_is_fitted_and_rendered_at_another_rate(field: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "render", str(field), "out.wav", "--rate", "16000", "--start", "0.1", "--stop", "0.35")
    assert found.stdout == "out.wav: 0.25 s, 4,000 samples at 16000 Hz, 2 channels\n", found.stderr
    samples, rate = soundfile.read(tmp_path / "out.wav")
    assert (samples.shape, rate) == ((4000, 2), 16000)
    told = json.loads(run(tmp_path, "info", str(field), "--json").stdout)
    assert told["signal"] | {"low": 0, "high": 0} == {
        "kind": "audio",
        "shape": [4000],
        "extent": [1.0],
        "channels": 2,
        "low": 0,
        "high": 0,
        "rate": 8000,
        "bits": 16,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["render", "FIELD", "out.wav", "--scale", "2"], "scale is an option of kind image, and "),
        (["render", "FIELD", "out.png"], "a recording's ending must be one of .wav"),
        (["render", "FIELD", "out.wav", "--start", "1", "--stop", "0.5"], "begins before it ends"),
        (["fit", "SONG", "--on", "gradient"], "on is an option of kind image"),
        (["fit", "SONG", "--kind", "image"], "cannot be read as a picture"),
        (["fit", "SONG", "--kind", "smell"], "unknown kind of signal 'smell'"),
        (
            ["fit", "SONG", "--kind", "sdf"],
            "choose one of image, audio, video, volume, shape; what was 'sdf' is 'shape'",
        ),
        (["fit", "SONG", "--resize", "9"], "resize is an option of kind image"),
        (["fit", "sample:camera", "--tiles", "2by2"], "--tiles is an integer for each axis"),
        (["fit", "sample:camera", "--tiles", "2x2", "--on", "gradient"], "fitted on value"),
    ],
)
def test_bad_requests_get_one_line_and_nothing_is_written(
    arguments: list[str], message: str, song: Path, field: Path, tmp_path: Path
) -> None:
    named = [{"FIELD": str(field), "SONG": str(song)}.get(each, each) for each in arguments]
    found = run(tmp_path, *named)
    assert found.returncode == 2
    assert message in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_picture_is_fitted_in_tiles_and_rendered(tmp_path: Path) -> None:
    found = run(tmp_path, "fit", "sample:camera", "--resize", "64", "--tiles", "2x3", *SMALL, "-o", "a.safetensors")
    assert found.returncode == 0, found.stderr
    told = json.loads(run(tmp_path, "info", "a.safetensors", "--json").stdout)
    assert told["fields"]["u"]["architecture"] == "tiled"
    assert told["fields"]["u"]["settings"]["tiles"] == "2x3"
    assert run(tmp_path, "render", "a.safetensors", "a.tif", "--scale", "3").returncode == 0
    assert tifffile.imread(tmp_path / "a.tif").shape == (192, 192)
