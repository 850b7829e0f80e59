"""Tests of priors as a whole: trained by ``solve``, saved, completed, and resumed."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import sinefield
from sinefield import priors
from sinefield.fields import Siren
from sinefield.io import sets
from sinefield.priors import files
from sinefield.priors.encoders import GuessEncoder
from sinefield.priors.prior import Prior
from sinefield.priors.training import Residual, calibrate, damp, split
from sinefield.search import Checkpointing
from sinefield.solution import Progress, Solution

SMALL: dict[str, Any] = {"encoder_features": 32, "encoder_layers": 1}
TABLE: dict[str, Any] = {"encoder": "table", "latent": 16, "hidden_features": 16, "hidden_layers": 1}
DEEP = {**SMALL, "latent": 16, "hidden_features": 16, "hidden_layers": 1}


def blobs(count: int = 240, side: int = 7) -> sets.SignalSet:
    """Return pictures of a blob each, wherever it is."""
    generator = np.random.default_rng(0)
    grid = np.linspace(-1, 1, side)
    centres = generator.uniform(-0.6, 0.6, (count, 2))
    squares = [(grid - centres[:, axis : axis + 1]) ** 2 for axis in (0, 1)]
    return sets.read(np.exp(-(squares[0][:, :, None] + squares[1][:, None, :]) / 0.2).astype(np.float32))


def trained(method: str = "forward", **arguments: Any) -> Solution:
    """Return a small prior."""
    chosen: dict[str, dict[str, Any]] = {"forward": SMALL, "meta": {"latent": 16}, "table": TABLE}
    settings = chosen.get(method, DEEP)
    return priors.train(
        blobs(), "shifted" if method == "table" else method, settings=settings, **{"passes": 0.02, **arguments}
    )


@cache
def forward() -> Solution:
    """Return a small forward prior, trained once."""
    return trained()


def prior_of(solution: Solution) -> Prior:
    """Return the prior that was found."""
    assert isinstance(solution.field, Prior)
    return solution.field


def contexts(known: int = 10) -> tuple[Tensor, Tensor]:
    """Return held-out pictures and contexts of them."""
    held, _ = split(blobs())
    masks = priors.random_masks(len(held), held.shape[1], known, torch.Generator().manual_seed(0))
    return held, priors.context_of(held, masks)


@pytest.mark.parametrize("method", ["forward", "hypernetwork", "modulated", "shifted", "meta", "table"])
def test_a_prior_is_saved_and_its_fields_have_the_values_that_it_completes(method: str, tmp_path: Path) -> None:
    solution = trained(method, passes=0.01)
    solution.save(tmp_path / "prior.safetensors")
    prior, header = files.read(tmp_path / "prior.safetensors")
    assert header["problem"] == "prior"
    _, some = contexts()
    values, spread = prior_of(solution).complete(some)
    again, _ = prior.complete(some)
    torch.testing.assert_close(again, values)
    found = prior.found(some[3])
    assert type(found.field) is Siren
    torch.testing.assert_close(found.field(prior.points).detach(), values[3], rtol=0, atol=1e-3)
    torch.testing.assert_close(found.spread(prior.points).detach(), spread[3], rtol=1e-3, atol=1e-3)


def test_a_forward_prior_completes_far_better_than_the_mean_of_the_pictures() -> None:
    held, some = contexts()
    values, _ = prior_of(forward()).complete(some)
    _, seen = split(blobs())
    error = float((values - held).square().mean() / (seen.mean(0) - held).square().mean())
    assert error < 0.1


@pytest.mark.parametrize("method", ["hypernetwork", "modulated", "shifted"])
def test_training_lowers_the_error(method: str) -> None:
    solution = trained(method, passes=0.1, batch=64)
    losses = [each.losses["picture"] for each in solution.history]
    assert solution.metrics["error at 10"] < 0.45
    assert losses[-1] < losses[0] or len(losses) == 1


@pytest.mark.parametrize("method", ["forward", "shifted", "meta"])
def test_nine_in_ten_errors_at_unknown_pixels_are_within_the_spread_however_many_are_known(method: str) -> None:
    """Of other masks than those of the calibration; 12 lies between two numbers that it is done at."""
    prior = prior_of(forward() if method == "forward" else trained(method))
    held, _ = split(blobs())
    for known in (4, 12, 32):
        masks = priors.random_masks(len(held), 49, known, torch.Generator().manual_seed(5))
        values, spread = prior.complete(priors.context_of(held, masks))
        within = ((values - held).abs() <= spread)[masks == 0].float().mean()
        assert float(within) == pytest.approx(0.9, abs=0.06)


def test_spreads_are_no_wider_than_errors_ask_for_where_a_network_says_one_size_for_all() -> None:
    shapes = blobs(300, side=8)
    noise = np.random.default_rng(1).normal(0, 0.02, shapes.values.shape)
    pictures = sets.read((shapes.values + noise).astype(np.float32))
    prior = prior_of(priors.train(pictures, settings=SMALL, passes=0.001, batch=32))
    assert isinstance(prior.encoder, GuessEncoder)
    prior.encoder.sizes.weight.data.zero_()
    held, _ = split(pictures)
    calibrate(prior, held)
    for known in (10, 50):
        masks = priors.random_masks(len(held), 64, known, torch.Generator().manual_seed(5))
        values, spread = prior.complete(priors.context_of(held, masks))
        errors = (values - held).abs()[masks == 0]
        assert float((errors <= spread[masks == 0]).float().mean()) == pytest.approx(0.9, abs=0.05)
        assert float(spread.min()) > 0
        assert float(spread[masks == 0].mean()) < 5 * float(errors.mean())


def test_between_two_numbers_of_known_pixels_the_factor_of_the_spread_is_their_geometric_mean() -> None:
    prior = copy.deepcopy(prior_of(forward()))
    prior.calibration.copy_(torch.tensor([1.0, 2.0, 8.0, 4.0, 4.0, 9.0]))
    known = torch.tensor([0.0, 1.0, 2.0, 2.0 * 2**0.5, 4.0, 32.0, 49.0])
    expected = torch.tensor([1.0, 1.0, 2.0, 4.0, 8.0, 9.0, 9.0])
    torch.testing.assert_close(prior.spread_factor(known), expected)
    latent = prior.encode(contexts()[1][:1])[0]
    few, all_ = (prior.at(latent, count).spread(prior.points) for count in (2, None))
    torch.testing.assert_close(all_, 4.5 * few)


def test_the_terms_are_errors_sizes_latents_and_weights() -> None:
    class Told:
        value = torch.tensor([[0.5, -0.5, 0.1, 0.2, 3.0, 4.0, 7.0]])

    picture, gain = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0]])
    found = {
        term: Residual(term, 2)(Told(), picture, gain).tolist()[0]  # type: ignore[arg-type]
        for term in ("picture", "spread", "latent", "weights")
    }
    assert found["picture"] == [-1.0, -1.0]
    assert found["spread"] == pytest.approx([4 * -0.4, 4 * -0.3])
    assert (found["latent"], found["weights"]) == ([3.0, 4.0], [7.0])


def test_penalties_make_latents_and_weights_smaller() -> None:
    def sizes(**weights: float) -> tuple[float, float]:
        solution = priors.train(blobs(), "hypernetwork", settings={**DEEP, **weights}, passes=0.03, batch=64)
        found = prior_of(solution)(contexts()[1]).detach()
        return float(found[:, -17:-1].square().mean()), float(found[:, -1].mean())

    free = sizes(latent_weight=0.0, size_weight=0.0)
    assert sizes(latent_weight=1e3, size_weight=0.0)[0] < 0.5 * free[0]
    assert sizes(latent_weight=0.0, size_weight=1e3)[1] < 0.9 * free[1]


@pytest.mark.parametrize("method", ["forward", "meta", "table"])
def test_a_training_that_is_stopped_goes_on_as_if_it_had_not_been(method: str, tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    whole = trained(method, passes=0.01, batch=64)
    stops = []

    def stop(progress: Progress) -> None:
        if progress.step == 5:
            stops.append(progress.step)
            raise KeyboardInterrupt

    cut = trained(method, passes=0.01, batch=64, observe=stop, checkpointing=Checkpointing(path, 0.004))
    assert (cut.stopped, stops) == ("interrupted", [5])
    resumed = trained(method, passes=0.01, batch=64, resume=path)
    for name, each in prior_of(whole).state_dict().items():
        torch.testing.assert_close(prior_of(resumed).state_dict()[name], each, msg=name)


def test_colours_and_any_aspect_are_learnt_too() -> None:
    pictures = np.random.default_rng(0).random((60, 4, 6, 3)).astype(np.float32)
    prior = prior_of(priors.train(sets.read(pictures), settings=SMALL, passes=0.005, batch=32))
    context = priors.context_of(torch.zeros(1, 24, 3), torch.eye(24)[:1])
    assert prior.found(context[0]).field(prior.points).shape == (24, 3)


def test_what_is_known_is_kept_and_the_rest_is_better_than_the_guess_allows() -> None:
    prior = prior_of(forward())
    held, some = contexts()
    values, _ = prior.complete(some)
    known = some[:, 49:] > 0
    torch.testing.assert_close(values[known], held[known], rtol=0, atol=1e-4)
    whole, _ = prior.complete(priors.context_of(held, torch.ones(len(held), 49)))
    torch.testing.assert_close(whole, held, rtol=0, atol=1e-4)


def letters(text: str, font: str, count: int) -> sets.SignalSet:
    """Return pictures of letters of a font, of any size and place."""
    numbers = np.random.default_rng(count)
    path = font_manager.findfont(font, fallback_to_default=False)
    found = []
    for _ in range(count):
        picture = Image.new("L", (48, 48))
        place = numbers.uniform(20, 28, 2)
        shape = ImageFont.truetype(path, int(numbers.integers(30, 44)))
        ImageDraw.Draw(picture).text((place[0], place[1]), text[numbers.integers(len(text))], 255, shape, anchor="mm")
        found.append(np.asarray(picture.resize((12, 12), Image.Resampling.BOX)))
    return sets.read(np.stack(found))


def test_a_prior_of_letters_completes_digits_of_another_font_better_than_each_alone() -> None:
    seen = letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "DejaVu Sans", 600)
    prior = prior_of(priors.train(seen, settings=SMALL, passes=0.001, batch=32))
    new = torch.from_numpy(letters("0123456789", "STIXGeneral", 50).scaled()).flatten(1, 2)
    masks = priors.random_masks(50, 144, 50, torch.Generator().manual_seed(0))
    ours = float((prior.complete(priors.context_of(new, masks))[0] - new).square().mean())
    distances = torch.cdist(prior.points, prior.points)
    alone = []
    for length in (0.1, 0.3, 1.0, 3.0):  # the best Gaussian process of all, of each picture's own mean
        process = torch.exp(-distances / length) + 1e-4 * torch.eye(144)
        errors = []
        for picture, mask in zip(new[..., 0], masks > 0, strict=True):
            mean = picture[mask].mean()
            along = torch.linalg.solve(process[mask][:, mask], picture[mask] - mean)
            errors.append((torch.where(mask, picture, mean + process[:, mask] @ along) - picture).square().mean())
        alone.append(float(torch.stack(errors).mean()))
    assert ours < 0.9 * min(alone)


def test_what_a_network_adds_is_damped_where_it_does_harm() -> None:
    prior = copy.deepcopy(prior_of(forward()))
    held, some = contexts()
    assert isinstance(prior.encoder, GuessEncoder)
    guess = prior.encoder.mixture(some)
    torch.nn.init.normal_(prior.encoder.more.bias)
    assert float((prior.complete(some)[0].flatten(1) - guess).square().mean()) > 0.1
    assert damp(prior, held)
    assert float((prior.complete(some)[0].flatten(1) - guess).square().mean()) < 1e-3


def test_what_is_told_was_measured_after_the_damping() -> None:
    solution = priors.train(blobs(12), settings=SMALL, passes=0.3, batch=32)  # learns these few by heart
    measured = solution.problem.measure
    assert measured is not None
    assert solution.metrics == pytest.approx(measured(solution.fields, None), rel=1e-4)
    assert solution.metrics["error at 10"] < 0.97 * solution.history[-1].metrics["error at 10"]


@pytest.mark.parametrize("count", [2, 7])
def test_a_prior_of_very_few_pictures_is_finite_and_no_worse_than_their_mean(count: int) -> None:
    prior = prior_of(priors.train(blobs(count), settings=SMALL, passes=0.002, batch=32))
    held, some = contexts()
    values, spread = prior.complete(some)
    assert bool(torch.isfinite(values).all() and torch.isfinite(spread).all())
    _, seen = split(blobs(count))
    assert float((values - held).square().mean()) < float((seen.mean(0) - held).square().mean())


def test_a_sample_and_a_walk_are_fields_of_the_prior() -> None:
    prior = prior_of(forward())
    drawn = prior.at(prior.sample(torch.Generator().manual_seed(0)))
    other = prior.at(prior.sample(torch.Generator().manual_seed(1)))
    assert float((drawn.field(prior.points) - other.field(prior.points)).detach().abs().max()) > 0.1
    ends = prior.encode(contexts(49)[1][:2])
    halves = [prior.at(ends[0].lerp(ends[1], t)).field(prior.points) for t in (0.0, 0.5, 1.0)]
    torch.testing.assert_close(halves[1], (halves[0] + halves[2]) / 2, rtol=0, atol=1e-4)  # the last layer is linear


@pytest.mark.parametrize(
    ("values", "settings", "told"),
    [
        (np.zeros((1, 4, 4), np.uint8), {}, "a prior is learnt from many pictures"),
        (np.zeros((9, 1, 2), np.uint8), {}, "at least 4 pixels"),
        (
            np.zeros((9, 64, 64), np.uint8),
            {},
            "at most 2048 values a signal, and these are pictures of 64 x 64 x 1; scale",
        ),
        (np.zeros((9, 4, 4), np.uint8), {}, "all of one value; there is nothing to learn"),
        (
            np.eye(16, dtype=np.uint8).reshape(16, 4, 4),
            {"method": "magic"},
            "unknown method 'magic'; choose one of forward",
        ),
    ],
)
def test_what_cannot_be_learnt_is_told(values: NDArray[Any], settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        priors.problem_of(sets.read(values), **settings)


def test_a_prior_is_a_public_name() -> None:
    assert sinefield.priors is priors
