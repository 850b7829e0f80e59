"""Tests of figures: what is drawn, against the closed form of the field drawn, and that files are pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sinefield import Box, Constraint, plots, problems, solve
from sinefield.fields.diagnostics import activations_of
from sinefield.fields.field import build
from sinefield.solution import Solution

TINY: dict[str, Any] = {"hidden_features": 16, "hidden_layers": 0}


class Paraboloid(nn.Module):
    """Φ = y² + 2x² + 0.3, with gradient (2y, 4x) and Laplacian 6."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, points: Tensor) -> Tensor:
        return points[:, :1].square() + 2 * points[:, 1:].square() + 0.3 + 0 * self.unused


def picture(channels: int = 1) -> np.ndarray:
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    return np.stack([0.5 + 0.4 * np.sin(3 * y + k) * np.cos(2 * x) for k in range(channels)], axis=-1)


def solution(channels: int = 1, network: str = "siren", on: tuple[str, ...] = ("value",)) -> Solution:
    return solve(problems.image(picture(channels), on, network=network, **TINY), passes=2)


def test_panels_of_a_field_are_its_closed_form() -> None:
    subject = plots.Subject.of(problems.image(picture(), **TINY))
    panels = subject.panels(Paraboloid())
    y, x = np.moveaxis(subject.points.reshape(24, 24, 2).numpy(), -1, 0)
    assert np.allclose(panels["value"][:, :, 0], (y**2 + 2 * x**2 + 1.3) / 2, atol=1e-6)
    assert np.allclose(panels["gradient"], np.hypot(2 * y, 4 * x), atol=1e-5)
    assert np.allclose(panels["laplacian"], 6, atol=1e-5)


@pytest.mark.parametrize(
    ("on", "shift"), [("gradient", lambda p: 0 * p[:, :1] + 5), ("laplacian", lambda p: p.prod(1))]
)
def test_what_is_left_undetermined_is_not_drawn(on: str, shift: Callable[[Tensor], Tensor]) -> None:
    problem = problems.image(picture(), (on,), **TINY)
    subject = plots.Subject.of(problem)

    class Shifted(Paraboloid):
        def forward(self, points: Tensor) -> Tensor:
            return super().forward(points) + shift(points).reshape(-1, 1)

    assert np.allclose(subject.panels(Shifted())["value"], subject.panels(Paraboloid())["value"], atol=1e-4)


def test_large_pictures_are_thinned() -> None:
    subject = plots.Subject.of(problems.image(np.random.default_rng(0).random((40, 64)), **TINY), longest=16)
    assert subject.truth["value"].shape == (10, 16, 1)
    assert len(subject.points) == 160


def test_of_large_ones_the_same_is_seen_by_looking_at_neighbours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problems.image(picture(3), **TINY)
    whole = plots.Subject.of(problem).truth
    monkeypatch.setattr("sinefield.io.image.LARGE", 1)
    thinned = plots.Subject.of(problem, longest=8)
    some = slice(1, -1, 3)
    assert np.allclose(thinned.truth["value"], whole["value"][some, some], atol=1e-6)
    assert np.allclose(thinned.truth["gradient"], whole["gradient"][some, some], rtol=1e-4)
    assert np.allclose(thinned.truth["laplacian"], whole["laplacian"][some, some], atol=1e-3)
    spots = thinned.points.reshape(*thinned.truth["gradient"].shape, 2)
    assert np.allclose(spots[:, 0, 0], (2 * np.arange(1, 23, 3) + 1 - 24) / 24)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_figure_of_a_large_picture(channels: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place in ("io.image.LARGE", "io.pictures.decoding.LARGE"):
        monkeypatch.setattr(f"sinefield.{place}", 1)
    monkeypatch.setattr("sinefield.plots.large._SIDE", 12)
    monkeypatch.setattr("sinefield.plots.large._CLOSE", 5)
    found = solve(problems.image(picture(channels)[:, :17], tiles=(2, 2), **TINY), passes=1)
    figure = plots.solution_figure(found)
    overview_detail_and_close = [figure.axes[number].images[0].get_array() for number in (0, 3, 6)]
    assert [each.shape[:2] for each in overview_detail_and_close if each is not None] == [(12, 8), (12, 12), (5, 5)]
    plots.save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", plots.FORMATS)
def test_solution_figure_is_written(tmp_path: Path, channels: int, suffix: str) -> None:
    path = tmp_path / f"figure{suffix}"
    plots.save_figure(plots.solution_figure(solution(channels)), path)
    assert path.stat().st_size > 5000
    if suffix in (".png", ".jpg"):
        with Image.open(path) as written:
            assert np.asarray(written.convert("L")).std() > 10


def test_comparison_shows_the_blank_laplacian_of_relu(tmp_path: Path) -> None:
    solutions = {name: solution(network=name) for name in ("siren", "relu")}
    subject = plots.Subject.of(solutions["relu"].problem)
    assert np.abs(subject.panels(solutions["relu"].field)["laplacian"]).max() == 0
    assert np.abs(subject.panels(solutions["siren"].field)["laplacian"]).max() > 0
    plots.save_figure(plots.comparison_figure(solutions), tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000


def test_activations_figure(tmp_path: Path) -> None:
    figure = plots.activations_figure(activations_of(build("siren", 2, 1, **TINY)), "one layer")
    plots.save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_completions_are_rows_of_four_and_walks_are_rows_below(tmp_path: Path) -> None:
    picture = np.linspace(0, 1, 20).reshape(4, 5, 1)
    row = plots.Completed(picture, np.eye(4, 5) > 0, picture / 2, picture / 10)
    figure = plots.completions_figure([row, row], [np.stack([picture] * 3)])
    titles = [each.get_title() for each in figure.axes if each.get_title()]
    assert len(figure.axes) == 2 * 4 + 3
    assert titles[:4] == [
        "4 pixels",
        f"completion, MSE {float((picture**2).mean()):.3f}",
        "9 in 10 errors within",
        "truth",
    ]
    plots.save_figure(figure, tmp_path / "completions.png")
    assert (tmp_path / "completions.png").stat().st_size > 5000


def test_no_figure_of_what_is_no_picture_nor_in_an_unknown_format(tmp_path: Path) -> None:
    found = solve(build("siren", 1, 1, **TINY), [Constraint(Box([-1], [1]), lambda u: u.value)], passes=0.01)
    with pytest.raises(ValueError, match="not one of a signal"):
        plots.solution_figure(found)
    with pytest.raises(ValueError, match="ending must be one of"):
        plots.save_figure(plots.solution_figure(solution()), tmp_path / "figure.docx")
    assert not list(tmp_path.iterdir())
