"""Tests of placements: every order of axes leads to one body, resampling keeps the box, bad mappings are told."""

from __future__ import annotations

import json
from typing import Any

import nibabel
import numpy as np
import pytest

import scans
from sinefield.io.volumes.placement import Placement


def placement(codes: str, **other: Any) -> Placement:
    _, affine = scans.stored(codes)
    return Placement(tuple(map(tuple, affine[:3].tolist())), codes, **other)


@pytest.mark.parametrize("codes", scans.CODES)
def test_any_order_of_axes_is_one_body_and_goes_back(codes: str) -> None:
    array, affine = scans.stored(codes)
    where = placement(codes)
    assert "".join(nibabel.aff2axcodes(affine)) == codes
    assert np.array_equal(where.to_body(array), scans.head())
    assert np.array_equal(where.to_file(scans.head()), array)
    assert where.sizes == pytest.approx(scans.SIZES)
    assert where.turn == pytest.approx(0, abs=1e-6)
    assert where.skew == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PIR", "SLA"])
def test_other_numbers_of_voxels_fill_the_same_box(codes: str) -> None:
    where, old, new = placement(codes), (7, 9, 8), (14, 3, 5)
    changed = where.resampled(old, new)
    assert changed.sizes == pytest.approx([s * n / m for s, n, m in zip(scans.SIZES, old, new, strict=True)])
    for end in (0.0, 1.0):  # the corners of the box, in parts of its sides
        corners = []
        for each, counts in ((where, old), (changed, new)):
            shape = np.array(each.to_file(np.empty(counts)).shape)
            corners.append(each.matrix @ [*(end * shape - 0.5), 1])
        assert corners[0] == pytest.approx(corners[1])
    assert where.resampled(old, old).matrix == pytest.approx(where.matrix)


def test_sizes_may_be_given_and_units_are_kept() -> None:
    changed = placement("LSP", unit="micron").with_sizes((1.0, 2.0, 4.0))
    assert changed.sizes == pytest.approx((1.0, 2.0, 4.0))
    assert changed.unit == "micron"
    assert np.abs(changed.matrix).max() == pytest.approx(4000)


def test_turns_and_skews_are_measured() -> None:
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    turned = Placement(((c, -s, 0, 0), (s, c, 0, 0), (0, 0, 1, 0)), "RAS")
    assert turned.turn == pytest.approx(20)
    assert turned.skew == pytest.approx(0, abs=1e-6)
    assert Placement(((1, s, 0, 0), (0, c, 0, 0), (0, 0, 1, 0)), "RAS").skew == pytest.approx(20)


def test_a_placement_survives_json_and_what_is_none_is_told() -> None:
    where = placement("PIL", unit="meter", sform=4, qform=1)
    stored = json.loads(json.dumps(where.to_json()))
    assert Placement.from_json(stored) == where
    assert Placement.from_json(None) is None
    changes: list[dict[str, Any]] = [
        {"affine": None},
        {"affine": [[1, 0, 0, 0]] * 3},
        {"affine": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
        {"affine": [[float("nan"), 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]},
        {"axes": "RAR"},
        {"axes": "RA"},
        {"axes": 3},
        {"axes": "xyz"},
        {"unit": "mile"},
        {"sform": 9},
        {"qform": "1"},
    ]
    for change in changes:
        with pytest.raises(ValueError, match="not plausible"):
            Placement.from_json(stored | change)
    with pytest.raises(ValueError, match="not plausible"):
        Placement.from_json("RAS")
