"""Tests of plans: for every set of derivatives the fused kernel is right, and carries the fewest rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sinefield.fields.derivatives import WHOLE, Derivative, LaplacianAlong, Partial, in_order
from sinefield.fields.siren import Siren
from sinefield.kernels import reference
from sinefield.kernels.siren import fused
from sinefield.kernels.siren.plan import Outputs, Plan, Shape
from sinefield.kernels.siren.workspace import PLAIN


def siren(inputs: int, outputs: int) -> Siren:
    torch.manual_seed(3)
    return Siren(inputs, outputs, 5, 1, 4.0, 2.0).double()


def points_of(inputs: int) -> Tensor:
    return torch.rand(4, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 2 - 1


def derivatives(inputs: int) -> list[Derivative]:
    """Return everything that there is to ask for up to second order."""
    axes = range(inputs)
    partials = [Partial(each) for k in range(3) for each in itertools.combinations_with_replacement(axes, k)]
    return [*WHOLE, *partials, *(LaplacianAlong(each) for k in axes for each in itertools.combinations(axes, k + 1))]


def subsets(inputs: int) -> Iterator[frozenset[Derivative]]:
    """Yield every set of derivatives in 1-D; in 2-D those of three at most, in 3-D of two; and all at once."""
    every = derivatives(inputs)
    sizes = range(1, len(every) + 1) if inputs == 1 else (1, 2) if inputs == 3 else (1, 2, 3)
    for size in sizes:
        yield from map(frozenset, itertools.combinations(every, size))
    yield frozenset(every)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_every_set_of_derivatives(inputs: int, outputs: int) -> None:
    field, points = siren(inputs, outputs), points_of(inputs)
    every = derivatives(inputs)
    expected = reference.evaluate(field, points, set(every))
    weights = list(field.parameters())
    # Of each derivative the gradient of a loss; that of a set is their sum.
    gradients = {
        need: torch.autograd.grad(
            (expected[need] - 0.3).square().mean(), weights, retain_graph=True, materialize_grads=True
        )
        for need in every
    }
    for number, needs in enumerate(subsets(inputs)):
        found = fused.evaluate(field.chain(), points, needs)
        assert found.keys() == needs
        for need in needs:
            torch.testing.assert_close(found[need], expected[need], rtol=1e-10, atol=1e-10)
        if number % 3 and len(needs) > 1:
            continue
        loss = torch.stack([(found[need] - 0.3).square().mean() for need in in_order(needs)]).sum()
        by = torch.autograd.grad(loss, weights, materialize_grads=True)
        for one, *others in zip(by, *(gradients[need] for need in needs), strict=True):
            total = torch.stack(others).sum(0)
            torch.testing.assert_close(one, total, rtol=1e-9, atol=1e-10)


def rows(inputs: int, outputs: int, *needs: Derivative) -> int:
    return fused.plan_of(siren(inputs, outputs).chain(), set(needs)).rows


def test_fewest_rows_are_carried() -> None:
    """The value, first derivatives along the axes read, and a row for each second one, or one for each output back."""
    assert rows(3, 1, "value") == 1
    assert rows(3, 1, "jacobian") == 2  # back from the one output
    assert rows(2, 3, "jacobian") == 3  # forward
    assert rows(3, 2, Partial((0,))) == 2
    assert rows(3, 1, Partial((0,)), Partial((2,))) == 2  # forward it would be three
    assert rows(3, 1, Partial((0, 0))) == 3  # value, u_t, u_tt
    assert rows(3, 1, Partial((0, 1))) == 4
    assert rows(3, 1, LaplacianAlong((1, 2))) == 4
    assert rows(2, 1, "laplacian") == 4
    assert rows(3, 1, "laplacian") == 5
    assert rows(3, 1, "hessian") == 5  # value, three slopes, one adjoint; forward it would be ten


def test_a_wave_operator_takes_no_hessian() -> None:
    """u_tt − Δ_x u in 2 + 1 dimensions: the value, three slopes, and the smaller of two second ones and one output."""
    plan = fused.plan_of(siren(3, 1).chain(), {"value", Partial((0, 0)), LaplacianAlong((1, 2))})
    assert (plan.rows, plan.axes, plan.forms) == (5, (0, 1, 2), (((1, 1), (2, 2)), ((0, 0),)))
    of_two = fused.plan_of(siren(3, 2).chain(), {"value", Partial((0, 0)), LaplacianAlong((1, 2))})
    assert (of_two.rows, of_two.back) == (6, False)
    hessian = fused.plan_of(siren(3, 2).chain(), {"hessian"})
    assert len(hessian.forms) == 6


def test_axes_that_are_not_read_are_not_carried() -> None:
    plan = fused.plan_of(siren(3, 2).chain(), {Partial((0, 0)), Partial((2,))})
    assert plan.axes == (0, 2)
    assert plan.forms == (((0, 0),),)


@pytest.mark.parametrize(
    "needs", [set(derivatives(2)), {"jacobian"}, {Partial((0, 1)), LaplacianAlong((0, 1)), "value"}]
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_gathering_undoes_assembling(needs: set[Derivative], outputs: int) -> None:
    """They are each other's transpose: ⟨assemble(x), g⟩ = ⟨x, gather(g)⟩."""
    plan, names = Plan.of(Shape(2, (4,), outputs), needs), in_order(needs)
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    found = Outputs(random(5, outputs), random(len(plan.first_axes), 5, outputs), random(len(plan.forms), 5, outputs))
    answers = plan.assemble(found, names)
    gradients = {name: random(*answer.shape) for name, answer in zip(names, answers, strict=True)}
    total = plan.gather(gradients, 5, found.value)
    one = sum((answer * gradients[name]).sum() for name, answer in zip(names, answers, strict=True))
    other = sum((getattr(found, part) * getattr(total, part)).sum() for part in ("value", "first", "second"))
    torch.testing.assert_close(one, other)


def test_memory_per_point_is_what_sweeps_allocate() -> None:
    """Of a network whose layers are equal, the estimate is no less than the truth and no more than a quarter above."""
    together: set[Derivative] = {Partial((0, 0)), LaplacianAlong((1, 2))}
    sets: list[set[Derivative]] = [{"value"}, {"jacobian"}, {"laplacian"}, {"hessian"}, together]
    for needs in sets:
        for outputs in (1, 4):
            torch.manual_seed(0)
            chain = Siren(3, outputs, 32, 4).chain()
            plan, like = fused.plan_of(chain, needs), torch.empty(0)
            call = fused._Call(plan, in_order(needs), (30.0,) * 5, PLAIN, keep=True)
            allocated = call.loaned(64, like, keep=True).sweep.nbytes / 64
            assert allocated <= plan.bytes_per_point(like) <= 1.25 * allocated, (needs, outputs)


def test_blocks_hold_multiples_of_64_points_and_fewer_of_more_networks() -> None:
    plan, like = fused.plan_of(siren(2, 1).chain(), {"laplacian"}), torch.empty(0)
    assert plan.block(like) % 64 == plan.most(like) % 64 == 0
    assert plan.block(like, 10**9) == 64
    assert plan.block(like) < plan.most(like)
    assert plan.block(like.double()) <= plan.block(like)


def test_higher_orders_are_not_planned() -> None:
    with pytest.raises(ValueError, match="go up to second derivatives"):
        Plan.of(Shape(2, (4,), 1), {Partial((0, 0, 1))})
