"""One image of a dataset as its reader finds it."""

import hashlib
import os
import zlib
from dataclasses import dataclass

import numpy as np

from transfer.datasets.reading import decoder
from transfer.datasets.reading.extensions import EXTENSIONS
from transfer.datasets.reading.pieces import DEFLATED, Piece


def pixels(image, least=None):
    """uint8 RGB [H, W, 3] of `image`, smaller than it is where `least` allows (decoder.decode).
    Raises decoder.Unreadable with a short reason."""
    if isinstance(image.data, np.ndarray):
        return image.data
    check(image)
    return decoder.decode(image.data, least)


def check(image):
    """Raises decoder.Unreadable for a file without bytes to be had, or not named as a picture.

    The name has a say beside the content: a camera's raw file holds a small preview in a format
    that would decode.
    """
    if image.problem:
        raise decoder.Unreadable(image.problem)
    # No Path, each of which interns its parts: Python 3.12 keeps those for good.
    suffix = os.path.splitext(image.member)[1].lower()
    if suffix not in EXTENSIONS:
        kind = f"named *{suffix}" if suffix else "without an extension"
        raise decoder.Unreadable(f"a file {kind} is not an image here")


def digest(image):
    """sha256 (hex) of what decodes to the pixels: the encoded bytes, or an array's shape and
    values."""
    if not isinstance(image.data, np.ndarray):
        return hashlib.sha256(image.data).hexdigest()
    shape = "x".join(map(str, image.data.shape))
    found = hashlib.sha256(f"uint8 {shape} ".encode())
    found.update(np.ascontiguousarray(image.data))
    return found.hexdigest()


def unpacked(stored, packing, size, shape=(), planes=False):
    """The `data` of the Image whose Piece holds the bytes `stored`; the rest is as there.

    Raises decoder.Unreadable where they are not what the Piece says.
    """
    if packing == DEFLATED:
        try:
            stored = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, size + 1)
        except zlib.error as fault:
            raise decoder.Unreadable(f"it can't be unpacked: {fault}") from None
    if len(stored) != size:
        raise decoder.Unreadable(f"it has {len(stored):,} bytes, not {size:,}")
    if not shape:
        return stored
    pixels = np.frombuffer(stored, np.uint8)
    if not planes:
        return pixels.reshape(shape)
    height, width, channels = shape
    return np.ascontiguousarray(pixels.reshape(channels, height, width).transpose(1, 2, 0))


def start_in(array, buffer):
    """At which byte of `buffer` the numbers of `array` begin, which lie there in a row; None where
    they don't."""
    if not array.flags.c_contiguous:
        return None
    base = np.frombuffer(buffer, np.uint8)
    start = _address(array) - _address(base)
    return start if start >= 0 and start + array.nbytes <= base.nbytes else None


def _address(array):
    return array.__array_interface__["data"][0]


@dataclass(frozen=True, eq=False)
class Image:
    """`member` says where it lies in its source, `id` names it for people and in every output.

    part: "" or the source's own "train", "validation" or "test"; track: "" or the name of the
    frames it was filmed with; data: encoded bytes, or uint8 RGB [H, W, 3], or where these lie, of a
    reader that was asked for that; problem: "" or why there are no bytes to be had, `data` then
    being b"".
    """

    id: str
    member: str
    label: str
    part: str
    track: str
    data: bytes | np.ndarray | Piece
    problem: str = ""
