"""Recipes: how Φ is found. A recipe is a frozen value: optimiser, rates, schedule, batch, frequency, budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from sinefield.solvers.adam import Adam, Optimiser
from sinefield.solvers.muon import Muon

_STEPS, _BATCHES = 64, (1024, 4096)  # of "auto": steps that a pass takes, and what bounds the points of a step


@dataclass(frozen=True)
class Recipe:
    """How Φ is found.

    Args:
        name: under which it is stored with a field.
        optimiser: ``"adam"``, or ``"muon"``: Muon on the hidden matrices, Adam on the rest.
        learning_rate: of Adam. A first layer of frequency ω₀ gets 30/ω₀ of it, as its phase moves ω₀/30 as far.
        matrix_rate: of Muon, the spectral size of a step of a hidden matrix.
        betas: Adam's averaging of gradients and of their squares.
        batch: points per step from each domain; None: all points of a finite domain; ``"auto"``: as many as its
            size asks for, see :meth:`batch_of`.
        schedule: ``"constant"``, or ``"cosine"`` from the full rate down to ``final_rate``.
        final_rate: the fraction of the rate at the end of a cosine.
        backward: ``"bfloat16"`` rounds the factors of hidden layers' backward products where the machine is faster
            so: gradients are then right to a few thousandths; values and jets stay exact.
        average: the decay of an exponential moving average of the parameters over steps, which is what is
            measured and returned; 0: none.
        clip: the largest norm of the parameter gradient; None: any.
        first_omega: ω₀ of the first layer of the field that a problem builds; None: from the signal's spectrum, see
            :meth:`tuned`.
        passes: budget: how often each point is visited; a pass over a continuous domain is 65,536 points.
        seconds: budget: time spent fitting; it takes the place of ``passes`` in the schedule.
        pace: the passes that the rates are made for. A longer fit takes them √(passes / pace) smaller: at the full
            rate for so long, the noise of its batches would carry it away from detail. None: whatever its length.
        psnr: stop as soon as this PSNR in dB is reached.

    Raises:
        ValueError: a rate, batch or budget that is not positive.
    """

    name: str
    optimiser: Literal["adam", "muon"] = "adam"
    learning_rate: float = 5e-4
    matrix_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.99)
    batch: int | Literal["auto"] | None = 1024
    schedule: Literal["constant", "cosine"] = "cosine"
    final_rate: float = 0.005
    backward: Literal["float32", "bfloat16"] = "float32"
    average: float = 0.0
    clip: float | None = None
    first_omega: float | None = 30.0
    passes: float | None = 20.0
    seconds: float | None = None
    psnr: float | None = None
    pace: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be followed.

        Raises:
            ValueError: as the class says.
        """
        for name in (
            "learning_rate",
            "matrix_rate",
            "batch",
            "clip",
            "first_omega",
            "passes",
            "seconds",
            "psnr",
            "pace",
        ):
            value = getattr(self, name)
            if value is None or (name == "batch" and value == "auto"):
                continue
            if isinstance(value, str) or not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} of a recipe must be a positive number, got {value!r}")
        if not (0 <= self.final_rate <= 1 and all(0 <= each < 1 for each in (*self.betas, self.average))):
            raise ValueError(
                f"final_rate of a recipe lies in [0, 1], betas and average in [0, 1), got {self.final_rate}, "
                f"{self.betas} and {self.average}"
            )
        if self.passes is None and self.seconds is None:
            raise ValueError("a recipe needs a budget: give passes or seconds")
        if self.backward not in ("float32", "bfloat16"):
            raise ValueError(f"backward of a recipe is float32 or bfloat16, got {self.backward!r}")
        if self.optimiser not in ("adam", "muon") or self.schedule not in ("constant", "cosine"):
            raise ValueError(
                f"a recipe has optimiser adam or muon and schedule constant or cosine, got {self.optimiser!r} "
                f"and {self.schedule!r}"
            )

    def rate_at(self, fraction: float) -> float:
        """Return the factor of the learning rate after ``fraction`` of the budget.

        >>> Recipe("example", final_rate=0.5).rate_at(1.0)
        0.5
        """
        if self.schedule == "constant":
            return 1.0
        cosine = (1 + math.cos(math.pi * min(max(fraction, 0.0), 1.0))) / 2
        return self.final_rate + (1 - self.final_rate) * cosine

    def slowed(self, passes: float) -> float:
        """Return the factor of the rates of a fit of so many passes.

        >>> named("fast").slowed(64), named("fast").slowed(8)
        (0.5, 1.0)
        """
        return 1.0 if self.pace is None else min(1.0, math.sqrt(self.pace / max(passes, 1e-9)))

    def batch_of(self, size: int) -> int:
        """Return how many points a step takes from a domain of ``size``.

        ``"auto"`` is the power of two next to ``size`` / 64, from 1,024 to 4,096. A few hundred steps find what there
        is to be found at the full rate; beyond that the noise of small batches keeps detail from being fitted, and
        the more the more samples there are.

        >>> [named("fast").batch_of(size) for size in (100, 65_536, 10**6)]
        [1024, 1024, 4096]
        """
        if self.batch == "auto":
            wanted = 2 ** round(math.log2(max(size, 1) / _STEPS))
            return int(min(max(wanted, _BATCHES[0]), _BATCHES[1]))
        return self.batch or size

    def tuned(self, omega: float | None) -> Recipe:
        """Return this recipe with ω₀ chosen, where it is left open.

        Args:
            omega: that of the problem, from the spectrum of its signal; None: 30, the published one.

        >>> named("fast").tuned(80.0).first_omega
        80.0
        """
        return self if self.first_omega is not None else replace(self, first_omega=omega or 30.0)

    def changed(self, **changes: Any) -> Recipe:
        """Return this recipe with some of its settings replaced; ``seconds`` alone lifts the limit on passes.

        Raises:
            ValueError: a recipe has no such setting, or the value is refused.
        """
        if changes.get("seconds") is not None and changes.get("passes") is None:
            changes["passes"] = None
        try:
            return replace(self, **changes)
        except TypeError as error:
            raise ValueError(f"a recipe has no such setting: {error}") from error

    def optimisers(self, fields: Sequence[nn.Module]) -> list[Optimiser]:
        """Return the optimisers of ``fields``, each parameter in one of them."""
        groups: list[dict[str, Any]] = []
        matrices: list[nn.Parameter] = []
        for each in fields:
            linears = [one for one in each.modules() if _is_affine(one)]
            first = list(linears[0].parameters()) if linears else []
            inner = [linear.get_parameter("weight") for linear in linears[1:-1]] if self.optimiser == "muon" else []
            hidden = [weight for weight in inner if weight.ndim == 2]
            matrices += hidden
            placed = {id(one) for one in first + hidden}
            rest = [one for one in each.parameters() if one.requires_grad and id(one) not in placed]
            settings: Mapping[str, float] = getattr(each, "settings", {})
            scale = 30.0 / settings.get("first_omega", 30.0)
            groups.append({"params": first, "lr": self.learning_rate * scale})
            groups.append({"params": rest, "lr": self.learning_rate})
        adam = Adam([group for group in groups if group["params"]], self.betas)
        return [adam, Muon(matrices, self.matrix_rate)] if matrices else [adam]


