"""The mean of pictures that agree with a context, if pictures are a mixture of Gaussians.

    a ~ Σ_k π_k N(m_k, Σ_k)
    log p_k = log π_k − ½ |L_k⁻¹ (a − m_k)_C|² − log det L_k        L_k L_kᵀ = (Σ_k)_CC
    E[a | a_C] = Σ_k ρ_k (m_k + (Σ_k)_·C (Σ_k)_CC⁻¹ (a − m_k)_C)   ρ = softmax(τ log p)

with C the known values. As pictures are no Gaussians, the pixels of one tell less of its k than their likelihood says:
τ below 1 accounts for it. Contexts with the same pixels known share the factors L_k.

Clusters that are begun from other pictures are others. What is guessed is the mean of the means that several such
clusterings give, which errs less than each of them, and within the least and the greatest value of the pictures.

The n_k pictures of a cluster are too few for a covariance S_k of its own. It is drawn towards that of all clusters
together, W, and this one towards the covariance T of a process whose correlation falls exponentially with the distance:

    Σ_k = (n_k S_k + ν B) / (n_k + ν) + σ²        B = (N W + μ T) / (N + μ)

ν, μ, τ and the number of clusters are those with the least errors on pictures that are kept from training.

Σ_k is kept as its Cholesky factor in eight bits, relative to the largest number of each row: a positive matrix again,
whose conditional means differ by less than a thousandth of their error.

Sources: Breiman, "Bagging predictors", Machine Learning 24, 1996 (the mean of several); Haff, "Empirical Bayes
estimation of the multivariate normal covariance matrix", The Annals of Statistics 8, 1980 (shrinkage); Zoran and Weiss,
"From learning models of natural image patches to whole image restoration", ICCV 2011 (mixtures of full covariances as
priors of pictures).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield.priors.contexts import context_of, known_counts, random_masks
from sinefield.solvers.alone import one_thread

NOISE: Final = 2e-3
"""σ², of the values."""

TOGETHER: Final = 256
"""How many contexts with the same pixels known are looked at together."""

DENSE: Final = 2**27
"""The most numbers that the covariances of a mixture have together."""

_STEPS = 15  # of k-means
_AXES = 40  # main axes of all pictures along which they are clustered
_ENOUGH = 4096  # pictures that tell variances and the correlation of neighbours
_LEAST = 1e-3  # the share of a component below which it is left out
_BEYOND = 1e6  # any value, where none is learnt
_TRIED = 64  # how many contexts of each size the settings are compared on
_ALIKE = 8  # how many of them share a mask


@final
@dataclass(frozen=True)
class Shrinkage:
    """How a mixture is found from few pictures; see this module.

    Args:
        components: how many clusters there are.
        within: ν.
        smooth: μ.
        temperature: τ.
    """

    components: int
    within: float = 300.0
    smooth: float = 30.0
    temperature: float = 0.5

    def others(self) -> Iterator[list[Shrinkage]]:
        """Yield the settings that are compared, one kind after another, for this one to be replaced by the best."""
        yield [replace(self, components=each) for each in {max(1, self.components // 4)} - {self.components}]
        yield [replace(self, within=each) for each in (3.0, 30.0, 1000.0, 3000.0)]
        yield [replace(self, smooth=each) for each in (1.0, 300.0, 3000.0)]
        yield [replace(self, temperature=each) for each in (0.3, 1.0)]


@final
class Mixture(nn.Module):
    """A mixture of Gaussians of pictures, and the conditional means that it gives.

    Args:
        pixels: of the pictures.
        channels: c, all of which are known at a pixel or none.
        components: k of each clustering; 1: a single Gaussian.
        clusterings: how many there are.
    """

    logits: Tensor
    means: Tensor
    packed: Tensor
    scales: Tensor
    temperature: Tensor
    least: Tensor
    most: Tensor

    def __init__(self, pixels: int, channels: int, components: int, clusterings: int = 1) -> None:
        super().__init__()
        size, count = pixels * channels, components * clusterings
        self.pixels, self.channels, self.clusterings = pixels, channels, clusterings
        self.register_buffer("logits", torch.zeros(count))
        self.register_buffer("means", torch.zeros(count, size))
        self.register_buffer("scales", torch.ones(count, size))
        self.register_buffer("packed", pack(torch.eye(size, dtype=torch.int32).expand(count, size, size)))
        self.register_buffer("least", torch.tensor(-_BEYOND))
        self.register_buffer("most", torch.tensor(_BEYOND))
        self.register_buffer("temperature", torch.tensor(1.0))
        self._dense: Tensor | None = None

    @property
    def covariances(self) -> Tensor:
        """Σ_k, ``(k, size, size)``."""
        if self._dense is None or self._dense.dtype != self.means.dtype:
            size = self.means.shape[1]
            factors = unpack(self.packed, size).to(self.means.dtype) * self.scales.unsqueeze(2)
            self._dense = factors @ factors.mT
        return self._dense

    def _load_from_state_dict(self, *arguments: object) -> None:
        self._dense = None
        super()._load_from_state_dict(*arguments)

    @torch.no_grad()
    def take(
        self, shares: Tensor, means: Tensor, covariances: Tensor, temperature: float = 1.0, clustering: int = 0
    ) -> None:
        """Become the mixture of some Gaussians, or have it as one of the clusterings; σ² is added to what is given.

        Args:
            shares: π, of at most as many components as this has; the others are never chosen.
            means: m.
            covariances: Σ without σ².
            temperature: τ.
            clustering: which.
        """
        count, each_has = len(shares), len(self.logits) // self.clusterings
        first = clustering * each_has
        self.logits[first : first + each_has].fill_(-1e4)[:count] = shares.log()
        self.means[first : first + count] = means
        self.temperature.fill_(temperature)
        for k, each in enumerate(covariances, first):
            noisy = each.double()
            noisy.diagonal().add_(NOISE)
            factor = torch.linalg.cholesky(noisy)
            self.scales[k] = factor.abs().amax(1) / 127
            steps = (factor / self.scales[k].double().unsqueeze(1)).round().int()
            steps.diagonal().clamp_(min=1)
            self.packed[k] = pack(steps)
        self._dense = None

    @torch.no_grad()
    def learn(self, rows: Tensor, held: Tensor, points: Tensor) -> Shrinkage:
        """Fit the mixture to pictures, with the settings that are best for those that are kept.

        Args:
            rows: to learn from, ``(count, size)``.
            held: kept from training, ``(some, size)``; at least one.
            points: of the pixels, ``(pixels, d)``.

        Returns:
            The settings.
        """
        moments = Moments(rows, points)
        self.least.copy_(rows.min())
        self.most.copy_(rows.max())
        repeated = held.repeat(math.ceil(_TRIED / len(held)), 1)[:_TRIED].unflatten(1, (self.pixels, self.channels))
        generator = torch.Generator().manual_seed(0)
        tried = [
            context_of(repeated, random_masks(_TRIED, self.pixels, known, generator, alike=_ALIKE))
            for known in known_counts(self.pixels)
        ]

        def error(setting: Shrinkage) -> float:
            shares, means, covariances = moments.of(setting)
            covariances.diagonal(dim1=1, dim2=2).add_(NOISE)
            logits = shares.log()
            temperature = torch.tensor(setting.temperature)
            errors = [
                (self._found(each, logits, means, covariances, temperature) - repeated.flatten(1)).square().mean()
                for each in tried
            ]
            return math.fsum(math.log(float(each) + 1e-9) for each in errors)

        best = Shrinkage(min(len(self.means) // self.clusterings, max(1, len(rows) // 10)))
        least = error(best)
        for kind in range(4):
            for other in list(best.others())[kind]:
                found = error(other)
                if found < least:
                    best, least = other, found
        for number in range(self.clusterings):
            self.take(*moments.of(best, number), best.temperature, number)
        return best

    @torch.no_grad()
    def forward(self, contexts: Tensor) -> Tensor:
        """Return the conditional means ``(n, size)`` of contexts; what is known is kept as it is."""
        parts = self.logits, self.means, self.covariances, self.temperature
        return self._found(contexts, *parts, self.clusterings)

    @one_thread()  # many small matrices
    def _found(
        self,
        contexts: Tensor,
        logits: Tensor,
        means: Tensor,
        covariances: Tensor,
        temperature: Tensor,
        clusterings: int = 1,
    ) -> Tensor:
        values, masks = contexts.split([self.pixels * self.channels, self.pixels], dim=1)
        kinds, kind_of = torch.unique(masks, dim=0, return_inverse=True)
        found: Tensor = values.clone()
        for number, mask in enumerate(kinds.repeat_interleave(self.channels, dim=1) > 0):
            if bool(mask.all()):
                continue
            known = mask.nonzero().squeeze(1)
            places = (known.unsqueeze(1) * values.shape[1] + known).flatten()  # one index, which is three times as fast
            among = covariances.flatten(1).index_select(1, places).unflatten(1, (len(known), len(known)))
            lower = torch.linalg.cholesky(among)
            chosen = (kind_of == number).nonzero().squeeze(1)
            for some in chosen.split(TOGETHER):
                offsets = (values[some][:, known] - means[:, None, known]).mT  # (k, m, n)
                half = torch.linalg.solve_triangular(lower, offsets, upper=False)
                fits = logits - 0.5 * half.square().sum(1).mT - lower.diagonal(dim1=1, dim2=2).log().sum(1)  # (n, k)
                shares = (temperature * fits).unflatten(1, (clusterings, -1)).softmax(2)
                shares = torch.where(shares < _LEAST, 0.0, shares)
                shares = (shares / shares.sum(2, keepdim=True) / clusterings).flatten(1)
                used = (shares.amax(0) > 0).nonzero().squeeze(1)
                along = torch.linalg.solve_triangular(lower[used].mT, half[used], upper=True)
                weighed = (along * shares.mT[used].unsqueeze(1)).flatten(0, 1)  # (k m, n)
                rows = torch.cat([covariances[k].index_select(0, known) for k in used.tolist()])  # (k m, size)
                guess = (shares @ means + weighed.mT @ rows).clamp(self.least, self.most)
                found[some] = torch.where(mask, values[some], guess)
        return found


@final
class Moments:
    """Means and covariances of the clusters of pictures, and of mixtures that are drawn from them.

    Args:
        rows: pictures, ``(count, size)``.
        points: of the pixels, ``(pixels, d)``.
    """

    def __init__(self, rows: Tensor, points: Tensor) -> None:
        self.rows, self.points = rows, points
        self.smooth = _smooth_covariance(rows[:_ENOUGH], points)
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}

    def of(self, setting: Shrinkage, clustering: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Return π ``(k,)``, m ``(k, size)`` and Σ ``(k, size, size)`` without σ²."""
        if clustering > 0:
            self._kept.clear()  # the settings are found
        counts, means, own = self._of_clusters(setting.components, clustering)
        total = float(counts.sum())
        pooled = (counts / total @ own.flatten(1)).unflatten(0, own.shape[1:])
        target = (total * pooled + setting.smooth * self.smooth) / (total + setting.smooth)
        share = (setting.within / (counts + setting.within))[:, None, None]
        return counts / total, means, torch.lerp(own, target.expand_as(own), share)

    def _of_clusters(self, components: int, clustering: int) -> tuple[Tensor, Tensor, Tensor]:
        key = components, clustering
        if key not in self._kept:
            groups = cluster(self.rows, components, clustering)
            parts = [self.rows[groups == k] for k in range(components)]
            offsets = [each - each.mean(0) for each in parts]
            counts = torch.tensor([float(len(each)) for each in parts])
            means = torch.stack([each.mean(0) for each in parts])
            own = torch.stack([each.mT @ each / len(each) for each in offsets])
            self._kept[key] = counts, means, own
        return self._kept[key]


