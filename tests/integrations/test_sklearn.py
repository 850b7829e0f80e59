"""Tests of the regressor: scikit-learn's own checks, closed forms, and what users of such wrappers complain of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import sinefield
from sinefield.constraint import Constraint
from sinefield.domains import PointCloud
from sinefield.integrations.sklearn import SirenRegressor
from sinefield.solve import solve
from sinefield.solvers import GaussNewton

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform([-1000.0, 0.001], [3000.0, 0.003], (300, 2))  # units as far apart as metres and seconds
ALONG, ACROSS = 1 / 800, 1500.0


def truth(x: np.ndarray) -> np.ndarray:
    return 5e6 + 2e5 * np.sin(ALONG * x[:, 0]) * np.cos(ACROSS * x[:, 1])


def gradient(x: np.ndarray) -> np.ndarray:
    u, v = ALONG * x[:, 0], ACROSS * x[:, 1]
    return 2e5 * np.stack([ALONG * np.cos(u) * np.cos(v), -ACROSS * np.sin(u) * np.sin(v)], 1)


@pytest.fixture(scope="module")
def model() -> SirenRegressor:
    return SirenRegressor(random_state=0).fit(X, truth(X))


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(
    "settings",
    [{"hidden_features": 64}, {"hidden_features": 16, "first_omega": 2.0}],
    ids=["chosen", "given"],
)
def test_scikit_learn_finds_no_fault(settings: dict[str, Any]) -> None:
    found = check_estimator(SirenRegressor(**settings), on_skip=None)
    assert len(found) > 40
    assert {each["check_name"] for each in found if each["status"] != "passed"} <= {"check_array_api_input"}


def test_values_and_derivatives_are_in_the_units_of_the_data(model: SirenRegressor) -> None:
    inside = RANDOM.uniform([-800.0, 0.0011], [2800.0, 0.0029], (50, 2))
    assert relative(model.predict(inside) - 5e6, truth(inside) - 5e6) < 1e-6
    for column in range(2):
        found = model.predict(inside, derivatives="gradient")[:, column]
        assert relative(found, gradient(inside)[:, column]) < 1e-5
    hessian = model.predict(inside, derivatives="hessian")
    wave = truth(inside) - 5e6
    assert relative(hessian[:, 0, 0], -(ALONG**2) * wave) < 1e-3
    assert relative(hessian[:, 1, 1], -(ACROSS**2) * wave) < 1e-3
    u, v = ALONG * inside[:, 0], ACROSS * inside[:, 1]
    assert relative(hessian[:, 0, 1], -2e5 * ALONG * ACROSS * np.cos(u) * np.sin(v)) < 1e-3
    laplacian = model.predict(inside, derivatives="laplacian")
    np.testing.assert_allclose(laplacian, hessian[:, 0, 0] + hessian[:, 1, 1], rtol=1e-9)


def test_shapes_follow_the_targets() -> None:
    x = np.linspace(-1, 1, 40)[:, None] * [1.0, 0.5, 2.0]
    several = np.stack([np.sin(x[:, 0]), np.cos(x[:, 0])], 1)
    shapes = {"value": (), "gradient": (3,), "laplacian": (), "hessian": (3, 3)}
    for y, more in ((several, (2,)), (several[:, :1], (1,)), (several[:, 0], ())):
        fitted = SirenRegressor(hidden_features=32, random_state=0).fit(x, y)
        for name, shape in shapes.items():
            assert fitted.predict(x, derivatives=name).shape == (40, *more, *shape)  # type: ignore[arg-type]


def test_outputs_are_not_mixed_up() -> None:
    x = np.linspace(0, 2, 80)[:, None]
    fitted = SirenRegressor(random_state=0).fit(x, np.concatenate([1e3 * np.sin(x), 1e-3 * np.cos(2 * x)], 1))
    found = fitted.predict(x, derivatives="gradient")[:, :, 0]
    assert relative(found[:, 0], 1e3 * np.cos(x[:, 0])) < 1e-4
    assert relative(found[:, 1], -2e-3 * np.sin(2 * x[:, 0])) < 1e-4


def test_noise_is_not_fitted() -> None:
    x = np.sort(RANDOM.uniform(-1, 1, (200, 1)), 0)
    noise = 0.2 * RANDOM.standard_normal(200)
    fitted = SirenRegressor(random_state=0).fit(x, np.sin(4 * x[:, 0]) + noise)
    inside = np.linspace(-0.95, 0.95, 300)[:, None]
    assert np.sqrt(np.mean((fitted.predict(inside) - np.sin(4 * inside[:, 0])) ** 2)) < 0.08
    left = fitted.predict(x) - np.sin(4 * x[:, 0]) - noise
    assert np.sqrt(np.mean(left**2)) > 0.15


def test_the_frequency_is_that_of_the_data() -> None:
    x = np.linspace(-1, 1, 400)[:, None]
    slow, fast = (SirenRegressor(random_state=0).fit(x, np.sin(k * x[:, 0])) for k in (2.0, 120.0))
    assert fast.first_omega_ > 4 * slow.first_omega_
    assert fast.score(x + 1e-3, np.sin(120 * (x[:, 0] + 1e-3))) > 0.9999
    assert SirenRegressor(first_omega=3, random_state=0).fit(x, x[:, 0]).first_omega_ == 3


def test_features_that_do_not_matter_are_found_out() -> None:
    x = RANDOM.uniform(-1, 1, (300, 6)) * [1.0, 10.0, 1.0, 1.0, 1.0, 1e3]
    y = np.sin(6 * x[:, 0]) + (x[:, 1] / 10) ** 2 + 0.05 * RANDOM.standard_normal(300)
    fitted = SirenRegressor(128, random_state=0).fit(x, y)
    varied = fitted.frequencies_ * [1.0, 10.0, 1.0, 1.0, 1.0, 1e3]  # per half of the range
    assert varied[0] > 2 * varied[1] > 4 * varied[2:].max()
    others = RANDOM.uniform(-1, 1, (500, 6)) * [1.0, 10.0, 1.0, 1.0, 1.0, 1e3]
    truth = np.sin(6 * others[:, 0]) + (others[:, 1] / 10) ** 2
    assert fitted.score(others, truth) > 0.99
    alike = SirenRegressor(128, first_omega=fitted.first_omega_, random_state=0).fit(x, y)
    assert alike.score(others, truth) < 0.9
    np.testing.assert_allclose(alike.frequencies_ * [1.0, 10.0, 1.0, 1.0, 1.0, 1e3], alike.first_omega_ / 6, rtol=0.05)


def test_its_field_is_solved_for_further() -> None:
    """Gauss-Newton for all weights, which a network of few features gains from on data without noise."""
    x = RANDOM.uniform(-1, 1, (150, 2))
    y = np.sin(3 * x[:, 0]) * x[:, 1]
    model = SirenRegressor(12, first_omega=3, random_state=0).fit(x, y)
    before = 1 - model.score(x, y)
    cloud = PointCloud(torch.from_numpy(x), {"target": torch.from_numpy(y[:, None])})
    near = Constraint(cloud, lambda u, target: u.value - target)
    solve(model.field_.requires_grad_(True), [near], solver=GaussNewton(), batch=None, passes=20)
    assert 1 - model.score(x, y) < 0.1 * before


def test_more_points_than_omega_is_chosen_with() -> None:
    x = RANDOM.uniform(-1, 1, (3000, 2))
    y = np.sin(3 * x[:, 0]) * x[:, 1] + 0.3 * RANDOM.standard_normal(3000)
    fitted = SirenRegressor(hidden_features=64, random_state=0).fit(x, y)
    assert np.sqrt(np.mean((fitted.predict(x) - np.sin(3 * x[:, 0]) * x[:, 1]) ** 2)) < 0.06


def test_it_is_the_same_for_the_same_seed_and_leaves_that_of_others_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second, other = (
        SirenRegressor(32, random_state=seed).fit(X[:50], truth(X[:50])).predict(X) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(2), expected)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("y", [truth(X), truth(X)[:, None]], ids=["flat", "column"])
def test_it_works_inside_others(y: np.ndarray) -> None:
    scaled = make_pipeline(StandardScaler(), SirenRegressor(32, random_state=0))
    found = GridSearchCV(scaled, {"sirenregressor__first_omega": [0.01, 2.0]}, cv=3, error_score="raise").fit(X, y)
    assert found.best_params_ == {"sirenregressor__first_omega": 2.0}
    assert cross_val_score(clone(scaled), X, y, cv=3, error_score="raise").min() > 0.99
    assert TransformedTargetRegressor(scaled, func=np.log, inverse_func=np.exp).fit(X, y).score(X, y) > 0.99
    bag = BaggingRegressor(SirenRegressor(32), n_estimators=2, random_state=0).fit(X, y.ravel())
    assert bag.score(X, y.ravel()) > 0.95


def test_it_survives_files_and_its_field_is_one(model: SirenRegressor, tmp_path: Path) -> None:
    joblib.dump(model, tmp_path / "model.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict(X), model.predict(X))
    sinefield.checkpoint.save(tmp_path / "model.safetensors", model.field_)
    field = sinefield.load(tmp_path / "model.safetensors")
    assert isinstance(field, torch.nn.Module)
    with torch.no_grad():
        np.testing.assert_allclose(field(torch.from_numpy(X))[:, 0], model.predict(X), rtol=1e-12)


def test_what_does_not_vary() -> None:
    x = np.concatenate([X, np.full((len(X), 1), 1e9)], 1)
    assert relative(SirenRegressor(random_state=0).fit(x, truth(X)).predict(x), truth(X)) < 1e-6
    constant = SirenRegressor(32, random_state=0).fit(X, np.full(len(X), 7.0))
    np.testing.assert_allclose(constant.predict(X), 7.0)
    alone = SirenRegressor(32, random_state=0).fit([[1.0, 2.0]], [3.0])
    assert math.isclose(alone.predict([[1.0, 2.0]])[0], 3.0)


def test_what_is_refused(model: SirenRegressor) -> None:
    with pytest.raises(ValueError, match="derivatives are value, gradient, laplacian or hessian; got 'slope'"):
        model.predict(X, derivatives="slope")  # type: ignore[arg-type]  # which is what is refused
    with pytest.raises(ValueError, match="X has 1 features, but SirenRegressor is expecting 2"):
        model.predict(X[:, :1], derivatives="gradient")
    with pytest.raises(NotFittedError):
        SirenRegressor().predict(X)
    with pytest.raises(ValueError, match="frequencies ω₀ must be positive"):
        SirenRegressor(first_omega=-1.0).fit(X, truth(X))
