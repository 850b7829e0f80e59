"""Training a prior: one of the problems that :func:`sinefield.solve` solves, over contexts in place of points.

    Φ_z(x) − a(x) = 0              for pictures a of the training set at their pixels x, z = E(C) for contexts C of them
    s_z(x) − |Φ_z(x) − a(x)| = 0   the size of the errors, which themselves are not moved by it
    z = 0,  θ = 0                  with weights of their own: the penalties of the latent and of generated weights

As a context tells less than the whole picture, what makes the first small is the mean of all pictures that agree with
the context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal, cast, final

import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.fields import build
from sinefield.io.sets import SignalSet
from sinefield.io.source import Source
from sinefield.jet_views import Derivatives
from sinefield.priors.contexts import Contexts, context_of, known_counts, random_masks
from sinefield.priors.encoders import GuessEncoder
from sinefield.priors.prior import Prior, calibrated_counts
from sinefield.priors.settings import settings_of
from sinefield.priors.table import SIZE, TableEncoder
from sinefield.problem import Problem
from sinefield.recipe import Recipe
from sinefield.sampler import CONTINUOUS_PASS
from sinefield.solution import Solution
from sinefield.solve import solve
from sinefield.solvers import Adam, Cosine, Muon

HELD_OUT: Final = 256
"""The most pictures that are kept from training, to measure on and to calibrate the spread."""

COVERAGE: Final = 0.9
"""The part of the errors on pictures kept from training that the spread is to hold."""

RECIPE: Final = Recipe(
    "prior",
    Muon(1e-2, rest=Adam(1e-3, (0.9, 0.99))),
    Cosine(0.01),
    batch=32,
    first_omega=30.0,
    passes=8,
)
"""How a prior is trained; a pass is 65,536 contexts."""

ADAM: Final[Mapping[str, Adam]] = {
    "hypernetwork": Adam(1e-3, (0.9, 0.99)),
    "modulated": Adam(3e-3, (0.9, 0.99)),
}
"""What trains some methods further in equal time, by ``benchmarks/study_priors.py``.

Orthogonal steps of the wide heads of a hypernetwork cost more than they gain.
"""

CONTEXTS: Final = 200
"""How many contexts of each picture a training looks at, where that is less than the recipe's passes."""

DESCENDED: Final = 64
"""The most pictures that the spread is calibrated by where each latent takes a descent."""

FORWARD_BATCH: Final = 256
"""Contexts of a step of the method ``"forward"``."""

ALIKE: Final = 32
"""How many contexts of a batch of the method ``"forward"`` share a mask, and with it the factors of its mixture."""

Term = Literal["picture", "spread", "latent", "weights"]


@final
@dataclass(frozen=True)
class Residual:
    """One of the terms that a prior is trained on.

    Args:
        term: which.
        size: pixels times channels, the length of the first two parts of a prior's value.
    """

    term: Term
    size: int

    def __call__(self, prior: Derivatives, picture: Tensor, gain: Tensor) -> Tensor:
        """Return C, one row for each context."""
        latent = prior.value.shape[1] - 2 * self.size - 1
        parts: tuple[Tensor, ...] = prior.value.split([self.size, self.size, latent, 1], dim=1)
        means, sizes, latents, weights = parts
        match self.term:
            case "picture":
                return (means - picture) * gain
            case "spread":
                return (sizes - (means - picture).detach().abs()) * gain.square()  # alike in proportion
            case "latent":
                return latents
            case "weights":
                return weights


