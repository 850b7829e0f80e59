"""Tests of goals: what is good enough, said as a number or a text, and how far it is in decibels."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sinefield.goal import Goal

MEASURED = {"snr": 12.0, "psnr": 20.0, "mse": 1e-3}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (40, Goal("", 40.0)),
        ("1e-6", Goal("", 1e-6)),
        ("psnr=40", Goal("psnr", 40.0)),
        (" snr = 30.5 ", Goal("snr", 30.5)),
        (Goal("ssim", 0.9), Goal("ssim", 0.9)),
    ],
)
def test_a_goal_is_read(wanted: Any, expected: Goal) -> None:
    assert Goal.of(wanted) == expected
    assert Goal.of(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "psnr", "psnr=", "=40", "psnr=40dB", "nan", "psnr=40=41"])
def test_a_text_that_is_no_goal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a goal is a number, or a metric and its value as psnr=40; got"):
        Goal.of(text)


@pytest.mark.parametrize("wanted", ["psnr=0", "mse=-1e-3", "inf", 0])
def test_a_goal_is_positive_and_finite(wanted: Any) -> None:
    with pytest.raises(ValueError, match=r"to reach must be a positive number, got"):
        Goal.of(wanted)


@pytest.mark.parametrize("metric", ["ssim", "laplacian_correlation", "normal_consistency"])
def test_what_is_at_most_one_is_asked_for_below(metric: str) -> None:
    assert Goal(metric, 0.99).is_met(0.995)
    assert not Goal(metric, 0.99).is_met(0.985)
    with pytest.raises(ValueError, match=r"must lie below 1"):
        Goal(metric, 1.0)


@pytest.mark.parametrize(
    ("metrics", "main"),
    [
        (["psnr"], "psnr"),
        (["psnr", "gradient_error"], "psnr"),
        (list(MEASURED), "mse"),  # recordings
        (["residual_heat", "residual", "size", "error"], "residual"),
        (["surface_error", "slope_error"], "surface_error"),
        (["distance", "angle"], "distance"),
        ([], "loss"),
    ],
)
def test_a_number_is_of_the_main_metric(metrics: list[str], main: str) -> None:
    assert Goal.of(3).among(dict.fromkeys(metrics, 1.0)) == Goal(main, 3.0)


def test_a_metric_that_is_not_measured_is_refused() -> None:
    assert Goal.of("snr=3").among(MEASURED) == Goal("snr", 3.0)
    assert Goal.of("loss=3").among(MEASURED) == Goal("loss", 3.0)
    with pytest.raises(ValueError, match=r"no metric 'ssim'.*one of snr, psnr, mse, loss"):
        Goal.of("ssim=0.9").among(MEASURED)


@pytest.mark.parametrize("metric", ["psnr", "psnr_unknown", "snr"])
def test_decibels_are_at_least_the_goal(metric: str) -> None:
    goal = Goal(metric, 30.0)
    assert [goal.is_met(value) for value in (29.9, 30.0, 31.0, math.inf, math.nan)] == [False, True, True, True, False]


@pytest.mark.parametrize("metric", ["mse", "loss", "residual", "gradient_error", "error", "spectral_distance"])
def test_errors_are_at_most_the_goal(metric: str) -> None:
    goal = Goal(metric, 0.1)
    assert [goal.is_met(value) for value in (0.2, 0.1, 0.01, 0.0, math.nan)] == [False, True, True, True, False]


def test_levels_agree_between_metrics_of_one_error() -> None:
    """A PSNR with the peak 1, the mean squared error and a relative error that are of one root mean square."""
    error = 0.02
    levels = [Goal("mse", 1.0).level(error**2), Goal("error", 1.0).level(error), -20 * math.log10(error)]
    assert levels == pytest.approx([levels[0]] * 3)
    assert Goal("ssim", 0.5).level(1 - error) == pytest.approx(levels[0])


@pytest.mark.parametrize(
    ("metric", "value"), [("psnr", 33.0), ("mse", 2e-5), ("loss", 0.3), ("residual", 1e-7), ("ssim", 0.97)]
)
def test_a_level_is_that_of_one_value(metric: str, value: float) -> None:
    goal = Goal(metric, 0.5)
    assert goal.value_at(goal.level(value)) == pytest.approx(value)


def test_values_are_told_with_their_units() -> None:
    assert Goal("snr", 1.0).told(12.345) == "snr 12.35 dB"
    assert Goal("residual", 1.0).told(1.234e-7) == "residual 1.23e-07"
    assert Goal("ssim", 0.5).told(0.98765) == "ssim 0.988"


def test_a_loss_is_read_beside_the_metrics() -> None:
    assert Goal("loss", 1.0).read({}, 0.5) == 0.5
    assert Goal("loss", 1.0).read({"loss": 0.25}, 0.5) == 0.25
    assert math.isnan(Goal("psnr", 1.0).read({}, 0.5))