def _smooth_covariance(rows: Tensor, points: Tensor) -> Tensor:
    """Return T: variances of each value, correlations of the channels, and e^{−d/ℓ} at the distance d.

    ℓ is that of the correlation of neighbouring pixels. Of few pictures the mean and the variance are drawn towards
    those of all values, as one picture more would draw them.
    """
    count, pixels = len(rows), len(points)
    everything = rows.mean()
    offsets = (rows - (rows.sum(0) + everything) / (count + 1)).unflatten(1, (pixels, -1))  # (n, pixels, c)
    variances = (offsets.square().sum(0) + (rows - everything).square().mean()) / (count + 1)
    channels = offsets.flatten(0, 1).mT @ offsets.flatten(0, 1) / (count * pixels)
    scale = channels.diagonal().clamp(min=1e-6).sqrt()
    between = channels / scale / scale.unsqueeze(1)
    between = 0.99 * between + 0.01 * torch.eye(len(between))
    distances = torch.cdist(points, points)
    step = distances.clone().fill_diagonal_(math.inf)
    nearest = step.argmin(1)
    alike = float((offsets * offsets[:, nearest]).mean() / offsets.square().mean().clamp(min=1e-9))
    length = float(step.amin()) / -math.log(min(max(alike, 0.05), 0.99))
    spreads = variances.clamp(min=1e-6).sqrt().flatten()
    found: Tensor = torch.kron(torch.exp(-distances / length), between) * spreads * spreads.unsqueeze(1)
    return found


