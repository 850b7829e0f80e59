"""Tests of short recordings as fields in closed form: against the functions that they are samples of."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

import sinefield
from sinefield import collection, fit_many, short_sounds
from sinefield.fields import Siren
from sinefield.signals.audio import AudioSignal

RATE = 8000


def noise(seed: int, count: int = 400, channels: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, channels)).astype(np.float32)


def tone(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a tone of 440 Hz that begins and ends softly, within 50 ms."""
    soft: NDArray[np.float64] = np.sin(np.pi * times / 0.05) ** 2 * np.sin(2 * np.pi * 440 * times)
    return soft


@pytest.mark.parametrize("count", [2, 3, 9, 400, 401])
def test_every_recording_is_met_even_noise(count: int) -> None:
    source = noise(count, count, 2)
    (found,) = fit_many([source], rate=RATE)
    assert isinstance(found.signal, AudioSignal)
    assert found.signal.rate == RATE
    np.testing.assert_allclose(found.render(), source, rtol=0, atol=1e-3)
    error = found.render() - source
    peak = np.abs(source).max()
    assert found.metrics["psnr"] == pytest.approx(10 * math.log10(4 * peak**2 / np.square(error).mean()), abs=4)
    assert found.metrics["psnr"] > 60


def test_between_the_samples_it_is_the_sound_that_they_are_of() -> None:
    (found,) = fit_many([tone((np.arange(400) + 0.5) / RATE)], rate=RATE)
    fine = found.render(rate=8 * RATE)[:, 0]
    assert np.abs(fine - tone((np.arange(3200) + 0.5) / (8 * RATE))).max() < 1e-3


def test_it_does_not_ring_where_its_end_does_not_meet_its_beginning() -> None:
    """A ramp: its own Fourier series would overshoot by a tenth."""
    times = np.arange(400) / 400
    (found,) = fit_many([0.1 + 0.8 * times], rate=RATE)
    fine = found.render(rate=8 * RATE)[4:-4, 0]
    exact = 0.1 + 0.8 * ((np.arange(3200) + 0.5) / 8 - 0.5) / 400
    assert np.abs(fine - exact[4:-4]).max() < 2e-3


def test_together_is_each_alone_up_to_rounding_and_other_lengths_keep_their_order() -> None:
    sources = [noise(0), noise(1, 300), noise(2)]
    for source, each in zip(sources, fit_many(sources, rate=RATE, seed=3), strict=True):
        (alone,) = fit_many([source], rate=RATE, seed=3)
        assert isinstance(each.signal, AudioSignal)
        assert (each.signal.lattice.shape[0], each.seed) == (len(source), 3)
        for one, other in zip(each.field.parameters(), alone.field.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_a_folder_of_pictures_and_sounds_is_both(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", picture)
    soundfile.write(tmp_path / "b.wav", noise(0), RATE)
    found = fit_many([tmp_path / "a.npy", tmp_path / "b.wav"])
    assert [each.signal.kind for each in found if each.signal is not None] == ["image", "audio"]
    found[1].save(tmp_path / "b.safetensors")
    loaded, header = sinefield.checkpoint.read(tmp_path / "b.safetensors")
    assert (header["problem"], header["source"]["name"], header["recipe"]) == (
        "audio",
        "b.wav",
        collection.SOUND_RECIPE,
    )
    assert isinstance(loaded, Siren)
    np.testing.assert_allclose(found[1].render(), noise(0), rtol=0, atol=1e-3)


def test_long_recordings_and_those_with_gaps_are_fitted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_sounds, "LONGEST", 100)
    gap = noise(1, 90)
    gap[40:44] = np.nan
    asked = []

    def solved(problem: sinefield.Problem, seed: int) -> sinefield.Solution:
        asked.append(seed)
        return sinefield.solve(problem, seed=seed, passes=1)

    monkeypatch.setattr(collection, "solve", solved)
    with pytest.warns(sinefield.io.SignalWarning):
        found = fit_many([noise(0, 101), gap, noise(2, 100)], rate=RATE, seed=5)
    assert asked == [5, 5]
    assert [each.recipe["name"] for each in found] == ["fast", "fast", "many"]
