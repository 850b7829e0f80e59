"""Tests of the mean and the edge of spectra, against signals of known spectrum."""

from __future__ import annotations

import math

import pytest
import torch

from sinefield import problems
from sinefield.fields import frequency as spectrum
from sinefield.fields.frequency import edge_frequency, mean_frequency
from sinefield.problems.image import OMEGA


def wave(cycles: tuple[int, ...], size: int = 64) -> torch.Tensor:
    """Return cos(2π k · x) on a grid of the unit cube, one channel."""
    axes = torch.meshgrid(*[torch.arange(size) / size] * len(cycles), indexing="ij")
    phase = torch.stack([k * axis for k, axis in zip(cycles, axes, strict=True)]).sum(0)
    return torch.cos(2 * math.pi * phase)[..., None]


@pytest.mark.parametrize("cycles", [(5,), (3, 4), (1, 2, 2)])
def test_a_wave_has_the_length_of_its_wave_vector(cycles: tuple[int, ...]) -> None:
    found = mean_frequency(wave(cycles, 16 if len(cycles) == 3 else 64), 1 / (16 if len(cycles) == 3 else 64))
    assert found == pytest.approx(2 * math.pi * math.hypot(*cycles), rel=1e-4)


def test_waves_count_by_their_amplitude() -> None:
    signal = 3 * wave((2,)) + 1 * wave((10,))
    assert mean_frequency(signal, 1 / 64) == pytest.approx(2 * math.pi * (3 * 2 + 1 * 10) / 4, rel=1e-5)


def test_channels_and_constants() -> None:
    both = torch.cat([wave((5,)), 7 + wave((5,))], dim=-1)
    assert mean_frequency(both, 1 / 64) == pytest.approx(2 * math.pi * 5, rel=1e-5)
    assert mean_frequency(torch.full((9, 7, 3), 0.3), 0.1) == 0.0


def test_coordinates_have_a_unit() -> None:
    assert mean_frequency(wave((5,)), 2 / 64) == pytest.approx(mean_frequency(wave((5,)), 1 / 64) / 2)


def test_axes_may_have_spacings_of_their_own() -> None:
    found = mean_frequency(wave((3, 4)), (1 / 64, 1 / 32))  # half as many waves to the unit along the second axis
    assert found == pytest.approx(2 * math.pi * math.hypot(3, 2), rel=1e-4)


def test_of_large_signals_the_middle_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = wave((0, 8))
    signal[:16] = 1e6 * torch.rand(16, 64, 1)  # what is not in the middle
    monkeypatch.setattr(spectrum, "SAMPLED", 32 * 32)
    assert mean_frequency(signal, 1 / 64) == pytest.approx(2 * math.pi * 8, rel=1e-5)


def test_a_problem_suggests_a_frequency_for_its_picture() -> None:
    problem = problems.image("sample:camera", longest=64)
    assert problem.omega is not None
    nyquist = math.pi * 64 / 2
    assert 0.1 * nyquist < (problem.omega / OMEGA) ** 2 < nyquist


def test_the_edge_is_where_most_of_the_amplitude_lies_below() -> None:
    signal = 10 * wave((2,)) + 1 * wave((20,))
    assert edge_frequency(signal, 1 / 64, 0.9) == pytest.approx(2 * math.pi * 2)
    assert edge_frequency(signal, 1 / 64, 0.95) == pytest.approx(2 * math.pi * 20)
    assert edge_frequency(signal, 2 / 64, 0.95) == pytest.approx(math.pi * 20)
    assert edge_frequency(torch.full((9, 7, 3), 0.3), 0.1) == 0.0


def test_silence_does_not_move_the_edge() -> None:
    burst = wave((9,))
    padded = torch.cat([torch.zeros_like(burst), burst, torch.zeros_like(burst)])
    assert edge_frequency(padded, 1 / 64, 0.5) == pytest.approx(2 * math.pi * 9, rel=0.1)
