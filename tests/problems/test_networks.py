"""Tests of what networks that are no SIRENs are trained with: the table is the study's, and it is what they get."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import sinefield
from sinefield.fields import Network
from sinefield.problems import networks
from sinefield.solvers.adam import learning_rate_of

STUDY = Path(__file__).parents[2] / "benchmarks" / "results" / "study_networks.json"


def encoding_of(problem: sinefield.Problem) -> dict[str, Any]:
    """Return the settings of the network that a problem builds."""
    return dict(Network.of(problem.build(30.0)["u"]).settings)


def test_the_table_is_the_best_of_the_study() -> None:
    found = json.loads(STUDY.read_text())["results"]
    for network, (solver, rate) in networks.CHOSEN.items():
        tried = [each for each in found["tried"] if each["network"] == network]
        best = max(tried, key=lambda each: float(each["mean"]))
        assert solver == best["solver"]
        assert rate == pytest.approx(best["rate"], rel=0.02)
        assert networks.REACH.get(network) == (best["reach"] and pytest.approx(best["reach"], rel=0.02))
        rates = sorted({each["rate"] for each in tried if (each["solver"], each["reach"]) == (solver, best["reach"])})
        assert rates[0] < best["rate"] < rates[-1], "a rate at the edge of what was tried"


def test_a_picture_chooses_the_frequencies_of_an_encoding() -> None:
    for longest in (32, 128):
        problem = sinefield.problems.image("sample:camera", network="relu-fourier", longest=longest)
        assert problem.omega is not None
        assert encoding_of(problem)["scale"] == pytest.approx(
            networks.REACH["relu-fourier"] * problem.omega / (2 * math.pi)
        )
    problem = sinefield.problems.image("sample:camera", network="relu-nerf", longest=128)
    assert problem.omega is not None
    highest = math.pi * 2.0 ** (encoding_of(problem)["frequencies"] - 1)
    assert 2**-0.5 <= highest / (networks.REACH["relu-nerf"] * problem.omega) <= 2**0.5


def test_a_setting_that_is_given_is_kept() -> None:
    given = sinefield.problems.image("sample:camera", network="relu-fourier", longest=32, scale=3.0)
    assert encoding_of(given)["scale"] == 3.0


def test_the_rates_are_for_values_and_those_given_are_kept() -> None:
    image = sinefield.problems.image
    assert image("sample:camera", ["gradient"], network="tanh", longest=16).tuning == {}
    assert image("sample:camera", longest=16).tuning == {}
    problem = image("sample:camera", network="relu", longest=16, hidden_features=8, hidden_layers=1)
    rate = networks.CHOSEN["relu"][1]
    assert learning_rate_of(sinefield.solve(problem, passes=1).recipe.solver) == rate
    assert learning_rate_of(sinefield.solve(problem, passes=1, learning_rate=7e-4).recipe.solver) == 7e-4
    assert sinefield.solve(problem, recipe="published", passes=1).recipe.solver == sinefield.solvers.Adam(
        1e-4, (0.9, 0.999)
    )
