"""Tests of fields with given weights: of another network, of many at once, and under the transforms of torch.func."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import sinefield
from sinefield import jet, kernels
from sinefield.fields.derivatives import WHOLE, Derivative, LaplacianAlong, Partial
from sinefield.fields.field import build
from sinefield.fields.functional import Batched, by_member, chain_with, in_turn
from sinefield.fields.siren import Siren
from sinefield.fields.tiled import TiledSiren
from sinefield.kernels import reference, taylor

# PyTorch's own forward-mode rules are made by what it deprecates itself.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

BY_NAME: list[Derivative] = list(WHOLE)
NEEDS: list[set[Derivative]] = [
    *({each} for each in BY_NAME),
    set(WHOLE),
    {Partial((0,))},
    {Partial((0, 1)), LaplacianAlong((1,))},
    {Partial((0, 0)), Partial((0, 1)), Partial((1, 1)), "jacobian"},
    {Partial((0, 0, 1)), "value"},
    {Partial((0, 0, 1, 1))},
]


def names_of(needs: set[Derivative]) -> str:
    return "+".join(sorted(str(getattr(each, "axes", each)) for each in needs))


def siren(outputs: int = 1, *, layers: int = 1) -> Siren:
    torch.manual_seed(0)
    return Siren(2, outputs, 8, layers, first_omega=4.0, hidden_omega=2.0).double()


def weights_of(field: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in field.named_parameters()}


def many(field: nn.Module, count: int = 4) -> dict[str, Tensor]:
    """Return weights of networks that differ."""
    return {name: torch.stack([each * (1 + 0.1 * k) for k in range(count)]) for name, each in weights_of(field).items()}


def one_of(weights: Mapping[str, Tensor], index: int | tuple[int, ...]) -> dict[str, Tensor]:
    return {name: each[index] for name, each in weights.items()}


def points_of(*shape: int) -> Tensor:
    return torch.rand(*shape, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 2 - 1


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10 * (1 + float(expected.detach().abs().max())))


class Given(nn.Module):
    """A SIREN of one hidden layer in plain PyTorch, with weights from outside."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.given = dict(weights)

    def forward(self, points: Tensor) -> Tensor:
        w = self.given
        x = torch.sin(4.0 * (points @ w["layers.0.weight"].T + w["layers.0.bias"]))
        x = torch.sin(2.0 * (x @ w["layers.2.weight"].T + w["layers.2.bias"]))
        return x @ w["layers.4.weight"].T + w["layers.4.bias"]


class Hypernetwork(nn.Module):
    """From a code z the weights of a SIREN."""

    def __init__(self, target: nn.Module) -> None:
        super().__init__()
        self.shapes = {name: each.shape for name, each in target.named_parameters()}
        self.body = nn.Linear(3, sum(each.numel() for each in self.shapes.values()))

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        parts = self.body(z).split([each.numel() for each in self.shapes.values()], dim=-1)
        return {
            name: part.reshape(*z.shape[:-1], *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


# ---- weights with a history


@pytest.mark.parametrize("quantity", WHOLE)
def test_the_gradient_of_a_hypernetwork_is_that_of_plain_torch(quantity: Derivative) -> None:
    field = siren(2)
    before = weights_of(field)
    torch.manual_seed(1)
    hyper, points, z = Hypernetwork(field).double(), points_of(6), torch.randn(3, dtype=torch.float64)
    found = getattr(jet(chain_with(field, hyper(z)), points), str(quantity))
    expected = reference.evaluate(Given(hyper(z)), points, {quantity})[quantity]
    close(found, expected)
    parameters = list(hyper.parameters())
    for one, other in zip(
        torch.autograd.grad(found.sin().square().mean(), parameters),
        torch.autograd.grad(expected.sin().square().mean(), parameters),
        strict=True,
    ):
        assert bool(other.any())
        close(one, other)
    assert all(each.grad is None for each in field.parameters())  # its own weights are neither read nor changed
    assert all(torch.equal(before[name], each) for name, each in field.named_parameters())


def test_a_hypernetwork_of_many_codes_is_one_of_each() -> None:
    field = siren(2)
    torch.manual_seed(1)
    hyper, points, codes = Hypernetwork(field).double(), points_of(6), torch.randn(5, 3, dtype=torch.float64)
    found = jet(chain_with(field, hyper(codes)), points).laplacian
    expected = torch.stack([jet(Given(hyper(z)), points).laplacian for z in codes])
    close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found.square().mean(), list(hyper.parameters())),
        torch.autograd.grad(expected.square().mean(), list(hyper.parameters())),
        strict=True,
    ):
        close(one, other)


