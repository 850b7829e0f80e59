"""Fields to export, and their derivatives by nested automatic differentiation in double precision."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import fields
from sinefield.export.subject import Subject

Doubles = NDArray[np.float64]

NETWORKS = ("siren", "relu", "tanh", "sigmoid", "softplus", "elu", "selu", "relu-nerf", "relu-fourier", "relu-rbf")
IMAGE = {
    "kind": "image",
    "shape": [6, 8],
    "extent": [0.75, 1.0],
    "channels": 3,
    "low": 0.0,
    "high": 255.0,
    "bits": 8,
    "profile": b"bytes are left out",
}
_LATTICE = {"channels": 1, "low": 0.0, "high": 1.0, "shape": [4, 6, 8]}
SIGNALS: dict[str, tuple[int, dict[str, object]]] = {
    "image": (2, IMAGE),
    "audio": (1, {**_LATTICE, "kind": "audio", "shape": [9], "extent": [1.0], "rate": 8, "bits": 16}),
    "video": (3, {**_LATTICE, "kind": "video", "extent": [1.0, 0.75, 1.0], "rate": 2.0}),
    "volume": (
        3,
        {**_LATTICE, "kind": "volume", "extent": [0.5, 0.75, 1.0], "sizes": [1.0] * 3, "unit": "mm", "bits": 8},
    ),
    "shape": (3, {"kind": "shape", "centre": [0.0] * 3, "scale": 1.0, "extent": [0.9] * 3, "up": "y"}),
    "equation": (
        2,
        {
            "kind": "equation",
            "names": ["t", "x"],
            "lower": [0.0, 1.0],
            "upper": [2.0, 3.0],
            "outputs": 1,
            "complex": False,
        },
    ),
}
"""How a field of each kind is read back, with the number of its coordinates."""


def network(name: str, inputs: int = 2, outputs: int = 3, width: int = 12, depth: int = 2) -> nn.Module:
    """Return a small network of any architecture, the same one each time, with biases that are not zero."""
    torch.manual_seed(3)
    own = {"frequencies": 3} if "-" in name else {}
    return fields.build(name, inputs, outputs, hidden_features=width, hidden_layers=depth, **own)


def subject_of(field: nn.Module, stored: dict[str, object] | None = None) -> Subject:
    """Return a field as it would be read from a file."""
    return Subject(Path("field.safetensors"), field, {"signal": stored, "source": {"name": 'a "quoted" photo.png'}})


def points_of(count: int, dimension: int) -> Tensor:
    """Return points in the box, which floats hold exactly."""
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(5)) * 2 - 1


def derivatives_of(module: nn.Module, points: Tensor) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return the value, gradient, Laplacian and Hessian of a module in double precision, by nested differentiation."""
    exact = copy.deepcopy(module).double().eval()
    for each in exact.parameters():
        each.requires_grad_(False)

    def value(point: Tensor) -> Tensor:
        found: Tensor = exact(point[None])[0]
        return found

    at = points.double()
    with torch.no_grad():
        plain: Tensor = exact(at)
    first, second = (
        torch.func.vmap(each)(at) for each in (torch.func.jacfwd(value), torch.func.jacfwd(torch.func.jacfwd(value)))
    )
    laplacian = second.diagonal(dim1=-2, dim2=-1).sum(-1)
    return plain.numpy(), first.numpy(), laplacian.numpy(), second.numpy()


def difference(found: object, expected: Doubles) -> float:
    """Return the difference of arrays of one shape, relative to the second."""
    array = np.asarray(found, dtype=np.float64)
    assert array.shape == expected.shape
    return float(np.linalg.norm(array - expected) / max(float(np.linalg.norm(expected)), 1e-300))
