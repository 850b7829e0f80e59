"""Tests of what goes on inside a field: its laws and spectra, against mathematics and SciPy."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch
from torch import nn

from sinefield.fields.activations import Sine
from sinefield.fields.diagnostics import activations_of, arcsine_law, kolmogorov_smirnov, normal_law
from sinefield.fields.field import Layered, build


class Given(Layered):
    """A network of given layers."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.in_features, self.out_features = 2, 1
        self.layers = nn.Sequential(*layers)


def test_distance_agrees_with_scipy() -> None:
    samples = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 1.2
    expected = scipy.stats.kstest(samples.numpy(), "norm").statistic
    assert kolmogorov_smirnov(samples, normal_law) == pytest.approx(expected, abs=1e-6)
    squeezed = samples.sin()
    expected = scipy.stats.kstest(squeezed.numpy(), scipy.stats.arcsine(loc=-1, scale=2).cdf).statistic
    assert kolmogorov_smirnov(squeezed, arcsine_law) == pytest.approx(expected, abs=1e-6)


def test_a_siren_follows_the_theory_and_pytorchs_weights_do_not() -> None:
    torch.manual_seed(0)
    layers = activations_of(build("siren", 2, 1, hidden_layers=4))
    assert len(layers) == 5
    for layer in layers[1:]:
        summary = layer.summary()
        assert summary["pre-activation std"] == pytest.approx(1, abs=0.1)
        assert summary["distance to N(0, 1)"] < 0.06
        assert summary["distance to arcsine"] < 0.06
    plain = Given(nn.Linear(2, 256), Sine(30), nn.Linear(256, 256), Sine(30), nn.Linear(256, 1))
    assert activations_of(plain)[1].summary()["pre-activation std"] > 5


def test_spectrum_finds_the_frequency_of_a_sine() -> None:
    wave = nn.Linear(1, 1)
    nn.init.constant_(wave.weight, 10 * math.pi)  # sin(10πx): ten cycles over [−1, 1]
    nn.init.zeros_(wave.bias)
    (layer,) = activations_of(Given(wave, Sine(1.0)))
    assert int(layer.spectrum.argmax()) == 10


def test_the_bias_is_taken_out_of_a_phase() -> None:
    field = build("siren", 1, 1, hidden_features=4, hidden_layers=0)
    (layer,) = activations_of(field, torch.zeros(7, 1))
    assert torch.equal(layer.before, torch.zeros(7, 4))


def test_training_mode_is_put_back_and_fields_without_layers_are_refused() -> None:
    field = build("siren", 2, 1, hidden_features=4, dropout=0.5).train()
    activations_of(field)
    assert field.training
    with pytest.raises(ValueError, match="a Linear has no chain to look into; give a network by name"):
        activations_of(nn.Linear(2, 1))


@pytest.mark.parametrize("name", ["relu", "tanh", "relu-nerf", "relu-rbf"])
def test_other_networks_can_be_looked_into(name: str) -> None:
    layers = activations_of(build(name, 2, 1, hidden_features=16, hidden_layers=1))
    assert any(name.split("-")[0] in layer.name for layer in layers)
    assert all(math.isfinite(layer.summary()["activation std"]) for layer in layers)
