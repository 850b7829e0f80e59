"""Tests of recipes: the schedule, which parameter is in which optimiser at which rate, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from sinefield.fields.field import NETWORKS, build
from sinefield.fields.siren import Siren
from sinefield.recipe import PUBLISHED, RECIPES, Recipe, named
from sinefield.solvers.adam import Adam

ADAM = Recipe("adam", learning_rate=1e-3, betas=(0.8, 0.95))
MUON = Recipe("muon", "muon", learning_rate=1e-3, matrix_rate=2e-3)


def rates(recipe: Recipe, field: nn.Module) -> dict[str, tuple[str, float]]:
    """Return, for each parameter, its optimiser and its learning rate; each is in one only."""
    found: dict[int, tuple[str, float]] = {}
    for optimiser in recipe.optimisers([field]):
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                assert id(parameter) not in found, "a parameter is in two groups"
                found[id(parameter)] = type(optimiser).__name__, group["lr"]
    return {name: found.pop(id(each)) for name, each in field.named_parameters() if id(each) in found}


@pytest.mark.parametrize("fraction", [-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5])
@pytest.mark.parametrize("final_rate", [0.0, 0.005, 0.5])
def test_the_cosine(fraction: float, final_rate: float) -> None:
    recipe = Recipe("r", schedule="cosine", final_rate=final_rate)
    within = min(max(fraction, 0), 1)
    expected = final_rate + (1 - final_rate) * math.cos(math.pi * within / 2) ** 2  # cos² is (1 + cos 2)/2
    assert recipe.rate_at(fraction) == pytest.approx(expected, abs=1e-12)


def test_the_cosine_ends_where_it_should() -> None:
    recipe = Recipe("r", final_rate=0.1)
    assert recipe.rate_at(0.0) == 1.0
    assert recipe.rate_at(1.0) == pytest.approx(0.1)
    steps = [recipe.rate_at(k / 100) for k in range(101)]
    assert all(earlier > later for earlier, later in itertools.pairwise(steps))


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_the_constant(fraction: float) -> None:
    assert Recipe("r", schedule="constant", final_rate=0.1).rate_at(fraction) == 1.0


@pytest.mark.parametrize("first_omega", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("recipe", [ADAM, MUON], ids=lambda recipe: recipe.name)
def test_the_first_layer_has_its_rate_divided_by_its_frequency(recipe: Recipe, first_omega: float) -> None:
    found = rates(recipe, Siren(2, 3, 8, 2, first_omega=first_omega))
    assert found["layers.0.weight"] == ("Adam", pytest.approx(1e-3 * 30 / first_omega))
    assert found["layers.0.bias"] == ("Adam", pytest.approx(1e-3 * 30 / first_omega))
    for name in ("layers.2.bias", "layers.4.bias", "layers.6.weight", "layers.6.bias"):
        assert found[name] == ("Adam", 1e-3)


def test_muon_gets_the_hidden_matrices() -> None:
    found = rates(MUON, Siren(2, 3, 8, 2))
    assert {name for name, (kind, _) in found.items() if kind == "Muon"} == {"layers.2.weight", "layers.4.weight"}
    assert found["layers.2.weight"] == ("Muon", 2e-3)


@pytest.mark.parametrize("field", [Siren(2, 3, 8, 0), nn.Linear(2, 1)], ids=["no hidden layer", "one layer"])
def test_muon_without_hidden_matrices_is_adam(field: nn.Module) -> None:
    assert [type(each).__name__ for each in MUON.optimisers([field])] == ["Adam"]
    assert {kind for kind, _ in rates(MUON, field).values()} == {"Adam"}


@pytest.mark.parametrize("recipe", [ADAM, MUON], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("name", NETWORKS)
def test_each_parameter_is_in_one_optimiser(recipe: Recipe, name: str) -> None:
    settings = {"frequencies": 6} if "-" in name else {}
    field = build(name, 2, 1, hidden_features=8, hidden_layers=2, **settings)
    found = rates(recipe, field)
    assert found.keys() == {name for name, each in field.named_parameters() if each.requires_grad}
    learnt = [each for each in field.modules() if isinstance(each, nn.Linear) and each.weight.requires_grad]
    matrices = {kind for kind, _ in found.values()}
    assert matrices == ({"Adam"} if recipe is ADAM or name == "tiled" else {"Adam", "Muon"})
    muon = [each for optimiser in recipe.optimisers([field])[1:] for each in optimiser.param_groups[0]["params"]]
    # Matrices side by side are left to Adam.
    assert {id(each) for each in muon} == ({id(each.weight) for each in learnt[1:-1]} if recipe is MUON else set())


class Unknown(nn.Module):
    """A field with a parameter that is in no layer, and a part that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.norm = nn.LayerNorm(2)
        self.inner = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


