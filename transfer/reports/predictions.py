"""`reports/predictions.csv`: one row an image, enough to pair two experiments image by image."""

import csv
from itertools import chain

import numpy as np

from transfer.errors import InputError
from transfer.reports.answers import BLOCK
from transfer.writing import replacing

COLUMNS = (
    "id",
    "split",
    "group",
    "label",
    "predicted",
    "probability",
    "log_probability",
    "weights",
)


def rows(answers, at=None):
    """Yields the rows of COLUMNS of `answers`: class names, the probability of the predicted class,
    and the natural log of the true class's probability.

    at: integers [n], the numbers of the rows wanted; None for all, in their order.  An image
    without an id is named by its row; one without a group is a group of its own.
    """
    pack, classes = answers.pack, answers.classes
    n = len(answers) if at is None else len(at)
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        block = np.arange(start, stop) if at is None else at[start:stop]
        ids = (block if pack.ids is None else pack.ids[block]).tolist()
        groups = ids if pack.groups is None else pack.groups[block].tolist()
        columns = (pack.labels, answers.predicted, answers.confidence, answers.log_probability)
        for id_, group, y, k, p, log in zip(
            ids, groups, *(column[block].tolist() for column in columns), strict=True
        ):
            known = (id_, answers.part, group, classes[y], classes[k])
            yield *known, f"{p:.6g}", f"{log:.6g}", answers.weights


def named(rows):
    """Yields `rows` of COLUMNS as dicts."""
    return (dict(zip(COLUMNS, row, strict=True)) for row in rows)


def wrong(answers):
    """Yields, as dicts, the rows of `answers` that are wrong."""
    return named(rows(answers, np.flatnonzero(answers.predicted != answers.pack.labels)))


def write(path, rows, columns=COLUMNS):
    """Writes rows under their column names, as UTF-8 with bare newlines."""
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def stream(path, columns=COLUMNS):
    """Yields the rows that `write` wrote, as dicts of text; raises InputError where they are not of
    `columns`."""
    lines = _lines(path)
    header = next(lines, None)
    if header is None:
        raise InputError(f"{path} is not a table: it is empty; run `dvc repro`")
    for row in chain([header], lines):
        if tuple(header) != tuple(columns) or len(row) != len(columns):
            raise InputError(
                f"{path} has the columns {', '.join(header)}; expected {', '.join(columns)} in "
                "every row; run `dvc repro`"
            )
        if row is not header:
            yield dict(zip(columns, row, strict=True))


def read(path, columns=COLUMNS):
    """The list of what `stream` yields."""
    return list(stream(path, columns))


def _lines(path):
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.reader(file, strict=True)
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro`") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path} is not a table: {fault}; run `dvc repro`") from None
