"""Tests of encoders: what they make of a context does not depend on order, on what is unknown, or on other contexts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sinefield.priors import context_of, random_masks
from sinefield.priors.encoders import encoder_named, tokens_of
from sinefield.priors.prior import points_of

NAMES = ("set", "attention", "convolution", "guess")


def contexts() -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures, masks and contexts of 6 x 5 pixels of two channels."""
    generator = torch.Generator().manual_seed(0)
    pictures = 2 * torch.rand(4, 30, 2, generator=generator) - 1
    masks = torch.stack([random_masks(1, 30, k, generator)[0] for k in (1, 5, 12, 30)])
    return pictures, masks, context_of(pictures, masks)


@pytest.mark.parametrize("name", NAMES)
def test_a_latent_depends_on_known_pixels_alone_and_on_no_other_context(name: str) -> None:
    torch.manual_seed(0)
    encoder = encoder_named(name, points_of(6, 5), (6, 5), 2, latent=8, width=16, depth=2).eval()
    if name == "guess":
        for each in encoder.parameters():
            torch.nn.init.normal_(each, std=0.1)
    pictures, masks, both = contexts()
    found = encoder(both)
    assert found.shape == (4, 8)
    torch.testing.assert_close(found[1:2], encoder(both[1:2]), rtol=1e-4, atol=1e-5)
    elsewhere = torch.where(masks.unsqueeze(2) > 0, pictures, torch.rand(pictures.shape))
    torch.testing.assert_close(found, encoder(context_of(elsewhere, masks)))
    other = context_of(-pictures, masks)
    assert bool(((encoder(other) - found).abs().amax(1) > 1e-5).all())


@pytest.mark.parametrize("name", ["set", "attention"])
def test_the_order_of_known_pixels_does_not_matter(name: str) -> None:
    torch.manual_seed(0)
    points = points_of(6, 5)
    order = torch.randperm(30)
    pictures, masks, _ = contexts()
    encoder = encoder_named(name, points, (6, 5), 2, latent=8, width=16, depth=1).eval()
    found = encoder(context_of(pictures, masks))
    encoder.get_buffer("points").copy_(points[order])
    torch.testing.assert_close(found, encoder(context_of(pictures[:, order], masks[:, order])), rtol=1e-4, atol=1e-5)


def test_tokens_are_places_and_values_of_known_pixels() -> None:
    pictures, masks, both = contexts()
    tokens, known = tokens_of(both, points_of(6, 5))
    assert known.sum(1).tolist() == [1, 5, 12, 30]
    place = int(masks[0].argmax())
    torch.testing.assert_close(tokens[0, 0], torch.cat([points_of(6, 5)[place], pictures[0, place]]))


def test_an_unknown_encoder_is_told_with_those_that_are_known() -> None:
    with pytest.raises(
        ValueError, match="unknown encoder 'magic'; choose one of set, attention, convolution, guess, steps"
    ):
        encoder_named("magic", points_of(2, 2), (2, 2), 1, latent=4, width=4, depth=1)


@pytest.mark.parametrize(("name", "width", "depth"), [("set", 256, 2), ("attention", 128, 2), ("convolution", 128, 3)])
def test_a_step_of_adam_moves_latents_by_little(name: str, width: int, depth: int) -> None:
    """Where all numbers before a latent move it at once, by half of one, what latents are multiplied by goes astray."""
    torch.manual_seed(0)
    encoder = encoder_named(name, points_of(28, 28), (28, 28), 1, latent=64, width=width, depth=depth)
    masks = random_masks(16, 784, 50, torch.Generator().manual_seed(0))
    some = context_of(2 * torch.rand(16, 784, 1) - 1, masks)
    before = encoder(some)
    solver = torch.optim.Adam(encoder.parameters(), 1e-3)
    before.sum().backward()
    solver.step()
    moved = float((encoder(some) - before).detach().abs().mean())
    assert 0.005 < moved < 0.1
