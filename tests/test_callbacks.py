"""Tests of what watches a fit: bar, log and film."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence
from rich.console import Console

from sinefield import callbacks, problems, solve
from sinefield.problem import Problem
from sinefield.solution import Progress

NOISE = np.random.default_rng(0).random((16, 16))


def tiny() -> Problem:
    return problems.image(NOISE, hidden_features=16, hidden_layers=0)


def test_the_bar_shows_pass_loss_psnr_and_time_left() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    with callbacks.ProgressBar(console) as bar:
        solve(tiny(), passes=40, batch=16, observe=bar)
    for word in ("pass", "loss", "dB", "s left"):
        assert word in shown.getvalue()


def test_lines_tell_the_same_without_a_terminal_now_and_then() -> None:
    shown, never = io.StringIO(), io.StringIO()
    solve(tiny(), passes=40, batch=16, observe=callbacks.ProgressLines(shown, every=0))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 40 * 16
    assert lines[-1].startswith("fitting 100 %  pass 40.0  loss ")
    for word in ("dB", "s left"):
        assert word in lines[-1]
    solve(tiny(), passes=40, batch=16, observe=callbacks.ProgressLines(never, every=600))
    assert never.getvalue() == ""


def test_the_log_holds_each_record_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    log = callbacks.TensorBoardLog(tmp_path)
    found = solve(tiny(), passes=4, batch=64, observe=log)
    log.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    written = events.Scalars("metric/psnr")
    assert [each.step for each in written] == [each.step for each in found.history]
    assert [each.value for each in written] == pytest.approx([each.metrics["psnr"] for each in found.history])


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"sinefield\[log\]"):
        callbacks.TensorBoardLog(tmp_path)
    with pytest.raises(ValueError, match=r"sinefield\[video\]"):
        callbacks.check_animation(tmp_path / "film.mp4")


@pytest.mark.parametrize("suffix", callbacks.ANIMATIONS)
def test_the_film_runs_from_first_to_last_step(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    problem = tiny()
    film = callbacks.Film(problem, path, frames=4)
    seen: list[Progress] = []
    solve(problem, passes=8, batch=64, observe=callbacks.together([film, seen.append]))
    film.save()
    assert path.stat().st_size > 5000
    assert seen[-1].fraction == 1
    if suffix == ".mp4":
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
            assert tags == (1, 1, 1, 1)  # BT.709, limited
            assert sum(1 for _ in container.decode(video=0)) == 4 + 12
    if suffix == ".gif":
        with Image.open(path) as written:
            assert len(list(ImageSequence.Iterator(written))) == 4


def test_a_film_of_nothing_is_refused_and_an_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    path.write_text("precious")
    with pytest.raises(ValueError, match="no frame"):
        callbacks.Film(tiny(), path).save()
    assert path.read_text() == "precious"
    with pytest.raises(ValueError, match="ending must be one of"):
        callbacks.Film(tiny(), tmp_path / "film.avi")
