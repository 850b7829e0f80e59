"""Windows: weights in closed form that make a network local, or give it the kinks that sines do not have.

    Φ(x) = Φ_0(x) + Σ_j w_j(x) Φ_j(x)

With w smooth and small away from somewhere, Φ_j adds finer features there alone. With w 1 in one material and 0 in
another, each has a field of its own. With w continuous together with its first derivatives but not with the next one, Φ
has that kink exactly, where a coefficient of an equation has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield.fields.field import register


def _squares(points: Tensor, numbers: Sequence[float]) -> Tensor:
    """Return the squared distances from the centre, which the first numbers are, ``(n, 1)``."""
    centre = torch.tensor(numbers[: points.shape[-1]], dtype=points.dtype, device=points.device)
    found: Tensor = (points - centre).square().sum(-1, keepdim=True)
    return found


def _gaussian(points: Tensor, numbers: Sequence[float]) -> Tensor:
    return (-_squares(points, numbers) / (2 * numbers[-1] ** 2)).exp()


def _inside(points: Tensor, numbers: Sequence[float]) -> Tensor:
    radius, width = numbers[-2:]
    squares = _squares(points, numbers).clamp(min=1e-60)
    return torch.erfc((squares / radius**2).log() * radius / (2 * width)) / 2


def _ball(points: Tensor, numbers: Sequence[float]) -> Tensor:
    return _step(points, _squares(points, numbers) < numbers[-1] ** 2)


def _block(points: Tensor, numbers: Sequence[float]) -> Tensor:
    centre, half = torch.tensor(numbers, dtype=points.dtype, device=points.device).split(points.shape[-1])
    return _step(points, ((points - centre).abs() < half).all(-1, keepdim=True))


def _step(points: Tensor, holds: Tensor) -> Tensor:
    """Return 1 where something holds and 0 elsewhere, with derivatives of 0."""
    nothing: Tensor = 0 * points.square().sum(-1, keepdim=True)
    return holds.to(points.dtype) + nothing


def _layer(points: Tensor, numbers: Sequence[float]) -> Tensor:
    axis, start, width = int(numbers[0]), numbers[1], numbers[2]
    depth = ((points[..., axis : axis + 1].abs() - start) / width).clamp(min=0)
    return depth * depth.square()


def _strip(points: Tensor, numbers: Sequence[float]) -> Tensor:
    axis, begin, end, width = int(numbers[0]), *numbers[1:]
    x = points[..., axis : axis + 1]
    return _rising((x - begin) / width + 0.5) * (1 - _rising((x - end) / width + 0.5))


def _rising(place: Tensor) -> Tensor:
    """Return S(t) from 0 to 1 with t, whose first four derivatives are 0 at both ends."""
    t = place.clamp(0, 1)
    return t**5 * (126 - t * (420 - t * (540 - t * (315 - 70 * t))))


KINDS: Final[Mapping[str, tuple[Callable[[Tensor, Sequence[float]], Tensor], Callable[[int], int]]]] = {
    "gaussian": (_gaussian, lambda d: d + 1),
    "inside": (_inside, lambda d: d + 2),
    "ball": (_ball, lambda d: d + 1),
    "outside ball": (lambda x, numbers: 1 - _ball(x, numbers), lambda d: d + 1),
    "block": (_block, lambda d: 2 * d),
    "outside block": (lambda x, numbers: 1 - _block(x, numbers), lambda d: 2 * d),
    "layer": (_layer, lambda _d: 3),
    "strip": (_strip, lambda _d: 4),
}
"""Each kind of window: its function of points and numbers, and how many numbers there are in d coordinates."""


@register("window", part=True)
@final
class Window(nn.Module):
    """w, of one output, with nothing to learn in it.

    Args:
        in_features: d.
        out_features: 1.
        kind: ``"gaussian"``, e^(−|x − c|²/2ρ²); ``"inside"``, ½ erfc((r/δ) log(|x − c|/r)), which falls from 1 to 0
            about the distance r over some δ; ``"ball"`` and ``"block"``, 1 within the distance r, or where each
            |x_i − c_i| is below h_i, and 0 elsewhere; ``"outside ball"`` and ``"outside block"``, the rest;
            ``"layer"``, the third power of what |x_i| is above a, over L, whose third derivative jumps there;
            ``"strip"``, S((x_i − a)/δ + ½) [1 − S((x_i − b)/δ + ½)] with S(t) = t⁵ (126 − 420 t + 540 t² − 315 t³ +
            70 t⁴) in [0, 1], so that strips that meet add up to 1; four derivatives are continuous.
        numbers: c and ρ; c, r and δ; c and r; c and h, the latter along each axis; i, a and L; i, a, b and δ, where a
            and b may be infinite; with commas between.

    Raises:
        ValueError: an unknown kind, or another count of numbers.

    >>> Window(2, 1, "gaussian", "0,0,0.5")(torch.tensor([[0.0, 0.0], [0.5, 0.0]])).flatten().tolist()
    [1.0, 0.6065306663513184]
    """

    architecture = "window"

    def __init__(self, in_features: int, out_features: int = 1, kind: str = "gaussian", numbers: str = "") -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown kind of window {kind!r}; choose one of {', '.join(KINDS)}")
        function, count = KINDS[kind]
        try:
            found = [float(each) for each in numbers.split(",")]
        except ValueError:
            found = []
        if len(found) != count(in_features) or out_features != 1:
            raise ValueError(
                f"a window of kind {kind!r} in {in_features} coordinates has 1 output and {count(in_features)} numbers "
                f"with commas between, got {out_features} and {numbers!r}"
            )
        self.in_features, self.out_features = in_features, 1
        self.settings: dict[str, int | float | str] = {"kind": kind, "numbers": numbers}
        self.function, self.numbers = function, found

    def forward(self, points: Tensor) -> Tensor:
        """Return w at points ``(n, d)``, as ``(n, 1)``."""
        found: Tensor = self.function(points, self.numbers)
        return found
