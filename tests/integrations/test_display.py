"""Tests of what notebooks show of solutions."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image
from torch import Tensor

import sinefield
from fields_of_kinds import field_of
from sinefield import Ball, Box, Constraint, Problem, Siren, Solution, problems, recipe, solve
from sinefield.integrations.display import save_readable, signal_of
from sinefield.problems import equation
from sinefield.signals.equation import EquationSignal
from sinefield.solution import Speed


def solution_of(name: str) -> Solution:
    """Return a solution whose field is one of the small ones, as a fit would give it."""
    field, signal = field_of(name)
    problem = Problem("a & <b>problem</b>", [], {"u": lambda _omega: field}, signal)
    metrics = {"psnr": 41.23456, "<i>": math.inf}
    return Solution({"u": field}, problem, recipe.named("fast"), [], metrics, "budget", 0, Speed(1.0, 1.0, math.nan))


@pytest.fixture(scope="module")
def solved() -> Solution:
    """−Δu = 4 in the disc with u = 0 around it, which is 1 − r²."""
    disc = Ball([0.0, 0.0], 1.0)
    constraints = [
        Constraint(disc, lambda u: u.laplacian + 4, name="equation"),
        Constraint(disc.boundary, lambda u: u.value, name="boundary"),
    ]
    return solve(equation(constraints, features=100))


def rows_of(shown: ElementTree.Element) -> dict[str, str]:
    return {str(th.text): str(td.text) for th, td in (tuple(row) for row in shown.iter("tr"))}


@pytest.mark.parametrize("name", ["grey", "colour", "video", "volume", "outline", "plane", "complex", "heat", "disc"])
def test_fields_are_shown_with_what_was_reached(name: str) -> None:
    shown = ElementTree.fromstring(solution_of(name)._repr_html_())
    (picture,) = shown.iter("img")
    form, data = picture.attrib["src"].split(",")
    assert form == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        assert np.ptp(np.asarray(opened)) > 3
        assert max(opened.size) <= 192
    rows = rows_of(shown)
    assert rows["problem"] == "a & <b>problem</b>"
    assert (rows["psnr"], rows["<i>"]) == ("41.23", "inf")
    assert rows["u"].startswith("siren, ")


@pytest.mark.parametrize(("name", "end"), [("audio", 1.0), ("line", 3.0)])
def test_fields_of_one_coordinate_are_shown_as_curves(name: str, end: float) -> None:
    solution = solution_of(name)
    shown = ElementTree.fromstring(solution._repr_html_())
    (curve,) = shown.iter("polyline")
    points = np.array([each.split(",") for each in curve.attrib["points"].split()], dtype=float)
    assert points[:, 1].min() == 0
    assert points[:, 1].max() == 96
    label = str(shown.find("svg/title").text)  # type: ignore[union-attr]  # it is there
    assert label.endswith(f"from 0 to {end:g}")
    signal = solution.problem.signal
    assert signal is not None
    values = signal.sample(solution.field, 288 * 100 if name == "audio" else (288 * 100,))[:, 0]
    middle = points[(points[:, 0] >= 100) & (points[:, 0] < 101), 1]
    part = values[100 * 100 : 101 * 100]
    low, high = values.min(), values.max()
    expected = 96 * (high - part) / (high - low)
    np.testing.assert_allclose([middle.min(), middle.max()], [expected.min(), expected.max()], atol=1.0)


def test_solutions_of_equations_are_shown_with_their_verdict(solved: Solution) -> None:
    shown = ElementTree.fromstring(solved._repr_html_())
    assert len(list(shown.iter("img"))) == 1
    rows = rows_of(shown)
    assert rows["verdict"] == solved.verdict
    assert float(rows["residual"]) < 1e-6
    signal = signal_of(solved)
    assert isinstance(signal, EquationSignal)
    assert (signal.lower, signal.upper) == ((-1.0, -1.0), (1.0, 1.0))
    assert signal.region is not None


def test_solutions_of_equations_can_be_saved_to_be_read_back(solved: Solution, tmp_path: Path) -> None:
    save_readable(solved, tmp_path / "disc.safetensors")
    field, header = sinefield.checkpoint.read(tmp_path / "disc.safetensors")
    assert header["signal"]["kind"] == "equation"
    found: Tensor = field(torch.tensor([[0.6, 0.0]], dtype=torch.float64))
    assert float(found.detach()) == pytest.approx(0.64, abs=1e-6)


def test_what_has_no_picture_has_a_table() -> None:
    cube = Box([0.0] * 4, [1.0] * 4)
    solution = solve(Siren(4, 1, 8, 0), [Constraint(cube, lambda u: u.value - 1)], passes=0.01, batch=16)
    shown = ElementTree.fromstring(solution._repr_html_())
    assert not list(shown.iter("img"))
    assert rows_of(shown)["u"] == "siren, 49 parameters"
    with pytest.raises(ValueError, match="has no signal to be shown as"):
        save_readable(solution, Path("none.safetensors"))


def test_why_a_search_failed_is_told() -> None:
    solution = solution_of("grey")
    assert rows_of(ElementTree.fromstring(solution._repr_html_()))["ended"] == "by its budget"
    goal = replace(solution, recipe=recipe.named("fast").changed(psnr=60))
    assert "60" in rows_of(ElementTree.fromstring(goal._repr_html_()))["ended"]


def test_notebooks_take_it(solved: Solution) -> None:
    found, _ = DisplayFormatter().format(solved)  # type: ignore[no-untyped-call]  # of IPython
    assert found["text/html"] == solved._repr_html_()
    assert found["text/plain"] == repr(solved)
    assert len(repr(solved)) < 1000
    assert repr(solved).startswith("<Solution of equation: u, residual_equation ")


def test_sources_are_told() -> None:
    shown = solve(problems.of("sample:camera", longest=16), passes=0.1)._repr_html_()
    assert rows_of(ElementTree.fromstring(shown))["fitted to"] == "sample:camera"
