"""Tests of the objective: gradients, residuals and Jacobians against autograd, differences and each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from sinefield import Box, Constraint, Grid, PointCloud, Siren, kernels, solve
from sinefield.constraint import Fading
from sinefield.domains import Domain, FiniteDomain, Samples
from sinefield.fields.compose import Constant, Formula, Product
from sinefield.fields.coordinates import Restriction
from sinefield.fields.field import build
from sinefield.fields.functional import Batched
from sinefield.fields.tiled import TiledSiren
from sinefield.jet import Jet
from sinefield.norms import Huber, MeanAbsolute, MeanSquare, Norm
from sinefield.objective import Batch, Objective
from sinefield.problems.tiles import TileSamples


def cloud(dimension: int, count: int = 12, seed: int = 0) -> PointCloud:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, dimension, dtype=torch.float64, generator=generator) * 2 - 1
    return PointCloud(points, {"value": torch.sin(3 * points.sum(1, keepdim=True))})


def siren(inputs: int = 2, outputs: int = 1) -> Siren:
    return Siren(inputs, outputs, 7, 1, first_omega=3.0, hidden_omega=2.0)


def all_of(domains: Sequence[Domain], fraction: float = 0.0) -> Batch:
    return Batch(
        [
            each.at(torch.arange(each.size))
            if isinstance(each, FiniteDomain)
            else each.draw(9, torch.Generator().manual_seed(3))
            for each in domains
        ],
        fraction,
    )


@dataclass(frozen=True)
class Case:
    """Unknowns and constraints."""

    unknowns: Callable[[], Mapping[str, nn.Module]]
    constraints: Callable[[], Sequence[Constraint]]

    def made(self, dtype: torch.dtype = torch.float64) -> tuple[Objective, Batch]:
        torch.manual_seed(0)
        unknowns = {name: each.to(dtype) for name, each in self.unknowns().items()}
        constraints = self.constraints()
        made = Objective(unknowns, constraints)
        return made, all_of([group.domain for group in made.groups], 0.4)


def on_values() -> Sequence[Constraint]:
    return [Constraint(cloud(2), lambda u, value: u.value - value, weight=3.0)]


def equation() -> Sequence[Constraint]:
    omega = Box([-1.0, -1.0], [1.0, 1.0])
    inner = cloud(2, 10, 1)
    return [
        Constraint(omega, lambda u: u.laplacian + u.value.square() - 1, name="inside"),
        Constraint(omega.boundary, lambda u: u.value, name="edge", weight=Fading(10.0, 0.2, 0.8)),
        Constraint(inner, lambda u, value: u.value - value, name="data", weight=2.0),
        Constraint(inner, lambda u: torch.cat([u.gradient, u.value], dim=1), name="flat", weight=0.1),
    ]


def complex_equation() -> Sequence[Constraint]:
    def helmholtz(u: Jet) -> Tensor:
        pair = torch.complex(u.value[:, :1], u.value[:, 1:])
        slope = torch.complex(u.laplacian[:, :1], u.laplacian[:, 1:])
        return slope + (2 + 0.5j) * pair * pair

    return [
        Constraint(cloud(2), helmholtz, name="helmholtz", weight=0.2),
        Constraint(cloud(2, 5, 2), lambda u: u.value - 1, name="real"),
    ]


def two_unknowns() -> Sequence[Constraint]:
    return [
        Constraint(cloud(2), lambda u, m: u.laplacian + m.value * u.value, name="both"),
        Constraint(cloud(2, 6, 4), lambda m: m.value - 1, name="one"),
    ]


class Scaled(nn.Module):
    """A module of which nothing is known, with a parameter without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.5))
        self.inner = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))

    def forward(self, points: Tensor) -> Tensor:
        value: Tensor = self.factor * self.inner(points)
        return value


def tiles_alone() -> Mapping[str, nn.Module]:
    return {"u": TiledSiren(1, 1, 5, 1, 3.0, 2.0, tiles="3").tiles}


def on_tiles() -> Sequence[Constraint]:
    values = torch.linspace(-1, 1, 12)[:, None]
    domain = TileSamples(Grid((12,), {"value": values}), (3,), 0.25, torch.arange(3))
    return [Constraint(domain, lambda u, value: u.value - value + 0.1 * u.gradient)]


