"""Which rates, and which encoding, suit each of the networks that a SIREN is compared with?

A network's rate is found by climbing: from a first guess to twice it, or half, for as long as the mean PSNR of two
pictures that no figure shows rises. So it is with Adam and with Muon, and then, with the better of both, with the
frequencies of an encoding and once more with the rate, which so lies on no edge of what was tried. Batches, schedule
and seed are those of ``fast`` for all. Then all networks fit the cameraman, which chose nothing: at the rates of a
SIREN, behind encodings as they are without a picture, and with what was found. What is found is
:data:`sinefield.problems.networks.CHOSEN` and ``REACH``; a test holds them together.

    python benchmarks/study_networks.py                       # eight minutes on one core
    python benchmarks/study_networks.py --networks tanh       # one network, the others as they were
    python benchmarks/study_networks.py --resume              # fits that the last result holds are not made again
    python benchmarks/study_networks.py --smoke               # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import skimage.color
import skimage.data
import skimage.transform
import torch
from numpy.typing import NDArray

import machine
import sinefield
from sinefield import Grid, metrics
from sinefield.io.image import Picture
from sinefield.jet import jets_of
from sinefield.problems import networks as own
from sinefield.problems.image import targets_of
from sinefield.recipe import Changes

CHOSEN_BY, CHECKED_WITH = ("astronaut", "coffee"), "camera"
NETWORKS = ("siren", "relu", "tanh", "relu-nerf", "relu-fourier")
FIRST = {"Adam": 1e-3, "Muon": 4e-3}
FIRST_REACH = {"relu-nerf": 4.0, "relu-fourier": 1.0}
USUAL: dict[str, dict[str, int | float | str]] = {  # encodings as they are without a picture
    "relu-nerf": {"frequencies": 8},
    "relu-fourier": {"scale": 10.0},
}
STEP = {"relu-nerf": 2.0, "relu-fourier": 2**0.5}  # an octave of one, half an octave of the other


@dataclass(frozen=True)
class Choice:
    """What a network is trained with: a solver, that of the recipe for ``""``, its rate, the reach of its encoding."""

    network: str
    solver: str
    rate: float
    reach: float | None = None


def grey(name: str, longest: int) -> NDArray[np.float64]:
    """Return a sample of scikit-image in grey, scaled."""
    picture = getattr(skimage.data, name)()
    if picture.ndim == 3:
        picture = skimage.color.rgb2gray(picture)
    scale = longest / max(picture.shape)
    size = [round(scale * each) for each in picture.shape]
    return np.asarray(skimage.transform.resize(picture, size, anti_aliasing=True))


@dataclass
class Study:
    """The fits of a study, each made once.

    Args:
        longest: pixels a side.
        passes: of each fit.
        pictures: that choose.
        tried: PSNR by picture, of each choice.
    """

    longest: int
    passes: float
    pictures: Sequence[str]
    tried: dict[Choice, dict[str, float]] = field(default_factory=dict)
    noted: Callable[[], None] = lambda: None

    def score(self, choice: Choice) -> float:
        """Return the mean PSNR that a choice reaches."""
        if choice not in self.tried:
            self.tried[choice] = {name: self.fit(choice, name) for name in self.pictures}
            print(choice, self.tried[choice], flush=True)
            self.noted()
        return statistics.mean(self.tried[choice].values())

    def fit(self, choice: Choice, name: str) -> float:
        """Return the PSNR that a choice reaches on a picture."""
        return self.solve(name, choice).metrics["psnr"]

    def solve(self, name: str, choice: Choice) -> sinefield.Solution:
        """Return what a choice finds on a picture."""
        network, reach = choice.network, choice.reach
        picture = grey(name, self.longest)
        omega = sinefield.problems.image(picture).omega or 30.0
        encoding: Any = own.encoding_of(network, omega, reach) if reach else USUAL.get(network, {})
        problem = replace(sinefield.problems.image(picture, network=network, **encoding), tuning={})
        changes: Changes = {"solver": own.solver_of(choice.solver, choice.rate)} if choice.solver else {}
        return sinefield.solve(problem, passes=self.passes, compiled=False, **changes)

    def check(self, choice: Choice) -> dict[str, float]:
        """Return what a choice reaches on the picture that chose nothing."""
        solution = self.solve(CHECKED_WITH, choice)
        grid, reference = solution.problem.constraints[0].domain, solution.problem.reference
        assert isinstance(grid, Grid)
        assert isinstance(reference, Picture)
        target = targets_of(reference, ["laplacian"])["laplacian"]
        points = grid.at(torch.arange(grid.size)).points
        found = torch.cat([u.laplacian.detach() for u in jets_of(solution.field, points, ["laplacian"])])
        return {
            "psnr": solution.metrics["psnr"],
            "correlation of Laplacians": metrics.correlation(found, target),
        }

    def climb(self, start: Choice, what: str, step: float) -> Choice:
        """Return the best choice that is reached from a first one by changing one number by factors of ``step``."""
        best = start
        for factor in (step, 1 / step):
            while self.score(ahead := replace(best, **{what: getattr(best, what) * factor})) > self.score(best):
                best = ahead
            if best != start:
                break
        return best

    def choose(self, network: str) -> Choice:
        """Return the best choice for a network."""
        reach = FIRST_REACH.get(network)
        best = max((self.climb(Choice(network, *each, reach), "rate", 2.0) for each in FIRST.items()), key=self.score)
        if reach is not None:
            best = self.climb(self.climb(best, "reach", STEP[network]), "rate", 2.0)
        return best


def row_of(choice: Choice, psnr: Mapping[str, float]) -> dict[str, Any]:
    """Return a choice and what it reached as JSON."""
    return {**asdict(choice), "psnr": dict(psnr), "mean": statistics.mean(psnr.values())}


def main() -> None:
    """Run the study and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--longest", type=int, default=128, help="of the pictures, in pixels")
    parser.add_argument("--passes", type=float, default=12.0, help="of each fit")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="with commas between")
    parser.add_argument("--resume", action="store_true", help="take the fits that the last result holds")
    options = parser.parse_args()
    names = options.networks.split(",")
    study = Study(options.longest, options.passes, CHOSEN_BY)
    if options.smoke:
        names, study = ["relu-fourier"], Study(16, 1.0, CHOSEN_BY[:1])
    kept = machine.RESULTS / "study_networks.json"
    before = json.loads(kept.read_text())["results"] if kept.exists() and not options.smoke else {}
    for row in before.get("tried", []):
        if options.resume or row["network"] not in names:
            study.tried[Choice(**{each: row[each] for each in ("network", "solver", "rate", "reach")})] = row["psnr"]
    chosen: dict[str, Any] = {
        each["network"]: each for each in before.get("chosen", []) if each["network"] not in names
    }

    def write() -> None:
        results = {
            "longest": study.longest,
            "passes": study.passes,
            "chosen": list(chosen.values()),
            "tried": [row_of(*each) for each in study.tried.items()],
        }
        machine.write("study_networks", results, smoke=options.smoke)

    if not options.smoke:
        study.noted = write  # what is stopped goes on with --resume
    for name in names:
        best = study.choose(name)
        checked = {"own": study.check(best), "of the recipe": study.check(Choice(name, "", 0.0))}
        chosen[name] = row_of(best, study.tried[best]) | {CHECKED_WITH: checked}
        study.noted()
    if options.smoke:
        write()
    columns = ("network", "solver", "rate", "reach", "mean")
    told = [
        {each: row[each] for each in columns}
        | {f"{measure}, {rates}": value for rates, each in row[CHECKED_WITH].items() for measure, value in each.items()}
        for row in chosen.values()
    ]
    machine.show(f"Mean PSNR in dB of {' and '.join(study.pictures)}, and what the {CHECKED_WITH} reaches", told)


if __name__ == "__main__":
    main()
