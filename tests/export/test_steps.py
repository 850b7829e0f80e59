"""Tests of fields as steps: every layer that is known, and those that are refused with what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from exported import NETWORKS, network
from sinefield.export.steps import CURVES, Curve, Dense, Radial, steps_of
from sinefield.fields import Periodic, Siren, activation


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_hold_the_weights(name: str) -> None:
    field = network(name)
    found = steps_of(field)
    stored = sum(
        each.weight.size + each.bias.size if isinstance(each, Dense) else each.centres.size + each.inverse_widths.size
        for each in found.steps
        if isinstance(each, Dense | Radial)
    )
    assert stored == sum(each.numel() for each in field.parameters())
    assert (found.in_features, found.out_features) == (2, 3)


def test_sequences_within_sequences_and_missing_biases() -> None:
    inner = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Dropout(0.5), nn.Identity())
    found = steps_of(nn.Sequential(inner, nn.LeakyReLU(0.3), Siren(4, 2, 5, 0)))
    dense, leaky, first, sine, last = found.steps
    assert isinstance(dense, Dense)
    assert not dense.bias.any()
    assert leaky == Curve("leaky-relu", 0.3)
    assert sine == Curve("sine", 30.0)
    assert isinstance(first, Dense)
    assert isinstance(last, Dense)


def test_half_precision_becomes_floats_and_doubles_stay() -> None:
    for kind, stored in ((torch.float16, np.float32), (torch.float32, np.float32), (torch.float64, np.float64)):
        dense = steps_of(nn.Sequential(nn.Linear(2, 2).to(kind))).steps[0]
        assert isinstance(dense, Dense)
        assert dense.weight.dtype == stored


def test_what_comes_before_a_chain_is_part_of_it() -> None:
    found = steps_of(Periodic(Siren(2, 1, 4, 0), [2.0]))
    assert (found.in_features, found.curves) == (1, ("sine",))


def test_every_activation_of_ours_is_a_curve() -> None:
    names = {"relu", "tanh", "sigmoid", "softplus", "elu", "selu", "exponential"}
    for name in names:
        assert steps_of(nn.Sequential(nn.Linear(1, 1), activation(name))).curves == (name,)
    assert names <= set(CURVES)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([nn.Linear(2, 2), nn.Softplus(beta=2.0)], "a softplus of beta 2 cannot be exported"),
        ([nn.Linear(2, 2), nn.GELU("tanh")], "a GELU that is approximated"),
        ([nn.Linear(2, 2), nn.BatchNorm1d(2)], "a BatchNorm1d is none of the layers"),
        ([], "a Sequential without an affine map"),
    ],
)
def test_what_is_no_step_is_refused(layers: list[nn.Module], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        steps_of(nn.Sequential(*layers))


def test_subclasses_that_do_something_else_are_refused() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    class Residual(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for each in self:
                x = x + each(x)
            return x

    for module in (nn.Sequential(Doubled(2, 2)), Residual(nn.Linear(2, 2))):
        with pytest.raises(ValueError, match="is none of the layers"):
            steps_of(module)