CASES = {
    "siren, values": Case(lambda: {"u": siren()}, on_values),
    "siren, equation": Case(lambda: {"u": siren()}, equation),
    "perceptron": Case(lambda: {"u": build("softplus", 2, 1, hidden_features=6, hidden_layers=1)}, equation),
    "radial basis": Case(
        lambda: {"u": build("relu-rbf", 2, 1, hidden_features=6, hidden_layers=1, frequencies=4, scale=1.0)}, on_values
    ),
    "product": Case(
        lambda: {"u": Product(Formula(lambda x: 1 - x.square().sum(-1, keepdim=True), 2, 1), siren())}, equation
    ),
    "complex": Case(lambda: {"u": siren(2, 2)}, complex_equation),
    "two unknowns": Case(lambda: {"u": siren(), "m": Restriction(siren(1), (1,), 2)}, two_unknowns),
    "a constant": Case(lambda: {"u": siren(), "m": Constant(0, 1, 0.5)}, two_unknowns),
    "tiles": Case(lambda: {"u": TiledSiren(2, 1, 5, 1, 3.0, 2.0, tiles="2x2")}, equation),
    "side by side": Case(tiles_alone, on_tiles),
    "any module": Case(lambda: {"u": Scaled()}, equation),
}


def gradient_of(made: Objective) -> Tensor:
    return torch.cat(
        [
            torch.zeros_like(each).flatten() if each.grad is None else each.grad.flatten()
            for each in made.parameters.values()
        ]
    )


def value_and_slope(made: Objective, batch: Batch) -> tuple[dict[str, float], Tensor]:
    """Return the terms Σ w norm(C) and the gradient by plain autograd through one evaluation of everything."""
    parameters = list(made.parameters.values())
    terms: dict[str, Tensor] = {}
    for group, samples in zip(made.groups, batch.samples, strict=True):
        like = parameters[0]
        points = samples.points.to(like.dtype)
        targets = {name: each.to(like.dtype) for name, each in samples.targets.items()}
        jets = group.jets(made.unknowns, points)
        for each in group.members:
            constraint = each.constraint
            residual = each.residual(jets, targets)
            terms[constraint.name] = constraint.weight_at(batch.fraction) * constraint.norm.loss(residual)
    slopes = torch.autograd.grad(torch.stack(list(terms.values())).sum(), parameters, allow_unused=True)
    flat = [
        torch.zeros_like(own).flatten() if slope is None else slope.flatten()
        for own, slope in zip(parameters, slopes, strict=True)
    ]
    return {name: float(each.detach()) for name, each in terms.items()}, torch.cat(flat)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_that_of_autograd(name: str) -> None:
    made, batch = CASES[name].made()
    expected, slope = value_and_slope(made, batch)
    found = made.gradient(batch)
    assert {key: float(each) for key, each in found.items()} == pytest.approx(expected, rel=1e-9)
    torch.testing.assert_close(gradient_of(made), slope, rtol=1e-9, atol=1e-11)
    assert float(slope.abs().max()) > 1e-3


