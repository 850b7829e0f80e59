"""Many signals as fields, thousands at once: a shared first layer of sines, and a last layer of its own for each.

The fields of pictures of one size share the layer sin(ω₀ (W x + b)), the *start*, which a seed decides. Only the last,
affine layer is the picture's own:

    Φ_k(x) = Σ_j c_kj sin(ω₀ (w_j · x + b_j))        Σ_i (Φ_k(x_i) − a_k(x_i))² + λ Σ_j (c_kj / s_j)²  is least

With H_ij = s_j sin(ω₀ (w_j · x_i + b_j)), the samples in rows, that is c_k = S Hᵀ (H Hᵀ + λ)⁻¹ a_k: one matrix for all
pictures, factorised once, so that a thousand fields are one product. What is found for a picture does not depend on the
others.

Frequencies ω₀ w fill the square up to the samples' own limit π/h evenly, in pairs of a sine and a cosine: a SIREN's
own first layer, U(−1/2, 1/2) times ω₀ = 2π/h, by a scrambled Sobol sequence in place of independent draws, which meets
a picture as well with fewer of them. There are :data:`FEATURES` times as many as samples, so that every picture can be
met; among the fields that meet it, the scales s_j = (1 + (|ω₀ w_j|/6)²)^(−5/4) choose a smooth one.

Those of short recordings are of such a form, too; their frequencies are those of a Fourier series, which needs no
matrix: see :mod:`sinefield.short_sounds`.

Source: Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007, section 3; for the
sequence, Yang et al., "Quasi-Monte Carlo feature maps for shift-invariant kernels", ICML 2014, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import __version__, checkpoint, kinds, problems, short_sounds
from sinefield.domains import Grid
from sinefield.fields import Siren
from sinefield.fields.functional import Batched
from sinefield.io import audio as recordings
from sinefield.io import image as pictures
from sinefield.io.source import Source
from sinefield.short_sounds import HarmonicStart
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.signal import Signal
from sinefield.solve import solve

FEATURES: Final = 1.5
"""How many features there are for each sample: enough for every picture, with the last ones free to be smooth."""

LARGEST: Final = 64 * 64
"""The samples of the largest picture that is fitted so; for larger ones training is faster than factorising."""

TOGETHER: Final = 256
"""How many pictures are fitted together: their samples and last layers stay within the caches."""

_SMOOTHNESS, _KNEE = 2.5, 6.0  # the power by which features of higher frequencies count less, and from where
_RIDGE = 1e-6  # of the mean of the diagonal of H Hᵀ: 60 dB and more are met, and rounding does not grow

RECIPE: Final = {"name": "many", "features": FEATURES, "ridge": _RIDGE, "smoothness": _SMOOTHNESS}
"""What is stored of how fields of pictures are found."""

SOUND_RECIPE: Final = {"name": "many", "period": short_sounds.PERIOD}
"""What is stored of how fields of recordings are found."""


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """A field that was fitted together with others.

    Args:
        field: Φ.
        signal: how it is read back.
        metrics: what it reaches at all samples.
        recipe: how it was found, as JSON.
        seed: of the start.
        source: the file that it is of; None: of none.
    """

    field: nn.Module
    signal: Signal | None
    metrics: Mapping[str, float]
    recipe: Mapping[str, Any]
    seed: int
    source: Source | None = None

    def save(self, path: str | Path) -> None:
        """Write the field to a file that :func:`sinefield.load` reads; see :mod:`sinefield.checkpoint`."""
        checkpoint.save(
            path,
            self.field,
            signal=None if self.signal is None else self.signal.to_json(),
            problem="image" if self.signal is None else self.signal.kind,
            source=None if self.source is None else self.source.to_json(),
            recipe=self.recipe,
            metrics=self.metrics,
            seed=self.seed,
            sinefield=__version__,
        )

    def render(self, size: tuple[int, ...] | None = None, **options: Any) -> NDArray[np.float32]:
        """Return the signal sampled from the field at any resolution; see its own ``sample``."""
        assert self.signal is not None, "pictures and recordings are signals"
        return self.signal.sample(self.field, size, **options)


@final
@dataclass(frozen=True, eq=False)
class SharedStart:
    """The first layer that the fields of pictures of one size share, and what solves their last layers.

    Args:
        field: a SIREN without hidden layers; its last layer is not used.
        solver: S Hᵀ (H Hᵀ + λ)⁻¹ as ``(n, features)``: samples in rows times it are last layers in rows.
        features: sin(ω₀ (W x + b)) at the samples, ``(n, features)``.
        seed: of the first layer.
    """

    field: Siren
    solver: Tensor
    features: Tensor
    seed: int

    @classmethod
    def of(cls, signal: ImageSignal, known: Tensor | None = None, seed: int = 0) -> SharedStart:
        """Return the start for pictures of the size of one.

        Args:
            signal: of the picture.
            known: the numbers of the samples that are known; None: all are.
            seed: of the frequencies.
        """
        lattice = signal.lattice
        points = Grid(lattice.shape, {}).at(torch.arange(math.prod(lattice.shape))).points
        points = points if known is None else points[known]
        omega = 2 * math.pi / signal.spacing
        count = 2 * math.ceil(FEATURES * math.prod(lattice.shape) / 2)
        field = Siren(2, signal.channels, count, 0, first_omega=omega)
        first = field.chain().affines[0]
        assert first.bias is not None, "the layers of a SIREN have biases"
        draws = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed).draw(count // 2)
        half = torch.stack([draws[:, 0] / 2, draws[:, 1] - 0.5], dim=1)
        with torch.no_grad():
            first.weight.copy_(torch.cat([half, half]))
            first.bias.copy_(torch.cat([torch.zeros(count // 2), torch.full((count // 2,), math.pi / (2 * omega))]))
            phases = omega * (points.double() @ first.weight.double().mT + first.bias.double())
            values = phases.sin()
            scales = (1 + (omega * first.weight.double().norm(dim=1) / _KNEE) ** 2) ** (-_SMOOTHNESS / 2)
            scaled = values * scales
            gram = scaled @ scaled.mT
            gram.diagonal().add_(_RIDGE * float(gram.diagonal().mean()))
            solver = torch.cholesky_solve(scaled, torch.linalg.cholesky(gram)) * scales
        return cls(field, solver.float(), values.float(), seed)

    def solve(self, samples: Tensor) -> Tensor:
        """Return the last layers ``(K, channels, features)`` of pictures with samples ``(K, n, channels)``."""
        return samples.mT @ self.solver

    def fit(self, samples: Tensor) -> Batched:
        """Return the fields of pictures side by side.

        Args:
            samples: in field values, ``(K, n, channels)``.
        """
        last = self.solve(samples)
        count, channels = last.shape[:2]
        first = self.field.chain().affines[0]
        assert first.bias is not None, "the layers of a SIREN have biases"
        names = [name for name, _ in self.field.named_parameters()]
        shared = [each.detach().expand(count, *each.shape) for each in (first.weight, first.bias)]
        weights = dict(zip(names, [*shared, last, last.new_zeros(count, channels)], strict=True))
        return Batched(self.field, count, weights)

    def psnr(self, fields: Batched, samples: Tensor) -> Tensor:
        """Return the PSNR ``(K,)`` in dB of fields at the samples ``(K, n, channels)``."""
        last = list(fields.weights().values())[2]
        error = self.features @ last.detach().mT - samples
        return -10 * torch.log10(error.square().mean((1, 2)) / 4)


def fit_many(
    sources: Iterable[str | Path | NDArray[Any] | Tensor],
    *,
    rate: int | None = None,
    seed: int = 0,
    shared: bool = True,
    together: int = TOGETHER,
    observe: Callable[[int, Fitted], None] | None = None,
) -> list[Fitted]:
    """Return fields of pictures or recordings, in their order: thousands in one batched chain.

    Pictures of one size, with samples at the same places, are fitted together, see this module, and recordings of one
    length. Pictures of more than :data:`LARGEST` samples, and recordings of more than
    :data:`sinefield.short_sounds.LONGEST` or with gaps, are fitted one by one, as :func:`sinefield.solve` does.

    Args:
        sources: files or arrays; see :func:`sinefield.io.image.read` and :func:`sinefield.io.audio.read`.
        rate: samples a second: arrays are recordings; None: they are pictures.
        seed: of the start that all share.
        shared: whether they share one start; otherwise the first has this seed, and the others those that follow.
        together: how many are fitted together at most.
        observe: called with the number of each picture and its field, as soon as it is found.

    Raises:
        ValueError: a source is neither.
        FileNotFoundError: there is no such file.

    >>> waves = [np.sin(np.arange(64.0).reshape(8, 8) * k) for k in (0.1, 0.2)]
    >>> [each.metrics["psnr"] > 50 for each in fit_many(waves)]
    [True, True]
    """
    found: dict[int, Fitted] = {}
    for number, each in fit_as_read(enumerate(sources), rate=rate, seed=seed, shared=shared, together=together):
        found[number] = each
        if observe is not None:
            observe(number, each)
    return [found[number] for number in sorted(found)]


def fit_as_read(
    numbered: Iterable[tuple[int, str | Path | NDArray[Any] | Tensor]],
    *,
    rate: int | None = None,
    seed: int = 0,
    shared: bool = True,
    together: int = TOGETHER,
    failed: Callable[[int, Exception], None] | None = None,
) -> Iterator[tuple[int, Fitted]]:
    """Yield fields of signals as they are found, with their numbers; only those that wait for others are in memory.

    Args:
        numbered: sources with their numbers, read one by one.
        rate: as for :func:`fit_many`, as are the next three.
        seed: of the start that all share.
        shared: whether they share one start.
        together: how many are fitted together at most.
        failed: called with the number of a source that cannot be fitted, and with why; None: that is raised.

    Raises:
        ValueError: a source cannot be fitted.
        OSError: a source cannot be read.
    """
    starts: dict[_Size, SharedStart | HarmonicStart] = {}
    waiting: dict[_Size, list[_Waiting]] = {}

    def fit_all(size: _Size) -> Iterator[tuple[int, Fitted]]:
        members = waiting.pop(size)
        if shared and size not in starts:
            starts[size] = members[0].start(seed)
        for some in [members] if shared else [[each] for each in members]:
            start = starts[size] if shared else some[0].start(seed + some[0].number)
            yield from _fit_together(start, some)

    for number, source in numbered:
        try:
            each = _read(number, source, rate)
        except (ValueError, OSError) as error:
            if failed is None:
                raise
            failed(number, error)
            continue
        if each is None:
            yield number, _fit_alone(source, rate, seed if shared else seed + number)
            continue
        waiting.setdefault(each.size, []).append(each)
        if len(waiting[each.size]) >= together:
            yield from fit_all(each.size)
    for size in list(waiting):
        yield from fit_all(size)


def _fit_together(start: SharedStart | HarmonicStart, members: Sequence[_Waiting]) -> Iterator[tuple[int, Fitted]]:
    samples = torch.stack([each.samples for each in members])
    fields = start.fit(samples)
    reached = start.psnr(fields, samples).tolist()
    recipe = RECIPE if isinstance(start, SharedStart) else SOUND_RECIPE
    for place, (each, psnr) in enumerate(zip(members, reached, strict=True)):
        field = fields.member_at(place).eval()
        yield each.number, Fitted(field, each.signal, {"psnr": psnr}, recipe, start.seed, each.source)


def _is_recording(source: str | Path | NDArray[Any] | Tensor, rate: int | None) -> bool:
    return kinds.kind_of(source) == "audio" if isinstance(source, str | Path) else rate is not None


def _fit_alone(source: str | Path | NDArray[Any] | Tensor, rate: int | None, seed: int) -> Fitted:
    if _is_recording(source, rate):
        solution = solve(problems.audio(source, rate=rate), seed=seed)
    else:
        solution = solve(problems.image(source), seed=seed)
    told = Source.of(source) if isinstance(source, str | Path) else None
    signal = solution.problem.signal
    return Fitted(solution.field, signal, solution.metrics, solution.recipe.to_json(), seed, told)


_Size = tuple[str, tuple[int, ...], int, bytes]
"""The kind, the shape of the lattice, channels, and which samples are known."""


def _read(number: int, source: str | Path | NDArray[Any] | Tensor, rate: int | None) -> _Waiting | None:
    """Return a signal that waits for others of its size; None: it is fitted alone."""
    if _is_recording(source, rate):
        recording = recordings.read(source, rate)
        if len(recording.values) > short_sounds.LONGEST or recording.known is not None:
            return None
        return _Waiting.of_recording(number, source, recording)
    picture = pictures.read(source)
    return _Waiting.of(number, source, picture) if math.prod(picture.values.shape[:2]) <= LARGEST else None


@final
@dataclass(frozen=True, eq=False)
class _Waiting:
    """A signal that waits for others of its size."""

    number: int
    signal: ImageSignal | AudioSignal
    samples: Tensor  # (n, channels), of those that are known
    known: Tensor | None
    source: Source | None

    @classmethod
    def of(cls, number: int, source: object, picture: pictures.Picture) -> _Waiting:
        signal = ImageSignal.of(picture)
        samples = signal.lattice.to_field(picture.values)
        known = None
        if picture.known is not None:
            there = torch.from_numpy(picture.known.any(2).reshape(-1))  # colours under alpha 0 are as they are stored
            known = None if there.all() else there.nonzero()[:, 0]
            samples = samples if known is None else samples[known]
        told = Source.of(source) if isinstance(source, str | Path) else None
        return cls(number, signal, samples, known, told)

    @classmethod
    def of_recording(cls, number: int, source: object, recording: recordings.Recording) -> _Waiting:
        count, channels = recording.values.shape
        lattice = Lattice((count,), (1.0,), channels, -recording.peak, recording.peak)
        signal = AudioSignal(lattice, recording.rate, recording.bits, recording.floats, recording.speakers)
        samples = lattice.to_field(recording.values / recording.full)
        told = Source.of(source) if isinstance(source, str | Path) else None
        return cls(number, signal, samples, None, told)

    @property
    def size(self) -> _Size:
        known = b"" if self.known is None else self.known.numpy().tobytes()
        return self.signal.kind, self.signal.lattice.shape, self.signal.channels, known

    def start(self, seed: int) -> SharedStart | HarmonicStart:
        if isinstance(self.signal, AudioSignal):
            count, channels = self.samples.shape
            return HarmonicStart.of(count, channels, seed)
        return SharedStart.of(self.signal, self.known, seed)