def test_some_weights_may_be_given_and_others_kept() -> None:
    field = siren()
    first = field.layers[0]
    assert isinstance(first, nn.Linear)
    bias = first.bias.detach() + 1
    found = chain_with(field, {"layers.0.bias": bias})
    assert found.affines[0].bias is bias
    assert found.affines[0].weight is first.weight
    assert not torch.equal(found(points_of(3)), field(points_of(3)))


def test_of_other_networks_too() -> None:
    field = build("relu-rbf", 2, 1, hidden_features=6, hidden_layers=1, frequencies=5).double()
    weights, points = many(field, 3), points_of(7)
    found = jet(chain_with(field, weights), points, ["jacobian", "laplacian"])
    for k in range(3):
        alone = jet(chain_with(field, one_of(weights, k)), points)
        for quantity in ("value", "jacobian", "laplacian"):
            close(getattr(found, quantity)[k], getattr(alone, quantity))


def test_a_field_without_a_chain_is_refused() -> None:
    with pytest.raises(TypeError, match="a Linear has no chain, so that it cannot take other weights"):
        chain_with(nn.Linear(2, 1), {})
    with pytest.raises(TypeError, match="need a network with a chain, got a Linear"):
        Batched(nn.Linear(2, 1), 3)


# ---- weights with leading axes


@pytest.mark.parametrize("shared", [True, False], ids=["the same points", "points of each"])
@pytest.mark.parametrize("needs", NEEDS, ids=names_of)
def test_many_weights_are_a_loop(needs: set[Derivative], *, shared: bool) -> None:
    field = siren(2)
    points = (points_of(6) if shared else points_of(4, 6)).requires_grad_()
    weights = {name: each.requires_grad_() for name, each in many(field).items()}
    inputs = [points, *weights.values()]
    found = kernels.evaluate(chain_with(field, weights), points, needs)
    alone = [reference.evaluate(Given(one_of(weights, k)), points if shared else points[k], needs) for k in range(4)]
    expected = {need: torch.stack([each[need] for each in alone]) for need in needs}
    for need in needs:
        close(found[need], expected[need])
    losses = [torch.stack([each[need].square().mean() for need in needs]).sum() for each in (found, expected)]
    gradients = [torch.autograd.grad(each, inputs, materialize_grads=True) for each in losses]
    for one, other in zip(*gradients, strict=True):
        close(one, other)


@pytest.mark.parametrize("needs", NEEDS, ids=names_of)
def test_weights_with_two_leading_axes(needs: set[Derivative]) -> None:
    field = siren(2)
    weights = {name: each.unflatten(0, (2, 3)) for name, each in many(field, 6).items()}
    found = kernels.evaluate(chain_with(field, weights), points_of(5), needs)
    for at in ((0, 0), (0, 2), (1, 1)):
        alone = kernels.evaluate(chain_with(field, one_of(weights, at)), points_of(5), needs)
        for need in needs:
            close(found[need][at], alone[need])


def test_points_may_have_more_leading_axes_than_weights() -> None:
    field, points = siren(2), points_of(3, 4, 5).requires_grad_()
    for weights in (many(field), {name: each[:1] for name, each in many(field).items()}, weights_of(field)):
        chain = chain_with(field, weights)
        found = kernels.evaluate(chain, points, set(WHOLE))
        expected = taylor.evaluate(chain, points, set(WHOLE))
        for need in WHOLE:
            close(found[need], expected[need])
        by_points = [
            torch.autograd.grad(each["laplacian"].square().sum(), points, retain_graph=True)[0]
            for each in (found, expected)
        ]
        close(*by_points)


@pytest.mark.parametrize("needs", NEEDS, ids=names_of)
def test_biases_alone_may_have_a_leading_axis(needs: set[Derivative]) -> None:
    """Shifts of each for weights of all: a modulated field, as of Dupont et al., 2022, arXiv 2201.12204."""
    field = siren(2)
    weights = weights_of(field) | {name: each for name, each in many(field).items() if name.endswith("bias")}
    weights = {name: each.requires_grad_() for name, each in weights.items()}
    found = kernels.evaluate(chain_with(field, weights), points_of(6), needs)
    alone = [
        reference.evaluate(
            Given({n: each[k] if n.endswith("bias") else each for n, each in weights.items()}), points_of(6), needs
        )
        for k in range(4)
    ]
    expected = {need: torch.stack([each[need] for each in alone]) for need in needs}
    for need in needs:
        close(found[need], expected[need])
    losses = [torch.stack([each[need].square().mean() for need in needs]).sum() for each in (found, expected)]
    gradients = [torch.autograd.grad(each, list(weights.values()), materialize_grads=True) for each in losses]
    for one, other in zip(*gradients, strict=True):
        close(one, other)


