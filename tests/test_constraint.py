"""Tests of constraints: how residuals are bound, what they are seen to read, and what their loss is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Set

import pytest
import torch
from torch import Tensor, nn

from sinefield.constraint import BoundConstraint, Constraint, Fading, first_samples, moved
from sinefield.domains import Ball, Box, Domain, Grid, PointCloud, Samples
from sinefield.fields.compose import Constant, Formula
from sinefield.fields.derivatives import Derivative, Partial
from sinefield.fields.siren import Siren
from sinefield.jet import Jet, jet
from sinefield.norms import MeanAbsolute, MeanSquare
from sinefield.objective import Objective
from sinefield.problem import Problem

VALUES = torch.arange(6.0).reshape(6, 1)
GRID = Grid((2, 3), {"value": VALUES, "mask": VALUES + 10})
BOX = Box([-1.0, -1.0], [1.0, 1.0])


def small(inputs: int = 2, outputs: int = 1, *, seed: int = 0) -> Siren:
    torch.manual_seed(seed)
    return Siren(inputs, outputs, 8, 1)


def bound(constraint: Constraint, *names: str) -> BoundConstraint:
    """Return a constraint on small fields of these names."""
    return constraint.bound({name: small() for name in names or ("u",)})


def reads(constraint: Constraint, *names: str) -> Mapping[str, Set[Derivative]]:
    """Return what is seen to be read of small fields of these names."""
    return bound(constraint, *names).reads


# Binding


def test_parameters_are_bound_by_name() -> None:
    """The residual is of the targets and of the jets of the unknowns, whatever the order of its parameters."""
    constraint = Constraint(GRID, lambda value, m, u, mask: u.value + 2 * m.value + 3 * value + 4 * mask)
    samples = GRID.at(torch.arange(6))
    u, m = small(), small(seed=1)
    jets = {"u": jet(u, samples.points), "m": jet(m, samples.points)}
    found = constraint.bound({"u": u, "m": m})
    assert (found.jets, found.targets) == ({"m": "m", "u": "u"}, ["value", "mask"])
    expected = u(samples.points) + 2 * m(samples.points) + 3 * VALUES + 4 * (VALUES + 10)
    torch.testing.assert_close(found.residual(jets, samples.targets), expected)


def test_only_what_is_asked_for_is_bound() -> None:
    found = bound(Constraint(GRID, lambda u: u.value), "u", "m")
    assert (found.jets, found.targets) == ({"u": "u"}, [])


@pytest.mark.parametrize("residual", [lambda phi, value: phi.value - value, lambda value, phi: phi.value - value])
def test_a_single_field_may_have_any_name(residual: Callable[..., Tensor]) -> None:
    found = bound(Constraint(GRID, residual))
    assert (found.jets, found.targets) == ({"phi": "u"}, ["value"])


def test_a_second_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"constraint 'c' asks for 'truth', which is neither an unknown \(u\) nor a"):
        bound(Constraint(GRID, lambda u, truth: u.value - truth, name="c"))


def test_an_unknown_name_among_several_fields_is_refused() -> None:
    with pytest.raises(ValueError, match=r"asks for 'v', .* an unknown \(u, m\) nor a target of its domain \(none\)"):
        bound(Constraint(BOX, lambda u, v: u.value - v.value), "u", "m")


def test_targets_are_named_in_the_error() -> None:
    with pytest.raises(ValueError, match=r"its domain \(mask, value\)"):
        bound(Constraint(GRID, lambda u, values: u.value - values))


def test_an_unknown_with_the_name_of_a_target_is_refused() -> None:
    """Whether the residual gets the jet or the target would be a guess, so nothing that asks for either is bound."""
    message = r"^value names both an unknown and a target of the domain of constraint 'c'; rename one of them$"
    with pytest.raises(ValueError, match=message):
        bound(Constraint(GRID, lambda u, value: u.value - value, name="c"), "u", "value")


def test_parameters_with_defaults_keep_them() -> None:
    wavenumber = 3.0
    found = bound(Constraint(BOX, lambda u, k=wavenumber: k * u.value))
    assert found.jets.keys() == {"u"}
    u = jet(small(), torch.zeros(2, 2))
    torch.testing.assert_close(found.residual({"u": u}, {}), 3 * u.value)


def helmholtz(k: float, u: Jet) -> Tensor:
    return u.laplacian + k**2 * u.value


def test_a_partial_residual_keeps_what_it_was_given() -> None:
    """What is already given is no place for the field, whether it comes before or after the field's own."""
    found = bound(Constraint(BOX, functools.partial(helmholtz, k=3.0)))
    assert found.jets == {"u": "u"}
    assert found.reads == {"u": {"laplacian", "value"}}


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
    ],
)
def test_needs_are_found_by_looking(residual: Callable[[Jet], Tensor], expected: set[str]) -> None:
    assert reads(Constraint(BOX, residual)) == {"u": expected}


