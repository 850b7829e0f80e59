"""Tests of pictures fitted together: against least squares alone, one by one, and by file."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

import sinefield
from sinefield import collection, fit_many
from sinefield.fields import Siren
from sinefield.fields.tiled import TiledSiren
from sinefield.io.image import read
from sinefield.signals.image import ImageSignal


def noise(number: int, height: int = 8, width: int = 8, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (height, width, channels), dtype=np.uint8)


def weights(field: torch.nn.Module) -> list[torch.Tensor]:
    return [each.detach() for each in field.parameters()]


def test_the_last_layer_is_that_of_the_least_squares_of_its_docstring() -> None:
    """Σ (Φ(x_i) − a(x_i))² + λ Σ (c_j / s_j)², solved by NumPy as one stacked system in double precision."""
    picture = noise(0)
    (found,) = fit_many([picture])
    first, bias, last, constant = (each.double().numpy() for each in weights(found.field))
    field = found.field
    assert isinstance(field, Siren)
    omega = float(field.settings["first_omega"])
    assert omega == pytest.approx(2 * math.pi / (2 / 8))  # frequencies up to π/h: a weight is at most 1/2
    assert np.abs(first).max() <= 0.5
    assert np.abs(first).max() > 0.45
    line = (np.arange(8) + 0.5) / 4 - 1
    points = np.array(list(itertools.product(line, line)))
    features = np.sin(omega * (points @ first.T + bias))
    scales = (1 + np.square(omega * first / 6).sum(1)) ** -1.25
    ridge = 1e-6 * np.square(features * scales).sum(1).mean()
    known = noise(0)[..., 0].reshape(-1) / 127.5 - 1
    system = np.concatenate([features * scales, math.sqrt(ridge) * np.eye(len(scales))])
    expected = scales * np.linalg.lstsq(system, np.concatenate([known, np.zeros(len(scales))]), rcond=None)[0]
    np.testing.assert_allclose(last[0], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert (constant == 0).all()


def test_together_is_each_alone_up_to_rounding() -> None:
    sources = [noise(number, channels=3) for number in range(5)]
    joint = fit_many(sources, seed=4)
    for source, each in zip(sources, joint, strict=True):
        (alone,) = fit_many([source], seed=4)
        for one, other in zip(weights(each.field), weights(alone.field), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    batches = fit_many(sources, seed=4, together=2)
    for each, again in zip(joint, batches, strict=True):
        torch.testing.assert_close(weights(each.field)[2], weights(again.field)[2], rtol=0, atol=1e-5)


def test_every_picture_is_met_even_noise() -> None:
    for each in fit_many([noise(number, 12, 9, 3) for number in range(3)]):
        assert each.metrics["psnr"] > 45
        picture = np.asarray(each.render())
        assert picture.shape == (12, 9, 3)


def test_what_is_told_is_what_the_picture_has() -> None:
    source = noise(1)
    (found,) = fit_many([source])
    error = np.asarray(found.render()) - source
    assert found.metrics["psnr"] == pytest.approx(10 * math.log10(255**2 / np.square(error).mean()), abs=0.5)


def test_a_smooth_picture_is_met_between_its_samples_too() -> None:
    """Against the function that the samples are of: a field that only met samples would be off by its range."""

    def wave(size: int) -> NDArray[np.float64]:
        line = (np.arange(size) + 0.5) / size * 2 - 1
        values: NDArray[np.float64] = np.sin(5 * line[:, None] + 1) * np.cos(4 * line)
        return values

    coarse = wave(16)
    (found,) = fit_many([coarse])
    fine = np.asarray(found.render(scale=4))[..., 0]
    inside = slice(4, -4)
    assert np.abs(fine - wave(64))[inside, inside].max() < 0.08


def test_pictures_of_several_sizes_keep_their_order() -> None:
    sizes = [(8, 8, 1), (6, 9, 3), (8, 8, 1), (9, 6, 3)]
    seen: list[int] = []
    found = fit_many(
        [noise(number, *size) for number, size in enumerate(sizes)],
        observe=lambda number, _each: seen.append(number),
    )
    for size, each in zip(sizes, found, strict=True):
        assert isinstance(each.signal, ImageSignal)
        assert (*each.signal.lattice.shape, each.signal.channels) == size
    assert sorted(seen) == [0, 1, 2, 3]


def test_starts_are_shared_or_each_has_its_own() -> None:
    sources = [noise(number) for number in range(3)]
    shared, own = fit_many(sources, seed=2), fit_many(sources, seed=2, shared=False)
    assert [each.seed for each in shared] == [2, 2, 2]
    assert [each.seed for each in own] == [2, 3, 4]
    torch.testing.assert_close(weights(shared[0].field)[0], weights(shared[2].field)[0], rtol=0, atol=0)
    assert not torch.equal(weights(own[0].field)[0], weights(own[2].field)[0])
    torch.testing.assert_close(weights(own[0].field)[2], weights(shared[0].field)[2], rtol=0, atol=1e-5)
    (again,) = fit_many(sources[2:], seed=4)
    torch.testing.assert_close(weights(own[2].field)[2], weights(again.field)[2], rtol=0, atol=1e-5)


def test_nothing_is_asked_where_a_picture_has_no_sample() -> None:
    holed, other = (noise(5, 10, 10).astype(np.float32)[..., 0] for _ in range(2))
    holed[3:5, 4:7] = np.nan
    with pytest.warns(sinefield.io.SignalWarning, match="missing|NaN|sample"):
        found, whole = fit_many([holed, other])
    known = np.isfinite(holed)
    values = found.field(torch.from_numpy(np.argwhere(known)).float() / 5 - 0.9).detach()
    assert found.metrics["psnr"] > 45
    assert whole.metrics["psnr"] > 45
    assert found.signal is not None
    picture = read(other)
    expected = (holed[known] - picture.low) / (picture.high - picture.low) * 2 - 1
    np.testing.assert_allclose(values.numpy()[:, 0], expected, atol=0.03)


def test_alpha_is_kept_where_it_is_zero() -> None:
    picture = noise(7, channels=4)
    picture[2, 2, 3] = 0
    (found,) = fit_many([picture])
    assert abs(float(np.asarray(found.render())[2, 2, 3])) < 3


def test_large_pictures_are_fitted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "LARGEST", 100)
    small, large = fit_many([noise(0), noise(1, 11, 11)], seed=1)
    assert small.recipe["name"] == "many"
    assert large.recipe["name"] == "solved"
    assert isinstance(large.field, TiledSiren)
    assert large.metrics["psnr"] > 100


def test_a_field_is_saved_with_its_start_and_its_source(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(noise(3)[..., 0]).save(path)
    (found,) = fit_many([path], seed=9)
    found.save(tmp_path / "a.safetensors")
    loaded, header = sinefield.checkpoint.read(tmp_path / "a.safetensors")
    assert header["seed"] == 9
    assert header["source"]["name"] == "a.png"
    assert header["metrics"]["psnr"] == pytest.approx(found.metrics["psnr"])
    for one, other in zip(weights(loaded), weights(found.field), strict=True):
        assert torch.equal(one, other)


def test_what_is_no_picture_is_refused_or_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"a\.png"):
        fit_many([tmp_path / "a.png"])
    failed: dict[int, Exception] = {}
    sources: Any = enumerate([tmp_path / "a.png", noise(0), tmp_path / "missing.png"])
    found = list(collection.fit_as_read(sources, failed=failed.__setitem__))
    assert [number for number, _ in found] == [1]
    assert sorted(failed) == [0, 2]
    assert isinstance(failed[2], FileNotFoundError)
