"""The index: one row an image, with its split, and why one can't be used.

Written as CSV with "\\n" line ends, so that it reads in a diff and is the same on every run.  Rows
come and go one by one: an index of any length costs no memory.
"""

import csv
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path

from transfer.errors import InputError
from transfer.writing import replacing


@dataclass(frozen=True)
class Row:
    """id, member, label: as in images.Image.  split: "train", "validation", "test", "unused", or
    "" where `problem` says why the image is set aside.  group: what never spans two parts.
    sha256: of the encoded bytes (none, where a file can't be opened), or of shape and values."""

    id: str
    member: str
    label: str
    split: str
    group: str
    sha256: str
    problem: str = ""


PARTS = ("train", "validation", "test")  # as sources name them, and in the order of the packs
# How the problem of a readable image begins; all other problems are images that can't be read.
SET_ASIDE = "the same image stands"
COLUMNS = tuple(field.name for field in fields(Row))


def write(path, rows):
    """Writes the index of an iterable of Rows; the same rows give the same bytes."""
    with replacing(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(map(attrgetter(*COLUMNS), rows))


def read(path):
    """The Rows of the index file `path`, to go through as often as one likes: each time the file is
    read anew.  Raises InputError where it is not an index, on the way for a bad row."""
    rows = _Rows(Path(path))
    with rows.table():
        return rows


@dataclass(frozen=True)
class _Rows:
    path: Path

    def __iter__(self):
        with self.table() as table:
            for line, cells in enumerate(table, 2):
                if len(cells) != len(COLUMNS):
                    raise InputError(
                        f"{self.path}: row {line} has {len(cells)} cells, not {len(COLUMNS)}"
                    )
                yield Row(*cells)

    @contextmanager
    def table(self):
        """The file's csv.reader, past its first line."""
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                table = csv.reader(file)
                if tuple(next(table, ())) != COLUMNS:
                    raise InputError(
                        f"{self.path} is not an index: its first line must be {','.join(COLUMNS)}"
                    )
                yield table
        except FileNotFoundError:
            raise InputError(f"{self.path} is not here; run `dvc repro index`") from None
        except (UnicodeDecodeError, csv.Error) as fault:
            raise InputError(
                f"{self.path} is not an index: {fault}; run `dvc repro index`"
            ) from None


def summary(rows):
    """One line on an iterable of Rows: images by part, classes and problems, with the first few
    reasons.  Memory holds the names of the classes."""
    counts, labels, bad, reasons = Counter(), set(), 0, []
    for row in rows:
        counts[row.split] += 1
        labels.add(row.label)
        if row.problem:
            bad += 1
            reasons += [f"{row.id}: {row.problem}"] if bad <= 3 else ["..."] * (bad == 4)
    parts = ", ".join(f"{counts[part]} {part}" for part in (*PARTS, "unused"))
    why = f" ({'; '.join(reasons)})" if bad else ""
    return f"{counts.total()} images of {len(labels)} classes: {parts}; {bad} set aside{why}"
