"""Where in a file the bytes of one image lie, so that who has not read the rest can read them."""

from dataclasses import dataclass
from pathlib import Path

# How the bytes of a Piece are packed: as they are, deflated (RFC 1951, a member of a zip), or
# counted in what a gzip file unpacks to.
PLAIN, DEFLATED, GZIP = range(3)


@dataclass(frozen=True)
class Piece:
    """`length` bytes of the file `path`, from the byte `start` on, packed as `packing` says.

    size: bytes that they unpack to; shape: (H, W, 3) of uint8 pixels, () of an encoded image;
    planes: whether the pixels lie as [3, H, W].
    """

    path: Path
    start: int
    length: int
    size: int
    packing: int = PLAIN
    shape: tuple = ()
    planes: bool = False
