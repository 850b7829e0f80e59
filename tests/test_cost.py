"""Tests of what is said before a fit."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, Siren, problems
from sinefield.cost import Estimate, estimate
from sinefield.domains import Box, FiniteDomain
from sinefield.jet import Jet


def fit(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def cloud(count: int = 600) -> PointCloud:
    points = torch.linspace(-1, 1, count)[:, None]
    return PointCloud(points, {"value": torch.sin(2 * points)})


def small() -> Siren:
    torch.manual_seed(0)
    return Siren(1, 1, 16, 1, first_omega=5.0)


def test_the_time_is_that_of_the_passes() -> None:
    found = estimate(small(), [Constraint(cloud(), fit)], passes=7, batch=100)
    assert found.passes == 7
    assert found.seconds == pytest.approx(7 * 600 / found.points_per_second)
    assert found.points_per_second > 0


def test_seconds_are_taken_at_their_word() -> None:
    found = estimate(small(), [Constraint(cloud(), fit)], seconds=5.0, batch=100)
    assert found.seconds == pytest.approx(5.0)
    assert found.passes == pytest.approx(5.0 * found.points_per_second / 600)


def test_nothing_is_changed() -> None:
    field, state = small(), torch.random.get_rng_state()
    before = [each.detach().clone() for each in field.parameters()]
    estimate(field, [Constraint(cloud(), fit)], passes=2)
    assert all(torch.equal(one, other) for one, other in zip(field.parameters(), before, strict=True))
    assert all(each.grad is None for each in field.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_memory_grows_with_what_is_held() -> None:
    def memory(width: int, count: int, quantity: str) -> int:
        field = Siren(1, 1, width, 1)
        residual = {"value": fit, "laplacian": lambda u, value: u.laplacian - value}[quantity]
        return estimate(field, [Constraint(cloud(count), residual)], passes=1, batch=500).memory

    assert memory(16, 600, "value") < memory(64, 600, "value") < memory(64, 600, "laplacian")
    more = memory(16, 100_600, "value") - memory(16, 600, "value")
    assert more == 100_000 * 4  # the targets


def test_memory_of_parameters_and_targets() -> None:
    field = small()
    parameters = sum(each.numel() for each in field.parameters())
    found = estimate(field, [Constraint(cloud(), fit)], passes=1, batch=1)
    rest = found.memory - 6 * 4 * parameters - 600 * 4
    assert 0 < rest < 4096  # one point's activations


def test_an_image_by_name_of_the_recipe() -> None:
    problem = problems.image("sample:camera", longest=16, hidden_features=8, hidden_layers=1)
    assert estimate(problem, recipe="published").passes == 1000
    assert estimate(problem).passes < 1000


def test_a_field_in_parts_takes_as_long_as_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinefield.problems.tiles.TOGETHER", 4)
    problem = problems.image("sample:camera", longest=64, tiles=(4, 4), hidden_features=8, hidden_layers=1)
    found = estimate(problem, passes=2, batch=400)
    seen = 20**2  # of 16 x 16 pixels a tile and an eighth of it on either side
    assert found.seconds * found.points_per_second == pytest.approx(2 * 16 * seen)
    (constraint,) = problem.constraints
    parameters = sum(each.numel() for each in problem.build(30.0)["u"].parameters())
    domain = constraint.domain
    assert isinstance(domain, FiniteDomain)
    targets = domain.at(torch.arange(domain.size)).targets["value"]
    assert found.memory > (1 + 5 / 4) * 4 * parameters + 64**2 * targets.element_size()


def test_bad_input_is_refused_as_solve_does() -> None:
    with pytest.raises(ValueError, match="needs a field and constraints"):
        estimate(small(), [])
    with pytest.raises(ValueError, match="unknown recipe"):
        estimate(small(), [Constraint(cloud(), fit)], "fastest")


def test_a_continuous_domain() -> None:
    box = Box([-1.0], [1.0])
    found = estimate(small(), [Constraint(box, lambda u: u.gradient - 1)], passes=2, batch=65_536)
    assert found.passes == 2
    assert math.isfinite(found.seconds)


def test_in_words() -> None:
    assert str(Estimate(12.4, 16.0, 150_000.0, 20 * 2**20)) == "about 12 s for 16 passes at 150,000 points/s, 20 MiB"