def test_needs_of_several_fields() -> None:
    constraint = Constraint(BOX, lambda u, m: u.laplacian + m.value * u.value)
    assert reads(constraint, "u", "m", "unused") == {"u": {"laplacian", "value"}, "m": {"value"}, "unused": set()}


@pytest.mark.parametrize(
    ("order", "expected"),
    [(0, {"value"}), (1, {"value", "jacobian"}), (2, {"value", "jacobian", "laplacian", "hessian"})],
)
def test_the_order_overrides_what_is_seen(order: int, expected: set[str]) -> None:
    constraint = Constraint(BOX, lambda u: u.value, order=order)
    assert reads(constraint, "u", "unused") == {"u": expected, "unused": set()}


def test_looking_calls_the_residual_twice_on_a_few_points_without_a_graph() -> None:
    """With two counts of points, as a residual that mixes them is not seen otherwise."""
    seen: list[tuple[int, bool]] = []

    def residual(u: Jet, value: Tensor) -> Tensor:
        seen.append((len(u.points), torch.is_grad_enabled()))
        assert len(value) == len(u.points)
        return u.value - value

    reads(Constraint(GRID, residual))
    assert seen == [(3, False), (6, False)]


def test_looking_works_on_a_domain_of_one_point() -> None:
    cloud = PointCloud(torch.zeros(1, 2), {"value": torch.zeros(1, 1)})
    assert reads(Constraint(cloud, lambda u, value: u.value - value)) == {"u": {"value"}}


@pytest.mark.parametrize(
    ("residual", "shape"),
    [(lambda u: u.value.mean(), r"\(\)"), (lambda u: u.value[:1], r"\(1, 1\)"), (lambda u: u.value.mT, r"\(1, 3\)")],
)
def test_residuals_without_a_row_for_each_point_are_refused(residual: Callable[[Jet], Tensor], shape: str) -> None:
    with pytest.raises(ValueError, match=rf"constraint 'c' must have one row for each of the 3 points, got .*{shape}"):
        bound(Constraint(BOX, residual, name="c"))


@pytest.mark.parametrize(("residual", "kind"), [(lambda u: None, "NoneType"), (lambda u: [u.value], "list")])
def test_residuals_that_are_no_tensors_are_refused(residual: Callable[[Jet], Tensor], kind: str) -> None:
    """As one whose ``return`` was forgotten."""
    with pytest.raises(ValueError, match=f"constraint 'c' must have one row for each of the 3 points, got a {kind}$"):
        bound(Constraint(BOX, residual, name="c"))


def forgot_the_last_axis(u: Jet) -> Tensor:
    return u.value - u.points[:, 0]  # (n, 1) − (n,) is (n, n)


def squeezed(u: Jet, value: Tensor) -> Tensor:
    return u.value.squeeze() - value  # (n,) − (n, 1) is (n, n)