def test_only_some_weights_have_a_leading_axis() -> None:
    """A shared trunk: the first layer is one for all, the others are of each."""
    field = siren(2)
    weights = many(field) | {name: each for name, each in weights_of(field).items() if name.startswith("layers.0")}
    weights = {name: each.requires_grad_() for name, each in weights.items()}
    found = jet(chain_with(field, weights), points_of(6)).laplacian
    expected = torch.stack(
        [
            jet(
                Given({n: each if n.startswith("layers.0") else each[k] for n, each in weights.items()}), points_of(6)
            ).laplacian
            for k in range(4)
        ]
    )
    close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found.square().mean(), list(weights.values()), materialize_grads=True),
        torch.autograd.grad(expected.square().mean(), list(weights.values()), materialize_grads=True),
        strict=True,
    ):
        close(one, other)


@pytest.mark.parametrize("needs", NEEDS, ids=names_of)
def test_networks_side_by_side_in_blocks(needs: set[Derivative], monkeypatch: pytest.MonkeyPatch) -> None:
    field, points = siren(2), points_of(4, 150)
    weights = {name: each.requires_grad_() for name, each in many(field).items()}

    def answers() -> list[Tensor]:
        found = kernels.evaluate(chain_with(field, weights), points, needs)
        loss = torch.stack([each.square().mean() for each in found.values()]).sum()
        return [*found.values(), *torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)]

    whole = answers()
    monkeypatch.setattr("sinefield.kernels.siren.plan.KEPT_BYTES", 1)
    monkeypatch.setattr("sinefield.kernels.siren.plan.BLOCK_BYTES", 1)
    for one, other in zip(answers(), whole, strict=True):
        close(one, other)


# ---- many networks as one field, which takes the points of its members in turn


def tiles(dtype: torch.dtype) -> Batched:
    torch.manual_seed(0)
    return TiledSiren(2, 3, hidden_features=16, hidden_layers=2, first_omega=20.0, tiles="2x3").to(dtype).tiles


def answers(values: Tensor, field: nn.Module) -> list[Tensor]:
    """Return values and the gradient of a loss by the parameters."""
    return [values, *torch.autograd.grad(values.sin().square().mean(), list(field.parameters()))]


@pytest.mark.parametrize("compiling", [False, True])
def test_values_and_gradients_are_as_exact_as_those_of_plain_autograd(*, compiling: bool) -> None:
    exact_field, field = tiles(torch.float64), tiles(torch.float32)
    exact = answers(exact_field(points_of(120)), exact_field)
    plain = answers(field(points_of(120).float()), field)
    execution = kernels.execution(torch.device("cpu"), compiling=compiling, rounding=False)
    with kernels.executing(execution):
        found = answers(jet(field, points_of(120).float()).value, field)
    for one, other, truth in zip(found, plain, exact, strict=True):
        assert (one - truth).norm() <= 2 * (other - truth).norm() + 1e-7 * truth.norm()


def test_in_double_precision_gradients_are_those_of_differences() -> None:
    field, points = Batched(siren(2), 3, many(siren(2), 3)), points_of(6)
    assert torch.autograd.gradcheck(lambda *_: jet(field, points).value, tuple(field.parameters()))


@pytest.mark.parametrize("quantity", ["jacobian", "laplacian", "hessian"])
def test_derivatives_by_points_are_those_of_the_reference(quantity: Derivative) -> None:
    field, points = tiles(torch.float64), points_of(120)
    expected = reference.evaluate(field, points, {quantity})[quantity]
    torch.testing.assert_close(getattr(jet(field, points), str(quantity)), expected)


def test_points_that_are_differentiated_by_are_heeded() -> None:
    field, points = tiles(torch.float64), points_of(120).requires_grad_()
    (found,) = torch.autograd.grad(jet(field, points).value.sum(), points)
    (expected,) = torch.autograd.grad(field(points).sum(), points)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("needs", NEEDS, ids=names_of)
def test_row_r_is_a_point_of_member_r_mod_k(needs: set[Derivative]) -> None:
    member, points = siren(2), points_of(15)
    field = Batched(siren(2), 5, many(member, 5))
    found = kernels.evaluate(field, points, needs)
    for k in range(5):
        alone = reference.evaluate(Given(one_of(many(member, 5), k)), points[k::5], needs)
        for need in needs:
            close(found[need][k::5], alone[need])


