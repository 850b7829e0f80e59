"""A learnt start: pictures of one kind in few steps, each by few numbers of its own.

All fields share the weights θ of a SIREN and a basis D; a picture a is a *latent* z, which moves some of the weights,

    w(z) = w̄ + D z        z_{k+1} = z_k − α_k ∘ ∇_z ℓ(z_k; a),  z_0 = 0        ℓ(z; a) = mean_i (Φ(x_i; w(z)) − a_i)²

and training makes the loss of all samples after K steps small, over θ, w̄, D and the rates α of each step and each
number, while the steps see all of them or a few:

    L = mean_a ℓ(z_K(a); a)

The gradient of L is that of :mod:`sinefield.priors.through_steps`, in memory that does not grow with K.

Training begins from what is best for a last layer that alone moves, in closed form: w̄ the mean picture, D the principal
components of the pictures, in units of mean square 1, with variances v. A step of α = 1/2 is exact where all samples
are seen; where c of them are, α_j = v_j / (v_j + Σv / c) / 2, as of a mean that is drawn towards what is usual.

Sources: Finn et al., "Model-agnostic meta-learning", ICML 2017, section 2; Li et al., "Meta-SGD", 2017, arXiv
1707.09835, section 3 (rates); Dupont et al., "From data to functa", ICML 2022, section 2 (latents that move some of the
weights).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from sinefield.collection import SharedStart
from sinefield.domains import Grid
from sinefield.fields import Network, Siren
from sinefield.fields.chain import Affine
from sinefield.fields.functional import Batched, chain_with
from sinefield.io.files import replacing
from sinefield.priors.through_steps import Loss, Order, meta_gradient, slope_of
from sinefield.signals.image import ImageSignal

NUMBERS: Final = 384
"""How many numbers a picture has of its own."""


@final
@dataclass(frozen=True, eq=False)
class Start:
    """A learnt start for pictures of one size.

    Args:
        field: the SIREN at z = 0.
        directions: D, by the names of the weights that move, ``(m, …)``.
        rates: α of the steps, ``(K, m)``; steps after the last take its rates.
        signal: how its fields are read back.
    """

    field: Siren
    directions: Mapping[str, Tensor]
    rates: Tensor
    signal: ImageSignal

    @property
    def numbers(self) -> int:
        """How many numbers a picture has of its own, m."""
        return self.rates.shape[1]

    @property
    def points(self) -> Tensor:
        """The samples' places, ``(n, 2)``."""
        shape = self.signal.lattice.shape
        return Grid(shape).at(torch.arange(math.prod(shape))).points

    def weights(self, latents: Tensor) -> dict[str, Tensor]:
        """Return the weights ``(B, …)`` of fields by name, of latents ``(B, m)``; those that do not move without B."""
        return _moved(self.shared(), latents)

    def shared(self) -> dict[str, Tensor]:
        """Return what the fields share, by name: the weights at z = 0, and the directions."""
        own = {name: each.detach() for name, each in self.field.named_parameters()}
        return own | {f"{_ALONG}{name}": each for name, each in self.directions.items()}

    def latents(self, samples: Tensor, steps: int | None = None, known: Tensor | None = None) -> Tensor:
        """Return the latents ``(B, m)`` of pictures after some steps.

        Args:
            samples: in field values, ``(B, n, channels)``; those that are not known do not count.
            steps: how many; None: as many as were trained.
            known: which samples are, ``(B, n)`` or ``(n,)``, booleans; None: all.

        Raises:
            ValueError: pictures of another size, no step, or a picture without any known sample.
        """
        expected = (math.prod(self.signal.lattice.shape), self.signal.channels)
        if samples.ndim != 3 or tuple(samples.shape[1:]) != expected:
            raise ValueError(
                f"the start is of pictures of {expected[0]} samples of {expected[1]} channels, got samples of shape "
                f"{tuple(samples.shape)}"
            )
        steps = len(self.rates) if steps is None else steps
        if steps < 1:
            raise ValueError(f"a start takes at least one step, got {steps}")
        mask = torch.ones(samples.shape[:2]) if known is None else known.expand(samples.shape[:2]).to(samples.dtype)
        if not bool(mask.any(1).all()):
            raise ValueError("a picture needs at least one known sample, got one without any")
        loss, shared = _loss(self.field, self.points, samples, mask), self.shared()
        slope = self._slope_of_last_layer(samples, mask)
        z = samples.new_zeros(len(samples), self.numbers)
        for k in range(steps):
            rate = self.rates[min(k, len(self.rates) - 1)]
            z = z - rate * (slope_of(loss, z, shared) if slope is None else slope(z))
        return z

    @torch.no_grad()
    def _slope_of_last_layer(self, samples: Tensor, mask: Tensor) -> Callable[[Tensor], Tensor] | None:
        """Return ∇ℓ where the last layer's weights alone move, so that values are linear in z; None: others do too.

        The sines are computed once then, and not for each picture and step.
        """
        *before, last = self.field.chain().links
        own = dict(self.field.named_parameters())
        if not isinstance(last, Affine) or [id(own[name]) for name in self.directions] != [id(last.weight)]:
            return None
        features = self.points
        for link in before:
            features = link(features)
        (along,) = self.directions.values()
        axes = (features @ along.mT).flatten(1)  # (m, n · c)
        ahead = last(features).flatten() - samples.flatten(1)
        channels = samples.shape[2]
        weight = (mask / mask.sum(1, keepdim=True)).repeat_interleave(channels, dim=1) * (2 / channels)
        return lambda z: (ahead + z @ axes).mul_(weight) @ axes.mT

    def fit(self, samples: Tensor, steps: int | None = None, known: Tensor | None = None) -> Batched:
        """Return the fields of pictures side by side, after some steps; the arguments are those of :meth:`latents`.

        Raises:
            ValueError: as for :meth:`latents`.
        """
        count = len(samples)
        found = self.weights(self.latents(samples, steps, known))
        own = dict(self.field.named_parameters())
        whole = {name: each.expand(count, *own[name].shape).detach() for name, each in found.items()}
        return Batched(self.field, count, whole)

    def save(self, path: str | Path) -> None:
        """Write the start to a file, whole or not at all.

        Raises:
            OSError: the place cannot be written to.
        """
        from safetensors.torch import save_file

        header = {"kind": "meta", "version": 1, "network": Network.of(self.field).to_json()}
        header |= {"signal": self.signal.to_json()}
        tensors = {name: each.contiguous() for name, each in self.shared().items()} | {"rates": self.rates.contiguous()}
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata={_KEY: json.dumps(header, sort_keys=True)})

    @classmethod
    def load(cls, path: str | Path) -> Start:
        """Return the start in a file that :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds no start, is damaged, or from a newer version.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {path} of a learnt start")
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get(_KEY, "null"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            if not isinstance(header, dict) or header.get("kind") != "meta" or header.get("version") != 1:
                raise ValueError("it is none of version 1")
            blank = Network.from_json(header["network"]).blank()
            names = [name for name, _ in blank.named_parameters()]
            blank.load_state_dict({name: tensors[name] for name in names}, assign=True)
            if not isinstance(blank, Siren):
                raise ValueError("its network is no SIREN")
            along = {name: tensors[f"{_ALONG}{name}"] for name in names if f"{_ALONG}{name}" in tensors}
            own = dict(blank.named_parameters())
            rates = tensors["rates"]
            if rates.ndim != 2 or any(each.shape != (rates.shape[1], *own[n].shape) for n, each in along.items()):
                raise ValueError("its directions are not those of its network")
            return cls(blank, along, rates, ImageSignal.from_json(header["signal"]))
        except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path} is no learnt start, or is damaged ({' '.join(str(error).split())})") from error


_KEY, _ALONG = "sinefield-prior", "along/"


def _moved(shared: Mapping[str, Tensor], latents: Tensor) -> dict[str, Tensor]:
    found = {name: each for name, each in shared.items() if not name.startswith(_ALONG)}
    for name in list(found):
        along = shared.get(f"{_ALONG}{name}")
        if along is not None:
            found[name] = found[name] + (latents @ along.flatten(1)).unflatten(1, along.shape[1:])
    return found


def _loss(field: Siren, points: Tensor, samples: Tensor, mask: Tensor) -> Loss:
    """Return the mean square error of each picture over its known samples."""
    weight = mask / mask.sum(1, keepdim=True)

    def loss(z: Tensor, shared: Mapping[str, Tensor]) -> Tensor:
        values = chain_with(field, _moved(shared, z))(points)
        return ((values - samples).square().mean(2) * weight).sum(1)

    return loss


def linear_start(
    samples: Tensor, signal: ImageSignal, numbers: int = NUMBERS, steps: int = 3, seed: int = 0, seen: int | None = None
) -> Start:
    """Return the best start whose last layer alone moves, in closed form; see this module.

    Args:
        samples: of pictures in field values, ``(N, n, channels)``.
        signal: how they are read back.
        numbers: m, of each picture; as many as there are pictures and values in one, at most.
        steps: K.
        seed: of the first layer.
        seen: how many samples the steps see; None: all.

    Raises:
        ValueError: fewer than two pictures, no number, or no sample that is seen.
    """
    if seen is not None and seen < 1:
        raise ValueError(f"the steps of a start see at least one sample, got {seen}")
    if len(samples) < 2 or numbers < 1:
        raise ValueError(
            f"a start is learnt from two pictures or more, by one number or more; got {len(samples)}, {numbers}"
        )
    shared = SharedStart.of(signal, None, seed)
    flat = samples.flatten(1)
    mean = flat.mean(0)
    spread, axes = torch.linalg.eigh((flat - mean).mT.double() @ (flat - mean).double())
    some = min(numbers, len(flat) - 1, len(spread))
    variances = spread[-some:].flip(0).clamp(min=0) / (len(flat) * flat.shape[1])
    shrunk = variances / (variances + float(spread.sum()) / (len(flat) * flat.shape[1]) / seen) if seen else 1.0
    rates = torch.full((steps, some), 0.5) * shrunk
    axes = axes[:, -some:].flip(1).to(flat.dtype).mT * math.sqrt(flat.shape[1])  # (m, n · channels), of mean square 1
    layers = shared.solve(torch.cat([mean[None], axes]).unflatten(1, samples.shape[1:]))
    field = shared.field
    last = field.chain().affines[-1]
    names = {id(each): name for name, each in field.named_parameters()}
    with torch.no_grad():
        last.weight.copy_(layers[0])
        if last.bias is not None:
            last.bias.zero_()
    return Start(field, {names[id(last.weight)]: layers[1:]}, rates.float(), signal)


def train_start(
    samples: Tensor,
    signal: ImageSignal,
    *,
    numbers: int = NUMBERS,
    steps: int = 3,
    order: Order = 2,
    shifts: bool = False,
    contexts: Sequence[int] = (),
    passes: float = 0.0,
    batch: int = 64,
    learning_rate: float = 1e-2,
    seed: int = 0,
    observe: Callable[[int, int, float], None] | None = None,
) -> Start:
    """Return a learnt start for pictures of one size: in closed form, and then trained through its own steps.

    Args:
        samples: of pictures in field values, ``(N, n, channels)``.
        signal: how they are read back.
        numbers: m, of each picture.
        steps: K.
        order: of the gradient through the steps, 1 or 2.
        shifts: whether a latent moves the biases of the sine layers too, not only the last layer; a step then costs
            some twenty times as much.
        contexts: how many samples the steps see, one of these numbers in turn, drawn anew; none: all of them.
        passes: how often each picture is visited after the closed form; 0: not at all.
        batch: pictures of a step.
        learning_rate: of Adam, times the size of what is trained; of the sine layers over ω₀.
        seed: of the first layer and of the order of the pictures.
        observe: called after each step with its number, how many there are, and the loss.

    Raises:
        ValueError: fewer than two pictures, no number, or an order other than 1 and 2.
    """
    if order not in (1, 2):
        raise ValueError(f"the order of a gradient through steps is 1 or 2, got {order}")
    start = linear_start(samples, signal, numbers, steps, seed, min(contexts, default=None))
    if shifts:
        names = [name for name, each in start.field.named_parameters() if each.ndim == 1][:-1]
        own = dict(start.field.named_parameters())
        along = {name: torch.zeros(start.numbers, *own[name].shape) for name in names}
        start = replace(start, directions={**start.directions, **along})
    omega = float(start.field.settings["first_omega"])
    sines = [name for name, _ in start.field.named_parameters()][:-2]
    generator = torch.Generator().manual_seed(seed)
    points, total = start.points, math.ceil(passes * len(samples) / batch)
    shared = {name: each.clone() for name, each in start.shared().items()}
    trained = {**shared, "rates": start.rates.clone()}
    scales = {name: float(each.square().mean().sqrt()) or 1 / omega for name, each in trained.items()}
    scales |= dict.fromkeys(sines, 1 / omega)
    optimiser = torch.optim.Adam([{"params": [each], "lr": 0.0} for each in trained.values()], betas=(0.9, 0.99))
    order_of_pictures = torch.empty(0, dtype=torch.int64)
    for step in range(total):
        if len(order_of_pictures) < batch:
            order_of_pictures = torch.cat([order_of_pictures, torch.randperm(len(samples), generator=generator)])
        some, order_of_pictures = samples[order_of_pictures[:batch]], order_of_pictures[batch:]
        everything = torch.ones(some.shape[:2])
        outer = _loss(start.field, points, some, everything)
        loss = outer
        if contexts:
            places = torch.rand(some.shape[:2], generator=generator).argsort(1)
            loss = _loss(start.field, points, some, (places < contexts[step % len(contexts)]).to(some.dtype))
        now = {name: trained[name].detach() for name in shared}
        found = meta_gradient(loss, outer, now, trained["rates"].detach(), len(some), order)
        for name, each in trained.items():
            each.grad = found.rates if name == "rates" else found.shared[name]
        for group, scale in zip(optimiser.param_groups, scales.values(), strict=True):
            group["lr"] = learning_rate * scale * 0.5 * (1 + math.cos(math.pi * step / total))
        optimiser.step()
        if observe is not None:
            observe(step + 1, total, float(found.loss))
    reached: dict[str, Tensor] = {name: each.detach() for name, each in trained.items()}
    start.field.load_state_dict({name: reached[name] for name, _ in start.field.named_parameters()})
    along = {name: reached[f"{_ALONG}{name}"] for name in start.directions}
    return replace(start, directions=along, rates=reached["rates"])
