"""What a cluster is to compute: tables of pictures, where their bytes lie or these themselves."""

import math
from itertools import islice

import numpy as np
import pyarrow as pa

from transfer.datasets.reading.pieces import PLAIN, Piece
from transfer.features.engine import BATCH

# A table is what one task decodes, an actor is given at a time, and others do after a fault.  Its
# squares are many batches, since the network has nothing to do between two tables.
ROWS, SQUARES = 256, 1 << 25  # pictures, and bytes of their squares, at most
SPREAD = 4  # tables for each core, so that all have some until the end
# What is planned at once: tables lie in Ray's object store until they are computed, and claims on
# pictures keep others waiting.
PICTURES, BYTES = 1 << 20, 1 << 28

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


def waves(tables, put):
    """Yields lists of put(table) of `tables`, as (table, bytes) each, of about PICTURES pictures or
    BYTES bytes of data together."""
    wave, pictures, size = [], 0, 0
    for table, its_size in tables:
        wave.append(put(table))
        pictures, size = pictures + len(table), size + its_size
        if pictures >= PICTURES or size >= BYTES:
            yield wave
            wave, pictures, size = [], 0, 0
    if wave:
        yield wave


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
