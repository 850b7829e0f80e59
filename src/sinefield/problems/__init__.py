"""Problems: one application a file, each a function that returns a :class:`~sinefield.constraint.Problem`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinefield.problems.image import ImageSignal, image

__all__ = ["ImageSignal", "image", "signal_from_json"]


def signal_from_json(stored: Mapping[str, Any]) -> ImageSignal:
    """Return the signal that a field file stores.

    Args:
        stored: what the signal's ``to_json`` gave.

    Raises:
        ValueError: the kind is unknown to this version, or what is stored is not of that kind.
    """
    if stored.get("kind") != "image":
        raise ValueError(f"this version cannot read a signal of kind {stored.get('kind')!r} back; it knows: image")
    return ImageSignal.from_json(stored)
