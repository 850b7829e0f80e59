"""Priors: a field whose weights are a function of a latent, which is a function of a few known samples.

    z = E(context)        θ = H(z)        Φ_z(x) = Φ(x; θ)

Signals are pictures, shapes in the plane as signed distances, or short sounds; the samples of all are called pixels,
and sounds are pictures of one row.

A prior is itself a field, of contexts in place of points: that is how it is trained, by the same solver, loop and files
as any other. Its value at a context is, in this order, Φ_z at all pixels, the size of the errors to expect there, the
latent z, and the root mean square of the generated weights, each of which constraints may be on.

The size of errors is a second output of the generated field, so that it too can be read between the pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield.fields import Siren
from sinefield.fields.field import register
from sinefield.io.sets.signal_set import told_of
from sinefield.priors import first_layers
from sinefield.priors.encoders import GuessEncoder, encoder_named, spreads_of
from sinefield.priors.hypernetwork import Generator, Hypernetwork, LastLayer
from sinefield.priors.mixture import DENSE
from sinefield.priors.modulation import Amplitudes, Shifts
from sinefield.priors.settings import GENERATORS, VALUES
from sinefield.priors.steps import FACTS, StepsEncoder
from sinefield.priors.table import TableEncoder
from sinefield.signals.lattice import Lattice
from sinefield.solvers.alone import one_thread

TOGETHER: Final = 256
"""How many contexts are looked at together, so that what is found of them stays in memory."""


@final
@dataclass(frozen=True)
class Completion:
    """What a prior makes of a context.

    Args:
        field: Φ, a SIREN with plain weights.
        spread: a SIREN of what nine in ten of its errors are within, at each point.
        latent: z, ``(k,)``.
    """

    field: Siren
    spread: Siren
    latent: Tensor


@final
@register("prior", part=True)
class Prior(nn.Module):
    """A prior over signals of one kind and one size.

    Args:
        in_features: pixels times c + 1; with the encoder ``"table"`` 1 more, the number of a training picture.
        out_features: 2 · pixels · c + k + 1.
        height: of the pictures; 1 of sounds.
        width: of the pictures, or the samples of sounds.
        low: the value of the pictures that is −1 in the field.
        high: the value that is 1.
        method: a key of :data:`GENERATORS`.
        encoder: see :func:`sinefield.priors.encoders.encoder_named`; ``"steps"``: none, latents are found by descent;
            ``"table"``: see :mod:`sinefield.priors.table`.
        latent: k.
        encoder_features: the width of the encoder's layers.
        encoder_layers: how many it has, or how many steps.
        hidden_features: of the fields.
        hidden_layers: of the fields.
        first_omega: of the fields.
        components: of each clustering of the encoder ``"guess"``.
        clusterings: how many it has.
        pictures: how many latents the encoder ``"table"`` has.
        kind: ``"image"``, ``"audio"`` or ``"shape"``.
        rate: samples a second of sounds.

    Raises:
        ValueError: sizes that do not agree, or an unknown name.
    """

    architecture = "prior"
    points: Tensor
    latent_mean: Tensor
    latent_factor: Tensor
    calibration: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        height: int,
        width: int,
        low: float,
        high: float,
        method: str,
        encoder: str,
        latent: int,
        encoder_features: int,
        encoder_layers: int,
        hidden_features: int,
        hidden_layers: int,
        first_omega: float,
        components: int = 1,
        clusterings: int = 1,
        pictures: int = 1,
        kind: str = "image",
        rate: int = 0,
    ) -> None:
        super().__init__()
        pixels = height * width
        channels = in_features // max(pixels, 1) - 1
        inputs = pixels * (channels + 1) + (encoder == "table")
        if (in_features, out_features) != (inputs, 2 * pixels * channels + latent + 1):
            raise ValueError(
                f"a prior of {width} x {height} pictures has no {in_features} inputs, {out_features} outputs"
            )
        size = pixels * channels
        if pixels < 4 or not 1 <= size <= VALUES or not 4 <= latent <= 4096 or encoder_features > 8192:
            raise ValueError(
                f"a prior is of pictures of 4 pixels to {VALUES} values, and has a latent of 4 to 4096 numbers"
            )
        if min(components, clusterings) < 1 or components * clusterings * size**2 > DENSE:
            raise ValueError(f"a prior of pictures of {size} values has no mixture of {components} components")
        if method not in GENERATORS:
            raise ValueError(f"unknown method {method!r}; choose one of {', '.join(GENERATORS)}")
        if kind not in ("image", "audio", "shape") or (kind == "audio") != (rate > 0) or (rate > 0 and height > 1):
            raise ValueError(f"a prior is of pictures, shapes or sounds, got {kind!r} of {rate} samples a second")
        self.in_features, self.out_features, self.channels, self.latent = in_features, out_features, channels, latent
        self.settings: dict[str, int | float | str] = {
            "height": height,
            "width": width,
            "low": float(low),
            "high": float(high),
            "method": method,
            "encoder": encoder,
            "latent": latent,
            "encoder_features": encoder_features,
            "encoder_layers": encoder_layers,
            "hidden_features": hidden_features,
            "hidden_layers": hidden_layers,
            "first_omega": float(first_omega),
            "components": components,
            "clusterings": clusterings,
            "pictures": pictures,
            "kind": kind,
            "rate": rate,
        }
        self.shape = (height, width)
        self.register_buffer("points", points_of(height, width, kind))
        member = Siren(self.points.shape[1], 2 * channels, hidden_features, hidden_layers, first_omega)
        spreads = FACTS if encoder == "steps" else spreads_of(latent)
        self.generator = _generator_of(method, member, latent, pixels, spreads)
        self.encoder = self._encoder_of(encoder)
        self.register_buffer("latent_mean", torch.zeros(latent))
        self.register_buffer("latent_factor", torch.eye(latent))
        self.register_buffer("calibration", torch.full((len(calibrated_counts(pixels)),), 2.0))

    def _encoder_of(self, name: str) -> nn.Module:
        width, depth, pictures = (
            int(self.settings[each]) for each in ("encoder_features", "encoder_layers", "pictures")
        )
        match name:
            case "steps":
                return StepsEncoder(self.pixels, self.channels, self.latent, depth)
            case "table":
                if isinstance(self.generator, LastLayer):
                    raise ValueError("the encoder table is of the methods hypernetwork, modulated and shifted")
                return TableEncoder(self.points, self.channels, self.latent, depth, pictures)
        sizes = {"latent": self.latent, "width": width, "depth": depth}
        if name == "guess":
            sizes |= {each: int(self.settings[each]) for each in ("components", "clusterings")}
        return encoder_named(name, self.points, self.shape, self.channels, **sizes)

    @property
    def lattice(self) -> Lattice:
        """The mapping between pixels and the field."""
        low, high = float(self.settings["low"]), float(self.settings["high"])
        return Lattice.of_cubes(self.shape[-self.points.shape[1] :], self.channels, low, high)

    @property
    def kind(self) -> str:
        """What its fields are read back as."""
        return str(self.settings["kind"])

    @property
    def told(self) -> str:
        """What it is a prior of, such as ``"pictures of 28 x 28 x 1"``."""
        return told_of(self.kind, *self.shape, self.channels)

    @property
    def sampled(self) -> str:
        """What its samples are called."""
        return "pixels" if self.kind == "image" else "samples"

    @property
    def pixels(self) -> int:
        """How many pixels the pictures have."""
        return math.prod(self.shape)

    def values(self, latents: Tensor) -> Tensor:
        """Return values and sizes of errors of fields at the pixels, ``(n, pixels, 2c)``."""
        generator = self.generator
        if isinstance(generator, LastLayer):
            return generator.values(latents)
        return generator.chain(latents)(self.points)

    def forward(self, contexts: Tensor) -> Tensor:
        """Return what a prior makes of contexts ``(n, in_features)``, ``(n, out_features)``; see the module."""
        latents = self.latents(contexts)
        values = self.values(latents)
        means, sizes = values.split(self.channels, dim=-1)
        rms = self._weight_size(latents)
        return torch.cat([means.flatten(1), sizes.flatten(1), latents, rms], dim=1)

    def latents(self, contexts: Tensor) -> Tensor:
        """Return the latents ``(n, k)`` of contexts, through which gradients run.

        Contexts that hold the number of a training picture have the latent that is in the table of the encoder.
        """
        found: Tensor
        match self.encoder:
            case TableEncoder() as table if contexts.shape[1] == self.in_features:
                found = table.latents(contexts[:, -1])
            case TableEncoder() as table:
                found = table(contexts, lambda z, places: self.generator.chain(z)(places)[..., : self.channels])
            case StepsEncoder() as steps:
                found = steps(contexts, lambda z: self.values(z)[..., : self.channels])
            case encoder:
                found = encoder(contexts)
        return found

    def _weight_size(self, latents: Tensor) -> Tensor:
        if not isinstance(self.generator, Hypernetwork):  # the others' weights are those of one network, or linear in z
            return torch.zeros(len(latents), 1)
        made = torch.cat([each.flatten(1) for each in self.generator.weights(latents).values()], dim=1)
        return made.square().mean(1, keepdim=True).add(1e-12).sqrt()

    # ---- what it is for

    @torch.no_grad()
    def encode(self, contexts: Tensor) -> Tensor:
        """Return the latents ``(n, k)`` of contexts."""
        return torch.cat([self.latents(some) for some in contexts.split(TOGETHER)])

    @torch.no_grad()
    def complete(self, contexts: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures ``(n, pixels, c)`` for contexts, and what nine in ten errors are within, of that shape.

        They are what the fields of :meth:`found` give at the pixels.
        """
        means, sizes = self.values(self.encode(contexts)).split(self.channels, dim=-1)
        known = contexts[:, -self.pixels :].sum(1)
        return means, sizes * self.spread_factor(known)[:, None, None]

    def spread_factor(self, known: Tensor) -> Tensor:
        """Return how many times the size of errors holds nine in ten, by the numbers ``(n,)`` of known pixels.

        Between the :func:`calibrated_counts` its logarithm is linear in that of the number.
        """
        place = known.clamp(min=1).log2().clamp(max=len(self.calibration) - 1)
        below = place.floor().long().clamp(max=len(self.calibration) - 2)
        logs = self.calibration.log()
        return torch.lerp(logs[below], logs[below + 1], place - below).exp()

    @torch.no_grad()
    def found(self, context: Tensor) -> Completion:
        """Return the field of one context ``(in_features,)``, and that of its spread."""
        latent = self.encode(context.unsqueeze(0))
        return self.at(latent[0], int(context[-self.pixels :].sum()))

    @torch.no_grad()
    def at(self, latent: Tensor, known: int | None = None) -> Completion:
        """Return the field of a latent ``(k,)``, and that of its spread.

        Args:
            latent: z.
            known: of how many known pixels it is, which the spread depends on; None: of all.
        """
        both = self.generator.field(latent)
        first, second = (self._outputs(both, part) for part in (0, 1))
        factor = self.spread_factor(torch.tensor([float(known or self.pixels)]))
        last = list(dict(second.named_parameters()).values())[-2:]
        for each in last:
            each.mul_(factor)
        return Completion(first, second, latent)

    def _outputs(self, both: Siren, part: int) -> Siren:
        """Return the field of some of the outputs of one."""
        settings = {k: v for k, v in both.settings.items() if k != "final_activation"}
        field = Siren(both.in_features, self.channels, **settings)  # type: ignore[arg-type]  # its own settings
        rows = slice(part * self.channels, (part + 1) * self.channels)
        tensors = dict(both.state_dict())
        for name in list(tensors)[-2:]:
            tensors[name] = tensors[name][rows]
        field.load_state_dict(tensors)
        return field.eval()

    @torch.no_grad()
    def sample(self, generator: torch.Generator) -> Tensor:
        """Return a latent ``(k,)`` from the Gaussian of those of the training pictures."""
        noise = torch.randn(self.latent, generator=generator)
        return self.latent_mean + self.latent_factor @ noise

    # ---- what is known before it is trained

    @torch.no_grad()
    @one_thread()
    def learn_statistics(self, pictures: Tensor, held: Tensor) -> None:
        """Take what is known of pictures in closed form, for the parts that start there.

        The latents of ``forward`` are the coordinates along the main axes of the pictures, each of variance 1.

        Args:
            pictures: to learn from, ``(count, pixels, c)``.
            held: kept from training, to choose by.
        """
        rows = pictures.flatten(1)
        generator, encoder = self.generator, self.encoder
        if isinstance(generator, LastLayer):
            generator.place(*first_layers.layer_of(self.lattice))
        if isinstance(generator, LastLayer) or isinstance(encoder, GuessEncoder | TableEncoder):
            centre, axes = main_axes(rows)
            squares = axes.square().sum(1, keepdim=True)
            if isinstance(generator, LastLayer):
                generator.centre.copy_(centre)
                generator.axes.copy_(axes[: len(generator.axes)])
            if isinstance(encoder, StepsEncoder):
                encoder.variances.copy_(squares[: len(encoder.variances), 0] / len(centre))
            if isinstance(encoder, TableEncoder):
                encoder.begin(rows, axes)
            if isinstance(encoder, GuessEncoder):
                encoder.mixture.learn(rows, held.flatten(1), self.points)
                encoder.centre.copy_(centre)
                count = min(encoder.reading.shape)
                encoder.reading.zero_()[:count] = (axes / squares)[:count]  # the inverse, as axes are orthogonal


