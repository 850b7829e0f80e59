"""Colour profiles: made of primaries and a curve where a file tells only these, and applied to what is shown.

Source: ICC.1:2022, sections 7 to 10; ITU-T H.273 for the numbers of primaries and transfer functions; PNG, third
edition, 11.3.2. White is adapted to D50 by the matrix of Bradford (Lindbloom, "Chromatic adaptation").
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Primaries = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue."""

_D65 = (0.3127, 0.3290)
SRGB: Primaries = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB: Primaries = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
ADOBE_GAMMA = 563 / 256

_OF_NUMBER: dict[int, Primaries] = {
    1: SRGB,
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_GAMMAS: dict[int, float | None] = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
_HDR = {16: "PQ", 18: "HLG"}

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])  # XYZ of the white of profiles
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # g, a, b, c, d of a curve of type 3


def make_profile(primaries: Primaries, gamma: float | None, *, grey: bool = False) -> bytes:
    """Return an ICC profile of version 4: a matrix and one curve, or a curve alone for grey.

    Args:
        primaries: chromaticities of white, red, green and blue.
        gamma: the exponent of the curve from samples to light; None: the curve of sRGB.
        grey: whether there is one channel.

    Raises:
        ValueError: the chromaticities are those of no colours.
    """
    parameters = (gamma,) if gamma is not None else _SRGB_CURVE
    kind = 0 if gamma is not None else 3
    curve = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, parameters))
    tags: list[tuple[bytes, bytes]] = [(b"desc", _text("made from the file's own chromaticities"))]
    tags.append((b"cprt", _text("none")))
    tags.append((b"wtpt", _xyz(_D50)))
    if grey:
        tags.append((b"kTRC", curve))
    else:
        tags += zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, _colorants(primaries).T), strict=True)
        tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags:
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    space = b"GRAY" if grey else b"RGB "
    header = struct.pack(">I4sI4s4s4s", start + len(data), b"\0" * 4, 0x04400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + b"".join(map(_fixed, _D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _colorants(primaries: Primaries) -> NDArray[np.float64]:
    """Return XYZ of red, green and blue as columns, for a white of D50.

    Raises:
        ValueError: there is none.
    """
    columns = np.array([(x, y, 1 - x - y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    white, colours = columns[:, 0], columns[:, 1:]
    if white[1] <= 0 or not np.isfinite(columns).all() or abs(np.linalg.det(colours)) < 1e-6:
        raise ValueError(f"the chromaticities {primaries} are those of no colours")
    white = white / white[1]
    light = colours * np.linalg.solve(colours, white)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD
    found: NDArray[np.float64] = adapted @ light
    if np.abs(found).max() > 4:
        raise ValueError(f"the chromaticities {primaries} are those of no colours")
    return found


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(65536 * number))


def _xyz(colour: Sequence[float] | NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(each)) for each in colour)


def _text(text: str) -> bytes:
    content = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(content), 28) + content


def profile_of_numbers(primaries: int, transfer: int, *, grey: bool = False) -> tuple[bytes, str]:
    """Return the profile that numbers of H.273 tell, empty for sRGB; and what is to be told of it, or nothing.

    >>> profile_of_numbers(1, 13)
    (b'', '')
    """
    if transfer in _HDR:
        return b"", (
            f"its light is stored as {_HDR[transfer]}, for bright screens (HDR); samples are kept as they are, and "
            "files that are written have no such mark"
        )
    if primaries == 2 or primaries not in _OF_NUMBER or transfer not in _GAMMAS:
        return b"", ""
    gamma = _GAMMAS[transfer]
    if (primaries, gamma) == (1, None):
        return b"", ""
    return make_profile(_OF_NUMBER[primaries], gamma, grey=grey), ""


def to_srgb(colours: NDArray[np.float32], profile: bytes) -> NDArray[np.float32]:
    """Return colours in [0, 1] of a profile as those of sRGB, for what is shown; as they are if that fails.

    Args:
        colours: ``(height, width, channels)``, of which a fourth is alpha and stays.
        profile: of them; empty: they are sRGB.
    """
    channels = colours.shape[2]
    used = min(channels, 3)
    if not profile or used == 2:
        return colours
    import pyvips

    height, width, _ = colours.shape
    samples = np.ascontiguousarray(np.rint(np.clip(colours[:, :, :used], 0, 1) * 65535), dtype=np.uint16)
    picture = pyvips.Image.new_from_memory(samples, width, height, used, "ushort")
    picture = picture.copy(interpretation="rgb16" if used == 3 else "grey16")
    picture.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        found = picture.icc_transform("srgb", embedded=True, depth=16, intent="relative").numpy()
    except pyvips.Error:
        return colours
    shown: NDArray[np.float32] = found[:, :, :used].astype(np.float32) / np.float32(65535)
    return np.concatenate([shown, colours[:, :, used:]], axis=2)
