"""Tests of fields that are solved for at the command line: what is told, written, replaced and read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from command import run


def wave(height: int = 60, width: int = 80) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    found: NDArray[np.uint8] = np.round(127.5 + 100 * np.sin(0.2 * x + 0.1 * y) * np.cos(0.15 * y)).astype(np.uint8)
    return found


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(wave()).save(tmp_path / "wave.png")
    return tmp_path / "wave.png"


def test_a_smooth_picture_is_solved_for_and_told_so(picture: Path) -> None:
    found = run(picture.parent, "fit", picture.name, "--figure", "figure.png")
    assert found.returncode == 0, found.stderr
    assert "samples left out are off by" in found.stdout
    assert ", solved in " in found.stdout
    assert "points/s" not in found.stdout
    assert (picture.parent / "figure.png").stat().st_size > 10_000
    assert run(picture.parent, "render", "wave.safetensors", "back.png").returncode == 0
    back = np.asarray(Image.open(picture.parent / "back.png")).astype(int)
    assert np.abs(back - wave()).max() <= 1
    told = json.loads(run(picture.parent, "info", "wave.safetensors", "--json").stdout)
    assert told["recipe"]["name"] == "solved"
    assert 0 < told["metrics"]["left_out"] < 0.03


def test_a_picture_is_solved_for_from_its_derivatives(picture: Path) -> None:
    found = run(picture.parent, "fit", picture.name, "--on", "gradient", "--figure", "figure.png")
    assert found.returncode == 0, found.stderr
    assert ", solved in " in found.stdout
    assert "relative gradient error" in found.stdout
    assert (picture.parent / "figure.png").stat().st_size > 10_000
    assert run(picture.parent, "render", "wave.safetensors", "back.png").returncode == 0
    back = np.asarray(Image.open(picture.parent / "back.png")).astype(float) - wave()
    assert np.std(back) < 3  # of 255: all but the level, which slopes do not tell
    found = run(picture.parent, "fit", picture.name, "--on", "laplacian")
    assert "laplacian correlation 1.000" in found.stdout, found.stderr
    trained = run(picture.parent, "fit", picture.name, "--on", "gradient", "--start", "nothing", "--passes", "1")
    assert trained.returncode == 0, trained.stderr
    assert "solved in" not in trained.stdout


def test_a_field_is_replaced_by_that_of_the_same_file_alone(picture: Path) -> None:
    assert run(picture.parent, "fit", picture.name).returncode == 0
    assert run(picture.parent, "fit", picture.name).returncode == 0
    Image.fromarray(wave()[::-1].copy()).save(picture.parent / "other.png")
    found = run(picture.parent, "fit", "other.png", "-o", "wave.safetensors")
    assert found.returncode != 0
    assert "wave.safetensors" in found.stderr


def test_every_pixel_of_a_picture_with_edges_comes_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    pixels[:, 35:] //= 4
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    assert "solved in" in run(tmp_path, "fit", "noise.png").stdout
    assert run(tmp_path, "render", "noise.safetensors", "back.png").returncode == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "back.png")), pixels)
    assert run(tmp_path, "render", "noise.safetensors", "large.png", "--scale", "2").returncode == 0
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (140, 100)


def test_what_only_training_has_is_trained(picture: Path) -> None:
    film = run(picture.parent, "fit", picture.name, "--animate", "film.gif", "--seconds", "1", "--json")
    assert film.returncode == 0, film.stderr
    assert json.loads(film.stdout)["recipe"]["name"] == "fast"
    kept = run(picture.parent, "fit", picture.name, "--checkpoint-every", "1", "--seconds", "1", "--json")
    assert json.loads(kept.stdout)["recipe"]["name"] == "fast"


def test_what_has_no_closed_form_is_refused_in_a_line(picture: Path) -> None:
    found = run(picture.parent, "fit", picture.name, "--on", "value", "--on", "laplacian", "--recipe", "solved")
    assert found.returncode != 0
    assert "choose one of fast, best, samples, published here" in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert not (picture.parent / "wave.safetensors").exists()


def test_a_recording_comes_back_to_its_last_bit(tmp_path: Path) -> None:
    samples = (np.random.default_rng(0).uniform(-0.9, 0.9, 3000) * 2**15).astype(np.int16)
    soundfile.write(tmp_path / "noise.wav", samples, 8000)
    assert run(tmp_path, "fit", "noise.wav").returncode == 0
    assert run(tmp_path, "render", "noise.safetensors", "back.wav").returncode == 0
    back, _ = soundfile.read(tmp_path / "back.wav", dtype="int16")
    assert np.abs(back.astype(int) - samples).max() <= 1
