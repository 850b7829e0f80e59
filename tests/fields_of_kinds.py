"""Small fields of every kind, as files: of weights drawn at random, which have as many derivatives as fitted ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from sinefield import checkpoint, fields, problems, solve
from sinefield.domains import Ball, Difference
from sinefield.fields.expansion import ComplexExpansion
from sinefield.signals.audio import AudioSignal
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal


def _siren(inputs: int, outputs: int, omega: float = 12.0, width: int = 16, depth: int = 1) -> nn.Module:
    return fields.Siren(inputs, outputs, hidden_features=width, hidden_layers=depth, first_omega=omega)


def _ball() -> nn.Module:
    """Return a shape that is nearly a ball: a softplus network would be one too."""
    field = fields.Siren(3, 1, hidden_features=24, hidden_layers=1, first_omega=2.0)
    points = torch.rand(2048, 3) * 2 - 1
    optimiser = torch.optim.Adam(field.parameters(), lr=2e-3)
    for _ in range(250):
        optimiser.zero_grad()
        loss = (field(points)[:, 0] - (points.norm(dim=1) - 0.6)).square().mean()
        loss.backward()
        optimiser.step()
    return field


def _folds() -> nn.Module:
    """Return a shape of thin folds: its field is no distance, and bends within a few hundredths."""
    field = _siren(3, 1, 12.0)
    points = torch.rand(4096, 3) * 2 - 1
    with torch.no_grad():
        *_, weight, bias = field.parameters()
        weight.mul_(8.0)
        bias.sub_(field(points).quantile(0.25))
    return field


def _tiles() -> nn.Module:
    return fields.TiledSiren(2, 1, hidden_features=12, hidden_layers=1, first_omega=6.0, tiles="2x3", extent="0.75x1.0")


def _solved() -> nn.Module:
    """Return tiles that share a wide first layer, of a wave in 24 x 32 pixels."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    return solve(problems.image((torch.sin(0.4 * x + 0.3 * y) + torch.cos(0.6 * y)).numpy())).field


def _solved_recording() -> nn.Module:
    """Return tiles of a chord of 4000 samples."""
    t = torch.arange(4000.0) / 4000
    return solve(problems.audio((0.4 * torch.sin(2000 * t) + 0.3 * torch.sin(3217 * t)).numpy(), rate=4000)).field


def _expansions() -> nn.Module:
    """Return a corner function, a logarithm, waves that decay and waves that stand, one after the other in a sum."""
    terms = {
        "powers": [[0.3, -0.2, 0.5, 1.5, 2 / 3, 0.0, 0.0, 0.4], [-0.4, 1.5, 0.1, 2.0, 0.0, 1.0, 1.0, 0.0]],
        "waves": [[3.0, -2.0, 0.5, 0.7, 0.1, 0.2, 0.3]],
        "standing": [[3.0, 4.0, 0.1, -0.2, 1.0, 0.3, 0.6]],
    }
    parts = []
    for family, rows in terms.items():
        part = fields.Expansion.of(family, torch.tensor(rows, dtype=torch.float64), 2)
        part.weight.data = torch.linspace(0.5, -0.8, len(rows), dtype=torch.float64)[None]
        parts.append(part)
    return fields.Sum(*parts)


def _outgoing() -> nn.Module:
    """Return waves from a centre, on to where a layer damps them, of orders below and above zero."""
    own = [6.0, 9.0, 0.7, 0.3, 0.1, -0.2, 0.4]
    rows = [[n, *own, each, beta] for n, each, beta in ((0, 0.1, 0.0), (2, 0.1, 0.7), (-3, 0.1, 0.2), (1, 0.0, 0.0))]
    field = ComplexExpansion("outgoing", torch.tensor(rows, dtype=torch.float64), 2)
    field.weight.data = torch.linspace(-1, 1, 2 * len(rows), dtype=torch.float64).reshape(2, -1)
    return field


def _picture(channels: int = 1) -> ImageSignal:
    return ImageSignal(Lattice.of_cubes((24, 32), channels, 0.0, 255.0), 8)


