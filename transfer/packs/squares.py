"""The squares of a training part, for views that are drawn anew while a network is tuned.

They lie in the folder of its activations (transfer.packs.activations): squares.npy, uint8
[N, S, S, 3], rows as in the pack; contents.npy, uint8 [N, 32], the sha256 of each image; and
squares.json: what the front is that runs on them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.writing import write_json

ABOUT, PIXELS, CONTENTS = "squares.json", "squares.npy", "contents.npy"


@dataclass(frozen=True)
class Squares:
    """pixels: uint8 [N, S, S, 3], mapped; contents: uint8 [N, 32]; front: a dict of plain values,
    as `write` was given it."""

    pixels: np.ndarray
    contents: np.ndarray
    front: dict


def write(folder, front, size, contents, places, squares):
    """Writes into `folder`, which is there, the squares of N rows that show M pictures.

    front: a dict of plain values; size: S; contents: V32 [M]; places: integers [N], of the picture
    that each row shows; squares: yields (place, uint8 [S, S, 3]) of each, in any order.
    Raises InputError where the folder can't be written.
    """
    folder = Path(folder)
    shape = (len(places), size, size, 3)
    order = np.argsort(places, kind="stable")
    shown = places[order]
    try:
        pixels = np.lib.format.open_memmap(folder / PIXELS, "w+", np.uint8, shape, version=(1, 0))
        for place, square in squares:
            first, last = np.searchsorted(shown, [place, place + 1])
            pixels[order[first:last]] = square
        pixels.flush()
        of_rows = contents[places].view(np.uint8).reshape(len(places), -1)
        np.save(folder / CONTENTS, of_rows, allow_pickle=False)
        write_json(folder / ABOUT, front)
    except OSError as fault:
        raise InputError(
            f"{folder} can't be written: {fault}; free space or rights there"
        ) from None


def read(folder):
    """The Squares in `folder`, or None where views are not drawn anew; InputError for damaged
    ones."""
    folder = Path(folder)
    if not (folder / ABOUT).exists():
        return None
    try:
        front = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
        contents = np.load(folder / CONTENTS, allow_pickle=False)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or contents.dtype != np.uint8:
            raise ValueError(f"{PIXELS} is {pixels.dtype} {list(pixels.shape)}")
        if contents.shape != (len(pixels), 32):
            raise ValueError(f"{CONTENTS} is {list(contents.shape)}")
    except (OSError, ValueError, EOFError) as fault:
        raise InputError(
            f"{folder} holds damaged squares ({fault}); run `dvc repro -f -s extract`"
        ) from None
    return Squares(pixels, contents, front)
