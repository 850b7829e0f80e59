"""Tests of the SIREN: its initialisation law at every depth, its frequencies, its layers and its arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sinefield.fields.activations import Sine, activation
from sinefield.fields.chain import Affine
from sinefield.fields.siren import Initialiser, Siren, siren_initialisation

DEPTH = 50
OMEGA = 30.0

# Width, and how many networks are pooled. Weights are drawn for each unit alone, so the variance of width · networks
# pre-activations has a relative statistical error of √(2 / 4096) = 2.2 %, their standard deviation one of 1.1 %.
SAMPLES = [(64, 64), (128, 32), (256, 16), (512, 8), (1024, 4)]


def zero_biases(affines: Sequence[Affine], omegas: Sequence[float]) -> None:
    siren_initialisation(affines, omegas)
    with torch.no_grad():
        for affine in affines:
            assert affine.bias is not None
            affine.bias.zero_()


def torch_defaults(affines: Sequence[Affine], omegas: Sequence[float]) -> None:
    """Leave the weights as nn.Linear draws them."""


def sinc(phase: float) -> float:
    return math.sin(phase) / phase if phase else 1.0


def phases(width: int, networks: int, omega: float, initialise: Initialiser) -> tuple[Tensor, Tensor]:
    """Return ωWx and ω(Wx + b) of the hidden layers 1 … 50, each ``(50, networks · points · width)``."""
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(8, 2, generator=generator) * 2 - 1
    products: list[list[Tensor]] = [[] for _ in range(DEPTH)]
    totals: list[list[Tensor]] = [[] for _ in range(DEPTH)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for seed in range(networks):
            torch.manual_seed(seed)
            field = Siren(2, 1, width, DEPTH, hidden_omega=omega, initialise=initialise)
            linears = [layer for layer in field.layers if isinstance(layer, nn.Linear)]
            x = torch.sin(30.0 * linears[0](points))
            for depth, linear in enumerate(linears[1:-1]):
                product = omega * x @ linear.weight.mT
                total = product + omega * linear.bias
                products[depth].append(product.flatten())
                totals[depth].append(total.flatten())
                x = torch.sin(total)
    first, second = (torch.stack([torch.cat(each) for each in kind]) for kind in (products, totals))
    return first, second


def theory(width: int, omega: float, *, biases: bool) -> tuple[Tensor, Tensor]:
    """Return the standard deviations of ωWx and of ω(Wx + b) at the depths 1 … 50.

    A hidden weight of variance 2 / (n ω²) gives z = ωWx the variance v' = 2 E[sin²(z + ωb)] = 1 − E[cos(2z + 2ωb)].
    For z ~ N(0, v) and ωb ~ U(−B, B), B = ω/√n, that is v' = 1 − e^(−2v) sin(2B)/(2B). The first layer's phases span
    so many periods that v = 1 after it.
    """
    bound = omega / math.sqrt(width) if biases else 0.0
    variances = [1.0]
    while len(variances) < DEPTH:
        variances.append(1 - math.exp(-2 * variances[-1]) * sinc(2 * bound))
    products = torch.tensor(variances, dtype=torch.float64)
    return products.sqrt(), (products + bound**2 / 3).sqrt()


def largest_error(measured: Tensor, expected: Tensor) -> float:
    """Return the largest relative error of the standard deviation over all depths."""
    found = measured.double().square().mean(1).sqrt()  # the mean is zero by symmetry
    return float((found / expected - 1).abs().max())


def distances_from_arcsine(values: Tensor) -> Tensor:
    """Return, for each row, the Kolmogorov–Smirnov distance to the arcsine law F(y) = 1/2 + asin(y)/π."""
    ordered = values.double().sort(dim=1).values
    law = 0.5 + ordered.clamp(-1, 1).asin() / math.pi
    count = ordered.shape[1]
    steps = torch.arange(count + 1, dtype=torch.float64) / count
    return torch.maximum((steps[1:] - law).amax(1), (law - steps[:-1]).amax(1))


@pytest.mark.parametrize(("width", "networks"), SAMPLES)
def test_hidden_phases_keep_their_spread_at_every_depth(width: int, networks: int) -> None:
    products, totals = phases(width, networks, OMEGA, siren_initialisation)
    expected_products, expected_totals = theory(width, OMEGA, biases=True)
    assert largest_error(products, expected_products) < 0.05
    assert largest_error(totals, expected_totals) < 0.05


@pytest.mark.parametrize("omega", [1.0, 10.0])
def test_the_spread_is_that_of_the_theory_at_any_frequency(omega: float) -> None:
    products, totals = phases(128, 32, omega, siren_initialisation)
    expected_products, expected_totals = theory(128, omega, biases=True)
    assert largest_error(products, expected_products) < 0.05
    assert largest_error(totals, expected_totals) < 0.05


def test_without_biases_the_variance_settles_at_its_fixed_point() -> None:
    products, totals = phases(128, 32, OMEGA, zero_biases)
    expected, _ = theory(128, OMEGA, biases=False)
    assert torch.equal(products, totals)
    assert largest_error(products, expected) < 0.05
    assert float(expected[-1]) ** 2 == pytest.approx(0.7968, abs=1e-4)  # v = 1 − e^(−2v)
    # The fixed point is far enough from the variance 1 of the paper's limit for this test to tell them apart.
    assert largest_error(products, torch.ones(DEPTH, dtype=torch.float64)) > 0.05


@pytest.mark.parametrize("omega", [1.0, OMEGA])
def test_the_check_refuses_default_weights(omega: float) -> None:
    """The weights of nn.Linear give phases far too wide at ω = 30 and far too narrow at ω = 1."""
    products, totals = phases(128, 4, omega, torch_defaults)
    expected_products, expected_totals = theory(128, omega, biases=True)
    assert largest_error(products, expected_products) > 0.5
    assert largest_error(totals, expected_totals) > 0.5


def test_activations_follow_the_arcsine_law_at_every_depth() -> None:
    _, totals = phases(256, 16, OMEGA, siren_initialisation)
    assert float(distances_from_arcsine(totals.sin()).max()) < 0.05


def test_the_arcsine_check_refuses_default_weights() -> None:
    # At ω = 30 they pass it: phases spread over many periods are uniform, and give the arcsine law whatever their
    # variance. That they are too wide is what the check of the variance sees.
    _, totals = phases(256, 4, 1.0, torch_defaults)
    assert float(distances_from_arcsine(totals.sin()).min()) > 0.05


def test_the_arcsine_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    ranks = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    exact = torch.sin(math.pi * (ranks - 0.5))  # its quantiles
    assert float(distances_from_arcsine(exact[None])) == pytest.approx(0.0005, abs=1e-9)
    # U(−1, 1) has F(y) = (1 + y)/2: the distance max |asin(y)/π − y/2| lies where √(1 − y²) = 2/π.
    y = math.sqrt(1 - 4 / math.pi**2)
    uniform = 2 * ranks - 1
    expected = abs(math.asin(y) / math.pi - y / 2)
    assert float(distances_from_arcsine(uniform[None])) == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize(("first_omega", "hidden_omega"), [(30.0, 30.0), (60.0, 10.0)])
def test_weights_fill_their_bounds(inputs: int, first_omega: float, hidden_omega: float) -> None:
    torch.manual_seed(0)
    width = 256
    field = Siren(inputs, 3, width, 2, first_omega, hidden_omega)
    first, *hidden, last = (layer for layer in field.layers if isinstance(layer, nn.Linear))
    bounds = [(first, 1 / inputs)] + [(each, math.sqrt(6 / width) / hidden_omega) for each in [*hidden, last]]
    for linear, bound in bounds:
        for parameter, limit in ((linear.weight, bound), (linear.bias, 1 / math.sqrt(linear.in_features))):
            # Of k draws from U(−a, a) none is above a, and the largest lies below a(1 − 15/k) with
            # probability e^(−15) only; three draws (the last bias) say little.
            largest = float(parameter.detach().abs().max())
            assert limit * (1 - 15 / parameter.numel()) <= largest <= limit * (1 + 1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_the_initialisation_sets_every_weight_and_bias(bias: bool) -> None:
    linears = [nn.Linear(2, 8, bias=bias), nn.Linear(8, 8, bias=bias), nn.Linear(8, 1, bias=bias)]
    for linear in linears:
        for parameter in linear.parameters():
            nn.init.constant_(parameter, 7.0)
    siren_initialisation([Affine(each.weight, each.bias) for each in linears], [30.0] * 3)
    assert all(bool((each.abs() < 1).all()) for linear in linears for each in linear.parameters())


def test_frequencies_are_those_given() -> None:
    field = Siren(2, 1, 8, 3, first_omega=45.0, hidden_omega=15.0)
    assert [layer.omega for layer in field.layers if isinstance(layer, Sine)] == [45.0, 15.0, 15.0, 15.0]


@pytest.mark.parametrize("hidden_layers", [0, 1, 3])
def test_the_field_is_the_formula(hidden_layers: int) -> None:
    torch.manual_seed(0)
    field = Siren(2, 3, 16, hidden_layers, first_omega=7.0, hidden_omega=5.0).double()
    points = torch.linspace(-1, 1, 10, dtype=torch.float64).reshape(5, 2)
    linears = [layer for layer in field.layers if isinstance(layer, nn.Linear)]
    assert len(linears) == hidden_layers + 2  # one sine layer from the input, the hidden ones, an affine one
    x = points
    for linear, omega in zip(linears[:-1], [7.0] + [5.0] * hidden_layers, strict=True):
        x = torch.sin(omega * (x @ linear.weight.T + linear.bias))
    torch.testing.assert_close(field(points), x @ linears[-1].weight.T + linears[-1].bias, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("shape", [(5, 2), (4, 3, 2), (2,)])
def test_shape(shape: tuple[int, ...]) -> None:
    assert Siren(2, 3, 8, 1)(torch.zeros(shape)).shape == (*shape[:-1], 3)


def test_parameters_of_256_x_3() -> None:
    expected = (2 * 256 + 256) + 3 * (256 * 256 + 256) + (256 + 1)
    assert sum(each.numel() for each in Siren(2, 1).parameters()) == expected


def test_a_custom_initialisation_is_called_instead() -> None:
    seen: list[tuple[list[tuple[int, int]], list[float]]] = []

    def constant(affines: Sequence[Affine], omegas: Sequence[float]) -> None:
        seen.append(([(each.in_features, each.out_features) for each in affines], list(omegas)))
        for affine in affines:
            nn.init.constant_(affine.weight, 0.25)

    field = Siren(2, 3, 8, 1, first_omega=20.0, hidden_omega=10.0, initialise=constant)
    assert seen == [([(2, 8), (8, 8), (8, 3)], [20.0, 10.0, 10.0])]
    assert all(bool((layer.weight == 0.25).all()) for layer in field.layers if isinstance(layer, nn.Linear))


def test_same_seed_same_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(Siren(2, 1, 8, 1).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not any(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_final_activation_bounds_the_values() -> None:
    torch.manual_seed(0)
    plain = Siren(2, 3, 8, 1)
    torch.manual_seed(0)
    bounded = Siren(2, 3, 8, 1, final_activation=activation("tanh"))
    points = torch.linspace(-1, 1, 8).reshape(4, 2)
    assert torch.equal(bounded(points), torch.tanh(plain(points)))
    assert bounded.settings["final_activation"] == "tanh"
    assert "final_activation" not in plain.settings


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 64, 2, dropout=0.5)
    points = torch.linspace(-1, 1, 8).reshape(4, 2)
    assert sum(isinstance(layer, nn.Dropout) for layer in field.layers) == 3
    assert field.settings["dropout"] == 0.5
    assert not torch.equal(field(points), field(points))
    field.eval()
    assert torch.equal(field(points), field(points))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_features": 0}, "in_features"),
        ({"out_features": 0}, "out_features"),
        ({"hidden_features": 0}, "hidden_features"),
        ({"hidden_layers": -1}, "hidden_layers"),
        ({"first_omega": 0.0}, "positive"),
        ({"hidden_omega": -30.0}, "positive"),
        ({"first_omega": math.nan}, "positive"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    every: dict[str, Any] = {"in_features": 2, "out_features": 1} | arguments
    with pytest.raises(ValueError, match=message):
        Siren(**every)


@pytest.mark.parametrize("omega", [1.0, 30.0])
def test_the_sine_knows_its_derivatives(omega: float) -> None:
    a = torch.linspace(-2, 2, 9, dtype=torch.float64)
    sine = Sine(omega)
    expected = (torch.sin(omega * a), omega * torch.cos(omega * a), -(omega**2) * torch.sin(omega * a))
    for order in range(3):
        found = sine.derivatives(a, order)
        assert len(found) == order + 1
        for one, other in zip(found, expected, strict=False):
            torch.testing.assert_close(one, other)
    torch.testing.assert_close(sine(a), expected[0])
