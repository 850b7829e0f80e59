"""What sinefield is measured against: SIRENs in plain PyTorch, as published and as an engineer would write them today.

Three fits on values: the published recipe, which takes all pixels a step; siren-pytorch as its README shows; and the
fair rival, :class:`MiniBatches`, with shuffled mini-batches, a cosine schedule and oneDNN's float32 product. They are
given the pixels of a problem and judged by the same PSNR. Derivatives are computed by nested autograd, by
``torch.func`` and by a forward sweep that is written by hand.

Of sinefield only data, metrics and the trial of products are used here: oneDNN's product is switched on where that
trial finds it faster on the running machine and no less exact than twice the default's rounding, as it is for our
kernels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from siren_pytorch import SirenNet, SirenWrapper
from torch import Tensor, nn

from sinefield import Grid, Problem, metrics
from sinefield.kernels.matmul import trial

OMEGA = 30.0
WIDTH, HIDDEN_LAYERS = 256, 3
_CHUNK = 16_384  # pixels that are evaluated at a time to judge a fit

# ---- networks


@final
class SineLayer(nn.Module):
    """sin(ω (W x + b)), initialised as in arXiv 2006.09661 and its released code."""

    def __init__(self, in_features: int, out_features: int, omega: float = OMEGA, *, is_first: bool = False) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(in_features, out_features)
        bound = 1 / in_features if is_first else math.sqrt(6 / in_features) / OMEGA
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        return torch.sin(self.omega * self.linear(x))


def published_network(in_features: int, out_features: int, first_omega: float = OMEGA) -> nn.Sequential:
    """Return the published network, "256 x 3", perhaps with another frequency of its first layer."""
    last = nn.Linear(WIDTH, out_features)
    bound = math.sqrt(6 / WIDTH) / OMEGA
    nn.init.uniform_(last.weight, -bound, bound)
    hidden = [SineLayer(WIDTH, WIDTH) for _ in range(HIDDEN_LAYERS)]
    return nn.Sequential(SineLayer(in_features, WIDTH, first_omega, is_first=True), *hidden, last)


# ---- products


@contextmanager
def onednn_products() -> Iterator[None]:
    """Let oneDNN compute float32 products inside, as users of PyTorch can; some processors round to bfloat16 then."""
    setting = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # made at run time
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        yield
    finally:
        setting.fp32_precision = before


@contextmanager
def fast_products() -> Iterator[None]:
    """Let oneDNN compute float32 products inside where the trial of this machine finds it exact and faster."""
    if not trial(torch.get_num_threads()).use_onednn:
        yield
        return
    with onednn_products():
        yield


# ---- derivatives


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


def nested(network: nn.Sequential, points: Tensor, quantity: str) -> Tensor:
    """Return a ``laplacian``, ``jacobian`` or ``hessian`` at ``(n, d)`` points by nested autograd."""
    at = points.clone().requires_grad_()
    return {"laplacian": laplacian, "jacobian": jacobian, "hessian": hessian}[quantity](network(at), at)


def by_torch_func(network: nn.Sequential, points: Tensor, quantity: str) -> Tensor:
    """Return what :func:`nested` does by ``torch.func``: reverse mode, and forward over reverse for second ones."""
    first = torch.func.jacrev(lambda point: network(point[None])[0])
    each: Callable[[Tensor], Tensor] = first if quantity == "jacobian" else torch.func.jacfwd(first)
    found: Tensor = torch.func.vmap(each)(points)
    return found.diagonal(dim1=-2, dim2=-1).sum(-1) if quantity == "laplacian" else found


def by_hand(network: nn.Sequential, points: Tensor, quantity: str) -> Tensor:
    """Return what :func:`nested` does by one sweep of the chain rule through the layers, differentiated by autograd.

    With z = W x + b and a = sin(ω z), ∂_i a = ω cos(ω z) ∂_i z and
    ∂_ij a = ω cos(ω z) ∂_ij z − ω² sin(ω z) ∂_i z ∂_j z.
    """
    dimension = points.shape[1]
    upper = torch.triu_indices(dimension, dimension)
    value = points
    slopes = torch.eye(dimension, dtype=points.dtype)[:, None]  # (d, 1 or n, width)
    bends = points.new_zeros(1 if quantity == "laplacian" else upper.shape[1], 1, dimension)
    for layer in network:
        linear = layer.linear if isinstance(layer, SineLayer) else layer
        assert isinstance(linear, nn.Linear)
        value, slopes = linear(value), slopes @ linear.weight.T
        if quantity != "jacobian":
            bends = bends @ linear.weight.T
        if not isinstance(layer, SineLayer):
            continue
        phase = layer.omega * value
        value, factor = phase.sin(), layer.omega * phase.cos()
        if quantity != "jacobian":
            squares = slopes.square().sum(0, True) if quantity == "laplacian" else slopes[upper[0]] * slopes[upper[1]]
            bends = factor * bends - layer.omega**2 * value * squares
        slopes = factor * slopes
    if quantity == "laplacian":
        return bends[0]
    if quantity == "jacobian":
        return slopes.permute(1, 2, 0)
    place = torch.empty(dimension, dimension, dtype=torch.long)
    place[upper[0], upper[1]] = place[upper[1], upper[0]] = torch.arange(upper.shape[1])
    return bends[place].permute(2, 3, 0, 1)


# ---- fits on values


@final
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
        raise TypeError(f"only pictures are compared, got a problem on a {type(grid).__name__}")
    return grid


def pixels_of(problem: Problem) -> tuple[Tensor, Tensor]:
    """Return the coordinates ``(n, 2)`` and values ``(n, c)`` of all pixels of a picture's problem."""
    grid = grid_of(problem)
    samples = grid.at(torch.arange(grid.size))
    return samples.points, samples.targets["value"]