def test_members_are_learnt_and_their_shape_is_not() -> None:
    field = Batched(siren(), 5, many(siren(), 5))
    assert len(field) == 5
    assert {tuple(each.shape) for each in field.parameters()} >= {(5, 8, 2), (5, 8)}
    assert field.state_dict().keys() == dict(field.named_parameters()).keys()
    assert all(each.is_meta for each in field.member.parameters())
    with pytest.raises(ValueError, match="5 fields side by side take a multiple of as many points, got 7"):
        field(points_of(7))


def test_rows_in_turn() -> None:
    rows = torch.arange(12).reshape(12, 1)
    assert by_member(rows, 3)[1].flatten().tolist() == [1, 4, 7, 10]
    assert torch.equal(in_turn(by_member(rows, 3)), rows)


# ---- transforms of torch.func

FIELD = siren()
WEIGHTS = weights_of(FIELD)


def laplacian(weights: Mapping[str, Tensor], points: Tensor) -> Tensor:
    return jet(chain_with(FIELD, weights), points).laplacian


def slopes(weights: Mapping[str, Tensor], points: Tensor) -> Tensor:
    return jet(chain_with(FIELD, weights), points).gradient


def mixed(weights: Mapping[str, Tensor], points: Tensor) -> Tensor:
    u = jet(chain_with(FIELD, weights), points)
    return torch.cat([u.value, u.d(0, 1), u.d(0, 0, 1)], dim=-1)


FUNCTIONS = [laplacian, slopes, mixed]
Function = Callable[[Mapping[str, Tensor], Tensor], Tensor]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_vmap_over_weights_points_and_both(function: Function) -> None:
    weights, some, points, of_each = WEIGHTS, many(FIELD), points_of(6), points_of(4, 6)
    found = torch.func.vmap(function, in_dims=(0, None))(some, points)
    close(found, torch.stack([function(one_of(some, k), points) for k in range(4)]))
    found = torch.func.vmap(function, in_dims=(None, 0))(weights, of_each)
    close(found, torch.stack([function(weights, each) for each in of_each]))
    found = torch.func.vmap(function)(some, of_each)
    close(found, torch.stack([function(one_of(some, k), of_each[k]) for k in range(4)]))


def test_vmap_over_another_axis_and_twice() -> None:
    some, of_each = many(FIELD), points_of(6, 4)
    moved = {name: each.movedim(0, -1) for name, each in some.items()}
    found = torch.func.vmap(laplacian, in_dims=(-1, 1), out_dims=1)(moved, of_each)
    close(found, torch.stack([laplacian(one_of(some, k), of_each[:, k]) for k in range(4)], dim=1))
    twice = torch.func.vmap(torch.func.vmap(laplacian, in_dims=(None, 0)), in_dims=(0, None))(some, points_of(3, 6))
    close(twice, torch.stack([torch.stack([laplacian(one_of(some, k), x) for x in points_of(3, 6)]) for k in range(4)]))
    one_by_one = torch.func.vmap(lambda x: laplacian(WEIGHTS, x.unsqueeze(0))[0])(points_of(5))
    close(one_by_one, laplacian(WEIGHTS, points_of(5)))


