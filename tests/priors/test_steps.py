"""Tests of latents found by steps: against a loop that is written down, and closed forms of a last layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sinefield import priors
from sinefield.io import sets
from sinefield.priors import context_of, random_masks
from sinefield.priors.steps import FACTS, StepsEncoder
from sinefield.priors.training import problem_of


def linear(steps: int = 2, count: int = 5, pixels: int = 12) -> tuple[StepsEncoder, Tensor]:
    """Return an encoder, and orthogonal axes of pictures of two channels, of the variances that it knows."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(2 * pixels, count, generator=generator, dtype=torch.float64))[0].mT
    axes = axes * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.25])[:count, None]
    encoder = StepsEncoder(pixels, 2, count + FACTS, steps).double()
    encoder.variances.copy_(axes.square().sum(1) / pixels)
    return encoder, axes


def values_of(axes: Tensor, latents: Tensor) -> Tensor:
    values: Tensor = (latents[:, : len(axes)] @ axes).unflatten(1, (-1, 2))
    return values


def test_a_step_is_exact_for_a_last_layer_along_main_axes_where_all_is_known() -> None:
    encoder, axes = linear(steps=1)
    latents = torch.randn(4, 5, dtype=torch.float64)
    contexts = context_of(values_of(axes, latents), torch.ones(4, 12, dtype=torch.float64))
    found = encoder(contexts, lambda z: values_of(axes, z)).detach()
    torch.testing.assert_close(found[:, :5], latents)
    torch.testing.assert_close(found[:, 5:8], torch.ones(4, 3, dtype=torch.float64))


def test_steps_are_those_of_a_loop_and_gradients_run_through_them() -> None:
    encoder, axes = linear()
    with torch.no_grad():
        encoder.rates.normal_(std=0.1)
        encoder.caution.fill_(1.5)
    pictures = torch.randn(3, 12, 2, dtype=torch.float64)
    masks = torch.stack([random_masks(1, 12, k, torch.Generator().manual_seed(k))[0] for k in (2, 5, 12)]).double()
    contexts = context_of(pictures, masks)
    expected = torch.zeros(3, 5, dtype=torch.float64)
    for step in range(2):
        rates = encoder.rates.detach()[5 * step : 5 * step + 5].exp()
        for row, known in enumerate((2, 5, 12)):
            errors = (values_of(axes, expected[row : row + 1]) - pictures[row])[0] * masks[row].unsqueeze(1)
            slope = 2 * axes @ errors.flatten() / known
            unsure = np.exp(1.5) * (1 / known - 1 / 12) * encoder.variances.sum()
            expected[row] -= 0.5 * rates / (encoder.variances + unsure) * slope
    torch.testing.assert_close(encoder(contexts, lambda z: values_of(axes, z))[:, :5].detach(), expected)

    def found(turned: Tensor) -> Tensor:
        latents: Tensor = encoder(contexts, lambda z: values_of(turned, z).sin())
        return latents

    assert torch.autograd.gradcheck(found, (axes.clone().requires_grad_(),))


def test_what_a_context_gives_depends_on_no_other_and_on_nothing_unknown() -> None:
    encoder, axes = linear()
    pictures = torch.randn(4, 12, 2, dtype=torch.float64)
    masks = random_masks(4, 12, 5, torch.Generator().manual_seed(0)).double()
    together = encoder(context_of(pictures, masks), lambda z: values_of(axes, z))
    alone = encoder(context_of(pictures[1:2], masks[1:2]), lambda z: values_of(axes, z))
    torch.testing.assert_close(together[1:2], alone)
    elsewhere = torch.where(masks.unsqueeze(2) > 0, pictures, 9.0)
    torch.testing.assert_close(together, encoder(context_of(elsewhere, masks), lambda z: values_of(axes, z)))


@pytest.mark.parametrize("method", ["meta", "shifted", "modulated", "hypernetwork"])
def test_training_through_the_steps_makes_them_better(method: str) -> None:
    """Of every kind of generated field: the latents are found without an encoder."""
    grid = np.linspace(-1, 1, 7)
    centres = np.random.default_rng(0).uniform(-0.6, 0.6, (240, 2))
    squares = [(grid - centres[:, axis : axis + 1]) ** 2 for axis in (0, 1)]
    pictures = sets.read(np.exp(-(squares[0][:, :, None] + squares[1][:, None, :]) / 0.2).astype(np.float32))
    settings = {"encoder": "steps", "latent": 20}
    settings |= {} if method == "meta" else {"hidden_features": 16, "hidden_layers": 1, "latent_weight": 1e-3}
    first, last = (
        priors.train(pictures, method, settings=settings, passes=passes, batch=64).metrics["error at 10"]
        for passes in (0.001, 0.05)
    )
    assert last < (0.97 if method == "meta" else 0.9) * first  # the closed form is near the best already


def test_what_steps_cannot_be_is_told() -> None:
    pictures = sets.read(np.random.default_rng(0).random((20, 4, 4)).astype(np.float32))
    with pytest.raises(ValueError, match="more than 4 numbers, got 4"):
        priors.train(pictures, "meta", settings={"latent": 4}, passes=0.001)
    with pytest.raises(ValueError, match="the encoder guess takes no steps; choose --method meta or --encoder steps"):
        problem_of(pictures, steps=2)
    with pytest.raises(ValueError, match="1 to 64 steps, got 65"):
        problem_of(pictures, "meta", steps=65)
