"""`reports/predictions.csv`: one row an image, enough to pair two experiments image by image."""

import csv

from transfer.errors import InputError
from transfer.reports.metrics import log_probabilities
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


def table(pack, part, probabilities, classes, weights):
    """Rows of COLUMNS for one part: class names, the probability of the predicted class, and the
    natural log of the true class's probability.

    pack: Pack of N images; probabilities: [N, C]; weights: where the net's come from.  An image
    without an id is named by its row; one without a group is a group of its own.
    """
    ids = range(len(pack.labels)) if pack.ids is None else pack.ids
    groups = ids if pack.groups is None else pack.groups
    predicted = probabilities.argmax(axis=1)
    logs = log_probabilities(probabilities.astype(float), pack.labels)
    return [
        (id_, part, group, classes[y], classes[k], f"{p[k]:.6g}", f"{log:.6g}", weights)
        for id_, group, y, k, p, log in zip(
            ids, groups, pack.labels, predicted, probabilities, logs, strict=True
        )
    ]


def write(path, rows, columns=COLUMNS):
    """Writes rows under their column names, as UTF-8 with bare newlines."""
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read(path, columns=COLUMNS):
    """The rows that `write` wrote, as dicts of text; InputError where they are not of `columns`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro`") from None
    except (UnicodeDecodeError, csv.Error, ValueError) as fault:
        raise InputError(f"{path} is not a table: {fault}; run `dvc repro`") from None
    if tuple(header) != tuple(columns) or any(len(row) != len(columns) for row in rows):
        raise InputError(
            f"{path} has the columns {', '.join(header)}; expected {', '.join(columns)} in every "
            "row; run `dvc repro`"
        )
    return [dict(zip(columns, row, strict=True)) for row in rows]
