"""A tar as the stream of its plain bytes, whatever it is compressed by.

Python's tarfile, when it reads a stream, unpacks a .tgz without a look at the checksum of what it
gives; these readers compare theirs (RFC 1952, 2.3.1, for gzip) once they come to the end.
"""

import bz2
import gzip
import lzma
from contextlib import contextmanager

from transfer.datasets.reading import pieces

# What a file begins with: what opens it.
OPENERS = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"]\0\0\x80": lzma.open,  # of LZMA alone, as tarfile knows it
}
CHUNK = 1 << 20  # bytes read at a time


def packing(path):
    """How a pieces.Piece of the plain bytes of `path` is packed; None where there can be none."""
    with open(path, "rb") as packed:
        return {None: pieces.PLAIN, gzip.open: pieces.GZIP}.get(_opener(packed))


def _opener(packed):
    head = packed.read(max(map(len, OPENERS)))
    packed.seek(0)
    return next((opener for sign, opener in OPENERS.items() if head.startswith(sign)), None)


@contextmanager
def opened(path):
    """The file `path`, open, that gives its bytes unpacked where it is compressed; reading it
    raises what the libraries do where it is damaged, at the latest where it ends."""
    with open(path, "rb") as packed:
        opener = _opener(packed)
        if opener is None:
            yield packed
            return
        with opener(packed) as plain:
            yield plain


def rest(plain, most):
    """Reads `plain` to its end, where checksums are compared; how many bytes there were, which is
    more than `most` where it was given up."""
    count = 0
    while count <= most and (chunk := plain.read(CHUNK)):
        count += len(chunk)
    return count
