"""Tests of the conditional mean of a mixture, beside the textbook's formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from sinefield.priors import context_of, mixture, random_masks
from sinefield.priors.mixture import NOISE, Mixture, Moments, Shrinkage, pack, unpack
from sinefield.priors.prior import points_of


def drawn(components: int = 3, pixels: int = 7, channels: int = 2) -> Mixture:
    """Return a mixture with numbers drawn at random."""
    generator = torch.Generator().manual_seed(0)
    found = Mixture(pixels, channels, components).double()
    size = pixels * channels
    factors = torch.randn(components, size, size, generator=generator, dtype=torch.float64)
    means = torch.randn(components, size, generator=generator, dtype=torch.float64)
    shares = torch.rand(components, generator=generator, dtype=torch.float64)
    found.take(shares / shares.sum(), means, 0.3 * factors @ factors.mT, temperature=0.7)
    return found


def blobs(count: int, seed: int = 0) -> Tensor:
    """Return pictures of 6 x 6 pixels of a blob each, ``(count, 36)``."""
    centres = 2 * torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(seed)) - 1
    return torch.exp(-(points_of(6, 6) - centres).square().sum(2) / 0.3)


def test_the_conditional_mean_is_the_textbooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "_LEAST", 0.0)
    model = drawn()
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(5, 7, 2, generator=generator, dtype=torch.float64)
    masks = torch.stack([random_masks(1, 7, k, generator)[0] for k in (1, 2, 3, 5, 7)]).double()
    found = model(context_of(pictures, masks)).numpy()
    means, covariances = model.means.numpy(), model.covariances.numpy()
    for row in range(5):
        known = masks[row].repeat_interleave(2).numpy() > 0
        values = pictures[row].flatten().numpy()
        logs, conditional = [], []
        for k in range(3):
            among = covariances[k][np.ix_(known, known)]
            logs.append(
                stats.multivariate_normal.logpdf(values[known], means[k][known], among) + float(model.logits[k])
            )
            offset = np.linalg.solve(among, values[known] - means[k][known])
            conditional.append(means[k] + covariances[k][:, known] @ offset)
        weights = np.exp(0.7 * (np.array(logs) - max(logs)))
        expected = np.where(known, values, (weights / weights.sum()) @ np.array(conditional))
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-6)


def test_several_clusterings_give_the_mean_of_what_each_gives_within_the_range_of_the_pictures() -> None:
    rows, held, new = blobs(200), blobs(20, seed=1), blobs(30, seed=2)
    contexts = context_of(new.unsqueeze(2), random_masks(30, 36, 8, torch.Generator().manual_seed(0)))
    model = Mixture(36, 1, 4, clusterings=2)
    model.learn(rows, held, points_of(6, 6))
    parts = []
    for number in range(2):
        each = Mixture(36, 1, 4)
        some = slice(4 * number, 4 * number + 4)
        for name in ("logits", "means", "packed", "scales"):
            getattr(each, name).copy_(getattr(model, name)[some])
        each.temperature.copy_(model.temperature)
        parts.append(each(contexts))
    assert not torch.equal(model.means[:4], model.means[4:])
    expected = ((parts[0] + parts[1]) / 2).clamp(rows.min(), rows.max())
    known = contexts[:, 36:] > 0
    torch.testing.assert_close(model(contexts), torch.where(known, contexts[:, :36], expected), rtol=1e-4, atol=1e-4)
    errors = [float((each - new).square().mean()) for each in (model(contexts), *parts)]
    assert errors[0] < max(errors[1:])


def test_what_is_found_of_a_context_does_not_depend_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model = drawn()
    pictures = torch.randn(6, 7, 2, dtype=torch.float64)
    masks = torch.tensor([[1.0] * k + [0.0] * (7 - k) for k in (1, 3, 7, 2, 3, 1)]).double()
    contexts = context_of(pictures, masks)
    together = model(contexts)
    torch.testing.assert_close(together[4:5], model(contexts[4:5]))
    monkeypatch.setattr(mixture, "TOGETHER", 1)
    torch.testing.assert_close(together, model(contexts))


def test_two_kinds_of_pictures_are_told_apart_by_a_pixel() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([[-1.0, -1.0, -1.0, -1.0], [1.0, -1.0, 1.0, 1.0]])
    rows = kinds[torch.arange(220) % 2] + 0.05 * torch.randn(220, 4, generator=generator)
    model = Mixture(4, 1, 2)
    model.learn(rows[:200], rows[200:], points_of(2, 2))
    contexts = context_of(kinds.unsqueeze(2), torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 2))
    torch.testing.assert_close(model(contexts), kinds, atol=0.1, rtol=0)


def test_one_component_of_many_pictures_is_their_gaussian() -> None:
    rows = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0)) @ torch.randn(4, 4)
    setting = Shrinkage(1, within=300.0, smooth=1.0)
    _, means, covariances = Moments(rows, points_of(2, 2)).of(setting)
    offsets = rows - rows.mean(0)
    expected = offsets.mT @ offsets / 4000
    torch.testing.assert_close(means[0], rows.mean(0))
    torch.testing.assert_close(covariances[0], expected, rtol=1e-2, atol=1e-2)


def test_few_pictures_are_drawn_towards_a_process_that_knows_of_distances() -> None:
    """Of four pictures the sample covariance has rank 3, and its conditional mean is far off."""
    rows, held, new = blobs(4), blobs(2, seed=1), blobs(40, seed=2)
    contexts = context_of(new.unsqueeze(2), random_masks(40, 36, 12, torch.Generator().manual_seed(0)))
    errors = []
    for drawn_in in (True, False):
        model = Mixture(36, 1, 1)
        if drawn_in:
            model.learn(rows, held, points_of(6, 6))
        else:
            offsets = rows - rows.mean(0)
            model.take(torch.ones(1), rows.mean(0, keepdim=True), (offsets.mT @ offsets / 4).unsqueeze(0))
        errors.append(float((model(contexts) - new).square().mean()))
    assert errors[0] < 0.5 * errors[1]
    assert errors[0] < 0.3 * float((rows.mean(0) - new).square().mean())


def test_settings_are_those_with_the_least_errors_on_pictures_that_are_kept() -> None:
    found = [Mixture(36, 1, 30).learn(blobs(count), blobs(40, seed=1), points_of(6, 6)) for count in (30, 3000)]
    assert found[0].components < found[1].components
    assert found[0] != found[1]


def test_eight_bits_of_a_factor_keep_the_covariance_and_a_file_its_mixture() -> None:
    rows = blobs(500)
    model = Mixture(36, 1, 2)
    shares, means, covariances = Moments(rows, points_of(6, 6)).of(Shrinkage(2))
    model.take(shares, means, covariances)
    noisy = covariances + NOISE * torch.eye(36)
    assert float((model.covariances - noisy).norm() / noisy.norm()) < 0.01
    assert float(torch.linalg.eigvalsh(model.covariances.double()).min()) > 0
    other = Mixture(36, 1, 2)
    assert other.covariances.shape == (2, 36, 36)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.covariances, model.covariances, rtol=0, atol=0)
    steps = torch.randint(-127, 128, (3, 5, 5)).tril()
    torch.testing.assert_close(unpack(pack(steps), 5), steps.float(), rtol=0, atol=0)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_however_few_pictures_there_are_nothing_is_nan(count: int) -> None:
    model = Mixture(4, 2, 1)
    rows = torch.rand(count, 8)
    model.learn(rows, rows[:1], points_of(2, 2))
    masks = torch.tensor([[1.0, 0.0, 1.0, 0.0]]).expand(count, 4)
    found = model(context_of(rows.unflatten(1, (4, 2)), masks))
    assert bool(torch.isfinite(found).all())
    torch.testing.assert_close(found.unflatten(1, (4, 2))[:, 0], rows.unflatten(1, (4, 2))[:, 0], rtol=0, atol=0)