def test_vmap_of_networks_side_by_side() -> None:
    some, of_each = many(FIELD), points_of(3, 4, 6)
    found = torch.func.vmap(laplacian, in_dims=(None, 0))(some, of_each)
    close(found, torch.stack([laplacian(some, each) for each in of_each]))
    twice = {name: torch.stack([each, 1.1 * each]) for name, each in some.items()}
    found = torch.func.vmap(laplacian, in_dims=(0, None))(twice, points_of(6))
    close(found, torch.stack([laplacian(one_of(twice, k), points_of(6)) for k in range(2)]))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_grad_and_vmap_of_it(function: Function) -> None:
    points, some = points_of(6), many(FIELD)

    def loss(weights: Mapping[str, Tensor]) -> Tensor:
        return function(weights, points).square().mean()

    tracked = {name: each.clone().requires_grad_() for name, each in one_of(some, 1).items()}
    expected = torch.autograd.grad(loss(tracked), list(tracked.values()), materialize_grads=True)
    found = torch.func.grad(loss)(one_of(some, 1))
    of_each = torch.func.vmap(torch.func.grad(loss))(some)
    for name, other in zip(tracked, expected, strict=True):
        close(found[name], other)
        close(of_each[name][1], other)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_jvp_is_a_difference(function: Function) -> None:
    points, weights = points_of(6), WEIGHTS
    torch.manual_seed(2)
    along, moved, step = {n: torch.randn_like(each) for n, each in weights.items()}, torch.randn_like(points), 1e-5
    value, found = torch.func.jvp(function, (weights, points), (along, moved))[:2]
    close(value, function(weights, points))
    ends = [
        function({n: each + side * step * along[n] for n, each in weights.items()}, points + side * step * moved)
        for side in (1, -1)
    ]
    torch.testing.assert_close(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-5 * float(found.abs().max()))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_jacobians_by_weights_forward_and_back(function: Function) -> None:
    points, weights = points_of(6), WEIGHTS
    back, forward = (each(function)(weights, points) for each in (torch.func.jacrev, torch.func.jacfwd))
    torch.manual_seed(2)
    along = {name: torch.randn_like(each) for name, each in weights.items()}
    pushed = sum((back[n].flatten(2) @ along[n].flatten()) for n in weights)
    close(pushed, torch.func.jvp(lambda w: function(w, points), (weights,), (along,))[1])
    for name in weights:
        close(back[name], forward[name])
    of_each = torch.func.vmap(
        torch.func.jacrev(lambda w, x: function(w, x.unsqueeze(0)).squeeze(0)), in_dims=(None, 0)
    )(weights, points)
    for name in weights:
        close(of_each[name], back[name])


def test_the_hessian_by_weights_is_symmetric_and_a_difference_of_gradients() -> None:
    points, weights = points_of(5), WEIGHTS
    shapes = {name: each.shape for name, each in weights.items()}

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([each.numel() for each in shapes.values()])
        return (
            laplacian({n: p.reshape(s) for (n, s), p in zip(shapes.items(), parts, strict=True)}, points)
            .square()
            .mean()
        )

    flat = torch.cat([each.flatten() for each in weights.values()])
    hessian = torch.func.hessian(loss)(flat)
    close(hessian, hessian.T)
    torch.manual_seed(2)
    along, step = torch.randn_like(flat), 1e-6
    slope = [torch.func.grad(loss)(flat + side * step * along) for side in (1, -1)]
    expected = (slope[0] - slope[1]) / (2 * step)
    torch.testing.assert_close(hessian @ along, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_derivatives_by_points_through_torch_func() -> None:
    weights, points = WEIGHTS, points_of(5)
    u = jet(chain_with(FIELD, weights), points)
    by_points = torch.func.vmap(torch.func.jacrev(lambda x: jet(chain_with(FIELD, weights), x[None]).value[0, 0]))
    close(by_points(points), u.gradient)
    again = torch.func.vmap(torch.func.hessian(lambda x: jet(chain_with(FIELD, weights), x[None]).value[0, 0]))
    close(again(points), u.hessian[:, 0])
    third = torch.func.vmap(torch.func.grad(lambda x: jet(chain_with(FIELD, weights), x[None]).laplacian[0, 0]))
    close(third(points)[:, 0], (u.d(0, 0, 0) + u.d(0, 1, 1))[:, 0])


def test_no_private_name_of_torch_is_used() -> None:
    """Whether a transform is active is not asked: private names change without notice."""
    # The version, torch.__version__, is anybody's.
    private = re.compile(r"\btorch\._(?!_version__)|\bfrom torch\._|\bfrom torch\.\w+\._|\bimport torch\._|_functorch")
    sources = sorted(Path(sinefield.__file__).parent.rglob("*.py"))
    assert len(sources) > 50
    assert [str(each) for each in sources if private.search(each.read_text(encoding="utf-8"))] == []
    assert private.search("x = torch._C._functorch.maybe_get_level(x)")  # which it would find


def test_series_take_networks_side_by_side_of_any_activation() -> None:
    field = build("tanh", 2, 1, hidden_features=6, hidden_layers=1).double()
    weights = many(field, 3)
    needs: set[Derivative] = {"hessian", Partial((0, 1, 1))}
    found = taylor.evaluate(chain_with(field, weights), points_of(5), needs)
    for k in range(3):
        alone = reference.evaluate(chain_with(field, one_of(weights, k)), points_of(5), needs)
        for need in needs:
            close(found[need][k], alone[need])


def test_the_member_that_tells_the_shape_is_left_alone() -> None:
    member = Siren(2, 1, 8, 1)
    before = [each.detach().clone() for each in member.parameters()]
    Batched(member, 3)
    assert all(torch.equal(one, other) for one, other in zip(member.parameters(), before, strict=True))
    assert not any(each.is_meta for each in member.parameters())