@pytest.mark.parametrize(
    ("domain", "residual", "shape"),
    [
        (BOX, forgot_the_last_axis, r"\(3, 3\)"),
        (GRID, squeezed, r"\(3, 3\)"),
        (BOX, lambda u: u.value - u.value.mean(), r"\(3, 1\)"),
        (BOX, lambda u: u.gradient / u.gradient.norm(), r"\(3, 2\)"),
        (BOX, lambda u: u.value.flip(0), r"\(3, 1\)"),
        (GRID, lambda u, value: u.value - value.max(), r"\(3, 1\)"),
    ],
    ids=["broadcast", "squeezed", "mean", "norm", "flipped", "target"],
)
def test_a_residual_that_mixes_points_is_refused(domain: Domain, residual: Callable[..., Tensor], shape: str) -> None:
    with pytest.raises(ValueError, match=rf"constraint 'c' mixes points: its rows at 3 points, of shape {shape}, are"):
        bound(Constraint(domain, residual, name="c"))


def test_a_residual_of_as_many_channels_as_points_mixes_none() -> None:
    for outputs in (3, 7):
        assert Constraint(BOX, lambda u: u.value).bound({"u": small(2, outputs)}).reads == {"u": {"value"}}


def test_a_residual_that_differs_by_dropout_alone_mixes_none() -> None:
    u = Siren(2, 1, 8, 1, dropout=0.5)
    assert u.training
    assert Constraint(BOX, lambda u: u.value).bound({"u": u}).reads == {"u": {"value"}}


def test_a_residual_that_reads_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the residual of constraint 'idle' reads nothing of any field; it must"):
        bound(Constraint(BOX, lambda u: torch.zeros(len(u.points), 1), name="idle"))


@pytest.mark.parametrize("given", [Formula(torch.sin, 2, 2), small().requires_grad_(False)], ids=["formula", "frozen"])
def test_a_residual_of_given_fields_alone_is_refused(given: nn.Module) -> None:
    """It has no gradient; a field that is looked for has to be in it."""
    unknowns = {"given": given, "u": small()}
    with pytest.raises(ValueError, match=r"constraint 'idle' reads nothing of any field that is looked for"):
        Objective(unknowns, [Constraint(BOX, lambda given: given.value, name="idle")])
    both = Constraint(BOX, lambda given, u: u.value - given.value[:, :1]).bound(unknowns)
    assert both.reads == {"given": {"value"}, "u": {"value"}}


# A domain and a field of different dimensions


@pytest.mark.parametrize("unknown", [small(3), small(1), Constant(2)], ids=["3", "1", "constant of 2"])
def test_a_domain_of_another_dimension_than_the_field_is_refused_in_one_line(unknown: nn.Module) -> None:
    line = Ball([0.0] * 4, 1.0)
    expected = unknown.in_features
    with pytest.raises(ValueError, match=rf"takes points of {expected} coordinates, but .* have 4; give") as found:
        Constraint(line, lambda u: u.value).bound({"u": unknown})
    assert "\n" not in str(found.value)


def test_a_scalar_unknown_may_be_on_any_domain() -> None:
    for domain in (BOX, GRID, Ball([0.0] * 4, 1.0)):
        assert Constraint(domain, lambda k: k.value - 1).bound({"k": Constant()}).reads == {"k": {"value"}}


# The loss


def test_the_loss_is_the_weighted_norm_of_the_residual() -> None:
    samples = GRID.at(torch.arange(6))
    u = jet(small(), samples.points)
    difference = u.value.detach() - VALUES

    def loss(constraint: Constraint) -> Tensor:
        return bound(constraint).loss({"u": u}, samples.targets, fraction=0.0)

    found = loss(Constraint(GRID, lambda u, value: u.value - value, weight=2.5))
    assert found.shape == ()
    assert found.item() == pytest.approx(2.5 * float(difference.square().mean()))
    absolute = loss(Constraint(GRID, lambda u, value: u.value - value, norm=MeanAbsolute()))
    assert absolute.item() == pytest.approx(float(difference.abs().mean()))


