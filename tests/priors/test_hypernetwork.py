"""Tests of generated SIRENs: how they are distributed at first and after a step, and how they are differentiated."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sinefield import kernels
from sinefield.fields import Siren
from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine
from sinefield.fields.diagnostics import activations_of
from sinefield.jet import jet
from sinefield.kernels.siren import fused
from sinefield.priors import Amplitudes, Generator, Hypernetwork, Shifts

GENERATORS: dict[str, Callable[[Siren], Generator]] = {
    "hypernetwork": lambda member: Hypernetwork(member, 6),
    "amplitudes": lambda member: Amplitudes(member, 6),
    "shifts": lambda member: Shifts(member, 6),
}


def made(name: str, width: int = 16) -> Generator:
    """Return a generator of SIRENs of two hidden layers."""
    torch.manual_seed(0)
    return GENERATORS[name](Siren(2, 2, width, 2))


def variances(generator: Hypernetwork, latents: Tensor) -> list[float]:
    """Return the variance of ωWx of each sine but the first, over fields and points, as theory has it."""
    x = 2 * torch.rand(256, 2, generator=torch.Generator().manual_seed(1)) - 1
    found, phases = [], x
    for link in generator.chain(latents).links:
        if isinstance(link, Affine):
            phases = x @ link.weight.mT
        elif isinstance(link, Sine):
            found.append(float((link.omega * phases).var()))
        x = link(x)
    return found[1:]


def test_pre_activations_have_unit_variance_at_first_and_after_a_step() -> None:
    torch.manual_seed(0)
    generator = Hypernetwork(Siren(2, 1, 128, 3), 64)
    latents = torch.randn(16, 64)
    with torch.no_grad():
        assert variances(generator, latents) == pytest.approx([1.0] * 3, abs=0.1)
    targets = torch.randn(16, 256, 1)
    points = 2 * torch.rand(256, 2) - 1
    solver = torch.optim.Adam(generator.parameters(), 1e-3)
    (generator.chain(latents)(points) - targets).square().mean().backward()
    solver.step()
    with torch.no_grad():
        assert variances(generator, latents) == pytest.approx([1.0] * 3, abs=0.1)


def test_generated_weights_have_the_variance_of_a_siren_whatever_the_size_of_the_latent() -> None:
    torch.manual_seed(0)
    member = Siren(2, 1, 64, 1)
    generator = Hypernetwork(member, 32)
    for size in (0.1, 10.0):
        weights = {k: w.detach() for k, w in generator.weights(size * torch.randn(32, 32)).items()}
        for name, each in member.named_parameters():
            if each.numel() > 100:
                assert float(weights[name].var()) == pytest.approx(float(each.detach().var()), rel=0.1)
                assert float(weights[name].var(0).mean() / weights[name].var()) > 0.05  # and depend on it


@pytest.mark.parametrize("name", GENERATORS)
def test_a_field_by_itself_has_plain_weights_and_the_values_of_its_chain(name: str) -> None:
    generator = made(name)
    latents, points = torch.randn(3, 6), 2 * torch.rand(20, 2) - 1
    together = generator.chain(latents)(points)
    for number, latent in enumerate(latents):
        field = generator.field(latent)
        assert type(field) is Siren
        torch.testing.assert_close(field(points), together[number].detach(), rtol=1e-4, atol=1e-5)
    assert float((together[0] - together[1]).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("name", GENERATORS)
def test_the_laplacian_of_generated_fields_is_that_of_automatic_differentiation(name: str) -> None:
    generator = made(name).double()
    latents = torch.randn(2, 6, dtype=torch.float64)
    points = (2 * torch.rand(5, 2, dtype=torch.float64) - 1).requires_grad_()
    chain = generator.chain(latents)
    assert fused.supports(chain, {"laplacian"})
    values = kernels.evaluate(chain, points.detach(), {"laplacian"})["laplacian"]
    for k in range(2):
        field = generator.field(latents[k])
        for channel in range(2):
            (gradient,) = torch.autograd.grad(field(points)[:, channel].sum(), points, create_graph=True)
            expected = sum(
                torch.autograd.grad(gradient[:, axis].sum(), points, retain_graph=True)[0][:, axis] for axis in (0, 1)
            )
            torch.testing.assert_close(values[k, :, channel], expected, rtol=1e-9, atol=1e-9)


def test_a_loss_on_the_laplacian_reaches_the_latent() -> None:
    generator = made("hypernetwork").double()
    latent = torch.randn(1, 6, dtype=torch.float64)
    points = 2 * torch.rand(7, 2, dtype=torch.float64) - 1

    def loss(z: Tensor) -> Tensor:
        return jet(generator.chain(z), points, ["laplacian"]).laplacian.square().mean().sqrt()

    assert torch.autograd.gradcheck(loss, (latent.requires_grad_(),), rtol=1e-4)


def test_amplitudes_are_folded_into_the_columns_of_the_next_layer() -> None:
    generator = made("amplitudes")
    assert isinstance(generator, Amplitudes)
    latent = torch.randn(1, 6)
    amplitude = torch.relu(generator.modulator[0](latent))[0]
    first, sine, second = generator.member.chain().links[:3]
    x = 2 * torch.rand(9, 2) - 1
    expected = (amplitude * sine(first(x))) @ second.weight.mT + second.bias  # type: ignore[union-attr,operator]
    found = generator.chain(latent)
    for link in found.links[:3]:
        x = link(x)
    torch.testing.assert_close(x[0], expected)


def test_activations_of_a_generated_siren_follow_the_arcsine_law() -> None:
    torch.manual_seed(0)
    field = Hypernetwork(Siren(2, 1, 256, 3), 16).field(torch.randn(16))
    assert all(each.summary()["distance to arcsine"] < 0.05 for each in activations_of(field)[1:])
