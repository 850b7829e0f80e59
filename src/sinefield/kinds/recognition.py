"""Files whose ending says nothing, or something wrong: recognised by their first bytes; and formats that are not read.

Nothing here imports torch or NumPy.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

_START = 512  # bytes that tell a format


class Format(NamedTuple):
    """A format of files.

    Args:
        name: such as ``"WAV"``.
        kinds: of the signals that such a file is read as, the usual one first.
    """

    name: str
    kinds: tuple[str, ...]


_MAGIC: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"\x89PNG\r\n", Format("PNG", ("image", "video", "shape"))),
    (0, b"\xff\xd8\xff", Format("JPEG", ("image", "shape"))),
    (0, b"II*\0", Format("TIFF", ("image", "volume", "video", "shape"))),
    (0, b"MM\0*", Format("TIFF", ("image", "volume", "video", "shape"))),
    (0, b"II+\0", Format("TIFF", ("image", "volume", "video", "shape"))),
    (0, b"MM\0+", Format("TIFF", ("image", "volume", "video", "shape"))),
    (0, b"GIF8", Format("GIF", ("video", "image", "shape"))),
    (8, b"WEBP", Format("WebP", ("image", "video", "shape"))),
    (4, b"ftypM4A", Format("MPEG-4 sound", ("audio", "video"))),
    (4, b"ftypM4B", Format("MPEG-4 sound", ("audio", "video"))),
    (4, b"ftyphei", Format("HEIC", ())),
    (4, b"ftypmif1", Format("HEIC", ())),
    (4, b"ftypavif", Format("AVIF", ("image", "shape"))),
    (4, b"ftyp", Format("MPEG-4", ("video", "audio"))),
    (0, b"\x1aE\xdf\xa3", Format("Matroska", ("video", "audio"))),
    (8, b"AVI ", Format("AVI", ("video", "audio"))),
    (0, b"FLV\1", Format("Flash video", ("video", "audio"))),
    (8, b"WAVE", Format("WAV", ("audio",))),
    (0, b"fLaC", Format("FLAC", ("audio",))),
    (0, b"OggS", Format("Ogg", ("audio", "video"))),
    (0, b"ID3", Format("MP3", ("audio",))),
    (0, b"\xff\xfb", Format("MP3", ("audio",))),
    (0, b"\xff\xf3", Format("MP3", ("audio",))),
    (0, b"\xff\xf1", Format("AAC", ("audio",))),
    (0, b"#!AMR", Format("AMR", ("audio",))),
    (0, b"wvpk", Format("WavPack", ("audio",))),
    (0, b"TTA1", Format("TTA", ("audio",))),
    (0, b"\x0b\x77", Format("AC-3", ("audio",))),
    (0, b"RF64", Format("RF64", ("audio",))),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Format("Windows Media", ("audio", "video"))),
    (8, b"AIF", Format("AIFF", ("audio",))),
    (0, b".snd", Format("AU", ("audio",))),
    (0, b"caff", Format("CAF", ("audio",))),
    (0, b"riff\x2e\x91\xcf\x11", Format("W64", ("audio",))),
    (344, b"n+1\0", Format("NIfTI", ("volume",))),
    (4, b"n+2\0", Format("NIfTI", ("volume",))),
    (0, b"NRRD000", Format("NRRD", ("volume",))),
    (0, b"ply\n", Format("PLY", ("shape",))),
    (0, b"ply\r", Format("PLY", ("shape",))),
    (0, b"glTF", Format("GLB", ("shape",))),
    (0, b"OFF\n", Format("OFF", ("shape",))),
    (0, b"solid ", Format("STL", ("shape",))),
    (0, b"# .PCD", Format("PCD", ("shape",))),
    (0, b"LASF", Format("LAS", ("shape",))),
)

_MESH, _CLOUD = "export it as OBJ, PLY, STL or GLB", "convert it to PLY, as CloudCompare does"
_SCAN, _PHOTO = "convert it to NIfTI", "export it as PNG, TIFF or JPEG"
_ARRAY = "save the array of numbers in it as NPY"
_TABLE = "name it .txt to have its rows of x y z read; for anything else save the numbers as NPY"

NOT_READ: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".heic", ".heif"), ("a HEIC photo", f"{_PHOTO}; heif-convert does")),
    **dict.fromkeys((".svg", ".eps", ".ai", ".pdf", ".ps"), ("a drawing", "draw it into a PNG, for --kind shape too")),
    **dict.fromkeys((".ttf", ".otf", ".woff", ".woff2"), ("a typeface", "draw a glyph into a PNG, for --kind shape")),
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".raw", ".dng"),
        ("a camera's raw file", "develop it into a TIFF or PNG of 16 bits"),
    ),
    **dict.fromkeys((".xcf", ".kra", ".afphoto"), ("a picture in layers", _PHOTO)),
    **dict.fromkeys((".jxl", ".exr", ".hdr", ".fits", ".fit", ".pcx", ".dds", ".jxr"), ("a picture", _PHOTO)),
    **dict.fromkeys(
        (".ape", ".mpc", ".tak", ".ofr", ".dsf", ".dff", ".dts", ".voc", ".sph", ".gsm", ".ra", ".vox", ".pcm"),
        ("a recording", "convert it to FLAC or WAV"),
    ),
    **dict.fromkeys((".mid", ".midi"), ("notes, not sound", "play it into a WAV")),
    **dict.fromkeys((".laz", ".e57", ".ptx"), ("a scan of points", _CLOUD)),
    **dict.fromkeys((".fbx", ".blend", ".dae", ".usd", ".usdz", ".3ds", ".max", ".c4d"), ("a scene", _MESH)),
    **dict.fromkeys((".step", ".stp", ".iges", ".igs", ".dxf", ".dwg"), ("a drawing of solids", _MESH)),
    **dict.fromkeys((".vtk", ".vtp", ".vtu", ".msh"), ("a mesh", _MESH)),
    **dict.fromkeys((".mha", ".mhd", ".mnc"), ("a volume", _SCAN)),
    **dict.fromkeys((".dcm", ".dicom", ".ima"), ("DICOM", f"{_SCAN}; dcm2niix does, slices of a folder too")),
    **dict.fromkeys((".mat", ".h5", ".hdf5", ".nc", ".zarr", ".pt", ".pth", ".pkl"), ("data", _ARRAY)),
    ".dat": ("text", _TABLE),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), ("an archive", "unpack it first")),
    **dict.fromkeys((".docx", ".pptx", ".xlsx"), ("a document", "export what is in it as PNG or CSV")),
    ".safetensors": ("a field file", "sinefield render evaluates it, sinefield info tells what is in it"),
}
"""Formats that are not read, by ending: what they hold, and what to do. An ending of a kind goes before it."""


def refuse_not_read(path: Path) -> None:
    """Refuse a file whose ending is one of :data:`NOT_READ`.

    Raises:
        ValueError: it is.
    """
    found = NOT_READ.get(path.suffix.lower())
    if found is not None and path.exists():
        holds, remedy = found
        raise ValueError(f"{path} is {holds} ({path.suffix.lower()}), which is not read; {remedy}")


def recognise(path: Path) -> Format | None:
    """Return the format that the first bytes of a file are those of; None: no known one, or there is no such file."""
    try:
        with path.open("rb") as file:
            start = file.read(_START)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                start = packed.read(_START)
    except (OSError, EOFError, zlib.error):  # who reads it tells what is wrong with it
        return None
    return next((form for offset, magic, form in _MAGIC if start[offset : offset + len(magic)] == magic), None)


def other_kind(path: Path, kind: str) -> str:
    """Return what to try where a file could not be read as a kind and is one of others; empty: nothing is known."""
    form = recognise(path)
    if form is None or kind in form.kinds:
        return ""
    if not form.kinds:
        return f"its first bytes are those of {form.name}, which is not read"
    return f"its first bytes are those of {form.name}; try --kind {form.kinds[0]}"
