"""Tests of the networks that a SIREN is compared with: shapes, settings, encodings and initialisations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sinefield.fields.activations import Activation, Pointwise, activation
from sinefield.fields.field import NETWORKS, build
from sinefield.fields.perceptron import Perceptron, SquaredDistance

ENCODED = ("relu-nerf", "relu-fourier", "relu-rbf")
PLAIN = ("relu", "tanh", "sigmoid", "softplus", "elu", "selu")
POINTWISE = (*PLAIN, "exponential")


def linears_of(field: nn.Module) -> list[nn.Linear]:
    return [each for each in field.modules() if isinstance(each, nn.Linear)]


def encode(field: Perceptron, points: Tensor) -> Tensor:
    """Return what the first learnt affine map, or the one behind the radial basis, is given."""
    return nn.Sequential(*list(field.layers)[:2])(points)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (2, 1), (3, 2)])
def test_shape_and_description(name: str, inputs: int, outputs: int) -> None:
    field = build(name, inputs, outputs, hidden_features=16, hidden_layers=2)
    assert field(torch.zeros(5, inputs)).shape == (5, outputs)
    assert field(torch.zeros(2, 3, inputs)).shape == (2, 3, outputs)
    assert (field.in_features, field.out_features, field.architecture) == (inputs, outputs, name)


@pytest.mark.parametrize("name", [each for each in NETWORKS if each != "tiled"])  # whose maps lie side by side
@pytest.mark.parametrize("hidden_layers", [0, 2])
def test_hidden_layers_follow_a_first_one(name: str, hidden_layers: int) -> None:
    field = build(name, 2, 1, hidden_features=16, hidden_layers=hidden_layers)
    learnt = [each for each in linears_of(field) if each.weight.requires_grad]
    assert [each.out_features for each in learnt] == [16] * (hidden_layers + 1) + [1]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {"hidden_features": 12, "hidden_layers": 1}) for name in NETWORKS),
        ("siren", {"hidden_features": 12, "first_omega": 60.0, "hidden_omega": 10.0, "dropout": 0.25}),
        ("siren", {"hidden_features": 12, "final_activation": "tanh"}),
        ("relu-nerf", {"hidden_features": 12, "frequencies": 4}),
        ("relu-fourier", {"hidden_features": 12, "frequencies": 6, "scale": 3.0}),
        ("relu-rbf", {"hidden_features": 12, "frequencies": 9, "scale": 4.0}),
    ],
)
def test_settings_rebuild_the_network(name: str, settings: dict[str, int | float | str]) -> None:
    field = build(name, 2, 3, **settings)
    assert settings.items() <= field.settings.items()
    again = build(field.architecture, field.in_features, field.out_features, **field.settings)
    assert again.settings == field.settings
    assert repr(again) == repr(field)
    again.load_state_dict(field.state_dict())  # the encoding too is part of the state
    points = torch.linspace(-1, 1, 10).reshape(5, 2)
    assert torch.equal(again.eval()(points), field.eval()(points))


# The standard deviation of the weights, given the layer's inputs n and outputs m.
PUBLISHED = {
    "relu": lambda n, m: math.sqrt(2 / n),  # He et al., 2015, arXiv 1502.01852, equation 10
    "softplus": lambda n, m: math.sqrt(2 / n),
    "elu": lambda n, m: math.sqrt(1.55 / n),
    "selu": lambda n, m: math.sqrt(1 / n),  # LeCun et al., 1998; Klambauer et al., 2017, section 2
    "tanh": lambda n, m: math.sqrt(2 / (n + m)),  # Glorot, Bengio, 2010, equation 12
    "sigmoid": lambda n, m: math.sqrt(2 / (n + m)),
}


@pytest.mark.parametrize("name", [*PLAIN, *ENCODED])
def test_weights_are_normal_with_the_published_deviation(name: str) -> None:
    torch.manual_seed(0)
    field = build(name, 2, 1, hidden_features=256, hidden_layers=1, **({"frequencies": 100} if name in ENCODED else {}))
    learnt = [each for each in linears_of(field) if each.weight.requires_grad]
    for linear in learnt:
        n, m, count = linear.in_features, linear.out_features, linear.weight.numel()
        deviation = PUBLISHED[name.split("-")[0]](n, m)
        found = linear.weight.detach().double() / deviation
        # Of k normal numbers the mean square is 1 ± √(2/k); four of these errors are allowed.
        assert float(found.square().mean()) == pytest.approx(1, abs=4 * math.sqrt(2 / count))
        if count > 10_000:  # a normal law, not a uniform one: its kurtosis is 3, not 9/5
            assert float(found.pow(4).mean() / found.square().mean() ** 2) == pytest.approx(3, abs=0.2)
        assert float(linear.bias.detach().abs().max()) <= 1 / math.sqrt(n)


@pytest.mark.parametrize("name", ["selu", "elu", "relu"])
def test_the_deviation_keeps_the_second_moment(name: str) -> None:
    """What the gains are for: a layer with inputs of the activation's own law keeps their second moment."""
    pre = torch.linspace(-8, 8, 20_001, dtype=torch.float64)
    density = torch.exp(-(pre**2) / 2) / math.sqrt(2 * math.pi)
    moment = float((activation(name)(pre).square() * density).sum() * (pre[1] - pre[0]))
    # n weights of variance g²/n give pre-activations of variance g² · moment, which is to be 1.
    assert PUBLISHED[name](1, 1) ** 2 * moment == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_nerf_encoding(dimension: int) -> None:
    field = build("relu-nerf", dimension, 1, hidden_features=4, frequencies=6)
    points = torch.rand(7, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    angles = [2.0**k * math.pi * points[:, i] for k in range(6) for i in range(dimension)]
    expected = torch.stack([*map(torch.sin, angles), *map(torch.cos, angles)], dim=1)
    # π/2 is stored in float32, whose rounding shifts the cosines.
    torch.testing.assert_close(encode(field.double(), points), expected, rtol=0, atol=1e-4)
    assert encode(field, points).shape[1] == 2 * 6 * dimension
    assert build("relu-nerf", dimension, 1).layers[0].out_features == 2 * 8 * dimension  # by default 8 octaves


def test_fourier_features() -> None:
    torch.manual_seed(0)
    field = build("relu-fourier", 2, 1, hidden_features=4, frequencies=5000, scale=3.0)
    projection = linears_of(field)[0]
    rows = projection.weight[:5000].double() / (2 * math.pi)  # B
    points = torch.rand(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    angles = 2 * math.pi * points @ rows.T
    expected = torch.cat([angles.sin(), angles.cos()], dim=1)
    torch.testing.assert_close(encode(field.double(), points), expected, rtol=0, atol=1e-6)
    # B ~ N(0, 9): 10,000 numbers, whose mean square is known to 1.4 %.
    assert float(rows.square().mean()) == pytest.approx(9, rel=0.06)
    assert float(rows.mean()) == pytest.approx(0, abs=0.12)


def test_fourier_features_by_default() -> None:
    torch.manual_seed(0)
    projection = linears_of(build("relu-fourier", 2, 1))[0]
    assert projection.out_features == 2 * 128
    assert float((projection.weight / (2 * math.pi)).square().mean().sqrt()) == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("name", ["relu-nerf", "relu-fourier"])
def test_fixed_encodings_are_not_learnt(name: str) -> None:
    field = build(name, 2, 1, hidden_features=4)
    projection = linears_of(field)[0]
    assert not projection.weight.requires_grad
    assert not projection.bias.requires_grad
    assert "layers.0.weight" in field.state_dict()


def test_radial_basis() -> None:
    torch.manual_seed(0)
    field = build("relu-rbf", 2, 1, hidden_features=4, frequencies=30, scale=2.5).double()
    basis = field.layers[0]
    assert isinstance(basis, SquaredDistance)
    points = torch.rand(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    squares = torch.stack([((points - centre) ** 2).sum(1) for centre in basis.centres], dim=1)
    torch.testing.assert_close(encode(field, points), torch.exp(-(2.5**2) * squares), rtol=1e-12, atol=1e-15)
    assert basis.centres.requires_grad
    assert basis.inverse_widths.requires_grad


def test_radial_basis_by_default() -> None:
    torch.manual_seed(0)
    basis = build("relu-rbf", 2, 1, hidden_features=4).layers[0]
    assert basis.centres.shape == (1024, 2)
    assert torch.equal(basis.inverse_widths, torch.full((1024,), 10.0))
    centres = basis.centres.detach().double()  # U(−1, 1): mean 0, mean square 1/3
    assert float(centres.abs().max()) <= 1
    assert float(centres.mean()) == pytest.approx(0, abs=0.05)
    assert float(centres.square().mean()) == pytest.approx(1 / 3, abs=0.03)


# What each activation is called elsewhere.
TORCH = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": nn.functional.softplus,
    "elu": nn.functional.elu,
    "selu": nn.functional.selu,
    "exponential": torch.exp,
}


@pytest.mark.parametrize("name", POINTWISE)
def test_activations_are_what_they_are_called(name: str) -> None:
    a = torch.linspace(-6, 6, 101, dtype=torch.float64)
    torch.testing.assert_close(activation(name)(a), TORCH[name](a), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", POINTWISE)
def test_activations_know_their_derivatives(name: str) -> None:
    a = torch.linspace(-6, 6, 100, dtype=torch.float64, requires_grad=True)  # no point at the kink
    one = activation(name)
    assert isinstance(one, Pointwise)
    value = TORCH[name](a)
    (slope,) = torch.autograd.grad(value.sum(), a, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), a) if slope.requires_grad else (torch.zeros_like(a),)
    for order in range(3):
        found = one.derivatives(a, order)
        assert len(found) == order + 1
        for mine, theirs in zip(found, (value, slope, curvature), strict=False):
            assert mine.shape == a.shape
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_activations_stay_finite_where_they_saturate(name: str, order: int) -> None:
    a = torch.tensor([-80.0, -40.0, 40.0, 80.0])  # e^80 is still a float32
    assert all(bool(torch.isfinite(each).all()) for each in activation(name).derivatives(a, order))


def test_the_squared_distance_knows_its_differentials() -> None:
    torch.manual_seed(0)
    basis = SquaredDistance(3, 4, 1.5).double()
    x, s, t = torch.randn(3, 5, 3, dtype=torch.float64)
    step = 1e-3  # q is quadratic, so central differences are exact to rounding
    along = (basis(x + step * t) - basis(x - step * t)) / (2 * step)
    torch.testing.assert_close(basis.differential(x, t), along, rtol=1e-9, atol=1e-9)
    mixed = (basis(x + step * (s + t)) - basis(x + step * s) - basis(x + step * t) + basis(x)) / step**2
    torch.testing.assert_close(basis.second_differential(s, t), mixed, rtol=1e-6, atol=1e-6)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown network 'unet'; choose one of siren, relu"):
        build("unet", 2, 1)
    with pytest.raises(ValueError, match=r"unknown activation 'swish'; choose one of .*tanh"):
        activation("swish")
    with pytest.raises(ValueError, match="unknown encoding 'hash'"):
        Perceptron(2, 1, encoding="hash")
    with pytest.raises(ValueError, match="unknown activation 'swish'"):
        build("siren", 2, 1, final_activation="swish")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("relu", {"first_omega": 30.0}, "first_omega"),
        ("siren", {"frequencies": 8}, "frequencies"),
        ("tanh", {"final_activation": "tanh"}, "final_activation"),
        ("relu", {"hidden_features": 0}, "hidden_features"),
        ("relu", {"hidden_layers": -1}, "hidden_layers"),
        ("relu-nerf", {"frequencies": -1}, "frequencies"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, int | float | str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, 2, 1, **settings)


def test_an_activation_shows_its_name() -> None:
    assert repr(activation("elu")) == "Activation(elu)"
    assert isinstance(activation("elu"), Activation)