@pytest.mark.parametrize("recipe", [ADAM, MUON], ids=lambda recipe: recipe.name)
def test_parameters_of_any_module_are_found(recipe: Recipe) -> None:
    found = rates(recipe, Unknown())
    assert found.keys() == {name for name, _ in Unknown().named_parameters() if not name.startswith("frozen")}
    assert found["scale"] == ("Adam", 1e-3)
    assert found["inner.2.weight"] == (("Adam", 1e-3) if recipe is ADAM else ("Muon", 2e-3))


def test_several_fields_share_their_optimisers() -> None:
    fields = [Siren(2, 1, 8, 1, first_omega=60.0), Siren(2, 1, 8, 1, first_omega=30.0)]
    adam, muon = MUON.optimisers(fields)
    assert {id(each) for each in muon.param_groups[0]["params"]} == {id(each.layers[2].weight) for each in fields}
    slow = {id(each) for each in fields[0].layers[0].parameters()}
    for group in adam.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(5e-4 if id(parameter) in slow else 1e-3)
    everything = [each for one in (adam, muon) for group in one.param_groups for each in group["params"]]
    assert len(everything) == sum(1 for field in fields for _ in field.parameters())


def test_adam_averages_as_told() -> None:
    (adam,) = ADAM.optimisers([Siren(2, 1, 8, 1)])
    assert isinstance(adam, Adam)
    assert adam.betas == (0.8, 0.95)


def test_the_published_recipe() -> None:
    """Adam at 1e-4 on all pixels at once, ω₀ = 30: the released code of arXiv 2006.09661."""
    assert PUBLISHED.optimiser == "adam"
    assert PUBLISHED.learning_rate == 1e-4
    assert PUBLISHED.betas == (0.9, 0.999)
    assert PUBLISHED.batch is None
    assert PUBLISHED.first_omega == 30.0
    assert PUBLISHED.schedule == "constant"
    assert named("published", order=2) == PUBLISHED


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_every_name_is_a_recipe_at_every_order(name: str, order: int) -> None:
    assert named(name, order).name == name


def test_the_fast_recipe_depends_on_the_order() -> None:
    assert named("fast").optimiser == "adam"
    assert named("fast", 1).optimiser == named("fast", 2).optimiser == "muon"
    assert named("fast", 3) == named("fast", 2)
    assert RECIPES[0] == "fast"


def test_unknown_recipes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'slow'; choose one of fast, best, published"):
        named("slow")


# Changes


def test_changes_replace_settings_of_a_copy() -> None:
    recipe = Recipe("r", passes=7)
    changed = recipe.changed(learning_rate=0.5, batch=None)
    assert (changed.learning_rate, changed.batch, changed.passes, changed.name) == (0.5, None, 7, "r")
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
        ({"psnr": 30.0}, (20, None)),
    ],
)
def test_budgets_replace_each_other(changes: dict[str, Any], expected: tuple[float | None, float | None]) -> None:
    changed = Recipe("r", passes=20).changed(**changes)
    assert (changed.passes, changed.seconds) == expected


