"""Tests of constraints: how residuals are bound, what they are seen to read, and what their loss is."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint, Fading, first_samples, mean_absolute, mean_square, moved
from sinefield.domains import Ball, Box, Domain, Grid, PointCloud, Samples
from sinefield.fields.siren import Siren
from sinefield.jet import Jet, jet
from sinefield.problem import Problem

VALUES = torch.arange(6.0).reshape(6, 1)
GRID = Grid((2, 3), {"value": VALUES, "mask": VALUES + 10})
BOX = Box([-1.0, -1.0], [1.0, 1.0])


def small() -> Siren:
    torch.manual_seed(0)
    return Siren(2, 1, 8, 1)


def jets_of(*names: str) -> dict[str, Jet]:
    return {name: jet(small(), torch.zeros(6, 2)) for name in names}


# Binding


def test_parameters_are_bound_by_name() -> None:
    jets = jets_of("u", "m")
    bound = Constraint(GRID, lambda value, m, u, mask: u.value).bind(jets, GRID.targets)
    assert bound == {"value": VALUES, "m": jets["m"], "u": jets["u"], "mask": GRID.targets["mask"]}


def test_only_what_is_asked_for_is_bound() -> None:
    assert Constraint(GRID, lambda u: u.value).bind(jets_of("u", "m"), GRID.targets).keys() == {"u"}


@pytest.mark.parametrize("residual", [lambda phi, value: phi.value - value, lambda value, phi: phi.value - value])
def test_a_single_field_may_have_any_name(residual: Callable[..., Tensor]) -> None:
    jets = jets_of("u")
    bound = Constraint(GRID, residual).bind(jets, GRID.targets)
    assert bound["phi"] is jets["u"]
    assert bound["value"] is VALUES


def test_a_second_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"constraint 'c' asks for 'truth', which is neither a field \(u\) nor a"):
        Constraint(GRID, lambda u, truth: u.value - truth, name="c").bind(jets_of("u"), GRID.targets)


def test_an_unknown_name_among_several_fields_is_refused() -> None:
    with pytest.raises(ValueError, match=r"asks for 'v', .* a field \(u, m\) nor a target of its domain \(none\)"):
        Constraint(BOX, lambda u, v: u.value - v.value).bind(jets_of("u", "m"), {})


def test_targets_are_named_in_the_error() -> None:
    with pytest.raises(ValueError, match=r"its domain \(value, mask\)"):
        Constraint(GRID, lambda u, values: u.value - values).bind(jets_of("u"), GRID.targets)


def test_parameters_with_defaults_keep_them() -> None:
    wavenumber = 3.0
    bound = Constraint(BOX, lambda u, k=wavenumber: k * u.value).bind(jets_of("u"), {})
    assert bound.keys() == {"u"}


def helmholtz(k: float, u: Jet) -> Tensor:
    return u.laplacian + k**2 * u.value


def test_a_partial_residual_keeps_what_it_was_given() -> None:
    """What is already given is no place for the field, whether it comes before or after the field's own."""
    constraint = Constraint(BOX, functools.partial(helmholtz, k=3.0))
    jets = jets_of("u")
    assert constraint.bind(jets, {}) == {"u": jets["u"]}
    assert constraint.needs({"u": small()}) == {"u": {"laplacian", "value"}}


# What is read


@pytest.mark.parametrize(
    ("residual", "expected"),
    [
        (lambda u: u.value, {"value"}),
        (lambda u: u.gradient, {"jacobian"}),
        (lambda u: u.jacobian, {"jacobian"}),
        (lambda u: u.laplacian, {"laplacian"}),
        (lambda u: u.hessian, {"hessian"}),
        (lambda u: u.laplacian + u.value - u.points[:, :1], {"laplacian", "value"}),
        (lambda u: torch.zeros(len(u.points), 1), set()),
    ],
)
def test_needs_are_found_by_looking(residual: Callable[[Jet], Tensor], expected: set[str]) -> None:
    assert Constraint(BOX, residual).needs({"u": small()}) == {"u": expected}


def test_needs_of_several_fields() -> None:
    constraint = Constraint(BOX, lambda u, m: u.laplacian + m.value * u.value)
    fields = {"u": small(), "m": small(), "unused": small()}
    assert constraint.needs(fields) == {"u": {"laplacian", "value"}, "m": {"value"}, "unused": set()}


@pytest.mark.parametrize(
    ("order", "expected"),
    [(0, {"value"}), (1, {"value", "jacobian"}), (2, {"value", "jacobian", "laplacian", "hessian"})],
)
def test_the_order_overrides_what_is_seen(order: int, expected: set[str]) -> None:
    constraint = Constraint(BOX, lambda u: u.value, order=order)
    assert constraint.needs({"u": small(), "unused": small()}) == {"u": expected, "unused": set()}


