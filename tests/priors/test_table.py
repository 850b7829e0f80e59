"""Tests of auto-decoding: latents in a table, and of pictures that are not in it, against least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sinefield import priors
from sinefield.io import sets
from sinefield.priors import context_of, random_masks
from sinefield.priors.contexts import Contexts
from sinefield.priors.prior import Prior, main_axes
from sinefield.priors.table import SIZE, TableEncoder
from sinefield.priors.training import problem_of, split


def waves(count: int = 200, side: int = 6) -> sets.SignalSet:
    """Return pictures of a wave each, of any phase and direction."""
    numbers = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    turn, phase = numbers.uniform(0, 2 * np.pi, (2, count, 1, 1))
    return sets.read(np.sin(3 * (np.cos(turn) * rows + np.sin(turn) * columns) + phase))


def test_the_latent_of_a_new_picture_is_the_most_probable_one() -> None:
    """Of values that are linear in it that is ridge regression on the known samples."""
    generator = torch.Generator().manual_seed(0)
    points = torch.cartesian_prod(torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 3))
    encoder = TableEncoder(points, 2, latent=3, steps=400, pictures=1)
    encoder.variance.fill_(0.2)

    def values_at(z: Tensor, places: Tensor) -> Tensor:
        columns = torch.stack([places[..., 0], places[..., 1] ** 2, places.prod(-1)], dim=-1)
        along = (columns * z.unsqueeze(1)).sum(-1)
        return torch.stack([along, 2 * along - z[:, :1]], dim=-1)

    pictures = torch.randn(5, 12, 2, generator=generator)
    masks = torch.stack([random_masks(1, 12, known, generator)[0] for known in (1, 3, 5, 7, 12)])
    found = encoder(context_of(pictures, masks), values_at)
    for row, mask in enumerate(masks > 0):
        matrix = torch.stack([values_at(unit[None], points[None])[0][mask].flatten() for unit in torch.eye(3)], dim=1)
        right = matrix.mT @ pictures[row][mask].flatten() / 0.2
        expected = torch.linalg.solve(matrix.mT @ matrix / 0.2 + torch.eye(3) / SIZE**2, right)
        torch.testing.assert_close(found[row], expected, rtol=0, atol=1e-4)


def test_the_table_begins_with_the_coordinates_along_the_main_axes() -> None:
    _, pictures = split(waves())
    rows = pictures.flatten(1)
    mean, axes = main_axes(rows)
    prior = problem_of(waves(), "shifted", encoder="table", latent=12).build(30.0)["u"]
    assert isinstance(prior, Prior)
    assert isinstance(prior.encoder, TableEncoder)
    latents = prior.encoder.latents(torch.arange(len(rows))).detach()
    latents = latents / SIZE
    torch.testing.assert_close(latents.mean(0), torch.zeros(12), rtol=0, atol=1e-4)
    torch.testing.assert_close(latents.square().mean(0)[:4], torch.ones(4), rtol=0, atol=1e-2)  # waves have no more
    torch.testing.assert_close(mean + latents @ axes[:12], rows, rtol=0, atol=0.1)


def test_a_number_is_that_of_its_picture() -> None:
    pictures = torch.rand(20, 9, 1)
    domain = Contexts(pictures, 9, 9, 20, numbered=True)
    drawn = domain.draw(50, torch.Generator().manual_seed(3))
    assert drawn.points.shape == (50, domain.dimension)
    numbers = drawn.points[:, -1].long()
    assert len(numbers.unique()) > 10
    torch.testing.assert_close(drawn.points[:, :9], pictures[numbers].flatten(1))
    torch.testing.assert_close(drawn.targets["picture"], pictures[numbers].flatten(1))


def test_latents_and_network_are_found_together() -> None:
    settings: dict[str, Any] = {"encoder": "table", "latent": 8, "hidden_features": 24, "hidden_layers": 1}
    held, seen = split(waves())
    errors, tables = [], []
    for passes in (0.001, 0.3):
        prior = priors.train(waves(), "shifted", settings=settings, passes=passes).field
        assert isinstance(prior, Prior)
        masks = random_masks(len(held), 36, 12, torch.Generator().manual_seed(0))
        values, _ = prior.complete(context_of(held, masks))
        errors.append(float((values - held).square().mean()))
        assert isinstance(prior.encoder, TableEncoder)
        tables.append(prior.encoder.rows.detach())
        own = prior.values(prior.encoder.latents(torch.arange(len(seen)))).detach()[..., :1]
        variance = float((own - seen).square().mean())
        assert float(prior.encoder.variance) == pytest.approx(variance, rel=1e-3)
    assert errors[1] < 0.2 * errors[0]
    assert float((tables[1] - tables[0]).abs().mean()) > 1e-3


def test_what_a_table_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="the encoder table is of the methods hypernetwork, modulated and shifted"):
        priors.train(waves(), "meta", settings={"encoder": "table"}, passes=0.001)
    with pytest.raises(ValueError, match="a table has at most 67,108,864 numbers"):
        TableEncoder(torch.zeros(4, 2), 1, latent=4096, steps=1, pictures=20_000)
