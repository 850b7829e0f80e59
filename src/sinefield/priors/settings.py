"""The settings of a prior, as its method and its pictures have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from sinefield.collection import FEATURES
from sinefield.io.sets.signal_set import told_of
from sinefield.priors import table
from sinefield.priors.encoders import SPREADS
from sinefield.priors.mixture import DENSE
from sinefield.priors.steps import FACTS
from sinefield.short_sounds import period_of

GENERATORS: Final[Mapping[str, str]] = {
    "forward": "last layer",
    "hypernetwork": "all weights",
    "modulated": "amplitudes",
    "shifted": "phases",
    "meta": "last layer",
}
"""What is generated, by the name of the method."""

VALUES: Final = 2048
"""The most values that pictures of a prior may have: pixels times channels; and the most samples of sounds."""

STEPS: Final = 3
"""How many steps find a latent."""

NUMBERS: Final = 384
"""How many numbers steps find of a picture, of the method ``"meta"``, at most."""

TABLE_LATENT: Final = 64
"""How many numbers a latent of the encoder ``"table"`` has, unless they are given: a table of 256 is slow to change."""

COMPONENTS: Final = 60
"""The most components of each clustering of the encoder ``"guess"``."""

CLUSTERINGS: Final = 2
"""How many clusterings the encoder ``"guess"`` has: a third would gain little, and each takes as long as the first."""


def settings_of(
    height: int, width: int, channels: int, method: str, kind: str = "image", **changes: Any
) -> dict[str, Any]:
    """Return the settings of a prior of signals of a kind and a size, as its method has them unless they are given.

    ``steps`` among them are those of the encoders ``"steps"`` and ``"table"``.

    Raises:
        ValueError: an unknown method, or pictures that are too large.
    """
    pixels = height * width
    if pixels * channels > VALUES:
        smaller = "take fewer with --samples or --rate" if kind == "audio" else "scale them down with --resize"
        raise ValueError(
            f"a prior is of at most {VALUES} values a signal, and these are {told_of(kind, height, width, channels)}; "
            f"{smaller}"
        )
    if method not in GENERATORS:
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(GENERATORS)}")
    small = {"encoder": "set", "latent": 256, "encoder_features": 256, "encoder_layers": 2}
    omega = max(30.0, width * math.pi / 4) if kind == "audio" else 30.0
    deep = {"hidden_features": 64, "hidden_layers": 2, "first_omega": omega}
    if method in ("forward", "meta"):
        size = pixels * channels
        small = {"encoder": "guess", "latent": size + min(SPREADS, max(1, size // 3))}
        small |= {"encoder_features": min(512, 4 * pixels), "encoder_layers": 2}
        if method == "meta":
            small = {"encoder": "steps", "latent": max(5, min(NUMBERS, size) + FACTS)}
        deep = {
            "hidden_features": period_of(width) if kind == "audio" else 2 * math.ceil(FEATURES * pixels / 2),
            "hidden_layers": 0,
            "first_omega": math.pi * max(height, width),
        }
    components = max(1, min(COMPONENTS, DENSE // CLUSTERINGS // (pixels * channels) ** 2))
    match changes.get("encoder"):
        case "table":
            small["latent"] = TABLE_LATENT
        case "attention":  # wider ones take far longer than what they gain
            small["encoder_features"] = 128
    chosen: dict[str, Any] = {"height": height, "width": width, "method": method, "kind": kind}
    chosen |= {"components": components, "clusterings": CLUSTERINGS if components > 1 else 1}
    chosen |= {**small, **deep}
    chosen |= {name: each for name, each in changes.items() if each is not None}
    steps = chosen.pop("steps", None)
    usual = {"steps": STEPS, "table": table.STEPS}.get(str(chosen["encoder"]))
    if usual is not None:
        chosen |= {"encoder_features": 1, "encoder_layers": usual if steps is None else steps}
        if not 1 <= chosen["encoder_layers"] <= 64:
            raise ValueError(f"a latent is found by 1 to 64 steps, got {steps}")
    elif steps is not None:
        raise ValueError(
            f"the encoder {chosen['encoder']} takes no steps; choose --method meta or --encoder steps or table"
        )
    chosen["in_features"] = pixels * (channels + 1) + (chosen["encoder"] == "table")
    chosen["out_features"] = 2 * pixels * channels + int(chosen["latent"]) + 1
    return chosen
