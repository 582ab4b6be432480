"""What a cluster is to compute: tables of pictures, where their bytes lie or these themselves."""

import math
from itertools import islice

import numpy as np
import pyarrow as pa

from transfer.datasets.reading.pieces import PLAIN, Piece
from transfer.features.engine import BATCH

# A table is what an actor is given at a time, and others do after a fault.  Its squares are many
# batches, since the network has nothing to do between two tables.
ROWS, SQUARES = 256, 1 << 25  # pictures, and bytes of their squares, at most
SPREAD = 4  # tables for each core, so that all have some until the end
# A wave is what Ray Data is given at once: the first is soon planned, and with MORE tables planned
# for each that is done a million pictures are in four of them, each of which opens the networks
# anew.  They have ends: tables lie in Ray's object store until they are computed, and claims on
# pictures keep others waiting.
FIRST, MORE = 1 << 14, 4
PICTURES, BYTES = 1 << 20, 1 << 27

SCHEMA = pa.schema(
    [
        ("place", pa.int64()),
        ("views", pa.binary()),  # a byte each
        ("member", pa.string()),
        ("sha256", pa.binary()),  # as it was indexed
        ("url", pa.string()),  # of the file of its piece, "" where `data` are its bytes
        ("start", pa.int64()),
        ("length", pa.int64()),
        ("size", pa.int64()),
        ("packing", pa.int8()),
        ("shape", pa.list_(pa.int32())),
        ("planes", pa.bool_()),
        ("data", pa.large_binary()),
    ]
)


def rows_of(count, cores, pixels):
    """How many of `count` pictures a table is to hold for a cluster of `cores`: whole batches.

    pixels: bytes of what the network is shown of one.
    """
    share = math.ceil(count / max(1, SPREAD * cores))
    batches = min(math.ceil(share / BATCH), min(ROWS, SQUARES // pixels) // BATCH)
    return max(1, batches) * BATCH


def tables(asked, contents, url, rows):
    """Yields (pa.Table of SCHEMA, bytes of data in it) for each `rows` of `asked`.

    asked: (place, views, Image) each, of a reader that was asked where they lie; contents: V32 [M],
    sha256 by place; url: from the path of a file to its address for whoever reads it.
    """
    asked = iter(asked)
    while some := list(islice(asked, rows)):
        listed = [_row(*one, contents, url) for one in some]
        yield pa.Table.from_pylist(listed, SCHEMA), sum(len(row["data"]) for row in listed)


class Waves:
    """Lists of put(table) of `tables`, as (table, bytes) each, where the next is planned while one
    is computed."""

    def __init__(self, tables, put):
        self._tables, self._put = iter(tables), put
        self._begin()

    def _begin(self):
        self._wave, self._pictures, self._bytes = [], 0, 0

    def next(self):
        """What is planned by now, FIRST pictures at least where there are so many; [] at the
        end."""
        while self._pictures < FIRST and self._planned():
            pass
        wave = self._wave
        self._begin()
        return wave

    def more(self):
        """Plans MORE tables of the next wave, unless it is full."""
        for _ in range(MORE):
            self._planned()

    def _planned(self):
        """Whether one more table is planned."""
        is_full = self._pictures >= PICTURES or self._bytes >= BYTES
        table, size = (None, 0) if is_full else next(self._tables, (None, 0))
        if table is None:
            return False
        self._wave.append(self._put(table))
        self._pictures, self._bytes = self._pictures + len(table), self._bytes + size
        return True


def _row(place, views, image, contents, url):
    row = {
        "place": place,
        "views": bytes(views),
        "member": image.member,
        "sha256": contents[place].tobytes(),
    }
    data = image.data
    if isinstance(data, Piece):
        return row | {
            "url": url(data.path),
            "start": data.start,
            "length": data.length,
            "size": data.size,
            "packing": data.packing,
            "shape": data.shape,
            "planes": data.planes,
            "data": b"",
        }
    is_array = isinstance(data, np.ndarray)
    return row | {
        "url": "",
        "start": 0,
        "length": data.nbytes if is_array else len(data),
        "size": data.nbytes if is_array else len(data),
        "packing": PLAIN,
        "shape": data.shape if is_array else (),
        "planes": False,
        "data": data.tobytes() if is_array else data,
    }