def main_axes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of rows ``(count, size)``, and their main axes ``(size, size)`` of the length of the deviation.

    >>> centre, axes = main_axes(torch.tensor([[1.0, 0.0], [1.0, 4.0]]))
    >>> centre.tolist(), axes[0].abs().tolist()
    ([1.0, 2.0], [0.0, 2.0])
    """
    mean = rows.mean(0)
    offsets = rows - mean
    variances, axes = torch.linalg.eigh((offsets.mT @ offsets).double() / len(rows))
    lengths = variances.flip(0).clamp(min=1e-4).sqrt()
    return mean, (axes.flip(1) * lengths).mT.float()


def _generator_of(method: str, member: Siren, latent: int, pixels: int, spreads: int) -> Generator:
    match method:
        case "hypernetwork":
            return Hypernetwork(member, latent)
        case "modulated":
            return Amplitudes(member, latent)
        case "shifted":
            return Shifts(member, latent)
    return LastLayer(member, latent, pixels, spreads, learnt=method == "meta")


def calibrated_counts(pixels: int) -> list[int]:
    """Return the numbers of known pixels that the spread is calibrated at: the powers of two, where there are more.

    >>> calibrated_counts(9), len(calibrated_counts(784))
    ([1, 2, 4, 8], 10)
    """
    return [2**k for k in range(math.ceil(math.log2(pixels)))]


def points_of(height: int, width: int, kind: str = "image") -> Tensor:
    """Return the centres of the pixels of a picture, ``(height · width, 2)``, in the order of its array.

    Those of the samples of a sound are ``(width, 1)``.
    """
    shape = (width,) if kind == "audio" else (height, width)
    lattice = Lattice.of_cubes(shape, 1, -1.0, 1.0)
    centres = [lattice.centres(axis, size).float() for axis, size in enumerate(shape)]
    return torch.cartesian_prod(*centres).reshape(-1, len(shape))