def problem_of(
    pictures: SignalSet,
    method: str = "forward",
    *,
    latent_weight: float | None = None,
    size_weight: float | None = None,
    source: Source | None = None,
    **settings: Any,
) -> Problem:
    """Return the problem of training a prior on a set of pictures.

    Args:
        pictures: at least two, of one size; or shapes, or sounds.
        method: ``"forward"``, ``"hypernetwork"``, ``"modulated"``, ``"shifted"`` or ``"meta"``.
        latent_weight: of the mean square of the latent. None: 1e-1, the published one, or 0 for ``"forward"`` and
            ``"meta"``, whose latents are the pictures' own coordinates, or 10 for the smaller ones of a table.
        size_weight: of the mean square of the generated weights. None: 1e2, the published one, for ``"hypernetwork"``.
        source: where the pictures are from.
        **settings: of the prior; see :class:`~sinefield.priors.prior.Prior`.

    Raises:
        ValueError: there are too few pictures, or they are too large or too small.
    """
    count, height, width, channels = pictures.values.shape
    if count < 2:
        raise ValueError(f"a prior is learnt from many pictures, and {pictures.name} holds one; give more")
    if height * width < 4:
        raise ValueError(f"a prior is of pictures of at least 4 pixels, and those of {pictures.name} have fewer")
    held, trained = split(pictures)
    of_set = {"low": pictures.low, "high": pictures.high, "rate": pictures.rate}
    chosen = settings_of(height, width, channels, method, pictures.kind, **of_set, **settings)
    if pictures.values.min() == pictures.values.max():
        raise ValueError(f"the pictures of {pictures.name} are all of one value; there is nothing to learn")
    chosen["components"] = min(int(chosen["components"]), max(1, len(trained) // 10))
    chosen["clusterings"] = min(int(chosen["clusterings"]), int(chosen["components"]))  # of one there is one
    size = height * width * channels
    pixels = height * width
    encoder = chosen["encoder"]
    least, most = 1 if pixels < 12 else 6, max(2, pixels if encoder == "steps" else pixels // 3)
    domain = Contexts(trained, least, most, ALIKE if encoder == "guess" else 1)
    if encoder == "table":
        chosen["pictures"] = len(trained)
        domain = Contexts(trained, pixels, pixels, len(trained), numbered=True)
    usual = 0.0 if method in ("forward", "meta") else 0.1 / SIZE**2 if encoder == "table" else 0.1
    weights: dict[Term, float] = {
        "picture": 1.0,
        "spread": 0.1,
        "latent": usual if latent_weight is None else latent_weight,
        "weights": (1e2 if size_weight is None else size_weight) if method == "hypernetwork" else 0.0,
    }
    constraints = [Constraint(domain, Residual(term, size), term, each) for term, each in weights.items() if each > 0]

    learnt: dict[str, Tensor] = {}  # in closed form, which takes many seconds, and is the same whatever the seed

    def make(_omega: float) -> nn.Module:
        prior = build("prior", **chosen)
        assert isinstance(prior, Prior), "it is registered so"
        if learnt:
            prior.load_state_dict(learnt, strict=False)
        else:
            prior.learn_statistics(trained, held)
            trainable = {name for name, each in prior.named_parameters() if each.requires_grad}
            trainable -= {"encoder.rows"}
            learnt.update({name: each.clone() for name, each in prior.state_dict().items() if name not in trainable})
        return prior

    return Problem.of_one("prior", constraints, make, partial(_measure, held), source=source)


def split(pictures: SignalSet) -> tuple[Tensor, Tensor]:
    """Return pictures kept from training and those trained on, ``(n, pixels, c)`` in [−1, 1]."""
    count, height, width, channels = pictures.values.shape
    rows = torch.from_numpy(pictures.scaled()).reshape(count, height * width, channels)
    kept = min(HELD_OUT, max(1, count // 10))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return rows[order[:kept]], rows[order[kept:]]


def train(
    pictures: SignalSet,
    method: str = "forward",
    *,
    source: Source | None = None,
    settings: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    **arguments: Any,
) -> Solution:
    """Return a prior trained on pictures, its spread calibrated on some that are kept from training.

    Args:
        pictures: see :func:`problem_of`.
        method: see there.
        source: see there.
        settings: other keywords of :func:`problem_of`.
        recipe: how; None: that of :func:`recipe_of`.
        **arguments: of :func:`sinefield.solve`: ``seconds``, ``passes``, ``seed``, ``observe``, ``checkpointing``,
            ``resume``, ….

    Raises:
        ValueError: as for :func:`problem_of` and ``solve``.
    """
    problem = problem_of(pictures, method, source=source, **(settings or {}))
    solution = solve(problem, recipe=recipe or recipe_of(method, len(pictures.values)), **arguments)
    prior = cast("Prior", solution.field)
    held, trained = split(pictures)
    if damp(prior, held):
        solution = replace(solution, metrics={**solution.metrics, **_measure(held, prior, None)})
    learn_variance(prior, trained[:HELD_OUT])
    calibrate(prior, held[:DESCENDED] if isinstance(prior.encoder, TableEncoder) else held)
    learn_latents(prior, trained[: 2 * prior.latent])
    return solution


def recipe_of(method: str, count: int) -> Recipe:
    """Return how a prior of so many pictures is trained: :data:`RECIPE` with what is better for a method.

    Batches of ``"forward"`` and ``"meta"`` are larger, as the encoder takes all the time.
    """
    recipe = RECIPE.changed(passes=passes_of(count))
    if method in ("forward", "meta"):
        return recipe.changed(batch=FORWARD_BATCH)
    return recipe.changed(solver=ADAM[method]) if method in ADAM else recipe


def passes_of(count: int) -> float:
    """Return the passes that a training on so many pictures takes.

    >>> passes_of(60_000), passes_of(100)
    (8, 0.30517578125)
    """
    return min(RECIPE.passes or 0, CONTEXTS * count / CONTINUOUS_PASS)


@torch.no_grad()
def learn_latents(prior: Prior, pictures: Tensor) -> None:
    """Take mean and covariance of the latents of pictures ``(n, pixels, c)``, of which a third of the pixels is known.

    Or a hundred: more would take far longer, and tell hardly more. Those of a table are there already.
    """
    if isinstance(prior.encoder, TableEncoder):
        latents = prior.encoder.rows.double()
    else:
        known = max(1, min(100, prior.pixels // 3))
        masks = random_masks(len(pictures), prior.pixels, known, torch.Generator().manual_seed(0), ALIKE)
        latents = prior.encode(context_of(pictures, masks)).double()
    centred = latents - latents.mean(0)
    covariance = centred.mT @ centred / len(latents)
    covariance.diagonal().add_(1e-6 + 1e-3 * covariance.diagonal().mean())
    prior.latent_mean.copy_(latents.mean(0))
    prior.latent_factor.copy_(torch.linalg.cholesky(covariance))


@torch.no_grad()
def learn_variance(prior: Prior, pictures: Tensor) -> None:
    """Take the variance of the errors that the first training pictures, ``(n, pixels, c)``, have with their latents."""
    if isinstance(prior.encoder, TableEncoder):
        means = prior.values(prior.encoder.latents(torch.arange(len(pictures))))[..., : prior.channels]
        prior.encoder.variance.copy_((means - pictures).square().mean())


@torch.no_grad()
def damp(prior: Prior, pictures: Tensor) -> bool:
    """Scale what a network adds to a guess by what is best on pictures ``(n, pixels, c)``, from 0 to 1.

    Of few pictures a network learns what is true of them alone.

    Returns:
        Whether the prior has changed.
    """
    if not isinstance(prior.encoder, GuessEncoder):
        return False
    more, generator = prior.encoder.more, torch.Generator().manual_seed(0)
    learnt = [each.clone() for each in more.parameters()]
    along, length = 0.0, 1e-12
    for known in known_counts(prior.pixels):
        mask = random_masks(len(pictures), prior.pixels, known, generator, _few(len(pictures)))
        found = []
        for factor in (0.0, 1.0):
            for each, its in zip(more.parameters(), learnt, strict=True):
                each.copy_(factor * its)
            found.append(prior.complete(context_of(pictures, mask))[0])
        added, gain = found[1] - found[0], known**0.5
        along += gain * float((added * (pictures - found[0])).sum())
        length += gain * float(added.square().sum())
    share = min(1.0, max(0.0, along / length))
    for each in more.parameters():
        each.mul_(share)
    return share < 1


@torch.no_grad()
def calibrate(prior: Prior, pictures: Tensor) -> None:
    """Find the factors of the size of errors that hold nine in ten of those on pictures ``(n, pixels, c)``.

    Each number of known pixels has its own, see :func:`~sinefield.priors.prior.calibrated_counts`: errors fall faster
    with it than any one law tells. Those at known pixels do not count.
    """
    prior.calibration.fill_(1.0)
    generator = torch.Generator().manual_seed(0)
    factors = []
    for known in calibrated_counts(prior.pixels):
        mask = random_masks(len(pictures), prior.pixels, known, generator, _few(len(pictures)))
        means, sizes = prior.complete(context_of(pictures, mask))
        ratios = (means - pictures).abs() / sizes.clamp(min=1e-6)
        factors.append(_quantile(ratios[mask == 0].flatten()))
    prior.calibration.copy_(torch.tensor(factors))


def _quantile(ratios: Tensor) -> float:
    """Return what :data:`COVERAGE` of ratios are within, and no less than a thousandth."""
    return max(1e-3, float(ratios.kthvalue(max(1, round(COVERAGE * len(ratios)))).values))


def _few(count: int) -> int:
    """Return how many of so many contexts share a mask, where their errors are measured: there are 32 masks."""
    return max(1, count // 32)


@torch.no_grad()
def _measure(pictures: Tensor, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the mean square errors over all pixels of pictures kept from training, by their known pixels."""
    prior = cast("Prior", field)
    few = 8 if isinstance(prior.encoder, TableEncoder) else 64  # a descent each, while others wait to be trained on
    some = pictures if count is None else pictures[: min(count, few)]
    generator = torch.Generator().manual_seed(0)
    found = {}
    for known in known_counts(prior.pixels):
        mask = random_masks(len(some), prior.pixels, known, generator, _few(len(some)))
        means, _ = prior.complete(context_of(some, mask))
        found[f"error at {known}"] = float((means - some).square().mean())
    return found
