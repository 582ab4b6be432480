"""Activations at a cut: what a network gives there for each view of each image of a part, unpooled.

A folder holds `<view>.npy`, float16 [N, h, w, c], rows as in the pack of that part, and about.json:
the recipe and the views.  It is a DVC output, which can't be conditional: where nothing is cut it
holds one line of text.
"""

import json
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.writing import replacing, write_json

ABOUT, NOTHING = "about.json", "none.txt"
_DTYPE = np.dtype("<f2")


@dataclass(frozen=True)
class Activations:
    """recipe: all that decides them besides the image, as a pack has it; arrays: of each view of
    the recipe one float16 [N, h, w, c], mapped."""

    recipe: dict
    arrays: tuple


def write_nothing(folder):
    """Says in `folder` that nothing is cut."""
    _emptied(Path(folder))
    Path(folder, NOTHING).write_text("extract.cut is empty: no activations\n", encoding="utf-8")


def write(folder, recipe, shape, views):
    """Writes into `folder`, emptied before, the activations of N images, `shape` (N, h, w, c).

    recipe: a dict of plain values; views: {view of the recipe: its rows in blocks float16
    [n, h * w * c]}, of which one is in memory at a time.  Equal input gives equal bytes.
    Raises InputError where the folder can't be written, or blocks hold other than N rows.
    """
    folder = Path(folder)
    try:
        _emptied(folder)
        for view, blocks in views.items():
            _write(folder / f"{view}.npy", shape, blocks)
        write_json(folder / ABOUT, {"recipe": recipe | {"views": list(views)}})
    except OSError as fault:
        raise InputError(
            f"{folder} can't be written: {fault}; free space or rights there"
        ) from None


def read(folder):
    """The Activations in `folder`; nothing of the arrays is read into memory.

    Raises InputError where nothing is cut, and where the folder is missing or damaged.
    """
    folder = Path(folder)
    if (folder / NOTHING).is_file():
        raise InputError(
            "head.kind: finetune needs activations at a cut, and extract.cut is empty; set "
            "extract.cut: auto, or a cut that the card of the net lists"
        )
    try:
        recipe = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["recipe"]
        arrays = tuple(_mapped(folder / f"{view}.npy") for view in recipe["views"])
        if len({array.shape for array in arrays}) != 1:
            raise ValueError("views of different shapes")
    except (OSError, ValueError, KeyError, TypeError, EOFError) as fault:
        raise InputError(
            f"{folder} holds no activations, or damaged ones ({fault}); run `dvc repro -f -s "
            f"extract`"
        ) from None
    return Activations(recipe, arrays)


def of_views(recipe, count):
    """The recipe of the first `count` views alone, as features.recipe would make it."""
    views = recipe["views"][:count]
    rules = {view: rule for view, rule in recipe.get("rules", {}).items() if view in views}
    rest = {key: value for key, value in recipe.items() if key != "rules"}
    return rest | {"views": views} | ({"rules": rules} if rules else {})


def pack_of(pack, activations):
    """The Pack of the same images as `pack` with what `activations` have of each instead of its
    features: float16 [N, h w c], mapped.

    Raises InputError where they are of another number of images.
    """
    # Not -1: of no image nothing tells how many numbers one has.
    first, *further = (
        array.reshape(len(array), math.prod(array.shape[1:])) for array in activations.arrays
    )
    if len(first) != len(pack.labels):
        raise InputError(
            f"there are activations of {len(first)} images and features of {len(pack.labels)}; "
            f"run `dvc repro -f -s extract`"
        )
    return replace(pack, features=first, recipe=activations.recipe, further=tuple(further))


def _emptied(folder):
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _write(path, shape, blocks):
    done = 0
    with replacing(path, "wb") as file:
        header = {"descr": _DTYPE.str, "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, _DTYPE).data)
            done += len(block)
    if done != shape[0]:
        raise InputError(f"{path}: expected {shape[0]} rows of activations; received {done}")


def _mapped(path):
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{path.name} is of another version")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    if dtype != _DTYPE or len(shape) != 4:
        raise ValueError(f"{path.name} is {dtype} {list(shape)}")
    if path.stat().st_size != start + dtype.itemsize * int(np.prod(shape)):
        raise ValueError(f"{path.name} is cut short")
    if 0 in shape:  # nothing can't be mapped
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape)
