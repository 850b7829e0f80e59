"""Tests of options as fields of frozen records: what is parsed, refused and passed on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from sinefield.kinds import options
from sinefield.kinds.image import ImageFit
from sinefield.kinds.shape import ShapeFit, ShapeRender
from sinefield.kinds.video import VideoFit


def test_what_was_given_is_parsed_and_passed_on() -> None:
    record = VideoFit.parsed({"frames": "2:9:3", "size": "8x6", "crop": "0,1,8,7", "tile_size": 4})
    assert record == VideoFit(frames=(2, 9, 3), size=(8, 6), crop=(0, 1, 8, 7), tile_size=4)
    assert record.arguments() == {"frames": (2, 9, 3), "size": (8, 6), "crop": (0, 1, 8, 7), "tile_size": 4}
    assert ImageFit.parsed({"on": ["gradient", "value"]}).arguments() == {"on": ("gradient", "value")}
    assert ShapeFit.parsed({"estimate_normals": True}).arguments() == {"estimate_normals": True}


def test_records_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ImageFit().longest = 5  # type: ignore[misc]


def test_zero_is_given() -> None:
    assert options.is_given(0)
    assert options.is_given(0.0)
    assert not any(map(options.is_given, (None, False, [], ())))


@pytest.mark.parametrize(
    ("given", "azimuth", "elevation", "distance", "up"),
    [
        ({"camera": "30,20"}, 30.0, 20.0, None, None),
        ({"camera": "30,20,4", "up": "x"}, 30.0, 20.0, 4.0, "x"),
        ({"up": "y"}, None, None, None, "y"),
    ],
)
def test_a_camera_is_made_of_its_place_and_of_what_is_up(
    given: dict[str, str], azimuth: float | None, elevation: float | None, distance: float | None, up: str | None
) -> None:
    from sinefield.geometry import Camera

    camera = ShapeRender.parsed(given).arguments()["camera"]
    usual = Camera()
    assert camera == Camera(
        usual.azimuth if azimuth is None else azimuth,
        usual.elevation if elevation is None else elevation,
        usual.distance if distance is None else distance,
        up=up,
    )


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (options.frame_range, "5", "--frames is the first frame and the one after the last"),
        (options.frame_range, "a:b", "--frames is the first frame"),
        (options.frame_range, "1:2:3:4", "--frames is the first frame"),
        (options.tile_counts, "2by2", "--tiles is an integer for each axis with x between, as 4x6; got '2by2'"),
        (options.picture_size, "big", "--size is 2 numbers with 'x' between, as 320x240; got 'big'"),
        (options.picture_size, "2x3x4", "--size is 2 numbers"),
        (options.volume_size, "2", "--size is 2 or 3 numbers"),
        (options.pixel_region, "1,2", "--region is 4 numbers with ',' between, as 10,20,110,90; got '1,2'"),
        (options.pixel_crop, "1,2,3,4.5", "--crop is 4 numbers"),
        (options.camera_place, "here", "--camera is 2 or 3 numbers"),
    ],
)
def test_what_an_option_does_not_hold_is_told(parse: Callable[[str], Any], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
