"""Fields beside files that hold what the fields are, as if they had been fitted to them without any error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image
from torch import nn

from fields_of_kinds import field_of
from films import encode
from sinefield import checkpoint
from sinefield.io.source import Source
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal


def strong_field_of(name: str) -> tuple[nn.Module, Signal]:
    """Return a field of a kind with nearly all of its values from -0.6 to 0.6, and how it is read back."""
    field, signal = field_of(name)
    points = 2 * torch.rand(4096, len(signal.axes) or 2, generator=torch.Generator().manual_seed(0)) - 1
    with torch.no_grad():
        *_, weight, bias = field.parameters()
        low, high = field(points).quantile(torch.tensor([0.01, 0.99]), dim=0)
        weight.mul_((1.2 / (high - low))[:, None])
        bias.sub_((low + high) / 2).mul_(1.2 / (high - low))
    return field, ShapeSignal((50.0, 60.0), 40.0, (0.9, 0.9)) if isinstance(signal, ShapeSignal) else signal


def write_with_original(name: str, folder: Path) -> tuple[Path, Path]:
    """Return where the file of a field and that of its samples are, after writing them side by side."""
    field, signal = strong_field_of(name)
    match signal:
        case ImageSignal():
            values = np.clip(signal.sample(field), 0, 255).round().astype(np.uint8)
            Image.fromarray(values.squeeze()).save(path := folder / "original.png")
        case VideoSignal():
            values = np.clip(signal.sample(field), 0, 255).round().astype(np.uint8)
            encode(path := folder / "original.apng", values, rate=5)
        case VolumeSignal():
            signal = replace(signal, lattice=replace(signal.lattice, low=-1.0, high=3.0))
            np.save(path := folder / "original.npy", np.clip(signal.sample(field), -1.0, 3.0))
        case AudioSignal():
            soundfile.write(path := folder / "original.wav", signal.sample(field), signal.rate, "FLOAT")
        case ShapeSignal():
            y, x = np.mgrid[0:110, 0:120] + 0.5
            inside = signal.inside(field, np.stack([y.ravel(), x.ravel()], axis=1)).reshape(y.shape)
            Image.fromarray(inside.astype(np.uint8) * 255).save(path := folder / "original.png")
        case _:
            raise ValueError(f"there is no original of {name}")
    written = folder / f"{name}.safetensors"
    checkpoint.save(written, field, signal=signal.to_json(), source=Source.of(path).to_json())
    return written, path
