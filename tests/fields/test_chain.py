"""Tests of chains: what a field is made of, as a value that computes what the field does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sinefield.fields.activations import Sine, activation
from sinefield.fields.chain import Affine, Chain, Dropped, Link, SquaredDistances
from sinefield.fields.field import NETWORKS, Field, build
from sinefield.fields.siren import Siren

CHAINED = [name for name in NETWORKS if name != "tiled"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CHAINED)
def test_a_networks_chain_is_its_function_and_holds_its_parameters(name: str) -> None:
    torch.manual_seed(0)
    field = build(name, 2, 3, hidden_features=8, hidden_layers=1).double()
    assert isinstance(field, Field)
    chain, points = field.chain(), random(5, 2)
    assert torch.equal(chain(points), field(points))
    assert (chain.in_features, chain.out_features, chain.batch) == (2, 3, ())
    own = {id(each) for each in field.parameters()}  # the very tensors, so that gradients and changes reach them
    assert [id(each) for each in chain.tensors()] == [id(each) for each in field.parameters()]
    assert {id(each) for each in chain.tensors()} == own


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_affine_maps_in_closed_form(batch: tuple[int, ...]) -> None:
    weight, bias, x = random(*batch, 3, 2), random(*batch, 3, seed=1), random(*batch, 5, 2, seed=2)
    affine = Affine(weight, bias)
    torch.testing.assert_close(affine(x), torch.einsum("...mn,...kn->...km", weight, x) + bias[..., None, :])
    torch.testing.assert_close(Affine(weight)(x), torch.einsum("...mn,...kn->...km", weight, x))
    assert (affine.in_features, affine.out_features) == (2, 3)
    assert list(affine.tensors()) == [weight, bias]
    assert list(Affine(weight).tensors()) == [weight]


@pytest.mark.parametrize("biases", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("batch", [(), (4,)])
def test_two_affine_maps_are_one(batch: tuple[int, ...], biases: tuple[bool, bool]) -> None:
    first = Affine(random(*batch, 3, 2), random(*batch, 3, seed=1) if biases[0] else None)
    second = Affine(random(*batch, 4, 3, seed=2), random(*batch, 4, seed=3) if biases[1] else None)
    x = random(*batch, 5, 2, seed=4)
    torch.testing.assert_close(second.after(first)(x), second(first(x)))
    assert (second.after(first).bias is None) == (biases == (False, False))


def test_a_map_of_all_before_networks_side_by_side() -> None:
    many, one = Affine(random(4, 3, 2), random(4, 3, seed=1)), Affine(random(2, 5, seed=2), random(2, seed=3))
    x = random(6, 5, seed=4)
    torch.testing.assert_close(many.after(one)(x), many(one(x)))
    torch.testing.assert_close(
        one.after(Affine(random(4, 5, 7)))(random(6, 7)), one(Affine(random(4, 5, 7))(random(6, 7)))
    )


def test_merging_keeps_the_function() -> None:
    links: list[Link] = [
        Affine(random(3, 2), random(3)),
        Affine(random(4, 3), None),
        Affine(random(4, 4, seed=5), random(4)),
        Sine(2.0),
        Affine(random(3, 4), random(3)),
        activation("tanh"),
        Affine(random(2, 3), None),
        Affine(random(2, 2), random(2)),
    ]
    chain, x = Chain(links), random(6, 2)
    merged = chain.merged()
    torch.testing.assert_close(merged(x), chain(x))
    assert [type(each).__name__ for each in merged.links] == ["Affine", "Sine", "Affine", "Activation", "Affine"]
    assert merged.links[2] is links[4]  # what has no neighbour is left as it is
    assert Chain(links[3:6]).merged().links == links[3:6]


def test_merging_keeps_gradients() -> None:
    first, second = random(3, 2).requires_grad_(), random(1, 3, seed=1).requires_grad_()
    chain, x = Chain([Affine(first), Affine(second)]), random(6, 2)
    expected = torch.autograd.grad(chain(x).sin().sum(), [first, second])
    found = torch.autograd.grad(chain.merged()(x).sin().sum(), [first, second])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("batch", [(4,), (2, 3)])
def test_networks_side_by_side_are_each_alone(batch: tuple[int, ...]) -> None:
    radial = SquaredDistances(random(*batch, 5, 2), random(*batch, 5, seed=1))
    exponential = activation("exponential")
    weight, bias = random(*batch, 3, 5, seed=2), random(*batch, 3, seed=3)
    chain, x = Chain([radial, exponential, Affine(weight, bias)]), random(*batch, 6, 2, seed=4)
    assert chain.batch == batch
    found = chain(x)
    assert found.shape == (*batch, 6, 3)
    for index in torch.cartesian_prod(*map(torch.arange, batch)).reshape(-1, len(batch)).tolist():
        at = tuple(index)
        alone = Chain(
            [
                SquaredDistances(radial.centres[at], radial.inverse_widths[at]),
                exponential,
                Affine(weight[at], bias[at]),
            ]
        )
        assert alone.batch == ()
        torch.testing.assert_close(found[at], alone(x[at]))


def test_all_networks_take_the_same_points() -> None:
    chain = Chain([Affine(random(4, 3, 2), random(4, 3)), Sine(), Affine(random(4, 1, 3), random(4, 1))])
    x = random(6, 2)
    torch.testing.assert_close(chain(x), chain(x.expand(4, 6, 2)))


@pytest.mark.parametrize("batched", ["weight", "bias"])
def test_a_leading_axis_of_weights_or_biases_alone(batched: str) -> None:
    """Biases of each and weights of all are how a field is modulated."""
    weight, bias = random(4, 3, 2), random(4, 3, seed=1)
    affine = Affine(weight, bias[0]) if batched == "weight" else Affine(weight[0], bias)
    last = Affine(random(1, 3, seed=2), random(1, seed=3))
    chain, x = Chain([affine, Sine(), last]), random(6, 2, seed=4)
    assert chain.batch == (4,)
    for k in range(4):
        one = Affine(weight[k], bias[0]) if batched == "weight" else Affine(weight[0], bias[k])
        torch.testing.assert_close(chain(x)[k], last(torch.sin(one(x))))
    same = Chain([affine, last])
    torch.testing.assert_close(same.merged()(x), same(x))
    radial = SquaredDistances(random(5, 2), random(4, 5))
    assert Chain([radial, last.after(Affine(random(3, 5)))]).batch == (4,)


def test_squared_distances_in_closed_form() -> None:
    """Dq and D²q against differences, which are exact to rounding as q is quadratic."""
    link = SquaredDistances(random(4, 3), random(4, seed=1))
    x, s, t = random(3, 5, 3, seed=2)
    expected = -link.inverse_widths.square() * torch.cdist(x, link.centres).square()
    torch.testing.assert_close(link(x), expected)
    step = 1e-3
    along = (link(x + step * t) - link(x - step * t)) / (2 * step)
    torch.testing.assert_close(link.differential(x, t), along, rtol=1e-9, atol=1e-9)
    mixed = (link(x + step * (s + t)) - link(x + step * s) - link(x + step * t) + link(x)) / step**2
    torch.testing.assert_close(link.second_differential(s, t), mixed, rtol=1e-6, atol=1e-6)


def test_counts() -> None:
    chain = Siren(2, 3, 8, 2).chain()
    assert list(chain.widths) == [8, 8, 8, 3]
    assert chain.products == 2 * 8 + 8 * 8 + 8 * 8 + 8 * 3
    assert [each.in_features for each in chain.affines] == [2, 8, 8, 8]
    field = build("relu-rbf", 2, 1, hidden_features=8, hidden_layers=0, frequencies=6)
    assert isinstance(field, Field)
    radial = field.chain()
    assert (radial.in_features, radial.out_features, list(radial.widths)) == (2, 1, [6, 8, 1])


def test_links_before_and_after() -> None:
    chain, x = Siren(2, 1, 8, 1).double().chain(), random(5, 3)
    turned = Affine(random(2, 3))
    torch.testing.assert_close(chain.after(turned, Sine())(x), chain(torch.sin(turned(x))))
    torch.testing.assert_close(chain.then(activation("tanh"))(x[:, :2]), torch.tanh(chain(x[:, :2])))
    assert chain.after(turned).in_features == 3


def test_a_chain_without_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an affine or radial map, which tells how many inputs it has; got none"):
        Chain([Sine(2.0)])
    with pytest.raises(ValueError, match="got none"):
        Chain([])


def test_dropout_is_a_link_in_training_only() -> None:
    field = Siren(2, 1, 8, 1, dropout=0.25)
    dropped = [each for each in field.chain().links if isinstance(each, Dropped)]
    assert dropped == [Dropped(0.25)] * 2
    points = torch.rand(64, 2)
    torch.manual_seed(7)
    expected = field(points)
    torch.manual_seed(7)
    assert torch.equal(field.chain()(points), expected)
    field.eval()
    assert not any(isinstance(each, Dropped) for each in field.chain().links)
    assert torch.equal(field.chain()(points), field(points))
    ones = torch.ones(20_000)
    kept = Dropped(0.25)(ones)
    torch.testing.assert_close(kept.unique(), torch.tensor([0, 4 / 3]))  # the others are scaled up
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)  # of 20,000 draws the mean is known to 0.4 %


class Scaled(Siren):
    """A SIREN that does more than its layers."""

    def forward(self, points: Tensor) -> Tensor:
        return 10 * super().forward(points)


class ScaledAndSaid(Scaled):
    """One that tells what more it does."""

    def chain(self) -> Chain:
        scale = Affine(10 * torch.eye(self.out_features))
        return Chain([link for layer in self.layers for link in _link(layer)]).then(scale)


def _link(layer: nn.Module) -> list[Affine | Sine]:
    if isinstance(layer, nn.Linear):
        return [Affine(layer.weight, layer.bias)]
    assert isinstance(layer, Sine)
    return [layer]


class Kept(Siren):
    """A subclass with nothing of its own."""


def test_a_subclass_with_its_own_forward_has_no_chain_unless_it_brings_one() -> None:
    points = torch.rand(5, 2)
    with pytest.raises(TypeError, match=r"a Scaled does more than its layers; give it a method chain\(\)"):
        Scaled(2, 1, 8, 1).chain()
    said = ScaledAndSaid(2, 3, 8, 1)
    torch.testing.assert_close(said.chain()(points), said(points))
    kept = Kept(2, 1, 8, 1)
    assert torch.equal(kept.chain()(points), kept(points))
    assert Siren(2, 1, 8, 1).chain().out_features == 1  # the class it was taken from still has it


class Below(Scaled):
    """A subclass of one that has no chain."""


def test_a_subclass_of_one_without_a_chain_has_none() -> None:
    with pytest.raises(TypeError, match="a Below does more than its layers"):
        Below(2, 1, 8, 1).chain()
