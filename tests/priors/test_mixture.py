"""Tests of the conditional mean of a mixture, beside the textbook's formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from sinefield.priors import context_of, mixture, random_masks
from sinefield.priors.mixture import NOISE, TEMPERATURE, Mixture


def drawn(components: int = 3, pixels: int = 7, channels: int = 2, rank: int = 2) -> Mixture:
    """Return a mixture with numbers drawn at random."""
    generator = torch.Generator().manual_seed(0)
    found = Mixture(pixels, channels, components, rank).double()
    for each in found.buffers():
        each.copy_(torch.randn(each.shape, generator=generator, dtype=torch.float64))
    found.residual.copy_(0.1 * found.residual @ found.residual.mT)
    return found


def test_the_conditional_mean_is_the_textbooks() -> None:
    model = drawn()
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(5, 7, 2, generator=generator, dtype=torch.float64)
    masks = torch.stack([random_masks(1, 7, k, generator)[0] for k in (1, 2, 3, 5, 7)]).double()
    found = model(context_of(pictures, masks)).numpy()
    means, factors, rest = (each.numpy() for each in (model.means, model.factors, model.residual))
    for row in range(5):
        known = masks[row].repeat_interleave(2).numpy() > 0
        values = pictures[row].flatten().numpy()[known]
        logs, conditional = [], []
        for k in range(3):
            covariance = factors[k] @ factors[k].T + rest
            among = covariance[np.ix_(known, known)] + NOISE * np.eye(known.sum())
            logs.append(stats.multivariate_normal.logpdf(values, means[k][known], among) + float(model.logits[k]))
            conditional.append(means[k] + covariance[:, known] @ np.linalg.solve(among, values - means[k][known]))
        weights = np.exp(TEMPERATURE * (np.array(logs) - max(logs)))
        expected = (weights / weights.sum()) @ np.array(conditional)
        np.testing.assert_allclose(found[row], expected, rtol=1e-7, atol=1e-8)


def test_what_is_found_of_a_context_does_not_depend_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model = drawn()
    pictures = torch.randn(4, 7, 2, dtype=torch.float64)
    contexts = context_of(pictures, torch.tensor([[1.0] * k + [0.0] * (7 - k) for k in (1, 3, 7, 2)]).double())
    together = model(contexts)
    monkeypatch.setattr(mixture, "TOGETHER", 1)
    torch.testing.assert_close(together, model(contexts))


def test_two_kinds_of_pictures_are_told_apart_by_a_pixel() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([[-1.0, -1.0, -1.0, -1.0], [1.0, -1.0, 1.0, 1.0]])
    rows = kinds[torch.arange(200) % 2] + 0.05 * torch.randn(200, 4, generator=generator)
    model = Mixture(4, 1, 2, 1)
    model.learn(rows)
    contexts = context_of(kinds.unsqueeze(2), torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 2))
    torch.testing.assert_close(model(contexts), kinds, atol=0.05, rtol=0)


def test_one_component_of_full_rank_is_the_gaussian_of_the_pictures() -> None:
    rows = torch.randn(400, 5) @ torch.randn(5, 5)
    model = Mixture(5, 1, 1, 5)
    model.learn(rows)
    offsets = rows - rows.mean(0)
    found = model.factors[0] @ model.factors[0].mT + model.residual
    torch.testing.assert_close(found, offsets.mT @ offsets / 400, rtol=1e-3, atol=1e-3)


def test_fewer_pictures_than_components_leave_no_nan() -> None:
    model = Mixture(4, 1, 30, 8)
    rows = torch.rand(12, 4)
    model.learn(rows)
    assert bool(torch.isfinite(model(context_of(rows.unsqueeze(2), torch.ones(12, 4)))).all())
