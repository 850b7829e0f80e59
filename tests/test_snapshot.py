"""Tests of snapshots: records as tables of numbers, and what tells one search from another."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from sinefield import Ball, Box, Constraint, Grid, PointCloud, Problem
from sinefield.checkpoint import HEADER_LIMIT
from sinefield.constraint import Fading
from sinefield.domains import Domain
from sinefield.history import Record
from sinefield.norms import Huber, MeanAbsolute, MeanSquare
from sinefield.snapshot import Snapshot, check_same, fingerprint

ONE = Record(4, 0.5, 1.25, 0.1, {"value": 0.1}, {"psnr": 31.5})
OTHER = Record(8, 1.0, 2.5, 0.05, {"value": 0.03, "edge": 0.02}, {"psnr": math.inf})
BARE = Record(9, 1.5, 3.5, 1e-300, {}, {})


def snapshot(history: Sequence[Sequence[Record]]) -> Snapshot:
    tensors = {"solver/x": torch.arange(3.0), "random": torch.get_rng_state()}
    return Snapshot(len(history) - 1, 7, 2.75, history, tensors, compiling=False, rounding=True, source="abc")


@pytest.mark.parametrize(
    "history", [[[]], [[ONE]], [[ONE, OTHER, BARE]], [[ONE], [BARE], []], [[], [OTHER]]], ids=range(5)
)
def test_it_comes_back(history: Sequence[Sequence[Record]]) -> None:
    before = snapshot(history)
    stored = json.loads(json.dumps(before.to_json(), allow_nan=False))
    after = Snapshot.from_json(stored, before.all_tensors())
    assert after.history == [list(each) for each in history]
    assert after.tensors.keys() == before.tensors.keys()
    for name in ("part", "step", "seconds", "compiling", "rounding", "source"):
        assert getattr(after, name) == getattr(before, name)


def test_what_it_stores_are_tensors_and_a_little_json() -> None:
    """Of a gigapixel in tiles there are thousands of parts, and a header has little room."""
    many = snapshot([[ONE, OTHER]] * 5000)
    assert len(json.dumps(many.to_json())) < HEADER_LIMIT / 50
    assert len(Snapshot.from_json(many.to_json(), many.all_tensors()).history) == 5000


@pytest.mark.parametrize("missing", ["part", "step", "seconds", "columns", "parts", "compiling", "rounding", "source"])
def test_a_missing_key_is_an_error(missing: str) -> None:
    stored = snapshot([[ONE]]).to_json()
    del stored[missing]
    with pytest.raises(KeyError):
        Snapshot.from_json(stored, snapshot([[ONE]]).all_tensors())


def test_a_table_of_other_columns_is_an_error() -> None:
    stored = snapshot([[ONE]]).to_json()
    with pytest.raises(ValueError, match="longer"):
        Snapshot.from_json(stored, snapshot([[OTHER]]).all_tensors())


# What tells searches apart

ABOUT: dict[str, Any] = {
    "sinefield": "1.2",
    "problem": "image",
    "source": "abc",
    "signal": {"kind": "image", "height": 3},
    "fields": {"u": {"architecture": "siren", "settings": {"hidden_features": 8, "dropout": 0.0}}},
    "recipe": {"solver": "muon", "rest": {"solver": "adam", "learning_rate": 1e-3}, "passes": 3},
    "seed": 0,
}


def test_the_same_search_is_the_same() -> None:
    check_same("f.safetensors", ABOUT | {"metrics": {"psnr": 3}}, ABOUT)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sinefield": "1.3"}, "the version of sinefield is another: it was '1.2', and is '1.3' now"),
        ({"problem": "audio"}, "the problem is another: it was 'image', and is 'audio' now"),
        ({"source": "abd"}, "the input, or an option that changes it, is another; give the same"),
        ({"signal": {"kind": "image", "height": 4}}, "the signal's height is another: it was 3, and is 4 now"),
        ({"signal": None}, "the signal is another"),
        ({"fields": {}}, "the network's u is another"),
        (
            {"fields": {"u": {"architecture": "siren", "settings": {"hidden_features": 9, "dropout": 0.0}}}},
            "the network's u settings hidden_features is another: it was 8, and is 9 now",
        ),
        (
            {"recipe": {"solver": "muon", "rest": {"solver": "adam", "learning_rate": 2e-3}, "passes": 3}},
            "the recipe's rest learning_rate is another: it was 0.001, and is 0.002 now",
        ),
        ({"recipe": {"solver": "muon"}}, "the recipe's passes is another: it was 3, and is None now"),
        ({"seed": 1}, "the seed is another: it was 0, and is 1 now"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_differs_is_told(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=r"cannot resume from f\.safetensors") as caught:
        check_same("f.safetensors", ABOUT, ABOUT | change)
    assert told in str(caught.value)
    assert str(caught.value).endswith("give the same, or fit from the start")
    assert len(str(caught.value)) < 250


def problem(domain: Domain, **settings: Any) -> Problem:
    given: dict[str, Any] = {"name": "value", "weight": 2.0, **settings}
    constraint = Constraint(domain, lambda u: u.value, **given)
    return Problem("test", [constraint], {})


def cloud(value: float = 1.0, place: float = 0.0, count: int = 4) -> PointCloud:
    return PointCloud(torch.full((count, 2), place), {"value": torch.full((count, 1), value)})


def test_fingerprints_are_of_what_is_fitted_to() -> None:
    several = [
        problem(cloud()),
        problem(cloud(value=1.001)),
        problem(cloud(place=1e-6)),
        problem(cloud(count=5)),
        problem(cloud(), name="other"),
        problem(cloud(), weight=2.5),
        problem(cloud(), weight=Fading(2.0, 0.5, 0.8)),
        problem(cloud(), weight=Fading(2.0, 0.5, 0.9)),
        problem(cloud(), norm=MeanAbsolute()),
        problem(cloud(), norm=Huber(0.1)),
        problem(cloud(), norm=Huber(0.2)),
        problem(Box([-1.0, -1.0], [1.0, 1.0])),
        problem(Box([-1.0, -1.0], [1.0, 1.1])),
        problem(Box([-1.0, -1.0], [1.0, 1.0]).boundary),
        problem(Ball([0.0, 0.0], 1.0)),
        problem(Grid((2, 2), {"value": torch.ones(4, 1)})),
        problem(Grid((4, 1), {"value": torch.ones(4, 1)})),
    ]
    assert len({fingerprint(each) for each in several}) == len(several)
    assert fingerprint(problem(cloud())) == fingerprint(problem(cloud(), norm=MeanSquare()))
    twice = replace(several[0], constraints=[*several[0].constraints, *several[1].constraints])
    assert fingerprint(twice) not in {fingerprint(each) for each in several}


def test_every_sample_of_a_picture_counts() -> None:
    values = torch.rand(900, 3, generator=torch.Generator().manual_seed(0))
    found = set()
    for index in (0, 1, 450, 899):
        changed = values.clone()
        changed[index, 2] += 1 / 255
        found.add(fingerprint(problem(Grid((30, 30), {"value": changed}))))
    assert len(found | {fingerprint(problem(Grid((30, 30), {"value": values})))}) == 5
