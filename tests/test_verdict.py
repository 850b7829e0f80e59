"""Tests of verdicts: what is solved, what is not, and what is not determined, in one line of plain words."""

from __future__ import annotations

import math

import pytest

from sinefield.verdict import judge

SOLVED = {"residual": 1e-12, "residual_heat": 1e-12, "residual_start": 1e-13, "size": 1.0, "stability": 0.2}


@pytest.mark.parametrize(
    ("changes", "solved", "words"),
    [
        ({}, True, "solved: every constraint holds to 1.0e-12"),
        ({"stability": 1e-9, "free_waves": 1.5}, False, "any multiple of a field with about 2 waves across the domain"),
        ({"stability": 1e-9, "free_waves": 0.0}, False, "if a constant is added"),
        (
            {"stability": 0.0, "free_waves": 0.0, "free_share_u": 0.1, "free_share_m": 0.9},
            False,
            "if a constant of 'm' is added",
        ),
        ({"size": 0.0}, False, "0 satisfies every constraint"),
        ({"size": 0.0, "stability": 1e-12, "free_waves": 0.5}, False, "this is a resonance"),
        ({"residual": 0.5, "residual_start": 0.5}, False, "'start' holds to 5.0e-01 of its terms only"),
        ({"residual": 0.5, "without_start": 1e-3}, False, "without 'start' the others hold to 1e-03"),
        ({"residual": 0.5, "without_start": 0.4}, False, "kinks and corners"),
        ({"residual": 1e-3, "without_start": 1e-9}, False, "kinks and corners"),  # corners, which features approach
        ({"residual": math.nan, "residual_start": math.nan}, False, "'start' holds to nan"),
    ],
)
def test_the_sentence_says_what_limits_a_solution(changes: dict[str, float], solved: bool, words: str) -> None:
    found, sentence = judge(SOLVED | changes, 1e-6)
    assert found == solved
    assert words in sentence
    assert "\n" not in sentence


def test_problems_that_tell_no_stability_are_judged_by_their_residuals() -> None:
    assert judge({"residual": 1e-7, "residual_heat": 1e-7}, 1e-6)[0]
    assert not judge({"residual": 1e-5, "residual_heat": 1e-5}, 1e-6)[0]
