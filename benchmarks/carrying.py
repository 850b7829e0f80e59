"""How exact is a field that other programs evaluate, how large is it, and how fast does a runtime evaluate it?

A picture is fitted by a SIREN, which is exported to ONNX, NumPy and GLSL. Values are compared with those of PyTorch in
floats, and all with double precision: of PyTorch for values, and of nested differentiation for gradient, Laplacian and
Hessian, relative to their sizes. Of GLSL there are the bytes and the decimals of several bounds, beside what the
numbers in the text are wrong by. Then the same points are evaluated by turns: by sinefield, by onnxruntime, and by
PyTorch's own nested differentiation, the value alone and the value with gradient and Laplacian. Where there is
Chromium, the page of a field is looked at too, see :mod:`carrying_page`.

    python benchmarks/carrying.py                    # five minutes
    python benchmarks/carrying.py --smoke            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import carrying_page
import machine
import sinefield
from sinefield.export import Subject, decimals, glsl, numpy_source
from sinefield.export.steps import Dense

QUANTITIES = ("value", "gradient", "laplacian", "hessian")
BOUNDS = (1e-2, 1e-3, 1e-4)
Doubles = NDArray[np.float64]


def fitted(smoke: bool, seed: int) -> Subject:
    """Return a fitted picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = sinefield.problems.image(
            "sample:camera", longest=48 if smoke else 128, hidden_features=32 if smoke else 256, hidden_layers=2
        )
        solution = sinefield.solve(problem, passes=2 if smoke else 8, seed=seed)
    assert problem.signal is not None, "a picture is read back"
    return Subject(Path("camera.safetensors"), solution.field.eval(), {"signal": problem.signal.to_json()})


def exact_derivatives(field: nn.Module, points: Tensor) -> list[Doubles]:
    """Return value, gradient, Laplacian and Hessian in double precision, by nested differentiation."""
    exact = copy.deepcopy(field).double().requires_grad_(False)
    at = points.double()

    def value(point: Tensor) -> Tensor:
        found: Tensor = exact(point[None])[0]
        return found

    first, second = (
        torch.cat([torch.func.vmap(each)(some) for some in at.split(64)])
        for each in (torch.func.jacfwd(value), torch.func.jacfwd(torch.func.jacfwd(value)))
    )
    laplacian = second.diagonal(dim1=-2, dim2=-1).sum(-1)
    return [each.numpy() for each in (exact(at), first, laplacian, second)]


def session_of(field: nn.Module, *, derivatives: bool) -> onnxruntime.InferenceSession:
    """Return a field in the runtime, on as many threads as PyTorch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    model = sinefield.export.onnx(field, derivatives=derivatives)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def relative(found: Any, expected: Doubles) -> float:
    """Return the difference of arrays, relative to the second."""
    return float(np.linalg.norm(np.asarray(found, np.float64) - expected) / np.linalg.norm(expected))


def exactness(subject: Subject, points: Tensor) -> list[dict[str, Any]]:
    """Return how far each program is from double precision, and its values from PyTorch's floats."""
    exact = exact_derivatives(subject.field, points)
    with torch.no_grad():
        floats = subject.field(points).numpy()
    written: dict[str, Any] = {}
    exec(numpy_source.source_of(subject), written)
    programs = {
        "ONNX": session_of(subject.field, derivatives=True).run(None, {"points": points.numpy()}),
        "NumPy": written["derivatives"](points.numpy()),
        "PyTorch, floats": [floats],
    }
    return [
        {
            "program": name,
            "largest difference from PyTorch": float(np.abs(found[0] - floats).max()),
            **{each: relative(a, b) for each, a, b in zip(QUANTITIES, found, exact, strict=False)},
        }
        for name, found in programs.items()
    ]


def shader_sizes(subject: Subject, points: Tensor) -> list[dict[str, Any]]:
    """Return bytes and decimals of shaders of several bounds, and what they are wrong by in double precision."""
    exact = exact_derivatives(subject.field, points[:64])[0]
    rows = []
    for bound in BOUNDS:
        text, found = glsl.source_of(subject, error=bound)
        rows.append(
            {
                "asked for": bound,
                "bound": found.value,
                "bound of the gradient": found.gradient,
                "reached": float(np.abs(evaluated(found, points[:64]) - exact).max()),
                "bytes": len(text),
                "decimals": "+".join(map(str, found.counts)),
            }
        )
    return rows


