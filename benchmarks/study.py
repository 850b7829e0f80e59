"""What the studies of recipes share: pictures, seeds, and a comparison at equal time.

A variant is a recipe, and perhaps another network. All get the time that the base recipe takes for its passes: where
variants differ in what a point costs, that is measured first, taking turns, and their passes are set accordingly. What
a variant reaches then does not depend on what else the machine does. The pictures to choose by and those to check the
choice with are different ones.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

import machine
import sinefield
from sinefield import Problem, Recipe, recipe

CHOSEN_BY = ("camera", "coins", "brick", "astronaut", "coffee", "chelsea")  # three grey, three in colour
CHECKED_WITH = ("moon", "rocket", "immunohistochemistry")
LONGEST = 160  # pixels
PASSES = 8.0  # of the base recipe
SEEDS = (0, 1, 2)


def fast(**changes: Any) -> Recipe:
    """Return the fast recipe for values with some settings changed: what studies try variants of."""
    return recipe.named("fast").changed(**changes)


@dataclass(frozen=True)
class Variant:
    """A recipe to try.

    Args:
        recipe: how Φ is found.
        change: made to the field before it is fitted.
    """

    recipe: Recipe
    change: Callable[[nn.Module], nn.Module] = lambda field: field

    def fit(self, problem: Problem, seed: int, passes: float) -> sinefield.Solution:
        """Return what is reached after so many passes."""
        unknowns = {name: partial(self._built, build) for name, build in problem.unknowns.items()}
        changed = replace(problem, unknowns=unknowns)
        return sinefield.solve(changed, recipe=self.recipe, seed=seed, passes=passes, compiled=False)

    def _built(self, build: Callable[[float], nn.Module], omega: float) -> nn.Module:
        return self.change(build(omega))


def costs(variants: Mapping[str, Variant], problem: Problem, repeats: int) -> dict[str, float]:
    """Return the seconds of a pass over ``problem`` of each variant: the least of several turns."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for variant in variants.values():
        variant.fit(problem, 0, 0.5)
    for _ in range(repeats):
        for name, variant in variants.items():
            found[name].append(variant.fit(problem, 0, 1.0).seconds)
    return {name: min(each) for name, each in found.items()}


def study(
    name: str,
    description: str | None,
    base: str,
    variants: Mapping[str, Variant],
    *,
    same_cost: bool = False,
    longest: int = LONGEST,
    seeds: Sequence[int] = SEEDS,
) -> None:
    """Compare variants at equal time, print and write what they reach.

    Args:
        name: of the study.
        description: of what it asks.
        base: the variant that others are compared with.
        variants: by name.
        same_cost: a pass takes all as long.
        longest: pixels a side of the pictures.
        seeds: of the fits.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    smoke = parser.parse_args().smoke
    longest, passes, seeds, repeats = (24, 1.0, seeds[:1], 1) if smoke else (longest, PASSES, seeds, 5)
    pictures = (CHOSEN_BY[:1], CHECKED_WITH[:1]) if smoke else (CHOSEN_BY, CHECKED_WITH)
    problems = {each: sinefield.problems.image(f"sample:{each}", longest=longest) for part in pictures for each in part}
    cost = dict.fromkeys(variants, 1.0) if same_cost else costs(variants, problems["camera"], repeats)
    reached = {
        variant: {
            picture: [
                variants[variant].fit(problem, seed, passes * cost[base] / cost[variant]).metrics["psnr"]
                for seed in seeds
            ]
            for picture, problem in problems.items()
        }
        for variant in variants
    }
    rows = [_summary(each, cost, reached, base, pictures) for each in variants]
    results = {
        "longest": longest,
        "passes of the base": passes,
        "seeds": seeds,
        "base": base,
        "variants": {each: {"psnr": reached[each], **row} for each, row in zip(variants, rows, strict=True)},
    }
    machine.write(f"study_{name}", results, smoke=smoke)
    machine.show(f"PSNR in dB over {base!r}, at equal time", rows)


def _summary(
    name: str, cost: Mapping[str, float], reached: Mapping[str, Any], base: str, pictures: Sequence[Sequence[str]]
) -> dict[str, Any]:
    def gain(part: Sequence[str]) -> dict[str, float]:
        gains = [
            mine - theirs
            for each in part
            for mine, theirs in zip(reached[name][each], reached[base][each], strict=True)
        ]
        return {"median": statistics.median(gains), "minimum": min(gains), "maximum": max(gains)}

    return {
        "variant": name,
        "time of a pass": cost[name] / cost[base],
        "gain, chosen by": gain(pictures[0]),
        "gain, checked with": gain(pictures[1]),
    }
