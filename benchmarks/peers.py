"""What sinefield is measured against: a SIREN in plain PyTorch as published, and siren-pytorch as its README shows.

They are given the pixels of a problem and judged by the same PSNR; nothing else of sinefield is used here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from siren_pytorch import SirenNet, SirenWrapper
from torch import Tensor, nn

from sinefield import Grid, Problem, metrics

OMEGA = 30.0
WIDTH, HIDDEN_LAYERS = 256, 3


class SineLayer(nn.Module):
    """sin(30 (W x + b)), initialised as in arXiv 2006.09661 and its released code."""

    def __init__(self, in_features: int, out_features: int, *, is_first: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        bound = 1 / in_features if is_first else math.sqrt(6 / in_features) / OMEGA
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        return torch.sin(OMEGA * self.linear(x))


def published_network(in_features: int, out_features: int) -> nn.Sequential:
    """Return the published network, "256 x 3"."""
    last = nn.Linear(WIDTH, out_features)
    bound = math.sqrt(6 / WIDTH) / OMEGA
    nn.init.uniform_(last.weight, -bound, bound)
    hidden = [SineLayer(WIDTH, WIDTH) for _ in range(HIDDEN_LAYERS)]
    return nn.Sequential(SineLayer(in_features, WIDTH, is_first=True), *hidden, last)


def laplacian(values: Tensor, points: Tensor) -> Tensor:
    """Return Σ_i ∂²Φ/∂x_i² ``(n, 1)`` by differentiating twice, as the released code does."""
    (gradient,) = torch.autograd.grad(values, points, torch.ones_like(values), create_graph=True)
    divergence = torch.zeros_like(values)
    for i in range(points.shape[1]):
        component = gradient[:, i : i + 1]
        (second,) = torch.autograd.grad(component, points, torch.ones_like(component), create_graph=True)
        divergence = divergence + second[:, i : i + 1]
    return divergence


def jacobian(values: Tensor, points: Tensor) -> Tensor:
    """Return ∂Φ_k/∂x_i ``(n, c, d)`` by differentiating each output, as the released code does."""
    rows = [torch.autograd.grad(each.sum(), points, create_graph=True)[0] for each in values.unbind(1)]
    return torch.stack(rows, dim=1)


def hessian(values: Tensor, points: Tensor) -> Tensor:
    """Return ∂²Φ_k/∂x_i∂x_j ``(n, c, d, d)`` by differentiating each first derivative, as the released code does."""
    first = jacobian(values, points)
    rows = [jacobian(each, points) for each in first.unbind(1)]
    return torch.stack(rows, dim=1)


class Fit:
    """A network in training on all pixels at once: mean squared error, Adam at 1e-4.

    Args:
        network: what is trained.
        predict: evaluates it at all pixels.
        target: what it should give there, in [−1, 1], of the same shape.
    """

    def __init__(self, network: nn.Module, predict: Callable[[], Tensor], target: Tensor) -> None:
        self.network, self.predict, self.target = network, predict, target
        self.optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step(self) -> None:
        """Take one step."""
        self.optimiser.zero_grad()
        loss = nn.functional.mse_loss(self.predict(), self.target)
        loss.backward()
        self.optimiser.step()

    def train(self, milestones: Sequence[int]) -> list[dict[str, float]]:
        """Step to the last of ``milestones``; return the seconds spent stepping and the PSNR at each."""
        seconds, rows = 0.0, []
        for step in range(1, max(milestones) + 1):
            start = time.perf_counter()
            self.step()
            seconds += time.perf_counter() - start
            if step in milestones:
                rows.append({"step": step, "seconds": seconds, "psnr": self.psnr()})
        return rows

    def psnr(self) -> float:
        """Return the PSNR reached, in dB."""
        with torch.no_grad():
            return metrics.psnr(self.predict(), self.target, peak=2.0)


def grid_of(problem: Problem) -> Grid:
    """Return the pixels of a picture's problem."""
    grid = problem.constraints[0].domain
    if not isinstance(grid, Grid):
        raise TypeError("only pictures are compared")
    return grid


def published(problem: Problem, seed: int = 0) -> Fit:
    """Return the published recipe, about to fit a picture."""
    grid = grid_of(problem)
    samples = grid.at(torch.arange(grid.size))
    values = samples.targets["value"]
    torch.manual_seed(seed)
    network = published_network(2, values.shape[1])
    return Fit(network, lambda: network(samples.points), values)


def siren_pytorch(problem: Problem, seed: int = 0) -> Fit:
    """Return siren-pytorch, about to fit a picture on the grid of its own, whose corner pixels lie at ±1.

    The settings are those of its README, ω₀ = 1 of the hidden layers included, but for ``num_layers``, which
    counts the first sine layer and gives "256 x 3" at 4.
    """
    grid = grid_of(problem)
    height, width = grid.shape
    values = grid.targets["value"]
    torch.manual_seed(seed)
    network = SirenNet(
        dim_in=2, dim_hidden=WIDTH, dim_out=values.shape[1], num_layers=HIDDEN_LAYERS + 1, w0_initial=OMEGA
    )
    wrapper = SirenWrapper(network, image_width=width, image_height=height)
    # wrapper(picture), as the README trains, is the mean squared error between wrapper() and the picture.
    return Fit(wrapper, wrapper, values.T.reshape(1, -1, height, width))
