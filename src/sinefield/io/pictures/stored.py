"""What the file of a picture holds: samples as they are stored, and what it tells of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io.pictures.georeference import Georeference

SAMPLES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32")
"""The types of samples that are told apart when a picture is written back."""

_LONGEST_PROFILE = 4 << 20  # bytes


class DamagedError(ValueError):
    """Raised with what is wrong with a file, without its name."""


class RefusedError(ValueError):
    """Raised with the whole line that tells why a file is not read."""


@final
@dataclass(frozen=True)
class Details:
    """What a file tells of a picture besides its samples, as it is kept with the field and written back.

    Args:
        sample: the type of its samples, of :data:`SAMPLES`; None: it is not known, and integers go from black to white.
        alpha: whether the last of four channels is how opaque a pixel is, its colours not multiplied by it; None: it
            is if there are four.
        profile: the ICC profile of the colours; empty: they are sRGB, as far as is known.
        resolution: pixels per inch along x and y, which differ where pixels are not square; None: it is not told.
        nodata: the value that marks pixels without a sample; None: there is none.
        place: where on Earth the pixels lie; None: it is not told.
    """

    sample: str | None = None
    alpha: bool | None = None
    profile: bytes = b""
    resolution: tuple[float, float] | None = None
    nodata: float | None = None
    place: Georeference | None = None

    def has_alpha(self, channels: int) -> bool:
        """Return whether the last of so many channels is alpha."""
        return channels == 4 if self.alpha is None else self.alpha

    def scaled(self, x: float, y: float, left: float = 0.0, top: float = 0.0) -> Details:
        """Return the same of a part of the picture at another size.

        Args:
            x: new pixels per old one along x.
            y: the same along y.
            left: where the part begins, in old pixels.
            top: the same along y.
        """
        resolution = None if self.resolution is None else (self.resolution[0] * x, self.resolution[1] * y)
        place = None if self.place is None else self.place.scaled(x, y, left, top)
        return replace(self, resolution=resolution, place=place)

    def to_json(self) -> dict[str, Any]:
        """Return what is known, as JSON, and the profile as bytes."""
        known: dict[str, Any] = {"sample": self.sample, "alpha": self.alpha, "profile": self.profile or None}
        known["resolution"] = None if self.resolution is None else list(self.resolution)
        known["nodata"] = None if self.nodata is None else repr(self.nodata)  # JSON has no NaN
        known["place"] = None if self.place is None else self.place.to_json()
        return {name: each for name, each in known.items() if each is not None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` stored; what an earlier version did not store is not known.

        Raises:
            ValueError: something is of the wrong kind or out of its range.
        """
        sample, alpha, profile = stored.get("sample"), stored.get("alpha"), stored.get("profile", b"")
        resolution, nodata, place = stored.get("resolution"), stored.get("nodata"), stored.get("place")
        sound = (sample is None or sample in SAMPLES) and (alpha is None or isinstance(alpha, bool))
        sound = sound and isinstance(profile, bytes) and (nodata is None or isinstance(nodata, str))
        if resolution is not None:
            sound = sound and isinstance(resolution, list) and len(resolution) == 2
            sound = sound and all(isinstance(each, float | int) and 0 < each < math.inf for each in resolution)
        if not sound:
            raise ValueError(
                f"the stored picture is not plausible: samples {sample!r}, alpha {alpha!r}, resolution {resolution!r}, "
                f"no data {nodata!r}"
            )
        try:
            return cls(
                sample,
                alpha,
                profile,
                None if resolution is None else (float(resolution[0]), float(resolution[1])),
                None if nodata is None else float(nodata),
                None if place is None else Georeference.from_json(place),
            )
        except ValueError as error:
            raise ValueError(f"the stored picture is not plausible: no data {nodata!r}, place {place!r}") from error


@final
@dataclass(frozen=True, eq=False)
class StoredPicture:
    """Samples of a picture as they are stored, upright, and what the file tells of them.

    Args:
        values: ``(height, width)`` or ``(height, width, channels)``.
        details: what is kept with the field.
        white: the value of white where the file tells it; None: its type does.
        known: which pixels hold a sample ``(height, width)``; None: all, as far as the file tells.
        notes: what is to be told, without the name of the file.
    """

    values: NDArray[Any]
    details: Details = field(default_factory=Details)
    white: float | None = None
    known: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()


def usable_profile(profile: bytes | None, channels: int) -> tuple[bytes, str]:
    """Return a colour profile and an empty text, or no profile and why it cannot be used.

    Args:
        profile: as the file holds it; None or empty: it holds none.
        channels: of the picture, alpha included.

    >>> usable_profile(b"not a profile", 3)
    (b'', 'its colour profile is damaged and left out')
    """
    if not profile:
        return b"", ""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return b"", "its colour profile is damaged and left out"
    if len(profile) > _LONGEST_PROFILE:
        return b"", f"its colour profile of {len(profile):,} bytes is too large and left out"
    space = profile[16:20].decode("latin-1").strip()
    if space != ("GRAY" if channels < 3 else "RGB"):
        return b"", f"its colour profile is one of {space}, which its samples are not, and left out"
    return profile, ""
