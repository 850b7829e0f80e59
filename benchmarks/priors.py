"""What is a picture, given a few of its pixels? Priors beside what is known without one, on Fashion-MNIST.

Mean square errors over all pixels, of values in [−1, 1], of held-out pictures of which 10, 50, 200 or all pixels are
known. Beside the priors, each trained for the same seconds: the mean of the training pictures; the training picture
that is nearest on the context; a Gaussian process of an isotropic covariance, its length and mean from the training
pictures; a SIREN fitted to the context; the conditional mean of the Gaussian of the training pictures, and that of a
mixture of 30 Gaussians with full covariances; and the published recipe, set encoder and hypernetwork, in plain PyTorch,
at its own rate, than which others are no better (study_priors.py).
Gaussians keep what is known as it is. Of the priors there is the part of the errors at unknown pixels that their spread
holds, too; of what is trained the course of the errors, of 100 pictures, with the seconds of training; and when it was
at the last errors of the published recipe.

Rows of digits are of transfer: a prior of letters of some fonts completes digits of others, beside what fits each
alone.

Each row tells how many pictures it is of, the seconds that it was trained for, all told, and the processor.

Debian has the pictures: apt-get install dataset-fashion-mnist.

    python benchmarks/priors.py                    # an hour and a half
    python benchmarks/priors.py --seconds 1800     # as long as a prior may be trained
    python benchmarks/priors.py --only forward     # one method; the others are kept from the last result
    python benchmarks/priors.py --only forward --keep FOLDER --again --count 10000   # measure what is trained already
    python benchmarks/priors.py --smoke            # seconds, on pictures that are made up
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import string
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

import machine
from sinefield import plots, priors
from sinefield.constraint import Constraint
from sinefield.domains import PointCloud
from sinefield.fields import Siren
from sinefield.io import sets
from sinefield.priors import files
from sinefield.priors.mixture import NOISE, cluster
from sinefield.priors.prior import Prior, points_of
from sinefield.solution import Progress
from sinefield.solve import solve

DATA = Path("/usr/share/datasets/fashion-mnist")
FEW = 100  # pictures of the slow methods
FIRST = 150  # pictures that the goal was measured on
METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "forward": ("forward", {}),
    "hypernetwork": ("hypernetwork", {}),
    "modulated": ("modulated", {}),
    "shifted": ("shifted", {}),
    "attention": ("shifted", {"encoder": "attention"}),
    "auto-decoder": ("shifted", {"encoder": "table"}),
    "meta": ("meta", {}),
}
"""Names of what is trained, its methods and their settings."""
PREPARED = 0.3  # of the seconds of forward, which closed forms take before and after it is trained
MOST_PREPARED = 60.0  # of them

Row = dict[str, Any]
Complete = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Task:
    """Pictures to learn from and held-out ones, ``(n, pixels, 1)``, with a mask for each number of known pixels."""

    trained: Tensor
    held: Tensor
    shape: tuple[int, int]
    masks: dict[int, Tensor]
    name: str

    @classmethod
    def of(cls, trained: sets.SignalSet, held: sets.SignalSet) -> Task:
        """Return the task of two sets."""
        rows = [torch.from_numpy(each.scaled()).flatten(1, 2) for each in (trained, held)]
        pixels = rows[0].shape[1]
        masks = {
            known: priors.random_masks(len(rows[1]), pixels, known, torch.Generator().manual_seed(1))
            for known in [each for each in (10, 50, 200) if each < pixels] + [pixels]
        }
        return cls(rows[0], rows[1], trained.values.shape[1:3], masks, trained.name)

    def errors(self, complete: Complete, count: int | None = None) -> Row:
        """Return the errors of what completes contexts, for each number of known pixels, of the first pictures."""
        some = self.held[:count]
        found: Row = {"count": len(some)}
        for known, masks in self.masks.items():
            contexts = priors.context_of(some, masks[: len(some)])
            found |= told_of(known, (complete(contexts).reshape(some.shape) - some).square())
        return found


def told_of(known: int, squares: Tensor) -> dict[str, float]:
    """Return the mean of squares of errors, and that of the first pictures, which others have measured on."""
    found = {str(known): float(squares.mean())}
    return found | ({f"{known} of {FIRST}": float(squares[:FIRST].mean())} if len(squares) > FIRST else {})


class Course:
    """The errors of what is being trained, at seconds of training that double.

    Args:
        task: which.
        seconds: of the training.
    """

    def __init__(self, task: Task, seconds: float) -> None:
        self.task, self.took = task, 0.0
        self.next = seconds / 64
        self.found: list[Row] = []

    def see(self, seconds: float, complete: Complete) -> None:
        """Measure, if it is time; it does not count."""
        if seconds < self.next:
            return
        start = time.perf_counter()
        self.next = max(2 * self.next, seconds)
        self.found.append({"after": seconds} | self.task.errors(complete, FEW))
        self.took += time.perf_counter() - start


def made_up(count: int, side: int = 10) -> sets.SignalSet:
    """Return pictures of one blob each."""
    generator = np.random.default_rng(count)
    grid = np.linspace(-1, 1, side)
    centres = generator.uniform(-0.6, 0.6, (count, 2))
    squares = [(grid - centres[:, axis : axis + 1]) ** 2 for axis in (0, 1)]
    blobs = np.exp(-(squares[0][:, :, None] + squares[1][:, None, :]) / 0.15)
    return sets.read((255 * blobs).astype(np.uint8))


def glyphs(fonts: tuple[str, ...], letters: str, count: int, side: int = 16) -> sets.SignalSet:
    """Return pictures of letters of fonts that Matplotlib brings, of any size and place."""
    numbers = np.random.default_rng(count)
    paths = [font_manager.findfont(name, fallback_to_default=False) for name in fonts]
    found, large = [], 4 * side
    for _ in range(count):
        font = ImageFont.truetype(paths[numbers.integers(len(paths))], int(large * numbers.uniform(0.6, 0.9)))
        picture = Image.new("L", (large, large))
        place = large * numbers.uniform(0.4, 0.6, 2)
        letter = letters[numbers.integers(len(letters))]
        ImageDraw.Draw(picture).text((place[0], place[1]), letter, 255, font, anchor="mm")
        found.append(np.asarray(picture.resize((side, side), Image.Resampling.BOX)))
    return sets.read(np.stack(found))


def read_task(data: Path | None, count: int) -> tuple[sets.SignalSet, Task]:
    """Return the training pictures in a folder, and the task with so many held-out ones; None: small made up ones."""
    if data is None:
        pictures, held = made_up(300), made_up(20)
    else:
        pictures = sets.read(data / "train-images-idx3-ubyte.gz")
        held = sets.read(data / "t10k-images-idx3-ubyte.gz", limit=count)
    return pictures, Task.of(pictures, held)


# ---- what is known without a prior


def training_mean(task: Task) -> Row:
    """Return the errors of the mean of the training pictures."""
    mean = task.trained.mean(0)
    return task.errors(lambda contexts: mean.expand(len(contexts), -1, -1))


def nearest(task: Task) -> Row:
    """Return the errors of the training picture that is nearest on the context."""
    rows = task.trained.flatten(1)
    squares = rows.square()

    def complete(contexts: Tensor) -> Tensor:
        values, masks = contexts.chunk(2, dim=1)
        return torch.cat(
            [
                rows[(m @ squares.mT - 2 * v @ rows.mT).argmin(1)]
                for v, m in zip(values.split(100), masks.split(100), strict=True)
            ]
        )

    return task.errors(complete)


def conditional_mean(context: Tensor, shares: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """Return the mean of the pictures of a mixture of Gaussians that agree with a context, as Bayes has it."""
    values, mask = context.chunk(2)
    known = mask > 0
    if bool(known.all()):
        return values
    among = covariances[:, known][:, :, known] + NOISE * torch.eye(int(known.sum()))
    lower = torch.linalg.cholesky(among)
    offsets = (values - means)[:, known].unsqueeze(2)
    half = torch.linalg.solve_triangular(lower, offsets, upper=False)
    along = torch.linalg.solve_triangular(lower.mT, half, upper=True)
    fits = shares.log() - 0.5 * half.square().sum((1, 2)) - lower.diagonal(dim1=1, dim2=2).log().sum(1)
    parts = means + (covariances[:, :, known] @ along).squeeze(2)
    return torch.where(known, values, fits.softmax(0) @ parts)


def gaussian_process(task: Task) -> Row:
    """Return the errors of interpolation by an isotropic Gaussian process, of the best of four lengths."""
    points = points_of(*task.shape)
    distances = torch.cdist(points, points)
    found = []
    for length in (0.2, 0.4, 0.8, 1.6):
        covariance = float(task.trained.var()) * torch.exp(-distances / length)
        model = torch.ones(1), task.trained.mean(0).mT, covariance.unsqueeze(0)
        found.append(task.errors(lambda rows, model=model: each_of(rows, *model), FEW))  # type: ignore[misc]
    return min(found, key=lambda each: sum(each.values()))


def each_of(contexts: Tensor, *model: Tensor) -> Tensor:
    """Return the conditional means of contexts."""
    return torch.stack([conditional_mean(each, *model) for each in contexts])


def gaussian(task: Task, components: int = 1) -> Row:
    """Return the errors of the conditional mean of Gaussians with full covariances, of clusters of the pictures."""
    rows = task.trained.flatten(1)
    count = min(components, max(1, len(rows) // 20))
    groups = cluster(rows, count)
    parts = [rows[groups == k] for k in range(count)]
    shares = torch.tensor([len(each) / len(rows) for each in parts])
    means = torch.stack([each.mean(0) for each in parts])
    covariances = torch.stack([torch.cov(each.mT, correction=0) for each in parts])
    return task.errors(lambda contexts: each_of(contexts, shares, means, covariances))


def plain_siren(task: Task, count: int, passes: float) -> Row:
    """Return the errors of SIRENs fitted to contexts alone, of ω₀ = 8: few samples tell of no high frequencies."""
    points = points_of(*task.shape)

    def complete(contexts: Tensor) -> Tensor:
        found = []
        for values, mask in zip(*contexts.chunk(2, dim=1), strict=True):
            known = mask > 0
            torch.manual_seed(0)
            field = Siren(2, 1, 64, 2, first_omega=8.0)
            cloud = PointCloud(points[known], {"a": values[known].unsqueeze(1)})
            solve(field, [Constraint(cloud, lambda u, a: u.value - a)], passes=passes, learning_rate=1e-3)
            found.append(field(points).detach())
        return torch.stack(found)

    return task.errors(complete, count)


# ---- the published recipe, as one writes it down in PyTorch


class PublishedPrior(nn.Module):
    """A set encoder, a hypernetwork of one hidden layer, and SIRENs of 256 x 3: arXiv 2006.09661, section 4.4."""

    def __init__(self, points: Tensor, width: int = 256, latent: int = 256) -> None:
        super().__init__()
        self.points = points
        self.each = nn.Sequential(
            nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, latent)
        )
        self.shapes = [(width, 2), (width,), *[(width, width), (width,)] * 3, (1, width), (1,)]
        self.hyper = nn.ModuleList()
        for shape in self.shapes:
            last = nn.Linear(256, math.prod(shape))
            fan_in = shape[1] if len(shape) == 2 else width
            nn.init.kaiming_normal_(last.weight, a=0.0, nonlinearity="relu")
            with torch.no_grad():
                last.weight.mul_(1e-2)
                bound = 1 / fan_in if fan_in == 2 else math.sqrt(6 / fan_in) / 30
                last.bias.uniform_(-bound, bound)
            self.hyper.append(nn.Sequential(nn.Linear(latent, 256), nn.ReLU(), last))

    def forward(self, contexts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return pictures, latents, and the mean square of the weights."""
        values, mask = contexts.chunk(2, dim=1)
        tokens = torch.cat([self.points.expand(len(values), -1, -1), values.unsqueeze(2)], dim=2)
        codes = (self.each(tokens) * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
        weights = [net(codes).unflatten(1, shape) for net, shape in zip(self.hyper, self.shapes, strict=True)]
        x = self.points.expand(len(values), -1, -1)
        for k in range(0, len(weights), 2):
            x = x @ weights[k].mT + weights[k + 1].unsqueeze(1)
            x = torch.sin(30 * x) if k < len(weights) - 2 else x
        size = sum(each.square().sum() for each in weights) / sum(each.numel() for each in weights)
        return x.squeeze(2), codes, size


def published(task: Task, seconds: float, seed: int, rate: float = 5e-5, *, smoke: bool = False) -> Row:
    """Return the errors of the published recipe after so many seconds of Adam; of a narrow one in a smoke run."""
    torch.manual_seed(seed)
    batch, width = (4, 16) if smoke else (16, 256)
    model = PublishedPrior(points_of(*task.shape), width)
    solver = torch.optim.Adam(model.parameters(), rate)
    generator = torch.Generator().manual_seed(seed)
    course = Course(task, seconds)
    start, steps = time.perf_counter(), 0
    pixels = task.trained.shape[1]

    @torch.no_grad()
    def complete(contexts: Tensor) -> Tensor:
        return torch.cat([model(each)[0] for each in contexts.split(20)])

    while (trained := time.perf_counter() - start - course.took) < seconds:
        course.see(trained, complete)
        some = task.trained[torch.randint(len(task.trained), (batch,), generator=generator)]
        known = int(torch.randint(10, min(200, pixels), (), generator=generator))
        values, codes, size = model(priors.context_of(some, priors.random_masks(batch, pixels, known, generator)))
        loss = (values - some.flatten(1)).square().mean() + 1e-1 * codes.square().mean() + 1e2 * size
        solver.zero_grad()
        loss.backward()
        solver.step()
        steps += 1
    return task.errors(complete) | {"seconds": trained, "steps": steps, "course": course.found}


# ---- ours


def ours(task: Task, pictures: sets.SignalSet, name: str, seconds: float, *, seed: int, keep: Path | None) -> Row:
    """Return the errors of a prior of :data:`METHODS` trained for so many seconds, and what its spread holds."""
    method, settings = METHODS[name]
    course = Course(task, seconds)
    start = time.perf_counter()

    def see(progress: Progress) -> None:
        prior = progress.field
        assert isinstance(prior, Prior)
        trained = time.perf_counter() - start - course.took
        course.see(trained, lambda contexts: prior.complete(contexts)[0])

    own = seconds - min(PREPARED * seconds, MOST_PREPARED) if method == "forward" else seconds
    solution = priors.train(pictures, method, settings=settings, seconds=own, seed=seed, observe=see)
    trained = time.perf_counter() - start - course.took
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        solution.save(keep / f"{name}.safetensors")
    prior = solution.field
    assert isinstance(prior, Prior)
    found = measured(prior, task)
    return found | {"seconds": trained, "steps": solution.history[-1].step, "course": course.found}


def again(task: Task, name: str, keep: Path) -> Row:
    """Return the last row of a prior that was kept, with errors on all held-out pictures of the task."""
    prior, _ = files.read(keep / f"{name}.safetensors")
    row: Row = json.loads((machine.RESULTS / "priors.json").read_text())["results"][name]
    return row | measured(prior, task)


def measured(prior: Prior, task: Task) -> Row:
    """Return the errors of a prior, and the part of the errors at unknown pixels that its spread holds."""
    found: Row = {"count": len(task.held)}
    for known, masks in task.masks.items():
        values, spread = prior.complete(priors.context_of(task.held, masks))
        errors = (values - task.held).abs()
        found |= told_of(known, errors.square())
        if known < prior.pixels:
            found[f"held at {known}"] = float((errors <= spread)[masks == 0].float().mean())
    return found


def sooner(row: Row, other: Row, known: list[str]) -> dict[str, float]:
    """Return how many times sooner than another one method was at the other's last error, by known pixels.

    What was not reached is left out.
    """
    found = {}
    for each in known:
        first = next((at["after"] for at in row.get("course", ()) if at[each] <= other[each]), None)
        if first is not None:
            found[each] = other["seconds"] / first
    return found


def over_seeds(runs: list[Row]) -> Row:
    """Return the median of each figure over seeds, and all courses."""
    if len(runs) == 1:
        return runs[0] | {"seeds": 1}
    errors = [{key: each for key, each in run.items() if key != "course"} for run in runs]
    figures = {key: statistics.median(run[key] for run in errors) for key in errors[0]}
    return figures | {"seeds": len(runs), "runs": errors, "course": runs[0].get("course", [])}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seconds", type=float, default=300.0, help="of training of each method")
    parser.add_argument("--seeds", type=int, default=1, help="of what is trained")
    parser.add_argument("--count", type=int, default=2000, help="held-out pictures")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the priors there")
    parser.add_argument("--again", action="store_true", help="measure the priors in --keep once more; none is trained")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="draw what the prior of forward in --keep makes")
    parser.add_argument("--smoke", action="store_true")
    chosen = parser.parse_args()
    seconds = 0.2 if chosen.smoke else chosen.seconds
    pictures, task = read_task(None if chosen.smoke else chosen.data, chosen.count)
    seeds = range(1 if chosen.smoke else chosen.seeds)
    if chosen.figure is not None:
        draw(task, chosen.keep / "forward.safetensors", chosen.figure)
        return

    def trained(name: str) -> Callable[[], Row]:
        if chosen.again:
            return lambda: again(task, name, chosen.keep)
        return lambda: over_seeds([ours(task, pictures, name, seconds, seed=seed, keep=chosen.keep) for seed in seeds])

    methods: dict[str, Callable[[], Row]] = {
        "training mean": lambda: training_mean(task),
        "nearest on the context": lambda: nearest(task),
        "Gaussian process": lambda: gaussian_process(task),
        "SIREN on the context": lambda: plain_siren(task, 1 if chosen.smoke else 5, 5 if chosen.smoke else 200),
        "Gaussian": lambda: gaussian(task),
        "mixture of 30": lambda: gaussian(task, 30),
        "published": lambda: over_seeds([published(task, seconds, each, smoke=chosen.smoke) for each in seeds]),
        **{each: trained(each) for each in METHODS},
    }
    letters = glyphs(
        ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono"), string.ascii_letters, 60 if chosen.smoke else 6000
    )
    others = glyphs(("STIXGeneral", "cmr10"), string.digits, 20 if chosen.smoke else 200)
    unseen = Task.of(letters, others)
    methods |= {
        "digits by forward of letters": lambda: ours(unseen, letters, "forward", seconds / 5, seed=0, keep=None),
        "digits by Gaussian process": lambda: gaussian_process(unseen),
        "digits by SIREN": lambda: plain_siren(unseen, 1 if chosen.smoke else 5, 5 if chosen.smoke else 200),
    }
    where = machine.describe()
    results: dict[str, Any] = {}
    for name, measure in methods.items():
        if chosen.only and name not in chosen.only:
            continue
        start = time.perf_counter()
        results[name] = measure() | {"took": time.perf_counter() - start, "processor": where["processor"]}
        told = {key: round(each, 4) for key, each in results[name].items() if isinstance(each, (int, float))}
        print(name, told, flush=True)
        kept = merged(results, list(methods), task, smoke=chosen.smoke)
        machine.write("priors", kept, smoke=chosen.smoke)
    columns = ["method", *map(str, task.masks), "count", "seconds"]
    rows = [{"method": name, **each} for name, each in kept.items()]
    machine.show("mean square error", [{key: row.get(key, "") for key in columns} for row in rows])