_FIELDS: dict[str, Callable[[], tuple[nn.Module, Signal]]] = {
    "grey": lambda: (_siren(2, 1), _picture()),
    "colour": lambda: (_siren(2, 3), _picture(3)),
    "deep": lambda: (_siren(2, 1, width=37, depth=3), _picture()),
    "tanh": lambda: (fields.build("tanh", 2, 1, hidden_features=16, hidden_layers=1), _picture()),
    "tiled": lambda: (_tiles(), _picture()),
    "solved": lambda: (_solved(), _picture()),
    "video": lambda: (_siren(3, 3, 6.0), VideoSignal(Lattice.of_cubes((10, 24, 32), 3, 0.0, 255.0), 5.0)),
    "volume": lambda: (
        _siren(3, 1, 6.0),
        VolumeSignal(Lattice.of_cubes((20, 24, 32), 1, 0.0, 1.0), (1.0, 1.0, 1.0), "voxel", 8),
    ),
    "recording": lambda: (_solved_recording(), AudioSignal(Lattice.of_cubes((4000,), 1, -1.0, 1.0), 4000, 16)),
    "audio": lambda: (_siren(1, 1, 300.0), AudioSignal(Lattice.of_cubes((4000,), 1, -1.0, 1.0), 4000, 16)),
    "shape": lambda: (_ball(), ShapeSignal((10.0, 20.0, 30.0), 50.0, (0.6, 0.6, 0.6), "z", "mm")),
    "folds": lambda: (_folds(), ShapeSignal((0.0, 0.0, 0.0), 1.0, (0.8, 0.8, 0.8))),
    "outline": lambda: (_siren(2, 1, 3.0), ShapeSignal((10.0, 20.0), 50.0, (0.9, 0.9))),
    "plane": lambda: (_siren(2, 1, 2.0), EquationSignal(("x", "y"), (0.0, -1.0), (4.0, 1.0))),
    "complex": lambda: (_siren(2, 2, 3.0), EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0), 1, True)),
    "heat": lambda: (_siren(3, 1, 2.0), EquationSignal(("t", "x", "y"), (0.0, -1.0, -1.0), (2.0, 1.0, 1.0))),
    "line": lambda: (_siren(1, 1, 5.0), EquationSignal(("x",), (0.0,), (3.0,))),
    "sum": lambda: (
        fields.Sum(_siren(2, 1), fields.Product(_siren(2, 1, 4.0), _siren(2, 1, 5.0))),
        EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0)),
    ),
    "closed": lambda: (
        fields.Sum(
            fields.Distance(2, 1, factor=2.0, rounding=0.1, at_0=0.3, at_1=-0.2),
            fields.Product(fields.Window(2, 1, "gaussian", "0.1,0.2,0.4"), _siren(2, 1, 5.0)),
            fields.Product(fields.Window(2, 1, "inside", "0,0,0.5,0.2"), _siren(2, 1, 3.0)),
            fields.Product(fields.Window(2, 1, "strip", "0,-0.3,0.5,0.4"), _siren(2, 1, 3.0)),
            fields.Product(fields.Window(2, 1, "layer", "1,0.4,0.3"), fields.Constant(2, 1, 0.7)),
        ),
        EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0)),
    ),
    "expansions": lambda: (_expansions(), EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0))),
    "outgoing": lambda: (_outgoing(), EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0), 1, True)),
    "disc": lambda: (_siren(2, 1, 3.0), EquationSignal.of(Difference(Ball([1.0, 2.0], 2.0), Ball([1.0, 2.0], 1.0)))),
    "unknown": lambda: (
        fields.Sum(_siren(2, 1), fields.build("relu-rbf", 2, 1, hidden_features=8, hidden_layers=0, frequencies=8)),
        EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0)),
    ),
}


def field_of(name: str) -> tuple[nn.Module, Signal]:
    """Return a field of a kind, and how it is read back: the same ones every time."""
    torch.manual_seed(sum(name.encode()))
    return _FIELDS[name]()


def write_field(name: str, folder: Path) -> Path:
    """Return where the file of a field is, after writing it."""
    field, signal = field_of(name)
    path = folder / f"{name}.safetensors"
    checkpoint.save(path, field, signal=signal.to_json(), problem="</script><b>bold", metrics={"psnr": 40.0})
    return path
