"""The index: one row an image, with its split, and why one can't be used.

Written as CSV with "\\n" line ends, so that it reads in a diff and is the same on every run.
"""

import csv
from collections import Counter
from dataclasses import astuple, dataclass, fields

from transfer.errors import InputError
from transfer.writing import replacing


@dataclass(frozen=True)
class Row:
    """id, member, label: as in images.Image.  split: "train", "validation", "test", "unused", or
    "" where `problem` says why the image is set aside.  group: what never spans two parts.
    sha256: of the encoded bytes, or of shape and values."""

    id: str
    member: str
    label: str
    split: str
    group: str
    sha256: str
    problem: str = ""


PARTS = ("train", "validation", "test")  # as sources name them, and in the order of the packs
COLUMNS = tuple(field.name for field in fields(Row))


def write(path, rows):
    """Writes the index; the same rows give the same bytes."""
    with replacing(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(astuple(row) for row in rows)


def read(path):
    """The rows of the index file `path`; raises InputError where it is not one."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file))
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro index`") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path} is not an index: {fault}; run `dvc repro index`") from None
    if not table or tuple(table[0]) != COLUMNS:
        raise InputError(f"{path} is not an index: its first line must be {','.join(COLUMNS)}")
    for line, cells in enumerate(table[1:], 2):
        if len(cells) != len(COLUMNS):
            raise InputError(f"{path}: row {line} has {len(cells)} cells, not {len(COLUMNS)}")
    return [Row(*cells) for cells in table[1:]]


def summary(rows):
    """One line: images by part, classes and problems, with the first few reasons."""
    counts = Counter(row.split for row in rows)
    parts = ", ".join(f"{counts[p]} {p}" for p in (*PARTS, "unused"))
    bad = [row for row in rows if row.problem]
    reasons = [f"{row.id}: {row.problem}" for row in bad[:3]] + ["..."] * (len(bad) > 3)
    why = f" ({'; '.join(reasons)})" if bad else ""
    classes = len({row.label for row in rows})
    return f"{len(rows)} images of {classes} classes: {parts}; {len(bad)} set aside{why}"
