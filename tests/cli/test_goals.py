"""Tests of goals through the command line: reached, out of reach, and asked for wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import run, run_alone

SMALL = ["--width", "32", "--depth", "1", "--device", "cpu", "--resize", "32", "--batch", "64"]
RATE = ["--learning-rate", "2e-3"]


def test_a_goal_of_decibels_is_reached(tmp_path: Path) -> None:
    """``--psnr`` is the same goal, and gives the same bytes."""
    results = []
    for name, goal in (("a", ["--until", "22"]), ("b", ["--psnr", "22"])):
        path = tmp_path / f"{name}.safetensors"
        found = run_alone(tmp_path, "fit", "sample:camera", "-o", str(path), "--json", "--quiet", *SMALL, *RATE, *goal)
        assert found.returncode == 0, found.stderr
        result = json.loads(found.stdout)
        assert result["stopped"] == "goal"
        assert result["shortfall"] == ""
        assert result["metrics"]["psnr"] >= 22
        assert result["recipe"]["until"] == {"metric": "psnr", "value": 22.0}
        assert result["passes"] < result["recipe"]["passes"] == 80
        results.append(path.read_bytes())
    assert results[0] == results[1]


def test_a_goal_that_is_not_reached_is_told_and_the_field_kept(tmp_path: Path) -> None:
    path = tmp_path / "field.safetensors"
    options = ["--passes", "40", "--until", "psnr=60"]
    found = run(tmp_path, "fit", "sample:camera", "-o", str(path), *SMALL, *RATE, *options)
    assert found.returncode == 0, found.stderr
    told = [line for line in found.stdout.splitlines() if line.startswith("  goal ")]
    assert len(told) == 1
    assert "psnr 60.00 dB was not reached: the best is psnr" in told[0]
    assert "which is kept; try a larger budget, more features or layers, or the recipe best" in told[0]
    assert path.exists()
    lines = [line for line in found.stderr.splitlines() if "stalled" in line]
    assert len(lines) >= 1  # while it was fitted
    assert "psnr 60.00 dB is out of reach of this budget, about psnr" in lines[0]
    assert lines[0].startswith("fitting ")


def test_a_recording_is_fitted_until_its_mean_squared_error(tmp_path: Path) -> None:
    time = np.arange(2000) / 8000
    soundfile.write(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 60 * time), 8000)
    small = ["--width", "32", "--depth", "1", "--first-omega", "200", "--batch", "250", "--quiet", "--json"]
    found = run(tmp_path, "fit", "tone.wav", "--until", "1e-3", "--passes", "200", *small, *RATE)
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["stopped"] == "goal"
    assert result["recipe"]["until"] == {"metric": "mse", "value": 1e-3}
    assert result["metrics"]["mse"] <= 1e-3
    assert result["passes"] < 200


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--until", "ssim=0.9"],
            "no metric 'ssim' is measured while fitting this problem; a goal is one of psnr, loss",
        ),
        (["--until", "psnr=-3"], "psnr to reach must be a positive number, got -3.0; give one, as psnr=40"),
        (["--psnr", "30", "--until", "psnr=31"], "--psnr 30 and --until psnr=31 are two goals; give one of them"),
    ],
)
def test_a_goal_that_is_none_is_refused_in_a_line(tmp_path: Path, options: list[str], line: str) -> None:
    found = run(tmp_path, "fit", "sample:camera", *SMALL, *options)
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1] == f"sinefield: {line}"
    assert not list(tmp_path.iterdir())


def test_an_estimate_on_the_way_to_a_goal_is_a_limit(tmp_path: Path) -> None:
    found = run(tmp_path, "fit", "sample:camera", *SMALL, "--until", "30", "--estimate")
    assert "at most about" in found.stdout
    assert "80 passes" in found.stdout


def test_a_picture_is_filled_in_until_a_goal(tmp_path: Path) -> None:
    options = ["--pixels", "0.5", "--width", "32", "--depth", "1", "--passes", "60", "--quiet", "--json"]
    y, x = np.mgrid[0:24, 0:24] / 24
    np.save(tmp_path / "smooth.npy", np.sin(3 * x) * np.cos(2 * y))
    found = run_alone(tmp_path, "inpaint", "smooth.npy", "-o", "field.safetensors", "--until", "psnr=12.3", *options)
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["stopped"] == "goal"
    assert result["passes"] < 60
