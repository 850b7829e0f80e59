"""The first layers of fields whose last layer alone is found: sines that any samples can be met with.

With R of such a layer, the last layer R y has the values y at the samples. Those of pictures are of
:mod:`sinefield.collection`, those of sounds the sines and cosines of :mod:`sinefield.short_sounds`, and a constant.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sinefield.collection import SharedStart
from sinefield.short_sounds import HarmonicStart
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice


def layer_of(lattice: Lattice) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights ``(features, d)``, biases ``(features,)`` and R ``(features, samples)`` for signals on a lattice.

    Args:
        lattice: along two axes, or along one.
    """
    if len(lattice.shape) == 2:
        start = SharedStart.of(ImageSignal(lattice, 32))
        weight, bias = start.field.chain().affines[0].tensors()
        return weight.detach(), bias.detach(), start.solver.mT
    (count,) = lattice.shape
    sines = HarmonicStart.of(count, 1)
    weight, bias = sines.field.chain().affines[0].tensors()
    last, constant = sines.solve(torch.eye(count).unsqueeze(2))
    quarter = math.pi / (2 * float(sines.field.settings["first_omega"]))  # a sine of it is 1
    return (
        torch.cat([weight.detach(), torch.zeros(1, 1)]),
        torch.cat([bias.detach(), torch.tensor([quarter])]),
        torch.cat([last[:, 0].mT, constant.mT]),
    )
