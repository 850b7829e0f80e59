"""Tests of rates: from time stamps before what headers say, exact where they agree, durations that are right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from films import encode, shades, waves
from sinefield.io import SignalWarning, video
from sinefield.io.clips.times import find_timing

MILLISECOND = Fraction(1, 1000)
LEVELS = [20, 60, 100, 140, 180, 220]


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25), Fraction(60), Fraction(50, 3)]
)
@pytest.mark.parametrize("tick", [1 / 90000, 1 / 1000])
def test_even_times_give_the_exact_rate_whatever_the_header_says(rate: Fraction, tick: float) -> None:
    times = [round(float(k / rate) / tick) * tick for k in range(300)]
    for nominal in (rate, Fraction(0), Fraction(1000), Fraction(2 * rate)):
        found = find_timing(times, 0.0, tick, nominal)
        assert found.order is None
        assert found.told == ""
        # Without a header the times of 300 frames tell the rate to a tick in 299 frames.
        assert found.rate == pytest.approx(float(rate), rel=1e-12 if nominal == rate else float(rate) * tick / 299)


def test_a_customary_rate_that_a_header_rounds_is_meant() -> None:
    """What FFmpeg makes of the 16683333 ns of a frame in WebM."""
    times = [round(k * 1001 / 60) / 1000 for k in range(60)]
    assert find_timing(times, 0.0, 1e-3, Fraction(19001, 317)).rate == float(Fraction(60000, 1001))


def test_rates_by_custom_are_exact_even_from_times_alone() -> None:
    times = [round(k * 1001 / 30) / 1000 for k in range(400)]
    assert find_timing(times, 0.0, 1e-3, Fraction(1000)).rate == float(Fraction(30000, 1001))
    assert find_timing([3.5 + each for each in times], 0.0, 1e-3, Fraction(0)).rate == float(Fraction(30000, 1001))


def test_jitter_is_counted_evenly_and_the_duration_is_right() -> None:
    shifts = np.random.default_rng(0).uniform(-0.012, 0.012, 100)
    found = find_timing(list(np.arange(100) / 30 + shifts), 0.0, 1e-5, Fraction(90000))
    assert found.order is None
    assert "they are counted evenly" in found.told
    assert found.rate == pytest.approx(30, rel=0.02)


def test_frames_are_held_as_long_as_they_are_shown() -> None:
    found = find_timing([0.0, 0.1, 0.2, 0.5], 0.2, 0.01, Fraction(25))
    assert found.order is not None
    assert found.order.tolist() == [0, 1, 2, 2, 2, 3, 3]
    assert found.rate == pytest.approx(10)
    assert "from 100 to 300 ms; each is held as long as it is shown: 7 frames at 10 a second of 4" in found.told


def test_a_pause_in_a_clip_that_jitters_is_held_at_its_usual_rate() -> None:
    """A phone's clip of 30 a second whose camera stalls for a second in the middle."""
    times = np.arange(300) / 30 + np.random.default_rng(0).normal(0, 0.002, 300)
    times[150:] += 1
    found = find_timing(list(times), 0.0, 1e-5, Fraction(30))
    assert found.order is not None
    assert found.rate == pytest.approx(30, rel=0.01)
    assert len(found.order) == pytest.approx(330, abs=3)
    moments = (np.arange(len(found.order)) + 0.5) / found.rate
    late = moments - (times[found.order] - times[0])
    assert (late[found.order != 149] < 0.08).all()
    assert np.bincount(found.order)[149] == pytest.approx(31, abs=2)


def test_what_is_held_for_long_does_not_become_too_many_frames() -> None:
    found = find_timing([0.0, 0.04, 0.08, 1000.0], 0.0, 0.01, Fraction(25))
    assert found.order is not None
    assert len(found.order) == 1000
    assert "3 of them too short to be seen" in found.told
    assert len(found.order) / found.rate == pytest.approx(1000.04)


