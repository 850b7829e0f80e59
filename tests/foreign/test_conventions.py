"""Tests of conventions: at every sample a field gives what the network of others gives there, in the values of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from siren_pytorch import SirenNet
from torch import nn

from sinefield import foreign
from sinefield.foreign import Conventions

SHAPES = {"image": (5, 8), "audio": (9,), "video": (3, 4, 6), "volume": (3, 4, 6)}


def recognised(inputs: int, outputs: int = 1, final: nn.Module | None = None) -> tuple[nn.Module, foreign.Recognised]:
    torch.manual_seed(2)
    network = SirenNet(inputs, 24, outputs, 2, final_activation=final).double()
    return network, foreign.recognise({name: each.numpy() for name, each in network.state_dict().items()})


def samples_of(network: nn.Module, axes: list[NDArray[Any]], reverse: bool = False) -> NDArray[Any]:
    """Return the values of a network at a grid of its coordinates."""
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    if reverse:
        points = points[..., ::-1]
    with torch.no_grad():
        found: NDArray[Any] = network(torch.from_numpy(points.copy())).numpy()
    return found


@pytest.mark.parametrize("ends", ["corners", "centres"])
@pytest.mark.parametrize("kind", SHAPES)
def test_samples_are_where_the_network_was_trained(kind: str, ends: foreign.conventions.Ends) -> None:
    shape = SHAPES[kind]
    network, found = recognised(len(shape))
    field, signal = foreign.adopt(found, Conventions(kind, shape, ends, rate=8.0))
    axes = [np.linspace(-1, 1, n) if ends == "corners" else (2 * np.arange(n) + 1) / n - 1 for n in shape]
    assert signal is not None
    low, high = (-1, 1) if kind == "audio" else (0, 255)
    expected = (samples_of(network, axes) + 1) * (high - low) / 2 + low
    rendered = signal.sample(field)
    assert rendered.size == expected.size
    assert np.allclose(rendered.ravel(), expected.ravel(), rtol=0, atol=2e-5 * (high - low))
    assert expected.std() > 0.01 * (high - low)


def test_every_convention_together() -> None:
    """Coordinates (x, y) in [0, 1], values in [0, 1], a picture that is not square."""
    network, found = recognised(2, 3)
    conventions = Conventions("image", (6, 9), span=(0.0, 1.0), reversed_axes=True, values=(0.0, 1.0))
    field, signal = foreign.adopt(found, conventions)
    assert signal is not None
    expected = 255 * samples_of(network, [np.linspace(0, 1, 6), np.linspace(0, 1, 9)], reverse=True)
    assert np.allclose(signal.sample(field), expected, rtol=0, atol=2e-3)
    for changed in ({"span": (-1.0, 1.0)}, {"reversed_axes": False}, {"values": (-1.0, 1.0)}, {"ends": "centres"}):
        other, _ = foreign.adopt(found, Conventions(**{**vars(conventions), **changed}))
        assert not np.allclose(signal.sample(other), expected, rtol=0, atol=1.0), changed


def test_a_sigmoid_to_one_is_a_tanh() -> None:
    network, found = recognised(2, 3, nn.Sigmoid())
    field, _ = foreign.adopt(found, Conventions("image", (4, 4), values=(0.0, 1.0), final="sigmoid"))
    points = torch.rand(50, 2, dtype=torch.float64) * 2 - 1
    ours = points * 0.75  # corners of 4 samples lie at 3/4
    assert field.settings["final_activation"] == "tanh"
    assert torch.allclose(field.double()(ours), 2 * network(points) - 1, atol=1e-6)


def test_a_shape_keeps_its_coordinates() -> None:
    network, found = recognised(3)
    field, signal = foreign.adopt(found, Conventions("shape"))
    points = torch.rand(50, 3, dtype=torch.float64) * 2 - 1
    assert torch.allclose(field.double()(points), network(points), atol=1e-6)
    assert signal is not None
    assert signal.kind == "shape"


@pytest.mark.parametrize(
    ("told", "conventions"),
    [
        ("takes 2 coordinates, and a signal of kind audio has 1", {"kind": "audio", "shape": (9,)}),
        ("needs a shape of 2 numbers, as 480x640; got 0", {"kind": "image"}),
        ("the stored mapping of samples is not plausible", {"kind": "image", "shape": (0, 5)}),
        ("unknown kind of signal 'song'", {"kind": "song"}),
        ("values 0 to 1 after a tanh cannot be converted", {"final": "tanh", "values": (0.0, 1.0)}),
        ("unknown activation 'swish'", {"final": "swish"}),
        ("the range of values is two numbers, the smaller first", {"values": (1.0, 0.0)}),
    ],
)
def test_what_does_not_fit_is_refused(told: str, conventions: dict[str, Any]) -> None:
    _, found = recognised(2)
    with pytest.raises(ValueError, match=told):
        foreign.adopt(found, Conventions(**conventions))


def test_clips_and_sound_need_a_rate() -> None:
    with pytest.raises(ValueError, match="needs its rate"):
        foreign.adopt(recognised(1)[1], Conventions("audio", (9,)))