def evaluated(found: decimals.Decimals, points: Tensor) -> Doubles:
    """Return what the decimals give in double precision."""
    h: Doubles = points.double().numpy()
    for step in found.steps.steps:
        h = h @ step.weight.T + step.bias if isinstance(step, Dense) else np.sin(h)
    return h


def nested(field: nn.Module, points: Tensor) -> list[Tensor]:
    """Return value, gradient and Laplacian of a field of one output as tutorials do, by differentiating twice."""
    at = points.detach().requires_grad_(True)
    value = field(at)
    (gradient,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    parts = [torch.autograd.grad(gradient[:, k].sum(), at, retain_graph=True)[0][:, k] for k in range(at.shape[1])]
    return [value, gradient, torch.stack(parts).sum(0)]


def speeds(subject: Subject, count: int, repeats: int) -> list[dict[str, Any]]:
    """Return points a second of each program, by turns; all but sinefield in chunks of 4,096."""
    field = subject.field
    points = torch.rand(count, 2) * 2 - 1
    chunks = points.split(4096)
    plain, derived = (session_of(field, derivatives=each) for each in (False, True))
    some = ["value", "gradient", "laplacian"]

    def jets() -> None:
        with torch.no_grad():
            u = sinefield.jet(field, points, needs=["jacobian", "laplacian"])
            _ = u.value, u.gradient, u.laplacian

    def values() -> None:
        with torch.no_grad():
            for each in chunks:
                field(each)

    def render() -> None:
        side = round(count**0.5)
        signal: Any = subject.signal
        signal.sample(field, (side, side))

    methods: dict[tuple[str, str], Callable[[], object]] = {
        ("value", "PyTorch, chunks"): values,
        ("value", "sinefield render"): render,
        ("value", "onnxruntime"): lambda: [plain.run(None, {"points": each.numpy()}) for each in chunks],
        ("gradient and Laplacian", "PyTorch, nested"): lambda: [nested(field, each) for each in chunks],
        ("gradient and Laplacian", "sinefield jet"): jets,
        ("gradient and Laplacian", "onnxruntime"): lambda: [
            derived.run(some, {"points": each.numpy()}) for each in chunks
        ],
    }
    named = {" | ".join(name): machine.seconds_per_call(action, 1) for name, action in methods.items()}
    found = machine.interleaved(named, repeats)
    return [
        {
            "quantity": name.split(" | ")[0],
            "program": name.split(" | ")[1],
            "points a second": machine.spread([count / each for each in seconds]),
        }
        for name, seconds in found.items()
    ]


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3, help="how many fits")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each program")
    options = parser.parse_args()
    seeds, repeats = (1, 1) if options.smoke else (options.seeds, options.repeats)
    start = time.perf_counter()
    runs: list[dict[str, Any]] = []
    for seed in range(seeds):
        subject = fitted(options.smoke, seed)
        points = torch.rand(64 if options.smoke else 512, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        runs.append({"seed": seed, "exact": exactness(subject, points), "shaders": shader_sizes(subject, points)})
    timed = speeds(subject, 4096 if options.smoke else 65_536, repeats)
    page: dict[str, Any] = {}
    if carrying_page.chromium():
        page = {
            "picture": carrying_page.picture(smoke=options.smoke),
            "shape": carrying_page.shape(smoke=options.smoke),
        }
    results = {"runs": runs, "speeds": timed, "page": page, "seconds": time.perf_counter() - start}
    machine.write("carrying", results, smoke=options.smoke)
    for run in runs:
        machine.show(f"how exact, seed {run['seed']}", run["exact"][:2])
        machine.show("shaders", run["shaders"])
    machine.show("points a second", timed)
    if page:
        machine.show("the page of a picture", [page["picture"]])
        machine.show("a frame of a shape", page["shape"])
    else:
        print("no Chromium was found, which the page of a field is looked at in")


if __name__ == "__main__":
    main()