def pack(steps: Tensor) -> Tensor:
    """Return the lower triangles of matrices ``(…, n, n)`` of whole numbers from −127 to 127, three to a float.

    A float32 holds whole numbers up to 2²⁴ exactly, and files of fields hold floats alone.

    >>> unpack(pack(torch.tensor([[7, 0], [-3, 127]])), 2).tolist()
    [[7.0, 0.0], [-3.0, 127.0]]
    """
    rows, columns = torch.tril_indices(*steps.shape[-2:])
    numbers = steps[..., rows, columns].int() + 128
    digits = nn.functional.pad(numbers, (0, -numbers.shape[-1] % 3)).unflatten(-1, (-1, 3))
    whole: Tensor = (digits * torch.tensor([1, 1 << 8, 1 << 16], dtype=torch.int32)).sum(-1)
    return whole.float()


def unpack(packed: Tensor, size: int) -> Tensor:
    """Return the matrices of :func:`pack`, ``(…, size, size)``."""
    whole = packed.round().int().unsqueeze(-1)
    digits = (whole >> torch.tensor([0, 8, 16], dtype=torch.int32, device=packed.device)) & 255
    rows, columns = torch.tril_indices(size, size)
    found = torch.zeros(*packed.shape[:-1], size, size, device=packed.device)
    found[..., rows, columns] = digits.flatten(-2)[..., : len(rows)].float() - 128
    return found


def cluster(rows: Tensor, count: int, seed: int = 0) -> Tensor:
    """Return the number of the cluster of each of the rows, by k-means along their main axes, begun from some rows."""
    offsets = rows - rows.mean(0)
    axes = torch.linalg.eigh(offsets.mT @ offsets / len(rows))[1][:, -_AXES:]
    places = offsets @ axes
    generator = torch.Generator().manual_seed(seed)
    centres = places[torch.randperm(len(places), generator=generator)[:count]]
    groups = torch.zeros(len(places), dtype=torch.long)
    for _ in range(_STEPS):
        groups = (centres.square().sum(1) - 2 * places @ centres.mT).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, groups, places)
        counts = torch.bincount(groups, minlength=count).unsqueeze(1)
        # A cluster that has lost all its pictures takes one from anywhere.
        some = places[torch.randint(len(places), (count,), generator=generator)]
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), some)
        if bool((counts == 0).any()):
            groups = (centres.square().sum(1) - 2 * places @ centres.mT).argmin(1)
    empty = (torch.bincount(groups, minlength=count) == 0).nonzero().flatten()
    groups[torch.randperm(len(places), generator=generator)[: len(empty)]] = empty
    return groups
