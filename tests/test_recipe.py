"""Tests of recipes: what the named ones are, what is changed in them, how they are stored, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
import torch

from sinefield import problems
from sinefield.goal import Goal
from sinefield.recipe import PUBLISHED, RECIPES, Changes, Proportional, Recipe, named
from sinefield.solve import solve
from sinefield.solvers import Adam, Averaged, Clipped, Constant, Cosine, Muon, Soap, Solver, TorchOptimiser
from sinefield.solvers.adam import learning_rate_of, setting_of

QUICK = Recipe("quick", Adam(1e-3), Constant(), batch=16, passes=2)


def test_the_published_recipe() -> None:
    """Adam at 1e-4 on all pixels at once, ω₀ = 30: the released code of arXiv 2006.09661."""
    assert PUBLISHED.solver == Adam(learning_rate=1e-4, betas=(0.9, 0.999))
    assert PUBLISHED.batch is None
    assert PUBLISHED.first_omega == 30.0
    assert PUBLISHED.schedule == Constant()
    assert named("published", order=2) == PUBLISHED


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_every_name_is_a_recipe_at_every_order(name: str, order: int) -> None:
    assert named(name, order).name == name


def test_the_fast_recipe_depends_on_the_order() -> None:
    assert len({named("fast", order).solver for order in range(3)}) == 3
    assert named("fast", 3) == named("fast", 2)
    assert RECIPES[0] == "fast"


def test_unknown_recipes_are_refused() -> None:
    with pytest.raises(
        ValueError, match="unknown recipe 'slow'; choose one of auto, fast, best, samples, published or solved"
    ):
        named("slow")


# Changes


def test_changes_replace_settings_of_a_copy() -> None:
    recipe = Recipe("r", passes=7)
    changed = recipe.changed(learning_rate=0.5, batch=None)
    assert changed.solver == Adam(0.5)
    assert (changed.batch, changed.passes, changed.name) == (None, 7, "r")
    assert recipe == Recipe("r", passes=7)
    assert recipe.changed() == recipe


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seconds": 10.0}, (None, 10.0)),  # alone it takes the place of passes
        ({"seconds": 10.0, "passes": None}, (None, 10.0)),
        ({"seconds": 10.0, "passes": 3}, (3, 10.0)),
        ({"seconds": None}, (20, None)),
        ({"passes": 3}, (3, None)),
        ({"psnr": 30.0}, (100, None)),  # the way to a goal may be longer than usual
        ({"until": "snr=30"}, (100, None)),
        ({"until": 1e-3, "passes": 7}, (7, None)),
        ({"psnr": 30.0, "seconds": 10.0}, (None, 10.0)),
        ({"until": 30.0, "schedule": Constant()}, (20, None)),
    ],
)
def test_budgets_replace_each_other(changes: dict[str, Any], expected: tuple[float | None, float | None]) -> None:
    changed = Recipe("r", passes=20).changed(**changes)
    assert (changed.passes, changed.seconds) == expected


def test_a_goal_is_given_in_any_form() -> None:
    wanted = Goal("psnr", 30.0)
    for changes in ({"psnr": 30.0}, {"until": "psnr=30"}, {"until": wanted}):
        assert Recipe("r").changed(**changes).until == wanted
    assert Recipe("r").changed(until=30).until == Goal("", 30.0)
    assert Recipe("r", until=wanted).changed(psnr=None).until == wanted


@pytest.mark.parametrize(
    "changes", [{"psnr": 0}, {"psnr": math.nan}, {"until": "psnr="}, {"until": "=3"}, {"until": -1}]
)
def test_a_goal_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"positive number, got|a goal is a number"):
        Recipe("r").changed(**changes)


def test_a_recipe_holds_a_goal() -> None:
    with pytest.raises(ValueError, match=r"until of a recipe is a Goal.*got 40"):
        Recipe("r", until=40)  # type: ignore[arg-type]


def test_passes_are_no_limit_unless_given() -> None:
    assert Recipe("r", passes=None, seconds=5.0).changed(batch=10).passes is None


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a recipe has no such setting.*epochs"):
        Recipe("r").changed(epochs=3)


def test_settings_of_the_solver_within_are_changed() -> None:
    """A setting goes to the solver that has it, however many are around it."""
    recipe = Recipe("r", Clipped(Muon(1e-3, rest=Adam(4e-4)), 2.0))
    changed = recipe.changed(matrix_rate=2e-3, learning_rate=1e-4, betas=(0.5, 0.5))
    assert changed.solver == Clipped(Muon(2e-3, rest=Adam(1e-4, (0.5, 0.5))), 2.0)
    assert recipe.changed(solver=Adam(), learning_rate=1.0).solver == Adam(1.0)


def test_the_end_of_the_schedule_is_changed() -> None:
    assert Recipe("r").changed(final_rate=0.25).schedule == Cosine(0.25)
    assert Recipe("r").changed(schedule=Constant()).schedule == Constant()


def test_clipping_and_averaging_are_put_around_the_solver() -> None:
    changed = QUICK.changed(clip=0.5, average=0.9, learning_rate=1e-2)
    assert changed.solver == Averaged(Clipped(Adam(1e-2), 0.5), 0.9)
    assert QUICK.changed(average=0.9).solver == Averaged(Adam(1e-3), 0.9)
    assert QUICK.changed(clip=0.5).solver == Clipped(Adam(1e-3), 0.5)


def test_clipping_twice_keeps_the_last_norm() -> None:
    """What is around the solver is changed where it is, not put around once more."""
    twice = QUICK.changed(clip=0.5, average=0.9).changed(clip=0.25, average=0.8)
    assert twice == QUICK.changed(clip=0.25, average=0.8)


@pytest.mark.parametrize("changes", [{"average": 0.9}, {"clip": 0.1}, {"average": 0.9, "clip": 0.1}])
def test_a_fit_with_solvers_around_the_solver_gets_better(changes: dict[str, float]) -> None:
    problem = problems.image("sample:camera", longest=16, hidden_features=16, hidden_layers=1)
    solution = solve(problem, recipe=QUICK.changed(passes=20, **changes))
    assert solution.history[-1].loss < 0.5 * solution.history[0].loss


# What is refused


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["batch", "first_omega", "passes", "seconds", "pace"])
def test_what_is_not_positive_is_refused(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"{name} of a recipe must be a positive number"):
        Recipe("r", **settings)
    with pytest.raises(ValueError, match=f"{name} of a recipe must be a positive number"):
        Recipe("r").changed(**settings)


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["learning_rate", "matrix_rate", "clip"])
def test_settings_of_solvers_that_are_not_positive_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} of a solver must be a positive number"):
        Recipe("r", Muon()).changed(**{name: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": None}, "a recipe needs a budget: give passes or seconds"),
        ({"solver": "sgd"}, r"solver and a schedule of sinefield.solvers, such as Adam\(\) .* got 'sgd'"),
        ({"schedule": "linear"}, r"got Adam\(.*\) and 'linear'"),
    ],
)
def test_bad_recipes_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe("r", **settings)


def test_recipes_are_values() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PUBLISHED.batch = 3  # type: ignore[misc]
    assert Recipe("r") == Recipe("r")
    assert hash(Recipe("r")) == hash(Recipe("r"))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_best_recipe_is_the_fast_one_with_more_passes_and_nothing_rounded(order: int) -> None:
    fast, best = named("fast", order), named("best", order)
    assert best == fast.changed(name="best", passes=5 * (fast.passes or 0), rounding=False)


def test_the_recipe_for_samples_takes_larger_steps_of_hidden_matrices_on_values() -> None:
    fast, samples = named("fast"), named("samples")
    assert setting_of(samples.solver, "matrix_rate") == pytest.approx(1.5 * setting_of(fast.solver, "matrix_rate"))
    assert samples.changed(name="fast", solver=fast.solver) == fast
    assert named("samples", 1) == named("fast", 1).changed(name="samples")
    assert named("samples", 0, {"fast": {"solver": Adam()}}).solver == Adam()


def test_a_longer_fit_is_slower_by_the_root_of_its_length() -> None:
    recipe = Recipe("r", pace=10)
    assert [recipe.slowed(passes) for passes in (1, 10, 40, 1000)] == [1.0, 1.0, 0.5, 0.1]
    assert Recipe("r").slowed(10**6) == 1.0


def test_batches_grow_with_the_samples_within_bounds() -> None:
    fast = named("fast")
    assert [fast.batch_of(32 * size) for size in (1, 1024, 2048, 4096, 10**6)] == [1024, 1024, 2048, 4096, 4096]
    assert Recipe("r", batch=7).batch_of(100) == 7
    assert Recipe("r", batch=None).batch_of(100) == 100
    with pytest.raises(ValueError, match="batch of a recipe must be a positive number, got 'many'"):
        Recipe("r", batch="many")  # type: ignore[arg-type]


def test_an_open_frequency_is_that_of_the_problem_or_the_published_one() -> None:
    left_open = Recipe("open", first_omega=None)
    assert left_open.tuned(80.0).first_omega == 80.0
    assert left_open.tuned(None).first_omega == 30.0
    assert PUBLISHED.tuned(80.0) is PUBLISHED


@pytest.mark.parametrize("average", [1.0, -0.1, math.nan])
def test_the_decay_of_an_average_is_checked(average: float) -> None:
    with pytest.raises(ValueError, match="decay of an average"):
        Recipe("bad").changed(average=average)


def test_what_a_problem_tunes_in_fast_is_tuned_in_best_too_and_not_in_published() -> None:
    tuning: dict[str, Changes] = {"fast": {"passes": 8, "pace": 8, "learning_rate": 1e-3}, "published": {"clip": 1.0}}
    best = named("best", 0, tuning)
    assert (best.passes, best.pace) == (40, 8)
    assert learning_rate_of(best.solver) == pytest.approx(1e-3)
    assert named("fast", 0, tuning).passes == 8
    assert named("published", 0, tuning) == named("published").changed(clip=1.0)
    with pytest.raises(ValueError, match="no such setting"):
        named("fast", 0, {"fast": {"pases": 8}})  # type: ignore[typeddict-unknown-key]  # which is what is tested


@pytest.mark.parametrize(
    ("solver", "expected"),
    [
        (Adam(3e-4), 3e-4),
        (Muon(1e-3, rest=Adam(4e-4)), 4e-4),
        (Averaged(Clipped(Muon(1e-3, rest=Adam(2e-4)), 1.0), 0.9), 2e-4),
        (TorchOptimiser(torch.optim.SGD, 0.5), 0.5),
    ],
)
def test_the_learning_rate_is_that_within(solver: Solver, expected: float) -> None:
    assert learning_rate_of(solver) == expected


# As JSON


SOLVERS = [Adam(), Muon(), Soap(), Averaged(Clipped(Adam(), 1.0), 0.9), TorchOptimiser(torch.optim.NAdam)]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
@pytest.mark.parametrize("schedule", [Constant(), Cosine(0.1)], ids=["constant", "cosine"])
@pytest.mark.parametrize("batch", [7, None, Proportional(32, 64, 128)], ids=["number", "all", "rule"])
def test_json_holds_every_setting(
    solver: Solver, schedule: Constant | Cosine, batch: int | Proportional | None
) -> None:
    recipe = Recipe("r", solver, schedule, batch, True, 17.0, 3.0, 4.0, Goal("snr", 5.0), 6.0)
    stored = json.loads(json.dumps(recipe.to_json(), allow_nan=False))
    assert stored == recipe.to_json()
    assert stored["solver"] == type(solver).__name__.lower()
    assert stored["schedule"] == type(schedule).__name__.lower()
    expected: object = {"steps": 32, "least": 64, "most": 128} if isinstance(batch, Proportional) else batch
    assert stored["batch"] == expected
    others = {
        "name": "r",
        "rounding": True,
        "first_omega": 17.0,
        "passes": 3.0,
        "seconds": 4.0,
        "until": {"metric": "snr", "value": 5.0},
        "pace": 6.0,
    }
    assert {name: stored[name] for name in others} == others
    if isinstance(schedule, Cosine):
        assert stored["final_rate"] == 0.1


def test_json_tells_recipes_apart() -> None:
    """A search is resumed with the recipe that it was begun with, which the file tells by its JSON."""
    changes: list[dict[str, Any]] = [
        {},
        {"learning_rate": 2e-3},
        {"betas": (0.9, 0.9)},
        {"solver": Muon()},
        {"solver": Muon(matrix_rate=1e-2)},
        {"solver": TorchOptimiser(torch.optim.NAdam)},
        {"solver": TorchOptimiser(torch.optim.RAdam)},
        {"clip": 1.0},
        {"average": 0.9},
        {"final_rate": 0.2},
        {"schedule": Cosine()},
        {"batch": 17},
        {"batch": None},
        {"batch": Proportional()},
        {"passes": 9},
        {"seconds": 9.0},
        {"rounding": True},
        {"pace": 3},
    ]
    stored = [json.dumps(QUICK.changed(**each).to_json(), sort_keys=True) for each in changes]
    assert len(set(stored)) == len(changes)
