"""What is fuzzed: each reader of files from strangers, as a function of bytes, and its seeds.

A target returns for what it reads and raises InputError for what it refuses; any other exception
is a fault of ours.  The seeds are honest and hostile files, all made by code.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from transfer.datasets.reading import archives, decoder
from transfer.pickles import reader as pickles


@dataclass(frozen=True)
class Target:
    """A reader and the seeds to begin with."""

    read: Callable  # of bytes; raises InputError for what is no such file
    seeds: Callable  # () -> list of bytes, the same on every call
    largest: int = 4096  # bytes of an input


@contextlib.contextmanager
def _file(data):
    """The path of a file that holds `data` and lies in memory: a disk would be the slowest part."""
    number = os.memfd_create("input")
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(data)
        yield Path(f"/proc/self/fd/{number}")
    finally:
        os.close(number)


def _archive(data):
    with _file(data) as path:
        listed = list(archives.names(path))
        streamed = [name for name, _ in archives.stream(path)]
    if listed != streamed:
        raise AssertionError(f"listed {listed}, streamed {streamed}")


def _npy(data):
    with _file(data) as path:
        pickles.load_npy(path)


def _objects():
    weights = np.empty((), dtype=object)
    weights[()] = {"conv1": [np.ones((3, 3, 2), "f4"), np.zeros(2)]}
    return weights


def _pickles():
    values = [
        {"features": np.ones((3, 2), "f4"), "labels": [1, 2, 0], "x": "é", b"k": (1, 2.5, None)},
        [np.asfortranarray(np.ones((2, 3), ">i2")), np.array(["ab", "c"]), np.float32(1), b"x" * 9],
        _objects(),
    ]
    return [pickle.dumps(value, protocol) for value in values for protocol in range(6)]


def _npys():
    found = []
    for array in (np.ones((3, 2), "f4"), np.arange(6).reshape(2, 3).T, np.array("ab"), _objects()):
        with io.BytesIO() as file:
            np.save(file, array, allow_pickle=True)
            found.append(file.getvalue())
    return found


MEMBERS = {f"set/{c}/{i}.png": bytes(range(40 * i + 40)) for c in "ab" for i in range(3)}


def packed(kind, members=None):
    """The bytes of an archive of `kind` (zip, stored, gnu, pax, tgz, tbz, txz); members: {name:
    bytes}."""
    members = MEMBERS if members is None else members
    with io.BytesIO() as file:
        if kind in ("zip", "stored"):
            how = zipfile.ZIP_DEFLATED if kind == "zip" else zipfile.ZIP_STORED
            with zipfile.ZipFile(file, "w", how) as archive:
                for name, data in members.items():
                    archive.writestr(zipfile.ZipInfo(name), data, how)
        else:
            form = tarfile.PAX_FORMAT if kind == "pax" else tarfile.GNU_FORMAT
            with tarfile.open(fileobj=file, mode="w", format=form) as archive:
                for name, data in members.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return _COMPRESS.get(kind, bytes)(file.getvalue())


_COMPRESS = {
    "tgz": partial(gzip.compress, mtime=0),  # else the time of writing stands in it
    "tbz": bz2.compress,
    "txz": lzma.compress,
}


def _archives():
    long = {"set/" + "é" * 90 + ".png": b"1", "set/a.png": b"2"}
    few = {"a/1.png": b"one", "b/2.png": b"two"}
    kinds = ("zip", "stored", "gnu", "pax", "tgz", "tbz", "txz")
    return [packed(kind, members) for members in (few, long) for kind in kinds]


def _pictures():
    ramp = np.arange(13 * 11 * 3, dtype=np.uint8).reshape(13, 11, 3)
    modes = {"JPEG": "RGB L CMYK", "PNG": "RGB RGBA P L 1 I;16", "BMP": "RGB", "GIF": "P"}
    modes |= {"WEBP": "RGB RGBA", "PPM": "RGB L", "TIFF": "RGB L"}
    found = []
    for form, names in modes.items():
        for mode in names.split():
            if mode == "I;16":
                picture = Image.fromarray(ramp[..., 0].astype(np.uint16) * 257)
            else:
                picture = Image.fromarray(ramp).convert(mode)
            with io.BytesIO() as file:
                picture.save(file, form)
                found.append(file.getvalue())
    return found


TARGETS = {
    "pickles": Target(pickles.load, _pickles),
    "npy": Target(_npy, _npys),
    "archives": Target(_archive, _archives, largest=16384),
    "decoder": Target(decoder.decode, _pictures),
}