def published(problem: Problem, seed: int = 0) -> Fit:
    """Return the published recipe, about to fit a picture."""
    points, values = pixels_of(problem)
    torch.manual_seed(seed)
    network = published_network(2, values.shape[1])
    return Fit(network, lambda: network(points), values)


def siren_pytorch(problem: Problem, seed: int = 0) -> Fit:
    """Return siren-pytorch, about to fit a picture on the grid of its own, whose corner pixels lie at ±1.

    The settings are those of its README, ω₀ = 1 of the hidden layers included, but for ``num_layers``, which
    counts the first sine layer and gives "256 x 3" at 4.
    """
    height, width = grid_of(problem).shape
    _, values = pixels_of(problem)
    torch.manual_seed(seed)
    network = SirenNet(
        dim_in=2, dim_hidden=WIDTH, dim_out=values.shape[1], num_layers=HIDDEN_LAYERS + 1, w0_initial=OMEGA
    )
    wrapper = SirenWrapper(network, image_width=width, image_height=height)
    # wrapper(picture), as the README trains, is the mean squared error between wrapper() and the picture.
    return Fit(wrapper, wrapper, values.T.reshape(1, -1, height, width))


@final
@dataclass(frozen=True)
class Choice:
    """What is free in the fair rival.

    Args:
        batch: pixels of a step.
        rate: of Adam at the start.
        first_omega: ω₀ of the first layer.
    """

    batch: int
    rate: float
    first_omega: float


CHOSEN = Choice(batch=1024, rate=5e-4, first_omega=180.0)
"""The best of ``study_peer.py``'s grid, on pictures that no table shows."""


@final
class MiniBatches:
    """The fair rival on values: ``nn.Linear`` and ``torch.sin`` in mini-batches of shuffled pixels.

    Mean squared error, Adam (``fused``), its rate falling to 0 as a cosine, autograd, oneDNN's products.

    Args:
        problem: of a picture.
        passes: how often each pixel is visited.
        seed: of the weights and the order of pixels.
        choice: what is free.
        compiled: whether ``torch.compile`` makes one program of the network; it needs a C++ compiler.
    """

    def __init__(
        self, problem: Problem, passes: float, seed: int = 0, choice: Choice = CHOSEN, *, compiled: bool = False
    ) -> None:
        self.points, self.values = pixels_of(problem)
        self.batch = min(choice.batch, len(self.points))
        self.steps = max(1, round(passes * len(self.points) / self.batch))
        torch.manual_seed(seed)
        self.network = published_network(2, self.values.shape[1], choice.first_omega)
        self.predict: Callable[[Tensor], Tensor] = torch.compile(self.network) if compiled else self.network
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=choice.rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, self.steps)
        self._waiting: list[Tensor] = []

    def step(self) -> None:
        """Take one step."""
        if not self._waiting:
            whole = len(self.points) // self.batch * self.batch
            self._waiting = list(torch.randperm(len(self.points))[:whole].split(self.batch))
        index = self._waiting.pop()
        with fast_products():
            self.optimiser.zero_grad()
            loss = nn.functional.mse_loss(self.predict(self.points[index]), self.values[index])
            loss.backward()
            self.optimiser.step()
            self.schedule.step()

    def train(self, looks: int = 1, judged: int | None = None) -> list[dict[str, float]]:
        """Step to the end; return passes, seconds spent stepping and PSNR at ``looks`` moments, evenly apart.

        Args:
            looks: how often the PSNR is taken, the last time at the end.
            judged: how many pixels it is taken of; None: all.
        """
        at = {round(self.steps * (n + 1) / looks) for n in range(looks)}
        seconds, rows = 0.0, []
        for step in range(1, self.steps + 1):
            start = time.perf_counter()
            self.step()
            seconds += time.perf_counter() - start
            if step in at:
                passes = step * self.batch / len(self.points)
                rows.append({"passes": passes, "seconds": seconds, "psnr": self.psnr(judged)})
        return rows

    def psnr(self, count: int | None = None) -> float:
        """Return the PSNR reached, in dB, of ``count`` pixels or all."""
        some = torch.arange(len(self.points))
        if count is not None and count < len(some):
            some = torch.randperm(len(some), generator=torch.Generator().manual_seed(0))[:count]
        with torch.no_grad(), fast_products():
            found = torch.cat([self.network(self.points[each]) for each in some.split(_CHUNK)])
        return metrics.psnr(found, self.values[some], peak=2.0)
