"""The discrete problem of gradient-domain pictures: differences of neighbours that a picture shall have.

With d the destination, Ω the pixels that are replaced, f = d outside of Ω, and v_pq the guidance of each pair of
neighbours p, q of which one is in Ω:

    min over f in Ω    Σ_pq ‖ f_q − f_p − v_pq ‖²

No pair reaches beyond the edge of the picture, which is Neumann's condition there. Where Ω is everything a constant is
left open, and the mean is that of a given picture.

Source: Pérez, Gangnet, Blake, "Poisson image editing", SIGGRAPH 2003, equations 7 and 11 to 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_FREE = 1e-12  # pulls to the level what no pair ties to it, and nothing else


@final
@dataclass(frozen=True, eq=False)
class Guidance:
    """The differences of neighbours that a picture shall have in a part of it.

    Args:
        level: ``(height, width, c)``: d outside of Ω; the mean of the picture where Ω is everything, and its value in
            parts of Ω that touch no pixel that is known.
        inside: Ω, ``(height, width)``.
        differences: v, ``(2, height, width, c)``: from each pixel to the next along y, and along x.
        pairs: which pairs count, ``(2, height, width)``; see :func:`pairs_of`.
    """

    level: Floats
    inside: Flags
    differences: Floats
    pairs: Flags

    def solve(self) -> Floats:
        """Return f, ``(height, width, c)``: by sparse factors, or by cosine transforms where Ω is everything."""
        return self._by_transforms() if self.inside.all() else self._by_factors()

    def _by_factors(self) -> Floats:
        import scipy.sparse
        import scipy.sparse.linalg

        number = np.arange(self.inside.size).reshape(self.inside.shape)
        first = np.concatenate([number[each] for each in self.pairs])
        step = np.repeat([self.inside.shape[1], 1], [each.sum() for each in self.pairs])
        count = len(first)
        places = (np.tile(np.arange(count), 2), np.concatenate([first, first + step]))
        signs = np.repeat([-1.0, 1.0], count)
        difference = scipy.sparse.csr_array((signs, places), shape=(count, self.inside.size))
        level = self.level.reshape(self.inside.size, -1)
        wanted = np.concatenate([v[some] for v, some in zip(self.differences, self.pairs, strict=True)])
        unknown = difference[:, np.flatnonzero(self.inside)]
        matrix = (unknown.T @ unknown + _FREE * scipy.sparse.eye_array(unknown.shape[1])).tocsc()
        factors = scipy.sparse.linalg.splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        found = self.level.copy()
        found[self.inside] += factors.solve(unknown.T @ (wanted - difference @ level))
        return found

    def _by_transforms(self) -> Floats:
        import scipy.fft

        down, right = (np.where(some[..., None], v, 0.0) for v, some in zip(self.differences, self.pairs, strict=True))
        divergence = np.roll(down, 1, axis=0) - down + np.roll(right, 1, axis=1) - right  # the last ones are 0
        spectrum = scipy.fft.dctn(divergence, axes=(0, 1), norm="ortho")
        along = [2 - 2 * np.cos(np.pi * np.arange(size) / size) for size in self.inside.shape]
        factor = along[0][:, None] + along[1]
        factor[0, 0] = np.inf
        found: Floats = scipy.fft.idctn(spectrum / factor[..., None], axes=(0, 1), norm="ortho")
        found += self.level.mean((0, 1))
        return found


def differences_of(values: Floats) -> Floats:
    """Return the differences from each pixel to the next along y and x, ``(2, height, width, c)``; 0 at the end.

    >>> differences_of(np.arange(4.0).reshape(2, 2, 1))[..., 0].tolist()
    [[[2.0, 2.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]]
    """
    found = np.zeros((2, *values.shape))
    found[0, :-1] = np.diff(values, axis=0)
    found[1, :, :-1] = np.diff(values, axis=1)
    return found


def pairs_of(some: Flags, among: Flags) -> Flags:
    """Return which pixels and the next along y and x are a pair, ``(2, height, width)``: one in ``some``, both among.

    >>> pairs_of(np.array([[False, False, True]]), np.array([[True, True, True]]))[1].tolist()
    [[False, True, False]]
    """
    found = np.zeros((2, *some.shape), bool)
    found[0, :-1] = (some[:-1] | some[1:]) & among[:-1] & among[1:]
    found[1, :, :-1] = (some[:, :-1] | some[:, 1:]) & among[:, :-1] & among[:, 1:]
    return found
