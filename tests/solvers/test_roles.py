"""Tests of roles: which parameter is of a first layer, which a hidden matrix, at which rate each goes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sinefield import Constraint, Grid, PointCloud, Siren
from sinefield.domains import Domain
from sinefield.fields.compose import Constant, Formula, Product, Sum
from sinefield.fields.coordinates import AffineMap, Periodic, Restriction
from sinefield.fields.field import NETWORKS, build
from sinefield.fields.functional import Batched
from sinefield.fields.tiled import TiledSiren
from sinefield.objective import Objective
from sinefield.problems.tiles import TileSamples
from sinefield.solvers.roles import Roles


def cloud(dimension: int) -> PointCloud:
    return PointCloud(torch.zeros(12, dimension))


def roles_of(field: nn.Module, domain: Domain) -> Roles:
    """Return the roles by the names that parameters have in the field."""
    found = Roles.of(Objective({"u": field}, [Constraint(domain, lambda u: u.value)]))
    scales = {name.removeprefix("u."): scale for name, scale in found.scales.items()}
    learnt = {name for name, each in field.named_parameters() if each.requires_grad}
    assert scales.keys() == learnt
    return Roles(scales, frozenset(name.removeprefix("u.") for name in found.hidden))


@pytest.mark.parametrize("first_omega", [15.0, 30.0, 60.0])
def test_the_first_layer_has_its_rate_divided_by_its_frequency(first_omega: float) -> None:
    found = roles_of(Siren(2, 3, 8, 2, first_omega=first_omega), cloud(2))
    assert found.scales.pop("layers.0.weight") == pytest.approx(30 / first_omega)
    assert found.scales.pop("layers.0.bias") == pytest.approx(30 / first_omega)
    assert set(found.scales.values()) == {1.0}
    assert found.hidden == {"layers.2.weight", "layers.4.weight"}


def test_dropout_changes_no_role() -> None:
    found = roles_of(Siren(2, 3, 8, 2, first_omega=60.0, dropout=0.5), cloud(2))
    assert found.scales["layers.0.weight"] == 0.5
    assert found.hidden == {"layers.3.weight", "layers.6.weight"}


@pytest.mark.parametrize("field", [Siren(2, 3, 8, 0), nn.Linear(2, 1)], ids=["no hidden layer", "one layer"])
def test_there_need_be_no_hidden_matrix(field: nn.Module) -> None:
    assert roles_of(field, cloud(2)).hidden == frozenset()


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "tiled"])
def test_hidden_matrices_of_networks_are_those_between_learnt_maps(name: str) -> None:
    settings = {"frequencies": 6} if "-" in name else {}
    field = build(name, 2, 1, hidden_features=8, hidden_layers=2, **settings)
    found = roles_of(field, cloud(2))
    learnt = [
        f"{inner}.weight"
        for inner, each in field.named_modules()
        if isinstance(each, nn.Linear) and each.weight.requires_grad
    ]
    assert found.hidden == set(learnt[1:-1])
    assert set(found.scales.values()) == {1.0}  # no sine of another frequency than 30 follows a map that is learnt


def test_a_map_that_is_not_learnt_is_no_first_layer() -> None:
    field = build("relu-fourier", 2, 1, hidden_features=8, hidden_layers=2, frequencies=6)
    assert "layers.0.weight" not in roles_of(field, cloud(2)).scales
    frozen = Siren(2, 1, 8, 3, first_omega=60.0)
    frozen.layers[0].requires_grad_(False)
    found = roles_of(frozen, cloud(2))
    assert set(found.scales.values()) == {1.0}  # the next layer has ω₀ = 30
    assert found.hidden == {"layers.4.weight", "layers.6.weight"}


def test_tiles_have_the_roles_of_one_of_them() -> None:
    found = roles_of(TiledSiren(2, 1, hidden_features=8, first_omega=60.0, tiles="2x3"), cloud(2))
    assert found.scales.pop("tiles.layers_0_weight") == pytest.approx(0.5)
    assert found.scales.pop("tiles.layers_0_bias") == pytest.approx(0.5)
    assert set(found.scales.values()) == {1.0}
    assert found.hidden == {"tiles.layers_2_weight", "tiles.layers_4_weight"}


def test_fields_side_by_side_have_the_roles_of_one_of_them() -> None:
    torch.manual_seed(0)
    member = Siren(1, 1, 8, 1, first_omega=90.0)
    weights = {name: each.detach().expand(4, *each.shape).clone() for name, each in member.named_parameters()}
    domain = TileSamples(Grid((16,)), (4,), 0.25, torch.arange(4))
    found = roles_of(Batched(member, 4, weights), domain)
    assert found.scales["layers_0_weight"] == pytest.approx(1 / 3)
    assert found.hidden == {"layers_2_weight"}


PARTS = {
    "sum": (Sum(Siren(2, 1, 8, 1, first_omega=60.0), Formula(lambda x: x[:, :1], 2, 1)), "terms.0"),
    "product": (Product(Formula(lambda x: x[:, :1], 2, 1), Siren(2, 1, 8, 1, first_omega=60.0)), "second"),
    "affine map": (AffineMap(Siren(2, 1, 8, 1, first_omega=60.0), torch.eye(2)), "field"),
    "restriction": (Restriction(Siren(1, 1, 8, 1, first_omega=60.0), (1,), 2), "field"),
    "periodic": (Periodic(Siren(4, 1, 8, 1, first_omega=60.0), (2.0, 2.0)), "field"),
    "product in a sum": (
        Sum(Constant(2, 1), Product(Siren(2, 1, 8, 1, first_omega=60.0), Formula(lambda x: x[:, :1], 2, 1))),
        "terms.1.first",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_networks_within_fields_keep_their_roles(name: str) -> None:
    field, place = PARTS[name]
    found = roles_of(field, cloud(2))
    slow = {name for name, scale in found.scales.items() if scale != 1}
    assert slow == {f"{place}.layers.0.weight", f"{place}.layers.0.bias"}
    assert found.scales[f"{place}.layers.0.weight"] == 0.5
    assert found.hidden == {f"{place}.layers.2.weight"}


class Unknown(nn.Module):
    """A field with a parameter that is in no layer, and a part that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.norm = nn.LayerNorm(2)
        self.inner = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.scale * self.inner(self.norm(self.frozen(points)))
        return value


def test_parameters_of_any_module_are_found() -> None:
    found = roles_of(Unknown(), cloud(2))
    assert set(found.scales.values()) == {1.0}
    assert found.hidden == {"inner.2.weight"}


def test_several_fields_have_roles_of_their_own() -> None:
    fields = {"u": Siren(2, 1, 8, 1, first_omega=60.0), "v": Siren(2, 1, 8, 1, first_omega=15.0)}
    found = Roles.of(Objective(fields, [Constraint(cloud(2), lambda u, v: u.value - v.value)]))
    assert found.hidden == {"u.layers.2.weight", "v.layers.2.weight"}
    assert {name: scale for name, scale in found.scales.items() if scale != 1} == {
        "u.layers.0.weight": 0.5,
        "u.layers.0.bias": 0.5,
        "v.layers.0.weight": 2.0,
        "v.layers.0.bias": 2.0,
    }
