"""The data that `dvc plots` draws: confusion, recall by class and the learning curves.

Each file is drawn by a Vega-Lite template of that purpose in .dvc/plots.
"""

from transfer.reports import predictions
from transfer.reports.intervals import wilson

CONFUSION = ("actual", "predicted", "weights")
RECALL = ("class", "recall", "low", "high", "right", "n", "n_groups", "weights")
# Always these columns: a plot that dvc.yaml declares fails where one is missing.
CURVES = ("loss", "val_loss", "acc", "val_acc")


def shown(rows, parts=("validation", "test")):
    """(part, its rows) of the first of `parts` that has images; (last part, []) where none has.

    rows: those of `predictions.table`.
    """
    column = predictions.COLUMNS.index("split")
    for part in parts:
        found = [row for row in rows if row[column] == part]
        if found:
            break
    return part, found


def confusion(path, rows):
    """Writes actual and predicted class and the weights' origin, a row an image of validation, or
    of test where validation is empty.  rows: those of `predictions.table`."""
    _, found = shown(rows)
    columns = [predictions.COLUMNS.index(name) for name in ("label", "predicted", "weights")]
    predictions.write(path, [[row[i] for i in columns] for row in found], CONFUSION)


def recall(path, rows, classes, weights):
    """Writes RECALL, a row a class in the order of `classes`, over the same images as `confusion`.

    low, high: the 95 % interval by Wilson, in which a group (a track of frames of one sign) is one
    trial, since its images are right or wrong together; a class has too few groups to resample.
    A class without an image has n 0 and no recall.
    """
    seen = {name: ([], set()) for name in classes}  # name: ([right or not], {group})
    for row in shown(rows)[1]:
        image = dict(zip(predictions.COLUMNS, row, strict=True))
        answers, groups = seen[image["label"]]
        answers.append(image["predicted"] == image["label"])
        groups.add(image["group"])
    table = []
    for name, (answers, groups) in seen.items():
        found = ("", "", "")
        if answers:
            share = sum(answers) / len(answers)
            found = tuple(f"{x:.6g}" for x in (share, *wilson(share, len(groups))))
        table.append((name, *found, sum(answers), len(answers), len(groups), weights))
    predictions.write(path, table, RECALL)


def curves(path, found, weights):
    """Writes a row an epoch, counted from 1: epoch, CURVES, empty where not known, and where
    the net's `weights` come from.

    found: {name: [epochs]}, as a head keeps them; {} of a head that has no epochs.
    """
    columns = [found.get(name) for name in CURVES]
    epochs = max((len(column) for column in columns if column is not None), default=0)
    rows = (
        [
            epoch + 1,
            *("" if column is None else f"{column[epoch]:.6g}" for column in columns),
            weights,
        ]
        for epoch in range(epochs)
    )
    predictions.write(path, rows, ("epoch", *CURVES, "weights"))