def _is_affine(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.ndim >= 2 and weight.requires_grad


PUBLISHED = Recipe("published", learning_rate=1e-4, betas=(0.9, 0.999), batch=None, schedule="constant", passes=1000)
"""Full batch, Adam at 1e-4, ω₀ = 30: arXiv 2006.09661 and its released code."""

_FAST: Mapping[int, Recipe] = {
    # More passes or a higher ω₀ fit the samples better and what lies between them worse.
    0: Recipe(
        "fast",
        learning_rate=5e-4,
        betas=(0.9, 0.95),
        batch="auto",
        final_rate=0.05,
        backward="bfloat16",
        first_omega=None,
        passes=16,
        pace=16,
    ),
    # Derivatives weigh an error of frequency k by k or k²: the loss is ill-conditioned, Adam has to go slowly
    # (at 5e-4 it collapses) and leaves low frequencies unfitted. Muon moves every direction of a matrix alike,
    # and the larger the batch, the less noise drowns the low frequencies, whose share of the loss is small.
    1: Recipe("fast", "muon", learning_rate=4e-4, matrix_rate=1e-3, batch=4096, passes=60),
    # A Laplacian is nearly all high frequencies: a high ω₀ starts from them.
    2: Recipe("fast", "muon", learning_rate=1e-4, matrix_rate=5e-4, batch=1024, first_omega=120.0, passes=15),
}

RECIPES = ("fast", "best", "published")
"""The recipes by name, the default first."""

BEST_PASSES = 5
"""How many times the passes of ``fast`` the recipe ``best`` takes."""

BEST_SLOWER = 0.4
"""Adam's learning rate of ``best`` on values, as part of that of ``fast``: so fields are as good between the samples as
those of the published recipe that fit them as well. ``fast`` is half a decibel worse there, and twice as soon at the
samples."""


def named(name: str, order: int = 0, tuning: Mapping[str, Mapping[str, Any]] | None = None) -> Recipe:
    """Return a recipe by name, for constraints that read derivatives up to ``order``.

    Args:
        name: ``"fast"``: mini-batches with a cosine schedule, tuned to quality per second for each order;
            ``"best"``: slower, with five times the passes and nothing rounded; ``"published"``: the paper's.
        order: 0 if only values are constrained, 1 for first derivatives, 2 for second ones.
        tuning: settings that are otherwise for a problem, those of ``"fast"``, for ``"best"`` too, and of
            ``"published"``, where what was published for that problem is not what was for pictures.

    Raises:
        ValueError: there is no such recipe, or no such setting.

    >>> named("fast", order=1).optimiser
    'muon'
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; choose one of {', '.join(RECIPES)}")
    if name == "published":
        return PUBLISHED.changed(**(tuning or {}).get("published", {}))
    fast = _FAST[min(order, 2)].changed(**(tuning or {}).get("fast", {}))
    if name == "fast":
        return fast
    rate = fast.learning_rate * (1.0 if order else BEST_SLOWER)
    passes = BEST_PASSES * (fast.passes or 0)
    return fast.changed(name="best", learning_rate=rate, passes=passes, pace=fast.pace and passes, backward="float32")
