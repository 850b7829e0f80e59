"""Tests of what perceptrons are given in place of coordinates, against the published formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sinefield.fields.encodings import RadialBasis, encoding
from sinefield.fields.field import Layered, build


def layers_of(field: nn.Module) -> nn.Sequential:
    assert isinstance(field, Layered)
    return field.layers


def projection_of(field: nn.Module) -> nn.Linear:
    first = layers_of(field)[0]
    assert isinstance(first, nn.Linear)
    return first


def basis_of(field: nn.Module) -> RadialBasis:
    first = layers_of(field)[0]
    assert isinstance(first, RadialBasis)
    return first


def encode(field: nn.Module, points: Tensor) -> Tensor:
    """Return what the first learnt affine map is given."""
    encoded: Tensor = nn.Sequential(*list(layers_of(field))[:2])(points)
    return encoded


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_nerf_encoding(dimension: int) -> None:
    field = build("relu-nerf", dimension, 1, hidden_features=4, frequencies=6)
    points = torch.rand(7, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    angles = [2.0**k * math.pi * points[:, i] for k in range(6) for i in range(dimension)]
    expected = torch.stack([*map(torch.sin, angles), *map(torch.cos, angles)], dim=1)
    # π/2 is stored in float32, whose rounding shifts the cosines.
    torch.testing.assert_close(encode(field.double(), points), expected, rtol=0, atol=1e-4)
    assert encode(field, points).shape[1] == 2 * 6 * dimension
    assert projection_of(build("relu-nerf", dimension, 1)).out_features == 2 * 8 * dimension  # by default 8 octaves


def test_fourier_features() -> None:
    torch.manual_seed(0)
    field = build("relu-fourier", 2, 1, hidden_features=4, frequencies=5000, scale=3.0)
    projection = projection_of(field)
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
    projection = projection_of(build("relu-fourier", 2, 1))
    assert projection.out_features == 2 * 128
    assert float((projection.weight / (2 * math.pi)).square().mean().sqrt()) == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("name", ["relu-nerf", "relu-fourier"])
def test_fixed_encodings_are_not_learnt(name: str) -> None:
    field = build(name, 2, 1, hidden_features=4)
    projection = projection_of(field)
    assert not projection.weight.requires_grad
    assert not projection.bias.requires_grad
    assert "layers.0.weight" in field.state_dict()


def test_radial_basis() -> None:
    torch.manual_seed(0)
    field = build("relu-rbf", 2, 1, hidden_features=4, frequencies=30, scale=2.5).double()
    basis = basis_of(field)
    points = torch.rand(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    squares = torch.stack([((points - centre) ** 2).sum(1) for centre in basis.centres], dim=1)
    torch.testing.assert_close(encode(field, points), torch.exp(-(2.5**2) * squares), rtol=1e-12, atol=1e-15)
    assert basis.centres.requires_grad
    assert basis.inverse_widths.requires_grad


def test_radial_basis_by_default() -> None:
    torch.manual_seed(0)
    basis = basis_of(build("relu-rbf", 2, 1, hidden_features=4))
    assert basis.centres.shape == (1024, 2)
    assert torch.equal(basis.inverse_widths, torch.full((1024,), 10.0))
    centres = basis.centres.detach().double()  # U(−1, 1): mean 0, mean square 1/3
    assert float(centres.abs().max()) <= 1
    assert float(centres.mean()) == pytest.approx(0, abs=0.05)
    assert float(centres.square().mean()) == pytest.approx(1 / 3, abs=0.03)


def test_the_radial_basis_is_its_link() -> None:
    torch.manual_seed(0)
    basis = RadialBasis(3, 4, 1.5)
    link = basis.link()
    assert link.centres is basis.centres
    assert link.inverse_widths is basis.inverse_widths
    points = torch.rand(2, 5, 3)
    assert torch.equal(link(points), basis(points))


def test_no_encoding_gives_the_coordinates() -> None:
    assert encoding("none", 3, 0, 0.0) == ([], 3)
    with pytest.raises(ValueError, match="unknown encoding 'hash'; choose none, nerf, fourier or rbf"):
        encoding("hash", 3, 0, 0.0)
