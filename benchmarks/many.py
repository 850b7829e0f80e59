"""Thousands of fields: how many a second, how good, what their weights tell, and what a learnt start needs.

Fashion-MNIST as Debian's dataset-fashion-mnist has it, in the folder of its four files; made-up pictures for --smoke.

* **Fields a second**, from arrays to field files, of two ways: `fit_many`, and networks 32 x 2 side by side by Adam,
  all samples a step, until the mean is at 35 dB (what a batched loop in plain PyTorch does).
* **Recordings a second**, of 4,000 samples that are made up.
* **A learnt start**: fields a second, and PSNR after 1 and 3 steps of 384 numbers a picture, beside new SIRENs of as
  many numbers in all (12 x 2, 361) and of 2,241 (32 x 2) after 200 and 2,000 steps of Adam, at the best of three rates.
* **A linear probe**: classes read from the weights by logistic regression, of fields with one start, with a start each,
  and from the pixels.

    python benchmarks/many.py FOLDER            # six minutes on two cores
    python benchmarks/many.py FOLDER --all      # all 60,000 and recordings alone: five minutes
    python benchmarks/many.py --smoke           # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import machine
from sinefield import fit_many
from sinefield.collection import fit_as_read
from sinefield.fields import Siren
from sinefield.fields.functional import chain_with
from sinefield.io.image import read
from sinefield.priors.meta import linear_start
from sinefield.signals.image import ImageSignal

NUMBERS = 384
RATES = (2e-3, 5e-3, 1e-2)
SIDE = 28


def fashion(folder: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures ``(N, 28, 28)`` and their classes, from two idx files."""
    pictures, classes = (
        np.frombuffer(gzip.decompress((folder / f"{name}-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return pictures.reshape(-1, SIDE, SIDE), classes


def made_up(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pictures of two classes: waves along rows, or along columns."""
    numbers = np.random.default_rng(seed)
    classes = numbers.integers(0, 2, count).astype(np.uint8)
    line = np.linspace(0, 6, SIDE)
    waves = np.sin(line[None] * numbers.uniform(0.5, 2, (count, 1)) + numbers.uniform(0, 6, (count, 1)))
    fields = np.where(classes[:, None, None] == 0, waves[:, :, None], waves[:, None, :])
    return np.round(127.5 + 120 * np.broadcast_to(fields, (count, SIDE, SIDE))).astype(np.uint8), classes


def samples_of(pictures: NDArray[np.uint8]) -> Tensor:
    """Return field values ``(N, n, 1)``."""
    return torch.from_numpy(pictures.reshape(len(pictures), -1, 1).astype(np.float32)) / 127.5 - 1


def psnr(error: Tensor) -> Tensor:
    """Return the PSNR of each row of errors, in dB."""
    return -10 * torch.log10(error.flatten(1).square().mean(1) / 4)


def ours(pictures: NDArray[np.uint8], seed: int) -> dict[str, float]:
    """Return how many fields a second are found, found and written, and how good they are."""
    begun = time.perf_counter()
    found = fit_many(list(pictures), seed=seed)
    fitted = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        for number, each in enumerate(found):
            each.save(Path(folder) / f"{number}.safetensors")
        size = (Path(folder) / "0.safetensors").stat().st_size
    written = time.perf_counter() - begun
    reached = [each.metrics["psnr"] for each in found]
    return {
        "a second": len(pictures) / fitted,
        "a second, with files": len(pictures) / written,
        "PSNR": float(np.mean(reached)),
        "least PSNR": min(reached),
        "KiB": size / 1024,
    }


def side_by_side(
    samples: Tensor, points: Tensor, width: int, depth: int, rate: float, seed: int, *, steps: int, until: float
) -> tuple[dict[int, float], float, float, float]:
    """Return PSNR by step, seconds, and PSNR's mean and least at the end, of SIRENs by Adam with all samples a step."""
    torch.manual_seed(seed)
    member = Siren(2, 1, width, depth)
    weights = {
        name: each.detach().expand(len(samples), *each.shape).clone().requires_grad_()
        for name, each in member.named_parameters()
    }
    adam = torch.optim.Adam(weights.values(), lr=rate)
    reached: dict[int, float] = {}
    begun = time.perf_counter()
    last = torch.zeros(len(samples))
    for step in range(steps + 1):
        error = chain_with(member, weights)(points.expand(len(samples), *points.shape)) - samples
        last = psnr(error.detach())
        reached[step] = float(last.mean())
        if reached[step] >= until or step == steps:
            break
        adam.zero_grad()
        error.square().mean((1, 2)).sum().backward()
        adam.step()
    return reached, time.perf_counter() - begun, float(last.mean()), float(last.min())


def learnt(known: Tensor, new: Tensor, signal: ImageSignal, seed: int) -> dict[str, float]:
    """Return what a learnt start reaches after 1 and 3 steps, and at which speed."""
    begun = time.perf_counter()
    start = linear_start(known, signal, NUMBERS, seed=seed)
    found: dict[str, float] = {"seconds of learning": time.perf_counter() - begun, "numbers": start.numbers}
    for steps in (1, 3):
        begun = time.perf_counter()
        reached = []
        for some in new.split(256):
            fields = start.weights(start.latents(some, steps))
            reached.append(psnr(chain_with(start.field, fields)(start.points).detach() - some))
        every = torch.cat(reached)
        found |= {
            f"PSNR after {steps}": float(every.mean()),
            f"least PSNR after {steps}": float(every.min()),
            f"a second with {steps}": len(new) / (time.perf_counter() - begun),
        }
    return found


def probe(known: Tensor, classes: Tensor, new: Tensor, truth: Tensor, ridge: float = 1e-3) -> float:
    """Return how many classes a linear map tells right, in percent: logistic regression, of features of one size."""
    mean, spread = known.mean(0), known.std()  # one scale: each by its own would make noise of what hardly changes loud
    rows, others = ((each - mean) / spread for each in (known, new))
    bias, map_ = torch.zeros(10, requires_grad=True), torch.zeros(10, rows.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([map_, bias], max_iter=100, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = torch.nn.functional.cross_entropy(rows @ map_.mT + bias, classes.long())
        loss = loss + ridge * map_.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return float(((others @ map_.mT + bias).argmax(1) == truth).float().mean()) * 100


def weights_of(pictures: NDArray[np.uint8], *, shared: bool) -> Tensor:
    """Return the weights of each field as a row; those that all share tell nothing, and are left out."""
    found = fit_as_read(enumerate(list(pictures)), shared=shared)
    rows: dict[int, Tensor] = {}
    for number, each in found:
        own = [part.detach().flatten() for part in each.field.parameters()]
        rows[number] = own[2] if shared else torch.cat(own)
    return torch.stack([rows[number] for number in range(len(rows))])


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="of the four files of Fashion-MNIST")
    parser.add_argument("--all", action="store_true", help="all 60,000 and recordings alone; the rest is kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--start", action="store_true", help="the learnt start alone; the rest is kept from the last")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.folder is None and not options.smoke:
        parser.error("give the folder of Fashion-MNIST, or --smoke")
    smoke: bool = options.smoke
    if smoke:
        (pictures, classes), (others, truth) = made_up(300, 0), made_up(40, 1)
    else:
        (pictures, classes), (others, truth) = (fashion(options.folder, name) for name in ("train", "t10k"))
    seeds = range(1 if smoke else options.seeds)
    fast, few, steps = (64, 4, 20) if smoke else (1024, 16, 2000)
    signal = ImageSignal.of(read(pictures[0], value_range=(0, 255)))
    known, new = samples_of(pictures), samples_of(others)
    points = linear_start(known[:8], signal, 4).points
    fit_many(list(pictures[:2]))  # what is loaded once is not counted
    if options.start or options.all:
        path = machine.RESULTS / "many.json"
        kept = json.loads(path.read_text())["results"] if path.exists() and not smoke else {}
        if options.all:
            kept["all"] = everything(pictures)
            kept["recordings"] = machine.spreads([recordings(16 if smoke else 512, seed) for seed in seeds])
            machine.show("all pictures", [kept["all"]])
            machine.show("recordings", [kept["recordings"]])
        if options.start:
            kept["start"] = machine.spreads([learnt(known, new[: 4 * fast], signal, seed) for seed in seeds])
            rows = [{"what": name, "found": each} for name, each in kept["start"].items()]
            machine.show("a learnt start of 384 numbers", rows)
        machine.write("many", kept, smoke=smoke)
        return

    rows = [{"way": "fit_many"} | machine.spreads([ours(others[:fast], seed) for seed in seeds])]
    adam = []
    for seed in seeds:
        _, seconds, mean, least = side_by_side(
            new[: 4 * few], points, 32, 2, RATES[0], seed, steps=steps, until=10 if smoke else 35
        )
        adam.append({"a second": 4 * few / seconds, "PSNR": mean, "least PSNR": least})
    reached = machine.spreads(adam)
    rows.append({"way": "32 x 2 by Adam, side by side"} | {name: reached.get(name) for name in list(rows[0])[1:]})
    machine.show("fields of 28² pictures", rows)

    start = machine.spreads([learnt(known, new[: 4 * fast], signal, seed) for seed in seeds])
    machine.show("a learnt start of 384 numbers", [{"what": name, "found": each} for name, each in start.items()])
    fresh = []
    for width, count in ((12, 361), (32, 2241)):
        runs = [side_by_side(new[:few], points, width, 2, rate, 0, steps=steps, until=math.inf)[0] for rate in RATES]
        row: dict[str, Any] = {"new SIREN": f"{width} x 2", "numbers": count}
        for step in (steps // 10, steps):
            row[f"PSNR after {step}"] = max(run[step] for run in runs)
        fresh.append(row)
    machine.show("new SIRENs by Adam", fresh)
    same = learnt(known, new[:few], signal, 0)  # the pictures that the new ones were fitted to
    machine.show("the learnt start on those pictures", [{name: same[name] for name in same if name.startswith("PSNR")}])

    some, less = (200, 40) if smoke else (20000, 200)  # a start each takes a factorisation each
    labels, answers = torch.from_numpy(classes.copy()), torch.from_numpy(truth.copy())
    rows_of = {shared: weights_of(pictures[:less], shared=shared) for shared in (True, False)}
    others_of = {shared: weights_of(others[: less // 2], shared=shared) for shared in (True, False)}
    right = {
        f"one start, {some}": probe(
            weights_of(pictures[:some], shared=True),
            labels[:some],
            weights_of(others[:some], shared=True),
            answers[:some],
        ),
        f"pixels, {some}": probe(known[:some, :, 0], labels[:some], new[:some, :, 0], answers[:some]),
        f"one start, {less}": probe(rows_of[True], labels[:less], others_of[True], answers[: less // 2]),
        f"a start each, {less}": probe(rows_of[False], labels[:less], others_of[False], answers[: less // 2]),
    }
    machine.show("classes told right by a linear map, %", [{"of": name, "right": each} for name, each in right.items()])
    results = {"rows": rows, "start": start, "new": fresh, "same pictures": same, "probe": right}
    machine.write("many", results, smoke=smoke)


def recordings(count: int, seed: int, length: int = 4000, rate: int = 44_100) -> dict[str, float]:
    """Return how many recordings a second become fields, each of five tones that die away, and how good they are."""
    numbers = np.random.default_rng(seed)
    times = np.arange(length) / rate
    pitches = numbers.uniform(50, 8000, (count, 5, 1))
    tones = np.sin(2 * np.pi * pitches * times + numbers.uniform(0, 6, (count, 5, 1)))
    sounds = 0.15 * (tones * np.exp(-times * numbers.uniform(5, 60, (count, 5, 1)))).sum(1)
    begun = time.perf_counter()
    found = fit_many(list(sounds), rate=rate, seed=seed)
    seconds = time.perf_counter() - begun
    return {"a second": count / seconds, "samples": length, "least PSNR": min(each.metrics["psnr"] for each in found)}


def everything(pictures: NDArray[np.uint8]) -> dict[str, Any]:
    """Return how long all pictures take, and how long as field files, of which every tenth is written."""
    begun, least, count, writing, written = time.perf_counter(), math.inf, 0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number, each in fit_as_read(enumerate(list(pictures))):
            least, count = min(least, each.metrics["psnr"]), count + 1
            if number % 10 == 0:
                start = time.perf_counter()
                each.save(Path(folder) / f"{number}.safetensors")
                writing, written = writing + time.perf_counter() - start, written + 1
    seconds = time.perf_counter() - begun - writing
    return {
        "fields": count,
        "seconds": seconds,
        "a second": count / seconds,
        "written": written,
        "seconds with files, extrapolated": seconds + writing * count / written,
        "least PSNR": least,
        "processor": machine.describe()["processor"],
    }


if __name__ == "__main__":
    main()
