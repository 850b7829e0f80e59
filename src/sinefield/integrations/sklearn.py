"""A regressor of scikit-learn: a field fitted to scattered points, whose derivatives are predicted too.

Features and targets are scaled here, and the scaling is then folded into the first and the last layer, so that the
field takes and gives numbers in the units of the data, and its derivatives are in them too:

    Φ(x) = s_y Ψ((x − m_x) / s_x) + m_y

The last layer of Ψ is found by ridge regression on the activations before it, see :mod:`.ridge`: its penalty is that
of the least errors of prediction, which tell noise from detail without points held out. So is ω₀, and after it the
share of ω₀ that there is along each feature: what does not matter gets next to none, as the lengths of a Gaussian
process become long.
"""

from __future__ import annotations

import itertools
import math
from typing import Final, Literal, Self, final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from sinefield.fields import Siren
from sinefield.integrations.ridge import ridge
from sinefield.jet import jets_of

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
except ImportError as error:
    raise ImportError(
        f"SirenRegressor needs the extra 'sklearn' ({error}); pip install 'sinefield[sklearn]'"
    ) from error

Predicted = Literal["value", "gradient", "laplacian", "hessian"]

_SOME: Final = 1024  # points that frequencies are chosen with
_FEW: Final = 256  # features that they are chosen with
_LEAST_OMEGA: Final = 0.5
_SWEEPS: Final = (4.0, 2.0, 2.0)  # over the features of the data: by how much their shares are changed
_GAIN: Final = 0.98  # of the mean square, that another sweep follows
_LARGEST: Final = 2.0**10  # share of ω₀ along a feature, and 1 over the least


