"""What do jets of composed fields, of many networks at once, and of single derivatives cost?

Forward and backward of the mean square of a residual in float32, one thread or as many as PyTorch takes, the methods
taking turns: sinefield's jets, nested autograd of the same field, and forward-over-reverse differentiation by
``torch.func``, where that is the stronger rival.

    composed    Δ(g + d Φ), Δ of a grid of tiles, Δ of a periodic field
    many        value and Laplacian of 1,000 SIRENs 32 x 2, their weights in one tensor, beside a loop over them
    wave        u_tt − Δ_x u in 2 + 1 dimensions, beside the traces of a Hessian
    high        u_xxx, and u_xxxx + 2 u_xxyy + u_yyyy

    python benchmarks/jets.py                 # some minutes
    python benchmarks/jets.py --smoke         # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import machine
from sinefield import Siren, jet
from sinefield.fields.compose import Formula, Product, Sum
from sinefield.fields.coordinates import Periodic
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.functional import chain_with
from sinefield.fields.tiled import TiledSiren
from sinefield.jet import Jet
from sinefield.kernels import reference, taylor

OURS, NESTED, FORWARD_OVER_REVERSE = "sinefield", "nested autograd", "torch.func, forward over reverse"
LOOP = "sinefield, a loop"
Action = Callable[[], Tensor]


@dataclass(frozen=True)
class Size:
    """How large what is measured is.

    Args:
        points: of a batch.
        width: of the network.
        layers: hidden ones.
        networks: how many small ones there are side by side.
        points_of_each: of a batch of each small network.
    """

    points: int = 2048
    width: int = 256
    layers: int = 3
    networks: int = 1000
    points_of_each: int = 64

    def siren(self, inputs: int, outputs: int = 1) -> Siren:
        """Return a network of this size."""
        torch.manual_seed(0)
        return Siren(inputs, outputs, self.width, self.layers)

    def sample(self, inputs: int) -> Tensor:
        """Return points in [−1, 1]^d."""
        return torch.rand(self.points, inputs, generator=torch.Generator().manual_seed(0)) * 2 - 1


SMOKE = Size(points=64, width=16, layers=1, networks=8, points_of_each=4)


def step(field: nn.Module, residual: Callable[[], Tensor]) -> Action:
    """Return what evaluates a residual, and differentiates its mean square by the weights."""

    def run() -> Tensor:
        field.zero_grad()
        loss = residual().square().mean()
        loss.backward()
        return loss.detach()

    return run


def by_kernel(evaluate: Any, field: Any, points: Tensor, needs: Sequence[Derivative]) -> list[Tensor]:
    """Return derivatives by a given kernel."""
    found = evaluate(field, points, set(needs))
    return [found[need] for need in needs]


def laplacian_forward_over_reverse(field: nn.Module, points: Tensor) -> Tensor:
    """Return Σ_i ∂_i ∂_i Φ, each a Jacobian-vector product of the gradient, of all points at once."""

    def gradient(x: Tensor) -> Tensor:
        found: Tensor = torch.func.grad(lambda y: field(y).sum())(x)
        return found

    total: Tensor | float = 0.0
    for i in range(points.shape[1]):
        direction = torch.zeros_like(points)
        direction[:, i] = 1
        total = total + torch.func.jvp(gradient, (points,), (direction,))[1][:, i : i + 1]
    assert isinstance(total, Tensor)
    return total


def hessian_forward_over_reverse(field: nn.Module, points: Tensor) -> Tensor:
    """Return ∂²Φ/∂x_i∂x_j ``(n, d, d)`` column by column."""

    def gradient(x: Tensor) -> Tensor:
        found: Tensor = torch.func.grad(lambda y: field(y).sum())(x)
        return found

    columns = []
    for i in range(points.shape[1]):
        direction = torch.zeros_like(points)
        direction[:, i] = 1
        columns.append(torch.func.jvp(gradient, (points,), (direction,))[1])
    return torch.stack(columns, dim=-1)


# ---- what is compared


def composed(size: Size) -> dict[str, dict[str, Action]]:
    """Return the losses on Laplacians of fields that are made of others."""
    points = size.sample(2)
    boundary = Formula(lambda x: x[:, :1].square() - x[:, 1:], 2, 1)
    distance = Formula(lambda x: (1 - x[:, :1].square()) * (1 - x[:, 1:].square()), 2, 1)
    torch.manual_seed(0)
    fields: dict[str, nn.Module] = {
        "g + d Φ": Sum(boundary, Product(distance, size.siren(2))),
        "tiles 4x4 of 64 x 2": TiledSiren(2, 1, min(64, size.width), 2, tiles="4x4"),
        "Φ(sin x, cos x)": Periodic(size.siren(4), (2.0, 2.0)),
    }

    def methods(field: nn.Module) -> dict[str, Action]:
        found = {
            OURS: step(field, lambda: jet(field, points).laplacian),
            NESTED: step(field, lambda: by_kernel(reference.evaluate, field, points, ["laplacian"])[0]),
        }
        if not isinstance(field, TiledSiren):  # which gathers points tile by tile, as transforms cannot
            found[FORWARD_OVER_REVERSE] = step(field, lambda: laplacian_forward_over_reverse(field, points))
        return found

    return {name: methods(field) for name, field in fields.items()}


def many(size: Size) -> dict[str, dict[str, Action]]:
    """Return the losses of many networks side by side, and of each alone."""
    torch.manual_seed(0)
    member = Siren(2, 1, min(32, size.width), 2)
    members = [Siren(2, 1, min(32, size.width), 2) for _ in range(size.networks)]
    together = nn.ParameterDict(
        {
            name.replace(".", "_"): torch.stack([dict(each.named_parameters())[name].detach() for each in members])
            for name, _ in member.named_parameters()
        }
    )
    points = torch.rand(size.networks, size.points_of_each, 2) * 2 - 1
    apart = nn.ModuleList(members)

    def batched(quantity: str) -> Tensor:
        weights = {name: together[name.replace(".", "_")] for name, _ in member.named_parameters()}
        found: Tensor = getattr(jet(chain_with(member, weights), points), quantity)
        return found

    def looped(quantity: str) -> Tensor:
        return torch.stack([getattr(jet(one, at), quantity) for one, at in zip(members, points, strict=True)])

    def nested(quantity: Any) -> Tensor:
        each = [by_kernel(reference.evaluate, one, at, [quantity])[0] for one, at in zip(members, points, strict=True)]
        return torch.stack(each)

    return {
        f"{quantity} of {size.networks} networks": {
            OURS: step(together, lambda quantity=quantity: batched(quantity)),  # type: ignore[misc]
            LOOP: step(apart, lambda quantity=quantity: looped(quantity)),  # type: ignore[misc]
            "nested autograd, a loop": step(apart, lambda quantity=quantity: nested(quantity)),  # type: ignore[misc]
        }
        for quantity in ("value", "laplacian")
    }


def wave(size: Size) -> dict[str, dict[str, Action]]:
    """Return the losses on u_tt − Δ_x u, by the derivatives that it reads and by the whole Hessian."""
    points = size.sample(3)

    def traced(hessian: Tensor) -> Tensor:
        pure = hessian.diagonal(dim1=-2, dim2=-1)
        return pure[..., 0] - pure[..., 1:].sum(-1)

    def read(u: Jet) -> Tensor:
        return u.d("tt") - u.laplacian_along("xy")

    def methods(outputs: int) -> dict[str, Action]:
        field = size.siren(3, outputs)
        needs: list[Derivative] = [Partial((0, 0)), LaplacianAlong((1, 2))]
        found: dict[str, Action] = {
            OURS: step(field, lambda: read(jet(field, points, needs, axes="txy"))),
            "sinefield, traces of the Hessian": step(field, lambda: traced(jet(field, points).hessian)),
            "series kernel, traces of the Hessian": step(
                field, lambda: traced(by_kernel(taylor.evaluate, field.chain(), points, ["hessian"])[0])
            ),
            "series kernel": step(field, lambda: torch.sub(*by_kernel(taylor.evaluate, field.chain(), points, needs))),
            NESTED: step(field, lambda: torch.sub(*by_kernel(reference.evaluate, field, points, needs))),
        }
        if outputs == 1:
            found[FORWARD_OVER_REVERSE] = step(
                field, lambda: traced(hessian_forward_over_reverse(field, points))[:, None]
            )
        return found

    return {f"u_tt − Δ_x u, {outputs} output(s)": methods(outputs) for outputs in (1, 2)}


def high(size: Size) -> dict[str, dict[str, Action]]:
    """Return the losses on derivatives of third and fourth order."""
    losses: Mapping[str, tuple[int, Sequence[tuple[float, Derivative]]]] = {
        "u_xxx": (2, [(1.0, Partial((1, 1, 1)))]),
        "u_xxxx + 2 u_xxyy + u_yyyy": (
            2,
            [(1.0, Partial((0,) * 4)), (2.0, Partial((0, 0, 1, 1))), (1.0, Partial((1,) * 4))],
        ),
    }

    def methods(inputs: int, terms: Sequence[tuple[float, Derivative]]) -> dict[str, Action]:
        torch.manual_seed(0)
        # Frequencies at which fourth derivatives are not all there is to a float.
        field, points = Siren(inputs, 1, size.width, size.layers, 3.0, 3.0), size.sample(inputs)
        needs = [need for _, need in terms]

        def weighted(found: Sequence[Tensor]) -> Tensor:
            return torch.stack([w * each for (w, _), each in zip(terms, found, strict=True)]).sum(0)

        def ours() -> Tensor:
            u = jet(field, points, needs)
            return weighted([u.d(*need.axes) for need in needs if isinstance(need, Partial)])

        return {
            OURS: step(field, ours),
            NESTED: step(field, lambda: weighted(by_kernel(reference.evaluate, field, points, needs))),
        }

    return {name: methods(inputs, terms) for name, (inputs, terms) in losses.items()}


PARTS: Mapping[str, Callable[[Size], dict[str, dict[str, Action]]]] = {
    "composed": composed,
    "many": many,
    "wave": wave,
    "high": high,
}


def compared(methods: Mapping[str, Action], loss: str, steps: int, repeats: int) -> list[dict[str, Any]]:
    """Return time of each method, and how many times as fast it is as nested autograd; all find the same loss."""
    losses = [action() for action in methods.values()]
    for each in losses[1:]:
        torch.testing.assert_close(each, losses[0], rtol=1e-2, atol=0.0)
    found = machine.interleaved(
        {name: machine.seconds_per_call(action, steps) for name, action in methods.items()}, repeats
    )
    speeds = {name: [1 / each for each in seconds] for name, seconds in found.items()}
    base = next(name for name in methods if name.startswith(NESTED))
    return [
        {
            "loss": loss,
            "method": name,
            "ms per step": machine.spread([1e3 * each for each in seconds]),
            "times as fast as nested": machine.ratios(speeds, name, base),
            "part of ours": machine.ratios(found, name, OURS),
        }
        for name, seconds in found.items()
    ]


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each method")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; writes nothing")
    options = parser.parse_args()
    size, repeats = (SMOKE, 1) if options.smoke else (Size(), options.repeats)
    results: dict[str, list[dict[str, Any]]] = {}
    for part in options.part or PARTS:
        results[part] = [
            row for loss, methods in PARTS[part](size).items() for row in compared(methods, loss, 1, repeats)
        ]
        machine.show(part, results[part])
    if options.part is None:
        machine.write("jets", results, smoke=options.smoke)


if __name__ == "__main__":
    main()