def test_weights_may_depend_on_how_much_of_the_budget_is_used() -> None:
    samples = GRID.at(torch.arange(6))
    jets = {"u": jet(small(), samples.points)}
    fading = Constraint(GRID, lambda u, value: u.value - value, weight=Fading(8.0, 0.2, 0.6))
    plain = bound(Constraint(GRID, fading.residual)).loss(jets, samples.targets, 0.0)
    losses = [
        float((bound(fading).loss(jets, samples.targets, fraction) / plain).detach())
        for fraction in (0.0, 0.2, 0.4, 0.7)
    ]
    assert losses == pytest.approx([8.0, 8.0, 4.0, 0.0])


# Several unknowns of different inputs on one domain


SPACE_TIME = Box([0.0, 0.0], [1.0, 1.0], axes="tx")


def along(axes: str, inputs: int) -> Siren:
    """Return a field of some of the coordinates of a domain."""
    field = small(inputs)
    field.axes = tuple(axes)
    return field


def test_unknowns_of_different_inputs_are_seen_at_the_coordinates_they_take() -> None:
    """u(t, x) beside m(x) and c: u_tt − m(x) u_xx + c has the derivatives of each along its own axes."""

    def residual(u: Jet, m: Jet, c: Jet) -> Tensor:
        return u.d("tt") - m.value * u.d("xx") + m.d("x") + c.value

    u, m, c = small(2), along("x", 1), Constant(value=0.5)
    constraint = Constraint(SPACE_TIME, residual).bound({"u": u, "m": m, "c": c})
    assert constraint.reads == {
        "u": {Partial((0, 0)), Partial((1, 1))},
        "m": {"value", Partial((0,))},  # x is its first coordinate
        "c": {"value"},
    }
    points = SPACE_TIME.draw(5, torch.Generator().manual_seed(0)).points
    jets = {
        name: jet(field, points, constraint.reads[name], SPACE_TIME.axes)
        for name, field in (("u", u), ("m", m), ("c", c))
    }
    alone, hessian = jet(m, points[:, 1:]), jet(u, points).hessian[:, 0]
    expected = hessian[:, :1, 0] - alone.value * hessian[:, 1:, 1] + alone.gradient + 0.5
    torch.testing.assert_close(constraint.residual(jets, {}), expected)


def test_a_field_is_constant_along_the_axes_that_it_does_not_take() -> None:
    m = jet(along("x", 1), torch.rand(4, 2), axes="tx")
    assert torch.equal(m.d("t"), torch.zeros(4, 1))
    assert torch.equal(m.d("tx"), torch.zeros(4, 1))


def test_a_field_of_an_axis_that_the_domain_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a field of y cannot be evaluated at points of t, x: there is no y"):
        Constraint(SPACE_TIME, lambda m: m.value).bound({"m": along("y", 1)})


# Values


def test_constraints_are_values() -> None:
    constraint = Constraint(BOX, lambda u: u.value)
    assert (constraint.name, constraint.weight, constraint.norm, constraint.order) == (
        "constraint",
        1.0,
        MeanSquare(),
        None,
    )
    with pytest.raises(AttributeError):
        constraint.weight = 2.0  # type: ignore[misc]  # what is frozen is set on purpose


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
    like = small().to("meta", torch.float64)
    samples = Samples(torch.zeros(2, 2), {"value": torch.zeros(2, 1), "label": torch.zeros(2, 1, dtype=torch.long)})
    found = moved(samples, like)
    assert {each.device.type for each in (found.points, *found.targets.values())} == {"meta"}
    assert (found.points.dtype, found.targets["value"].dtype) == (torch.float64, torch.float64)
    assert found.targets["label"].dtype == torch.long  # what counts is not rounded


def test_a_problem_without_a_measure_measures_nothing() -> None:
    problem = Problem("name", [Constraint(BOX, lambda u: u.value)], {"u": lambda _omega: small()})
    assert problem.measure({"u": small()}, None) == {}
    assert problem.signal is None
    assert problem.reference is None