@final
class SirenRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # bases without types
    """Regression by a SIREN on scattered points, with the derivatives of what it predicts.

    Args:
        hidden_features: the width of every hidden layer.
        hidden_layers: how many sine layers follow the first one.
        first_omega: ω₀ of the first layer, in radians per half of the range of a feature, along all of them; None: it
            is chosen, and how much of it there is along each feature.
        random_state: of the initial weights.

    Attributes:
        field_: Φ, from features to targets, in double precision: what :func:`sinefield.jet` and
            :func:`sinefield.checkpoint.save` take.
        first_omega_: ω₀.
        frequencies_: the highest angular frequency of the first layer along each feature, ``(d,)``, in radians per unit
            of the feature; small along those that do not matter.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    >>> x = np.linspace(0, 3, 60)[:, None]
    >>> model = SirenRegressor(random_state=0).fit(x, np.sin(2 * x[:, 0]))
    >>> bool(np.abs(model.predict(x, derivatives="gradient") - 2 * np.cos(2 * x)).max() < 1e-3)
    True
    """

    def __init__(
        self,
        hidden_features: int = 512,
        hidden_layers: int = 1,
        first_omega: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_features = hidden_features
        self.hidden_layers = hidden_layers
        self.first_omega = first_omega
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Return this regressor, fitted.

        Args:
            X: features, ``(n, d)``.
            y: targets, ``(n,)`` or ``(n, c)``.

        Raises:
            ValueError: data that scikit-learn refuses, such as NaN or other lengths; or a setting out of its range.
        """
        features, given = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        random = check_random_state(self.random_state)
        seed, order = int(random.randint(2**31 - 1)), torch.from_numpy(random.permutation(len(features)))
        self._is_flat = given.ndim == 1
        points, m_x, s_x = _scaled(torch.tensor(features), by_range=True)
        targets, m_y, s_y = _scaled(torch.tensor(given, dtype=torch.float64).reshape(len(points), -1))
        self.first_omega_, shares = self._frequencies(points[order[:_SOME]], targets[order[:_SOME]], seed)
        self.frequencies_ = (self.first_omega_ / points.shape[1] * shares / s_x).numpy()
        field = self._drawn(points, targets, self.hidden_features, self.first_omega_, seed)
        _first(field).weight.data.mul_(shares)
        _solve_last_layer(field, field.layers[:-1](points), targets)
        self.field_ = _unscaled(field, m_x, s_x, m_y, s_y)
        return self

    def predict(self, X: ArrayLike, derivatives: Predicted = "value") -> NDArray[np.float64]:  # noqa: N803
        """Return what is predicted, or a derivative of it, in the units of the data.

        Args:
            X: features, ``(n, d)``.
            derivatives: ``"value"``, of shape ``(n,)``; ``"gradient"``, ``(n, d)``; ``"laplacian"``, ``(n,)``, or
                ``"hessian"``, ``(n, d, d)``. Where targets were ``(n, c)``, all have an axis of c after the first.

        Raises:
            ValueError: features that scikit-learn refuses, or an unknown derivative.
            NotFittedError: it was not fitted.
        """
        check_is_fitted(self)
        if derivatives not in ("value", "gradient", "laplacian", "hessian"):
            raise ValueError(f"derivatives are value, gradient, laplacian or hessian; got {derivatives!r}")
        points = torch.tensor(validate_data(self, X, reset=False, dtype=np.float64))
        name = "jacobian" if derivatives == "gradient" else derivatives
        found = torch.cat([getattr(u, name) for u in jets_of(self.field_, points, (name,))]).numpy()
        return found[:, 0] if self._is_flat else found

    def _frequencies(self, points: Tensor, targets: Tensor, seed: int) -> tuple[float, Tensor]:
        """Return ω₀, and how many times that the frequencies along each feature are, of least errors of prediction."""
        n, d = points.shape
        ones = torch.ones(d, dtype=torch.float64)
        if self.first_omega is not None:
            return float(self.first_omega), ones

        field = self._drawn(points, targets, min(_FEW, self.hidden_features), 1.0, seed)

        def score(omega: float, shares: Tensor) -> float:
            return _solve_last_layer(field, field.layers[1:-1](omega * _first(field)(points * shares)), targets)

        highest = d * math.pi * n ** (1 / d) / 2  # half a turn between neighbours, as weights are at most 1/d
        octaves = range(1 + math.ceil(math.log2(highest / _LEAST_OMEGA)))
        least, omega = min((score(_LEAST_OMEGA * 2**k, ones), _LEAST_OMEGA * 2**k) for k in octaves)
        best, before = ones, math.inf
        for by in _SWEEPS if d > 1 else ():
            if least > _GAIN * before:
                break
            before = least
            for feature, factor in itertools.product(range(d), (by, 1 / by)):
                while True:
                    changed = best.clone()
                    changed[feature] *= factor
                    found = score(omega, changed) if 1 / _LARGEST <= changed[feature] <= _LARGEST else math.inf
                    if found >= least:
                        break
                    best, least = changed, found
        return omega, best

    def _drawn(self, points: Tensor, targets: Tensor, features: int, omega: float, seed: int) -> Siren:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            field = Siren(points.shape[1], targets.shape[1], features, self.hidden_layers, omega)
        return field.double().requires_grad_(False).eval()


def _first(field: Siren) -> nn.Linear:
    first = field.layers[0]
    assert isinstance(first, nn.Linear), "a SIREN begins so"
    return first


@torch.no_grad()
def _solve_last_layer(field: Siren, activations: Tensor, targets: Tensor) -> float:
    """Return the mean square of the errors of prediction of a field, once its last layer is that of the least."""
    weight, bias, score = ridge(activations, targets)
    last = field.layers[-1]
    assert isinstance(last, nn.Linear)
    last.weight.copy_(weight)
    last.bias.copy_(bias)
    return score


def _scaled(values: Tensor, *, by_range: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return columns centred and of size 1, half a range or a deviation; their centres and sizes, 1 of constants."""
    low, high = values.min(0).values, values.max(0).values
    centre = low + (high - low) / 2 if by_range else values.mean(0)
    size = (high - low) / 2 if by_range else values.std(0, correction=0)
    size = torch.where(size > 1e-12 * centre.abs(), size, torch.ones_like(size))
    return (values - centre) / size, centre, size


@torch.no_grad()
def _unscaled(field: Siren, m_x: Tensor, s_x: Tensor, m_y: Tensor, s_y: Tensor) -> Siren:
    """Return a field of scaled numbers as one of the numbers themselves: the scaling becomes part of its layers."""
    first, last = _first(field), field.layers[-1]
    assert isinstance(last, nn.Linear)
    first.weight.div_(s_x)
    first.bias.sub_(first.weight @ m_x)
    last.weight.mul_(s_y[:, None])
    last.bias.mul_(s_y).add_(m_y)
    return field