def draw(task: Task, path: Path, figure: Path) -> None:
    """Draw contexts, completions, spreads and truths of the first held-out pictures, and walks between latents."""
    prior, _ = files.read(path)
    shape = (*prior.shape, prior.channels)

    def shown(values: Tensor) -> NDArray[np.floating[Any]]:
        return ((values.detach() + 1) / 2).clamp(0, 1).reshape(-1, *shape).numpy()

    rows = []
    for number, known in enumerate(each for each in task.masks if each < prior.pixels):
        picture, mask = task.held[number : number + 1], task.masks[known][number : number + 1]
        found = prior.found(priors.context_of(picture, mask)[0])
        values, spread = (each(prior.points).detach() for each in (found.field, found.spread))
        known_pixels = mask.reshape(prior.shape).numpy() > 0
        size = spread.abs().reshape(shape).numpy() / 2
        rows.append(plots.Completed(shown(picture)[0], known_pixels, shown(values)[0], size))
    everything = torch.ones(len(task.held), prior.pixels)
    latents = prior.encode(priors.context_of(task.held[:6], everything[:6]))
    walks = []
    for first, last in ((0, 4), (2, 5)):
        along = [prior.at(latents[first].lerp(latents[last], k / 6)).field(prior.points) for k in range(7)]
        walks.append(shown(torch.stack(along)))
    plots.save_figure(plots.completions_figure(rows, walks), figure)


def merged(results: Mapping[str, Row], names: list[str], task: Task, *, smoke: bool) -> dict[str, Row]:
    """Return new rows beside those of the last result, in the order of names, with what depends on two of them."""
    path = machine.RESULTS / "priors.json"
    before = json.loads(path.read_text())["results"] if path.exists() and not smoke else {}
    rows = {name: {**before, **results}[name] for name in names if name in before or name in results}
    known = [str(each) for each in task.masks if each < task.held.shape[1]]
    if "seconds" in rows.get("published", {}):
        for name in METHODS:
            if "course" in rows.get(name, {}):
                rows[name] = rows[name] | {"times sooner": sooner(rows[name], rows["published"], known)}
    return rows


if __name__ == "__main__":
    main()
