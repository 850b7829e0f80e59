"""Tests of recordings as problems: a fit, metrics against their definition, rendering, bad requests."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield import kinds, metrics, problems, solve
from sinefield.io import SignalWarning
from sinefield.io.audio import Recording
from sinefield.problem import Problem
from sinefield.problems import audio
from sinefield.signals.audio import AudioSignal

RATE = 4000
TINY: dict[str, Any] = {"hidden_features": 32, "hidden_layers": 1}


def chord(channels: int = 1, count: int = 3000) -> NDArray[np.float32]:
    times = np.arange(count)[:, None] / RATE
    frequencies = 200 * (1 + np.arange(channels))
    return (0.25 * np.sin(2 * np.pi * frequencies * times) + 0.1 * np.sin(2 * np.pi * 330 * times)).astype(np.float32)


class Truth(nn.Module):
    """The field that is the chord, in the coordinates and the scale of a problem."""

    in_features = 1

    def __init__(self, seconds: float, peak: float, frequencies: list[int]) -> None:
        super().__init__()
        self.seconds, self.peak = seconds, peak
        self.frequencies = nn.Parameter(torch.tensor(frequencies, dtype=torch.float64))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        times = (points + 1) / 2 * self.seconds - 0.5 / RATE  # the first sample is half a sample from the beginning
        values = 0.25 * torch.sin(2 * math.pi * self.frequencies * times) + 0.1 * torch.sin(2 * math.pi * 330 * times)
        return values / self.peak


def signal_of(problem: Problem) -> AudioSignal:
    assert isinstance(problem.signal, AudioSignal)
    return problem.signal


def truth(problem: Problem, channels: int) -> Truth:
    return Truth(signal_of(problem).seconds, signal_of(problem).lattice.high, [200 * (1 + k) for k in range(channels)])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_field_that_is_the_recording_has_no_error_and_gives_it_back(channels: int) -> None:
    problem = audio(chord(channels), rate=RATE, **TINY)
    field = truth(problem, channels)
    found = problem.measure({"u": field}, None)
    assert found["mse"] < 1e-9  # coordinates are single precision
    assert found["snr"] > 80
    assert found["spectral_distance"] < 0.5  # of silence, where magnitudes are those of rounding
    assert np.abs(signal_of(problem).sample(field) - chord(channels)).max() < 1e-6
    assert problem.measure({"u": field}, 100).keys() == {"mse", "snr", "psnr"}


def test_metrics_are_those_of_their_definition() -> None:
    problem = audio(chord(), rate=RATE, **TINY)
    silent = truth(problem, 1)
    silent.peak = math.inf
    target = chord() / np.abs(chord()).max()
    found = problem.measure({"u": silent}, None)
    assert found["mse"] == pytest.approx(np.mean(target.astype(float) ** 2), rel=1e-5)
    assert found["snr"] == pytest.approx(0, abs=1e-6)
    assert found["psnr"] == pytest.approx(10 * math.log10(4 / found["mse"]))


def test_samples_that_are_not_known_count_in_nothing() -> None:
    samples = chord(2)
    samples[500:600, 1] = np.nan
    with pytest.warns(SignalWarning, match="100 of 6000 samples are NaN"):
        problem = audio(samples, rate=RATE, **TINY)
    field = truth(problem, 2)
    field.peak = signal_of(problem).lattice.high
    found = problem.measure({"u": field}, None)
    assert found["mse"] < 1e-9
    assert found.keys() == {"mse", "snr", "psnr"}  # spectra need all neighbours
    assert problem.measure({"u": field}, 100)["snr"] > 80
    silent = truth(problem, 2)
    silent.peak = math.inf
    power = np.nanmean((samples / np.nanmax(np.abs(samples))) ** 2)
    assert problem.measure({"u": silent}, None)["mse"] == pytest.approx(power, rel=1e-5)
    solution = solve(problem, passes=1, batch=256)
    assert math.isfinite(solution.metrics["snr"])


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("ending", [".wav", ".aiff", ".w64", ".caf"])
def test_a_field_that_is_the_recording_writes_the_same_file(bits: int, ending: str, tmp_path: Path) -> None:
    class Stored(nn.Module):
        """The field that has a row of samples."""

        def __init__(self, samples: NDArray[np.float32]) -> None:
            super().__init__()
            self.samples = nn.Parameter(torch.from_numpy(samples.copy()))

        def forward(self, points: torch.Tensor) -> torch.Tensor:
            count = len(self.samples)
            return self.samples[((points[:, 0] + 1) * (count / 2)).long().clamp(0, count - 1)]

    names = {8: "PCM_U8" if ending in (".wav", ".w64") else "PCM_S8", 16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
    soundfile.write(tmp_path / f"a{ending}", chord(2) * (3 if bits == 32 else 1), RATE, names[bits])
    problem = audio(tmp_path / f"a{ending}", **TINY)
    assert isinstance(problem.reference, Recording)
    peak = signal_of(problem).lattice.high
    field = Stored((problem.reference.values / problem.reference.full / peak).astype(np.float32))
    signal_of(problem).write(field, tmp_path / f"b{ending}")
    written, original = soundfile.info(tmp_path / f"b{ending}"), soundfile.info(tmp_path / f"a{ending}")
    assert (written.subtype, written.samplerate, written.frames) == (original.subtype, RATE, 3000)
    again, truly = (soundfile.read(tmp_path / f"{name}{ending}")[0] for name in "ab")
    assert np.abs(again - truly).max() <= (2**-22 if bits >= 24 else 0)


def test_other_rates_and_intervals_are_evaluations_of_the_same_function() -> None:
    problem = audio(chord(), rate=RATE, **TINY)
    signal, field = signal_of(problem), truth(problem, 1)
    fine = signal.sample(field, rate=4 * RATE, start=0.1, stop=0.3)
    assert fine.shape == (round(0.2 * 4 * RATE), 1)
    times = torch.from_numpy(0.1 + (np.arange(len(fine)) + 0.5) / (4 * RATE))
    expected = field((2 * times / signal.seconds - 1)[:, None]) * field.peak
    assert np.abs(fine - expected.detach().numpy()).max() < 1e-5
    assert signal.sample(field, 77).shape == (77, 1)


def test_a_recording_is_fitted_and_written(tmp_path: Path) -> None:
    problem = audio(chord(2), rate=RATE, **TINY)
    solution = solve(problem, passes=60, batch=256, learning_rate=2e-3, matrix_rate=1e-2)
    assert solution.metrics["snr"] > 10
    told = signal_of(problem).write(solution.field, tmp_path / "a.wav", rate=2 * RATE)
    assert told == "0.75 s, 6,000 samples at 8000 Hz, 2 channels"
    written, rate = soundfile.read(tmp_path / "a.wav", always_2d=True)
    assert (rate, written.shape) == (2 * RATE, (6000, 2))
    rendered = solution.render(rate=2 * RATE)
    assert np.abs(written - rendered).max() < 2**-14


def test_a_recording_read_back_has_the_error_that_was_told(tmp_path: Path) -> None:
    problem = audio(chord(), rate=RATE, **TINY)
    solution = solve(problem, passes=20, batch=256)
    signal_of(problem).write(solution.field, tmp_path / "a.wav")
    written, _ = soundfile.read(tmp_path / "a.wav", always_2d=True)
    peak = np.abs(chord()).max()
    assert np.mean(((written - chord()) / peak) ** 2) == pytest.approx(solution.metrics["mse"], rel=1e-2)


def test_the_signal_survives_json() -> None:
    signal = signal_of(audio(chord(2), rate=RATE, **TINY))
    assert kinds.signal_from_json(json.loads(json.dumps(signal.to_json()))) == signal
    told = [{"bits": 32, "floats": False}, {"bits": 64}, {"speakers": 0x3F}, {"bits": 16, "floats": True}]
    for change in told:
        again = kinds.signal_from_json(signal.to_json() | change)
        assert kinds.signal_from_json(json.loads(json.dumps(again.to_json()))) == again
    former = kinds.signal_from_json(signal.to_json() | {"bits": 32})  # as earlier versions stored it
    assert isinstance(former, AudioSignal)
    assert former.floats
    wrong: list[dict[str, Any]] = [{"rate": 0}, {"rate": "8000"}, {"bits": 12}, {"floats": 1}, {"speakers": 0}]
    for change in [*wrong, {"speakers": "left"}]:
        with pytest.raises(ValueError, match="stored recording is not plausible"):
            kinds.signal_from_json(signal.to_json() | change)


def test_the_frequency_grows_with_that_of_the_sound() -> None:
    times = np.arange(4000) / RATE
    low, high = (audio(np.sin(2 * np.pi * f * times), rate=RATE, **TINY).omega or 0 for f in (100, 200))
    assert high / low == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 0.3, "stop": 0.2}, "begins before it ends"),
        ({"stop": math.nan}, "begins before it ends"),
        ({"rate": 0}, "rate must be 1 to"),
        ({"rate": 1e9}, "rate must be 1 to"),
        ({"stop": 1e-6}, "must have at least 1"),
    ],
)
def test_what_cannot_be_rendered_is_told(options: dict[str, Any], message: str) -> None:
    problem = audio(chord(), rate=RATE, **TINY)
    with pytest.raises(ValueError, match=message):
        signal_of(problem).sample(truth(problem, 1), **options)


def test_a_field_of_another_signal_is_told() -> None:
    signal = signal_of(audio(chord(), rate=RATE, **TINY))
    for field, message in (
        (audio(chord(2), rate=RATE, **TINY).build(30.0)["u"], "2 outputs and the signal 1 channels"),
        (problems.image("sample:camera", longest=16, **TINY).build(30.0)["u"], "2 coordinates and the signal 1"),
    ):
        with pytest.raises(ValueError, match=message):
            signal.sample(field)


def test_options_of_other_kinds_are_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", chord(), RATE)
    with pytest.raises(ValueError, match=r"on is an option of kind image, and .*a\.wav is of kind audio"):
        problems.of(tmp_path / "a.wav", on=["gradient"])
    with pytest.raises(ValueError, match="unknown kind of signal 'smell'"):
        problems.of(tmp_path / "a.wav", "smell")


def test_the_spectral_distance_hears_what_is_missing() -> None:
    sound = torch.from_numpy(chord(1, 8000))
    assert metrics.spectral_distance(sound, sound) == 0
    quiet = metrics.spectral_distance(0.9 * sound, sound)
    assert 0.1 < quiet < 0.21  # a tenth of the norm, and ln 0.9 of each magnitude
    assert metrics.spectral_distance(torch.zeros_like(sound), sound) > 1
    assert math.isnan(metrics.spectral_distance(sound[:99], sound[:99]))


def test_a_recording_is_fitted_in_tiles() -> None:
    problem = audio(chord(1, 6000), rate=RATE, tiles=(6,), hidden_features=16, hidden_layers=1)
    solution = solve(problem, passes=80, learning_rate=4e-3, pace=None)
    assert solution.metrics["snr"] > 10
    assert solution.render().shape == (6000, 1)
    assert signal_of(problem).sample(solution.field, 10, start=1.0, stop=1.01).shape == (10, 1)


def test_a_long_recording_is_fitted_in_tiles_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules["sinefield.problems.audio"], "LONG", 1000)
    monkeypatch.setattr("sinefield.io.allocation.IN_MEMORY", 0)
    soundfile.write(tmp_path / "a.wav", chord(2), RATE)
    problem = audio(tmp_path / "a.wav", tile_size=500, **TINY)
    assert isinstance(problem.reference, Recording)
    assert isinstance(problem.reference.values, np.memmap)
    solution = solve(problem, passes=40, learning_rate=4e-3, matrix_rate=1e-2, pace=None)
    assert solution.metrics["snr"] > 10
    with pytest.raises(ValueError, match="one of SIRENs"):
        audio(tmp_path / "a.wav", tile_size=500, network="relu")
