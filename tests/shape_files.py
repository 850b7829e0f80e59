"""Small files of shapes, of a ball of radius 20, one for each ending that is read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import trimesh
from PIL import Image

from sinefield.io import points
from sinefield.io.clouds import Cloud
from sinefield.io.shapes.content import Doubles

RADIUS, CENTRE = 20.0, np.array([100.0, 0.0, -30.0])


def read_few(path: Path) -> Cloud:
    """Return the shape in a file, with few samples of a mesh, as most of the time of reading a small file is theirs."""
    return points.read(path, 300)


def scan() -> Doubles:
    """Return points of a ball and its normals, as rows."""
    across = np.random.default_rng(0).standard_normal((600, 3))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.concatenate([CENTRE + RADIUS * across, across], axis=1)


def mesh() -> trimesh.Trimesh:
    found = trimesh.creation.icosphere(3, radius=RADIUS)
    found.apply_translation(CENTRE)
    return found


def write_mesh(path: Path) -> None:
    if path.suffix == ".gltf":
        for name, content in trimesh.Scene(mesh()).export(file_type="gltf").items():
            (path if name == "model.gltf" else path.parent / name).write_bytes(content)
    elif path.suffix == ".3mf":
        vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in mesh().vertices)
        triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in mesh().faces)
        inner = f"<mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh>"
        whole = (
            f'<model><resources><object id="1">{inner}</object></resources><build><item objectid="1"/></build></model>'
        )
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("3D/3dmodel.model", whole)
    else:
        mesh().export(path)


def write_table(path: Path, columns: Doubles, head: str = "", separator: str = " ") -> None:
    path.write_text(head + "\n".join(separator.join(f"{x:.6f}" for x in row) for row in columns) + "\n")


def write_pcd(path: Path) -> None:
    head = "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z normal_x normal_y normal_z\nSIZE 4 4 4 4 4 4\nTYPE F F F F F F\n"
    write_table(path, scan(), f"{head}COUNT 1 1 1 1 1 1\nWIDTH 600\nHEIGHT 1\nPOINTS 600\nDATA ascii\n")


def write_las(path: Path) -> None:
    header = laspy.LasHeader(point_format=0, version="1.2")
    header.scales = [0.001] * 3
    made = laspy.LasData(header)
    made.x, made.y, made.z = scan()[:, :3].T
    made.write(str(path))


def write_glyph(path: Path) -> None:
    y, x = np.mgrid[0:64, 0:64] + 0.5
    paper = np.clip(np.hypot(x - 32, y - 32) - RADIUS + 0.5, 0, 1)
    Image.fromarray(np.rint(255 * paper).astype(np.uint8)).save(path)


def colours(count: int = 600) -> Doubles:
    return np.full((count, 3), 255.0)


WRITERS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys((".ply", ".obj", ".stl", ".off", ".glb", ".gltf", ".3mf"), write_mesh),
    ".xyz": lambda path: write_table(path, scan()),
    ".txt": lambda path: write_table(path, scan(), "x\ty\tz\tnx\tny\tnz\n", "\t"),
    ".csv": lambda path: write_table(path, scan(), "x,y,z,nx,ny,nz\n", ","),
    ".tsv": lambda path: write_table(path, scan(), "", "\t"),
    ".asc": lambda path: write_table(path, scan(), "//X Y Z Nx Ny Nz\n"),
    ".xyzn": lambda path: write_table(path, scan()),
    ".xyzrgb": lambda path: write_table(path, np.hstack([scan()[:, :3], colours()])),
    ".pts": lambda path: write_table(path, np.hstack([scan()[:, :3], colours(600)[:, :1], colours()]), "600\n"),
    ".pcd": write_pcd,
    ".las": write_las,
    ".npy": lambda path: np.save(path, scan()),
    ".png": write_glyph,
}
"""What makes a small file of each ending."""
