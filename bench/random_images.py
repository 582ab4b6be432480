"""Datasets of random pictures, 32x32, of any number: written as a stream, equal on every run."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np

from transfer.datasets.sources import FOLDER
from transfer.downloads import manifests
from transfer.packs.opcodes import write_array

SIDE = 32  # pixels
CLASSES = 10
BLOCK = 4096  # pictures drawn at a time
LAYOUTS = ("class_folders", "pickled")


def dataset(folder, name, count, layout, seed=0):
    """Writes the dataset `name` of `count` pictures into the workspace `folder`: its dataset folder
    and its fetched archive, one file of `layout`.

    class_folders: a tar of PPM files; pickled: one array.  Picture i of a seed is the same whatever
    `count` is, so a larger dataset holds a smaller one.
    """
    source, raw = folder / FOLDER / name, folder / "data/raw" / name
    source.mkdir(parents=True, exist_ok=True)
    raw.mkdir(parents=True, exist_ok=True)
    archive, write = (
        ("pictures.tar", _tar) if layout == "class_folders" else ("pictures.p", _pickle)
    )
    write(raw / archive, count, seed)
    with open(raw / archive, "rb") as file:
        found = {"name": archive, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    about = {"title": "Random pictures", "layout": layout, "files": [found]}
    if layout == "pickled":
        about["classes"] = [_class(number) for number in range(CLASSES)]
    (source / "source.yaml").write_text(json.dumps(about))  # JSON is YAML
    manifests.write(raw, "rendered", [found])


def blocks(count, seed):
    """Yields (number of its first picture, uint8 [n, 32, 32, 3]) until `count` pictures are out."""
    for start in range(0, count, BLOCK):
        rng = np.random.default_rng([seed, start])
        pictures = rng.integers(0, 256, (BLOCK, SIDE, SIDE, 3), np.uint8)
        yield start, pictures[: count - start]


def _tar(path, count, seed):
    header = f"P6 {SIDE} {SIDE} 255\n".encode()
    with tarfile.open(path, "w") as archive:
        for start, pictures in blocks(count, seed):
            for number, picture in enumerate(pictures, start):
                data = header + picture.tobytes()
                member = tarfile.TarInfo(f"{_class(number % CLASSES)}/{number:07d}.ppm")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            archive.members.clear()  # or it keeps them all, to list them


def _pickle(path, count, seed):
    labels = np.arange(count) % CLASSES
    with Path(path).open("wb") as file:
        file.write(b"\x80\x04}")  # protocol 4, an empty dict
        shape = (count, SIDE, SIDE, 3)
        write_array(file, "features", shape, "|u1", (block for _, block in blocks(count, seed)))
        write_array(file, "labels", (count,), "<i8", [labels])
        file.write(b".")


def _class(number):
    return f"class-{number}"