def test_times_that_run_backwards_or_are_missing_follow_the_others() -> None:
    """A transport stream whose clock of 33 bits of 1/90000 s begins again."""
    wrapped = [(k / 25) % 0.6 for k in range(30)]
    found = find_timing(wrapped, 0.0, 1 / 90000, Fraction(25))
    assert found.rate == 25
    assert "the times run backwards before frame 15" in found.told
    assert find_timing([None] * 9, 0.0, 0.01, Fraction(30)).rate == 30
    assert find_timing([0.0, None, None, 0.1], 0.0, 0.01, Fraction(0)).rate == pytest.approx(30)


def test_a_header_of_1000_frames_a_second_does_not_count(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", waves(20), rate=1000, times=range(0, 800, 40), base=MILLISECOND)
    found = video.read(path)
    assert (found.frames, found.rate) == (20, 25)
    assert found.seconds == pytest.approx(0.8)


def test_a_clip_that_begins_late_is_as_long_as_it_is_shown(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", waves(20), times=range(5000, 5800, 40), base=MILLISECOND)
    assert video.read(path).seconds == pytest.approx(0.8)


@pytest.mark.parametrize("rate", [Fraction(1, 10), Fraction(1, 3600)])
def test_time_lapses(rate: Fraction, tmp_path: Path) -> None:
    assert video.read(encode(tmp_path / "a.mp4", waves(6), rate=rate)).rate == float(rate)


def test_frames_in_another_order_in_the_file_are_in_that_of_showing(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", shades(range(20, 220, 10)), options={"bf": "3", "b_strategy": "0"})
    found = video.read(path)
    assert found.rate == 25
    assert [found.frame(k).mean() for k in range(20)] == pytest.approx(list(range(20, 220, 10)), abs=3)


def test_a_long_first_frame_is_held(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", shades(LEVELS), times=[0, 1000, 1100, 1200, 1300, 1400], base=MILLISECOND)
    with pytest.warns(
        SignalWarning, match=r"from 100 to 1000 ms; each is held as long as it is shown: 15 frames at 10 a"
    ):
        found = video.read(path)
    levels = [found.frame(k).mean() for k in range(found.frames)]
    assert levels == pytest.approx([20] * 10 + LEVELS[1:], abs=3)
    assert found.rate == pytest.approx(10)


def test_a_gif_with_frames_of_varying_times(tmp_path: Path) -> None:
    """Delays of 100, 200, 100 and 400 ms: eight tenths of a second, by Pillow's reading too."""
    pictures = [Image.fromarray(each) for each in shades(LEVELS[:4])]
    delays = [100, 200, 100, 400]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=delays, loop=0)
    with pytest.warns(SignalWarning, match="the time between frames varies, from 100 to 400 ms; each is held"):
        found = video.read(tmp_path / "a.gif")
    levels = [found.frame(k).mean() for k in range(found.frames)]
    assert levels == pytest.approx([20, 60, 60, 100, 140, 140, 140, 140], abs=1)
    assert found.rate == pytest.approx(10)


@pytest.mark.parametrize(("delay", "rate"), [(0, 10), (10, 10), (20, 50), (30, 100 / 3), (70, 100 / 7)])
def test_delays_of_gifs_are_those_of_browsers(delay: int, rate: float, tmp_path: Path) -> None:
    pictures = [Image.fromarray(each) for each in shades(LEVELS)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=delay, loop=0)
    if delay < 20:
        with pytest.warns(SignalWarning, match="for less than 20 ms are shown for 100, as browsers do; --fps"):
            assert video.read(tmp_path / "a.gif").rate == rate
    else:
        assert video.read(tmp_path / "a.gif").rate == pytest.approx(rate)


def test_a_step_divides_the_rate_and_a_given_rate_wins(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", waves(20), rate=Fraction(30000, 1001))
    assert video.read(path, (0, None, 3)).rate == pytest.approx(10000 / 1001)
    assert video.read(path, (0, None, 3), rate=12.0).rate == 4
    assert video.read(path, (5, 15, 1)).rate == pytest.approx(30000 / 1001)