def test_looking_calls_the_residual_once_on_a_few_points_without_a_graph() -> None:
    seen: list[tuple[int, bool]] = []

    def residual(u: Jet, value: Tensor) -> Tensor:
        seen.append((len(u.points), torch.is_grad_enabled()))
        assert len(value) == len(u.points)
        return u.value - value

    Constraint(GRID, residual).needs({"u": small()})
    assert len(seen) == 1
    assert seen[0][0] <= 8
    assert not seen[0][1]


def test_looking_works_on_a_domain_of_one_point() -> None:
    cloud = PointCloud(torch.zeros(1, 2), {"value": torch.zeros(1, 1)})
    assert Constraint(cloud, lambda u, value: u.value - value).needs({"u": small()}) == {"u": {"value"}}


@pytest.mark.parametrize(
    ("residual", "shape"),
    [(lambda u: u.value.mean(), r"\(\)"), (lambda u: u.value[:1], r"\(1, 1\)"), (lambda u: u.value.mT, r"\(1, 7\)")],
)
def test_residuals_without_a_row_for_each_point_are_refused(residual: Callable[[Jet], Tensor], shape: str) -> None:
    with pytest.raises(ValueError, match=rf"constraint 'c' must have one row for each of the 7 points, got .*{shape}"):
        Constraint(BOX, residual, name="c").needs({"u": small()})


def test_a_residual_that_mixes_points_is_refused() -> None:
    def forgot_the_last_axis(u: Jet) -> Tensor:
        return u.value - u.points[:, 0]  # (n, 1) − (n,) is (n, n)

    with pytest.raises(ValueError, match=r"mixes points: for 7 of them it has shape \(7, 7\)"):
        Constraint(BOX, forgot_the_last_axis).needs({"u": small()})
    seven = Siren(2, 7, hidden_features=4, hidden_layers=0)
    assert Constraint(BOX, lambda u: u.value).needs({"u": seven}) == {"u": {"value"}}


# The loss


@pytest.mark.parametrize(("norm", "expected"), [(mean_square, (4 + 1 + 0 + 9) / 4), (mean_absolute, 6 / 4)])
def test_norms(norm: Callable[[Tensor], Tensor], expected: float) -> None:
    assert float(norm(torch.tensor([[2.0, -1.0], [0.0, -3.0]]))) == pytest.approx(expected)


def test_the_loss_is_the_weighted_norm_of_the_residual() -> None:
    jets = jets_of("u")
    values = jets["u"].value.detach()
    constraint = Constraint(GRID, lambda u, value: u.value - value, weight=2.5)
    loss = constraint.loss(jets, GRID.targets)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(2.5 * float((values - VALUES).square().mean()))
    largest = Constraint(GRID, lambda u, value: u.value - value, norm=lambda residual: residual.abs().max())
    assert largest.loss(jets, GRID.targets).item() == pytest.approx(float((values - VALUES).abs().max()))


def test_weights_may_depend_on_how_much_of_the_budget_is_used() -> None:
    constraint = Constraint(GRID, lambda u, value: u.value - value, weight=Fading(8.0, 0.2, 0.6))
    jets = jets_of("u")
    plain = Constraint(GRID, constraint.residual).loss(jets, GRID.targets)
    losses = [
        float((constraint.loss(jets, GRID.targets, fraction) / plain).detach()) for fraction in (0.0, 0.2, 0.4, 0.7)
    ]
    assert losses == pytest.approx([8.0, 8.0, 4.0, 0.0])


def test_constraints_are_values() -> None:
    constraint = Constraint(BOX, lambda u: u.value)
    assert (constraint.name, constraint.weight, constraint.norm, constraint.order) == (
        "constraint",
        1.0,
        mean_square,
        None,
    )
    with pytest.raises(AttributeError):
        constraint.weight = 2.0  # type: ignore[misc]


# Samples


@pytest.mark.parametrize("domain", [GRID, PointCloud(torch.rand(6, 2)), BOX, BOX.boundary, Ball([0.0, 0.0], 1.0)])
def test_the_first_samples_are_always_the_same(domain: Domain) -> None:
    one, other = first_samples(domain, 3, small()), first_samples(domain, 3, small())
    assert one.points.shape == (3, 2)
    assert torch.equal(one.points, other.points)


def test_the_first_samples_of_a_grid_are_its_first() -> None:
    found = first_samples(GRID, 2, nn.Identity())  # a field without parameters has no device of its own
    assert torch.equal(found.points, GRID.at(torch.tensor([0, 1])).points)
    assert found.targets["value"].tolist() == [[0.0], [1.0]]
    assert len(first_samples(GRID, 100, small()).points) == 6


def test_samples_are_moved_with_their_targets() -> None:
    found = moved(Samples(torch.zeros(2, 2), {"value": torch.zeros(2, 1)}), torch.device("meta"))
    assert found.points.device.type == "meta"
    assert found.targets["value"].device.type == "meta"


def test_a_problem_without_a_measure_measures_nothing() -> None:
    problem = Problem("name", [Constraint(BOX, lambda u: u.value)], network=lambda _omega: small())
    assert problem.measure({"u": small()}, None) == {}
    assert problem.signal is None
    assert problem.reference is None
