"""Tests of many problems: side by side they find what they find alone; and what cannot be put side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import sinefield
from sinefield import Constraint, Problem, Recipe, batched, problems, serial, solve, solve_many
from sinefield.domains import PointCloud
from sinefield.fields import Siren
from sinefield.norms import Huber, MeanAbsolute

NETWORK: dict[str, Any] = {"hidden_features": 12, "hidden_layers": 1, "first_omega": 20.0}


def picture(number: int, size: int = 12) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:size, 0:size] / size
    values: NDArray[np.float64] = 127 + 100 * np.sin(6 * rows + number) * np.cos(4 * columns)
    return values.astype(np.uint8)


def pictures(count: int) -> list[Problem]:
    return [problems.image(picture(number), **NETWORK) for number in range(count)]


def difference(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a.detach() - b.detach()).abs().max()) for a, b in pairs)


def test_one_after_the_other_is_each_alone() -> None:
    both = solve_many(pictures(2), passes=2, seed=5)
    for number, (solution, problem) in enumerate(zip(both, pictures(2), strict=True)):
        alone = solve(problem, passes=2, seed=5 + number)
        assert difference(solution.field, alone.field) == 0
        assert solution.metrics == alone.metrics


def test_side_by_side_is_each_alone_up_to_rounding() -> None:
    alone = solve_many(pictures(3), how=serial, passes=20, seed=1, rounding=False, batch=None)
    joint = solve_many(pictures(3), how=batched, passes=20, seed=1, rounding=False, batch=None)
    start = [problem.build(20.0)["u"] for problem in pictures(3)]
    for one, other, begun in zip(alone, joint, start, strict=True):
        assert difference(one.field, other.field) < 2e-4
        assert difference(one.field, begun) > 1e-2  # they have moved
        assert other.metrics["psnr"] == pytest.approx(one.metrics["psnr"], abs=1e-2)
        assert other.field(torch.zeros(4, 2)).shape == (4, 1)
    assert difference(joint[0].field, joint[1].field) > 1e-2


def test_what_is_found_side_by_side_is_saved_and_loaded(tmp_path: Any) -> None:
    solution = solve_many(pictures(2), how=batched, passes=1)[1]
    solution.save(tmp_path / "a.safetensors")
    loaded = sinefield.load(tmp_path / "a.safetensors")
    assert isinstance(loaded, Siren)
    assert difference(loaded, solution.field) == 0
    assert solution.render().shape == (12, 12, 1)


def cloud(slope: float, weight: float = 1.0, **settings: Any) -> Problem:
    points = torch.linspace(-1, 1, 16)[:, None]
    constraint = Constraint(PointCloud(points, {"value": slope * points}), values, weight=weight, **settings)
    return Problem("line", [constraint], {"u": lambda omega: Siren(1, 1, 8, 1, omega)})


def values(u: Any, value: Tensor) -> Tensor:
    difference: Tensor = u.value - value
    return difference


@pytest.mark.parametrize("settings", [{}, {"norm": MeanAbsolute()}], ids=["squares", "absolute"])
def test_weights_of_each_problem_are_its_own(settings: dict[str, Any]) -> None:
    """A step of Adam does not see a factor of the loss, a step of gradient descent does: rates are ten times apart."""

    def descend(learning_rate: float = 1.0) -> Any:
        return sinefield.solvers.TorchOptimiser(torch.optim.SGD, learning_rate)

    recipe = sinefield.Recipe("descent", descend(1e-3), sinefield.solvers.Constant(), batch=None, passes=3)
    some = [cloud(1.0, 1.0, **settings), cloud(-2.0, 10.0, **settings)]
    alone = solve_many(some, recipe, how=serial)
    joint = solve_many(some, recipe, how=batched)
    for one, other in zip(alone, joint, strict=True):
        assert difference(one.field, other.field) < 1e-6


def closure_of(factor: float) -> Any:
    def residual(u: Any, value: Tensor) -> Tensor:
        return factor * values(u, value)

    return residual


def other_sizes() -> list[Problem]:
    return [problems.image(picture(0, 12), **NETWORK), problems.image(picture(1, 13), **NETWORK)]


def other_networks() -> list[Problem]:
    return [*pictures(1), problems.image(picture(1), **(NETWORK | {"hidden_features": 13}))]


def own_residuals() -> list[Problem]:
    line = cloud(1.0)
    return [replace(line, constraints=[replace(line.constraints[0], residual=closure_of(k))]) for k in (1.0, 2.0)]


def on_a_box() -> list[Problem]:
    constraint = Constraint(sinefield.Box([-1], [1]), lambda u: u.value)
    return [Problem("box", [constraint], {"u": lambda omega: Siren(1, 1, 8, 1, omega)})] * 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (other_sizes, "one size, dimension and targets"),
        (other_networks, "networks of one shape"),
        (own_residuals, "residual of its own"),
        (on_a_box, "not finite"),
        (lambda: [cloud(1.0, norm=Huber(1.0))] * 2, "norm other than"),
        (lambda: [cloud(1.0, weight=lambda fraction: fraction)] * 2, "weight that changes"),  # type: ignore[arg-type]
        (lambda: [cloud(1.0), *pictures(1)], "the same constraints"),
        (lambda: [problems.image(picture(0), tiles=(2, 2), hidden_features=8)] * 2, "one unknown each, in one network"),
    ],
)
def test_what_cannot_be_put_side_by_side_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        solve_many(make(), how=batched, passes=1)
    assert "\n" not in str(caught.value)


def test_no_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        solve_many([])


@pytest.mark.parametrize(
    "arguments",
    [{"seconds": 0.2}, {"recipe": Recipe("r", seconds=0.2)}, {"recipe": Recipe("r", seconds=9.0), "seconds": 0.2}],
    ids=["change", "recipe", "both"],
)
def test_seconds_are_shared(arguments: dict[str, Any]) -> None:
    both = solve_many(pictures(2), **arguments)
    assert [each.recipe.seconds for each in both] == [0.1, 0.1]
