"""Tests of the networks that a SIREN is compared with: shapes, settings, encodings and initialisations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sinefield.fields.activations import activation
from sinefield.fields.field import NETWORKS, build
from sinefield.fields.network import Network
from sinefield.fields.perceptron import Perceptron

ENCODED = ("relu-nerf", "relu-fourier", "relu-rbf")
PLAIN = ("relu", "tanh", "sigmoid", "softplus", "elu", "selu")
LAYERED = list(NETWORKS)


def linears_of(field: nn.Module) -> list[nn.Linear]:
    return [each for each in field.modules() if isinstance(each, nn.Linear)]


@pytest.mark.parametrize("name", LAYERED)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (2, 1), (3, 2)])
def test_shape_and_description(name: str, inputs: int, outputs: int) -> None:
    field = build(name, inputs, outputs, hidden_features=16, hidden_layers=2)
    assert field(torch.zeros(5, inputs)).shape == (5, outputs)
    assert field(torch.zeros(2, 3, inputs)).shape == (2, 3, outputs)
    says: tuple[object, ...] = (field.in_features, field.out_features, field.architecture)
    assert says == (inputs, outputs, name)


@pytest.mark.parametrize("name", [each for each in LAYERED if each != "tiled"])  # whose maps lie side by side
@pytest.mark.parametrize("hidden_layers", [0, 2])
def test_hidden_layers_follow_a_first_one(name: str, hidden_layers: int) -> None:
    field = build(name, 2, 1, hidden_features=16, hidden_layers=hidden_layers)
    learnt = [each for each in linears_of(field) if each.weight.requires_grad]
    assert [each.out_features for each in learnt] == [16] * (hidden_layers + 1) + [1]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {"hidden_features": 12, "hidden_layers": 1}) for name in LAYERED),
        ("constant", {"value": 1.5}),
        ("siren", {"hidden_features": 12, "first_omega": 60.0, "hidden_omega": 10.0, "dropout": 0.25}),
        ("siren", {"hidden_features": 12, "final_activation": "tanh"}),
        ("relu-nerf", {"hidden_features": 12, "frequencies": 4}),
        ("relu-fourier", {"hidden_features": 12, "frequencies": 6, "scale": 3.0}),
        ("relu-rbf", {"hidden_features": 12, "frequencies": 9, "scale": 4.0}),
    ],
)
def test_settings_rebuild_the_network(name: str, settings: dict[str, int | float | str]) -> None:
    field = build(name, 2, 3, **settings)
    said = Network.of(field)
    assert settings.items() <= said.settings.items()
    again = build(said.architecture, said.in_features, said.out_features, **said.settings)
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
