"""Tests of what is kept of a picture's file: as JSON and back, and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sinefield.io.pictures.colour_profiles import SRGB, make_profile, profile_of_numbers
from sinefield.io.pictures.georeference import Georeference
from sinefield.io.pictures.stored import Details

PLACE = Georeference(((33550, (30.0, 30.0, 0.0)), (34735, (1.0, 1.0, 0.0, 0.0)), (34737, "WGS 84|")))
FULL = Details("int16", False, make_profile(SRGB, 2.2), (72.0, 144.0), -9999.0, PLACE)


@pytest.mark.parametrize("details", [Details(), FULL, Details(nodata=math.inf), Details(alpha=True)])
def test_it_survives_json(details: Details) -> None:
    stored = details.to_json()
    plain = json.loads(json.dumps({name: each for name, each in stored.items() if name != "profile"}))
    assert Details.from_json(plain | {"profile": stored.get("profile", b"")}) == details


def test_a_value_of_no_data_may_be_nan() -> None:
    found = Details.from_json(json.loads(json.dumps(Details(nodata=math.nan).to_json()))).nodata
    assert found is not None
    assert math.isnan(found)


@pytest.mark.parametrize(
    "change",
    [
        {"sample": "complex64"},
        {"sample": ["uint8"]},
        {"alpha": 1},
        {"profile": "text"},
        {"resolution": [72.0]},
        {"resolution": [72.0, 0.0]},
        {"resolution": [72.0, math.inf]},
        {"resolution": [72.0, "144"]},
        {"nodata": -9999.0},
        {"nodata": "none"},
        {"place": [1]},
        {"place": {"33550": "text"}},
        {"place": {"33550": [1.0]}},
        {"place": {"33550": [1.0, math.nan, 0.0]}},
        {"place": {"256": [1.0]}},
        {"place": {"text": [1.0]}},
        {"place": {"34737": "x" * 5000}},
        {"place": {"34735": [0.0] * 8000}},
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_it_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the stored picture is not plausible") as caught:
        Details.from_json(FULL.to_json() | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("primaries", [(0.3, 0.3, *[0.5] * 6), (0.3, 0.0, *SRGB[2:]), (math.nan, *SRGB[1:])])
def test_chromaticities_of_no_colours(primaries: Any) -> None:
    with pytest.raises(ValueError, match="those of no colours"):
        make_profile(primaries, 2.2)


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (2, 2), (1, 1), (99, 13), (12, 99)])
def test_numbers_that_tell_nothing_else_than_srgb(primaries: int, transfer: int) -> None:
    assert profile_of_numbers(primaries, transfer) == (b"", "")