@pytest.mark.parametrize("size", [1, 4, 5, 100])
@pytest.mark.parametrize("name", ["siren, equation", "two unknowns", "side by side", "complex"])
def test_blocks_add_up(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made, batch = CASES[name].made()
    terms, slope = value_and_slope(made, batch)
    monkeypatch.setattr(kernels, "block_size", lambda *_: size)
    found = made.gradient(batch)
    assert {key: float(each) for key, each in found.items()} == pytest.approx(terms, rel=1e-9)
    torch.testing.assert_close(gradient_of(made), slope, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_the_squares_of_the_residuals_add_up_to_the_objective(name: str) -> None:
    made, batch = CASES[name].made()
    total = sum(value_and_slope(made, batch)[0].values())
    with torch.no_grad():
        residuals = made.residuals(batch)
    assert residuals.ndim == 1
    assert not residuals.is_complex()
    assert float(residuals.square().sum()) == pytest.approx(total, rel=1e-9)
    torch.testing.assert_close(made.linearise(batch).residuals, residuals, rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_the_jacobian_is_one_as_operator_transpose_and_matrix(name: str) -> None:
    made, batch = CASES[name].made()
    linear = made.linearise(batch)
    rows, columns = linear.shape
    assert (rows, columns) == (len(linear.residuals), len(made.vector()))
    dense = linear.dense()
    assert dense.shape == (rows, columns)
    assert not dense.requires_grad
    generator = torch.Generator().manual_seed(5)
    for _ in range(3):
        along = torch.randn(columns, dtype=torch.float64, generator=generator)
        across = torch.randn(rows, dtype=torch.float64, generator=generator)
        torch.testing.assert_close(linear.apply(along), dense @ along, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(linear.adjoint(across), dense.mT @ across, rtol=1e-9, atol=1e-11)
    assert all(each.grad is None for each in made.parameters.values())


@pytest.mark.parametrize("name", CASES)
def test_the_jacobian_is_that_of_differences(name: str) -> None:
    made, batch = CASES[name].made()
    start, step = made.vector(), 1e-5
    along = torch.randn(len(start), dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    linear = made.linearise(batch)
    ends = []
    with torch.no_grad():
        for sign in (1, -1):
            made.assign(start + sign * step * along)
            ends.append(made.residuals(batch))
    made.assign(start)
    expected = (ends[0] - ends[1]) / (2 * step)
    scale = float(expected.abs().max())
    torch.testing.assert_close(linear.apply(along), expected, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_twice_the_residuals_seen_through_the_jacobian(name: str) -> None:
    made, batch = CASES[name].made()
    linear = made.linearise(batch)
    made.gradient(batch)
    torch.testing.assert_close(2 * linear.adjoint(linear.residuals), gradient_of(made), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("norm", [MeanSquare(), MeanAbsolute(), Huber(0.5)], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_norms_are_squares_with_weights_of_the_same_gradient(norm: Norm, kind: str) -> None:
    """Σ ω r² with ω = ρ'(r)/(2r) held fixed has the gradient of Σ ρ(r), for complex residuals too."""
    torch.manual_seed(0)

    def residual(u: Jet, value: Tensor) -> Tensor:
        if kind == "real":
            return u.value - value
        return torch.complex(u.value[:, :1] - value, 2 * u.value[:, 1:])

    field = siren(2, 1 if kind == "real" else 2).double()
    made = Objective({"u": field}, [Constraint(cloud(2), residual, norm=norm, weight=7.0)])
    batch = all_of([made.groups[0].domain])
    made.gradient(batch)
    linear = made.linearise(batch)
    torch.testing.assert_close(2 * linear.dense().mT @ linear.residuals, gradient_of(made), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(2 * linear.adjoint(linear.residuals), gradient_of(made), rtol=1e-9, atol=1e-11)


def test_weights_follow_the_budget() -> None:
    made, batch = CASES["siren, equation"].made()
    found = [float(made.gradient(Batch(batch.samples, fraction))["edge"]) for fraction in (0.0, 0.5, 0.9)]
    assert found == pytest.approx([found[0], found[0] / 2, 0.0])
    assert found[0] > 0
    linear = made.linearise(Batch(batch.samples, 0.9))
    inside = len(batch.samples[0].points)
    assert not linear.residuals[inside : 2 * inside].any()
    assert not linear.dense()[inside : 2 * inside].any()


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_a_vector_and_back(name: str) -> None:
    made, _ = CASES[name].made()
    start = made.vector()
    assert len(start) == sum(each.numel() for each in made.parameters.values())
    assert not start.requires_grad
    wanted = torch.randn(len(start), dtype=start.dtype, generator=torch.Generator().manual_seed(7))
    made.assign(wanted)
    assert torch.equal(made.vector(), wanted)
    parts = made.split(wanted)
    assert parts.keys() == made.parameters.keys()
    for key, each in made.parameters.items():
        assert torch.equal(parts[key], each)
        assert each.requires_grad
    assert not torch.equal(start, wanted)  # a copy, not a view


def test_parameters_have_the_names_of_their_unknowns_and_those_not_learnt_are_left_out() -> None:
    torch.manual_seed(0)
    field = siren()
    field.layers[0].requires_grad_(False)
    made = Objective({"u": field, "m": Constant()}, [Constraint(cloud(2), lambda u, m: u.value * m.value)])
    assert list(made.parameters) == [
        "u.layers.2.weight",
        "u.layers.2.bias",
        "u.layers.4.weight",
        "u.layers.4.bias",
        "m.theta",
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_are_moved_to_the_precision_of_the_field(dtype: torch.dtype) -> None:
    seen: list[tuple[torch.dtype, torch.dtype]] = []

    def residual(u: Jet, value: Tensor) -> Tensor:
        seen.append((u.points.dtype, value.dtype))
        return u.value - value

    made, batch = Case(lambda: {"u": siren()}, lambda: [Constraint(cloud(2), residual)]).made(dtype)
    made.gradient(batch)
    assert made.residuals(batch).dtype == dtype
    assert made.linearise(batch).dense().dtype == dtype
    assert seen == [(dtype, dtype)] * len(seen)


def test_points_of_tiles_keep_their_digits() -> None:
    seen: list[torch.dtype] = []

    def residual(u: Jet) -> Tensor:
        seen.append(u.points.dtype)
        return u.value

    made, batch = Case(lambda: {"u": TiledSiren(1, 1, 5, 1, tiles="3")}, lambda: [Constraint(cloud(1), residual)]).made(
        torch.float32
    )
    assert made.residuals(batch).dtype == torch.float32
    assert set(seen) == {torch.float64}


def test_targets_that_are_no_floats_stay_so() -> None:
    points = torch.zeros(6, 1)
    domain = PointCloud(points, {"label": torch.arange(6)[:, None], "inside": torch.ones(6, 1, dtype=torch.bool)})

    def residual(u: Jet, label: Tensor, inside: Tensor) -> Tensor:
        assert label.dtype == torch.int64
        assert inside.dtype == torch.bool
        return torch.where(inside, u.value - label, 0 * u.value)

    made = Objective({"u": siren(1).double()}, [Constraint(domain, residual)])
    made.gradient(Batch([domain.at(torch.arange(6))]))
    assert made.linearise(Batch([domain.at(torch.arange(6))])).dense().shape[0] == 6


def test_constraints_on_one_domain_are_one_group() -> None:
    made, _ = CASES["siren, equation"].made()
    assert [[each.constraint.name for each in group.members] for group in made.groups] == [
        ["inside"],
        ["edge"],
        ["data", "flat"],
    ]
    assert made.order == 2
    assert made.device == torch.device("cpu")


def test_work_is_that_of_what_is_read() -> None:
    made, _ = Case(lambda: {"u": siren()}, on_values).made()
    assert made.work == [6 * (2 * 7 + 7 * 7 + 7)]
    both, _ = CASES["two unknowns"].made()
    assert both.work[0] > both.work[1] > 0
    assert made.memory([1000]) > 0


def test_nothing_to_solve_is_refused() -> None:
    constraint = on_values()[0]
    for unknowns, constraints in (({}, [constraint]), ({"u": siren().double()}, [])):
        with pytest.raises(ValueError, match="solve needs a field and constraints of different names"):
            Objective(unknowns, constraints)
    with pytest.raises(ValueError, match=r"constraints \['constraint', 'constraint'\]"):
        Objective({"u": siren().double()}, [constraint, constraint])


def test_one_field_under_two_names_is_refused() -> None:
    field = siren().double()
    with pytest.raises(ValueError, match="two of the unknowns u, v are one field; give each a field of its own"):
        Objective({"u": field, "v": field}, [Constraint(cloud(2), lambda u, v: u.value - v.value)])


def test_samples_side_by_side_are_of_their_own_field() -> None:
    """Row r of J holds zeros for all fields but number r mod K."""
    made, batch = CASES["side by side"].made()
    dense = made.linearise(batch).dense()
    owner = torch.cat([torch.arange(3).repeat_interleave(each.numel() // 3) for each in made.parameters.values()])
    for row in range(len(dense)):
        assert set(owner[dense[row] != 0].tolist()) == {row % 3}
    assert isinstance(made.unknowns["u"], Batched)


def test_unknowns_may_have_any_name() -> None:
    torch.manual_seed(0)
    fields = {"type": siren(1).double(), "keys": Constant().double(), "u.v": siren(1).double()}

    def first(u: Jet) -> Tensor:
        return u.value

    def both(type: Jet, keys: Jet) -> Tensor:  # noqa: A002 - the name of an unknown
        return type.value - keys.value

    made = Objective({name: fields[name] for name in ("type", "keys")}, [Constraint(cloud(1), both)])
    batch = all_of([made.groups[0].domain])
    linear = made.linearise(batch)
    made.gradient(batch)
    torch.testing.assert_close(2 * linear.dense().mT @ linear.residuals, gradient_of(made), rtol=1e-9, atol=1e-11)
    alone = Objective({"u.v": fields["u.v"]}, [Constraint(cloud(1), first)])
    assert alone.linearise(batch).dense().shape == (12, len(alone.vector()))


def test_samples_are_rows() -> None:
    some = Samples(torch.arange(6.0)[:, None], {"value": torch.arange(6)}).rows(2, 4)
    assert some.points.flatten().tolist() == some.targets["value"].tolist() == [2, 3]


def test_boundaries_are_where_a_field_in_double_precision_sees_them() -> None:
    """A third is no float: in single precision the end of an interval would be 1e-8 off."""
    seen: list[Tensor] = []

    def residual(u: Jet) -> Tensor:
        seen.append(u.points)
        return u.value

    ends = Box([-1 / 3], [1 / 3]).boundary
    solve(Siren(1, 1, 8, 1).double(), [Constraint(ends, residual)], passes=1e-4, batch=4)
    assert all(each.dtype == torch.float64 for each in seen)
    assert all(bool((each.abs() == 1 / 3).all()) for each in seen)
