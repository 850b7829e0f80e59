"""Tests of fields in slabs of an axis."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sinefield import jet
from sinefield.fields.siren import Siren
from sinefield.fields.slabs import Slabs


def parts() -> list[Siren]:
    torch.manual_seed(0)
    return [Siren(2, 1, 8, 1, 3.0, 2.0).double() for _ in range(3)]


def points_of(count: int = 40) -> Tensor:
    return torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 4 - 1


@pytest.mark.parametrize("name", ["value", "jacobian", "laplacian", "hessian"])
def test_each_point_has_the_jet_of_its_field(name: str) -> None:
    fields, points = parts(), points_of()
    found = getattr(jet(Slabs(fields, [0.0, 1.0, 1.5, 2.0], axis=1), points), name)
    place = (points[:, 1] > 1.0).long() + (points[:, 1] > 1.5).long()
    assert place.unique().tolist() == [0, 1, 2]
    for number, each in enumerate(fields):
        some = place == number
        torch.testing.assert_close(found[some], getattr(jet(each, points[some]), name))


def test_parameters_learn_from_their_own_points() -> None:
    fields = parts()
    joined = Slabs(fields, [0.0, 1.0, 1.5, 2.0], axis=1)
    joined(torch.tensor([[0.0, 1.2]], dtype=torch.float64)).sum().backward()
    assert [each.layers[0].weight.grad is not None for each in fields] == [False, True, False]


def test_no_points_have_no_values() -> None:
    assert Slabs(parts(), [0.0, 1.0, 1.5, 2.0])(torch.zeros(0, 2, dtype=torch.float64)).shape == (0, 1)


@pytest.mark.parametrize("edges", [[0.0, 1.0], [0.0, 1.0, 1.0, 2.0], [0.0, 2.0, 1.0, 3.0]])
def test_edges_that_do_not_fit_are_refused(edges: list[float]) -> None:
    with pytest.raises(ValueError, match="3 slabs have 4 rising edges"):
        Slabs(parts(), edges)