def test_passes_are_no_limit_unless_given() -> None:
    assert Recipe("r", passes=None, seconds=5.0).changed(batch=10).passes is None


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a recipe has no such setting.*epochs"):
        Recipe("r").changed(epochs=3)


@pytest.mark.parametrize(
    "name", ["learning_rate", "matrix_rate", "batch", "clip", "first_omega", "passes", "seconds", "psnr"]
)
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
def test_what_is_not_positive_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} of a recipe must be a positive number"):
        Recipe("r", **{name: value})
    with pytest.raises(ValueError, match=name):
        Recipe("r").changed(**{name: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": None}, "a recipe needs a budget: give passes or seconds"),
        ({"optimiser": "sgd"}, "optimiser adam or muon .* got 'sgd'"),
        ({"schedule": "linear"}, "got 'adam' and 'linear'"),
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
def test_the_best_recipe_is_the_fast_one_with_more_passes_and_on_values_slower(order: int) -> None:
    fast, best = named("fast", order), named("best", order)
    assert best.learning_rate == (fast.learning_rate if order else 2e-4)
    assert best.passes == 5 * (fast.passes or 0)
    assert best.backward == "float32"
    assert best == fast.changed(
        name="best", passes=best.passes, pace=best.pace, learning_rate=best.learning_rate, backward="float32"
    )


def test_a_longer_fit_is_slower_by_the_root_of_its_length() -> None:
    recipe = Recipe("r", pace=10)
    assert [recipe.slowed(passes) for passes in (1, 10, 40, 1000)] == [1.0, 1.0, 0.5, 0.1]
    assert Recipe("r").slowed(10**6) == 1.0


def test_the_first_layer_of_tiles_has_its_rate_divided_by_its_frequency() -> None:
    found = rates(ADAM, build("tiled", 1, 1, hidden_features=8, first_omega=60.0))
    assert found["stack.maps.0.weight"] == ("Adam", pytest.approx(ADAM.learning_rate / 2))
    assert found["stack.maps.1.weight"] == ("Adam", pytest.approx(ADAM.learning_rate))


def test_batches_grow_with_the_samples_within_bounds() -> None:
    fast = named("fast")
    assert [fast.batch_of(64 * size) for size in (1, 1024, 2048, 4096, 10**6)] == [1024, 1024, 2048, 4096, 4096]
    assert Recipe("r", batch=7).batch_of(100) == 7
    assert Recipe("r", batch=None).batch_of(100) == 100
    with pytest.raises(ValueError, match="batch of a recipe must be a positive number, got 'many'"):
        Recipe("r", batch="many")  # type: ignore[arg-type]


def test_an_open_frequency_is_that_of_the_problem_or_the_published_one() -> None:
    left_open = Recipe("open", first_omega=None)
    assert left_open.tuned(80.0).first_omega == 80.0
    assert left_open.tuned(None).first_omega == 30.0
    assert PUBLISHED.tuned(80.0) is PUBLISHED


@pytest.mark.parametrize(("setting", "value"), [("average", 1.0), ("average", -0.1), ("backward", "float16")])
def test_new_settings_are_checked(setting: str, value: float | str) -> None:
    with pytest.raises(ValueError, match=setting):
        Recipe("bad", **{setting: value})  # type: ignore[arg-type]


def test_what_a_problem_tunes_in_fast_is_tuned_in_best_too_and_not_in_published() -> None:
    tuning = {"fast": {"passes": 8, "pace": 8, "learning_rate": 1e-3}, "published": {"clip": 1.0}}
    best = named("best", 0, tuning)
    assert (best.passes, best.pace) == (40, 40)
    assert best.learning_rate == pytest.approx(4e-4)
    assert named("fast", 0, tuning).passes == 8
    assert named("published", 0, tuning) == named("published").changed(clip=1.0)
    with pytest.raises(ValueError, match="no such setting"):
        named("fast", 0, {"fast": {"pases": 8}})
