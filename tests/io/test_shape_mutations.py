"""Tests of the readers of shapes with files that have faults: a result or one line, in time and in memory."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import trimesh

from mutation import check_reader
from shape_files import WRITERS

READER = "shape_files:read_few"


def small_files(ending: str, folder: Path) -> list[Path]:
    """Return small sound files of an ending, one for each form that it has."""
    first = folder / f"first{ending}"
    if ending in (".ply", ".obj", ".stl", ".off", ".glb"):  # smaller than those of the table of formats
        box = trimesh.creation.box((1, 2, 3))
        trimesh.Scene([box, box]).export(first) if ending == ".glb" else box.export(first)
        if ending == ".ply":
            (folder / "second.ply").write_bytes(box.export(file_type="ply", encoding="ascii"))
            body = (folder / "second.ply").read_text().splitlines()
            quads = [*body[:-1], "4 0 1 3 2"]  # lists of several lengths
            (folder / "third.ply").write_text("\n".join(quads) + "\n")
        if ending == ".stl":
            (folder / "second.stl").write_text(box.export(file_type="stl_ascii"))
    else:
        WRITERS[ending](first)
    if ending == ".pcd":
        places = np.random.default_rng(0).standard_normal((3, 50)).astype("<f4")
        head = b"VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 50\nHEIGHT 1\nPOINTS 50\n"
        packed = imagecodecs.lzf_encode(places.tobytes())
        sizes = len(packed).to_bytes(4, "little") + places.nbytes.to_bytes(4, "little")
        (folder / "second.pcd").write_bytes(head + b"DATA binary\n" + places.T.tobytes())
        (folder / "third.pcd").write_bytes(head + b"DATA binary_compressed\n" + sizes + packed)
    return sorted(folder.glob(f"*{ending}"))


ENDINGS = [each for each in WRITERS if each != ".png"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_faults_are_told_in_one_line(ending: str, tmp_path: Path) -> None:
    check_reader(READER, small_files(ending, tmp_path), 100, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("ending", ENDINGS)
def test_many_faults_are_told_in_one_line(ending: str, tmp_path: Path) -> None:
    check_reader(READER, small_files(ending, tmp_path), 10_000, tmp_path, seed=1)
