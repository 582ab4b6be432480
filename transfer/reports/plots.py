"""The data that `dvc plots` draws: confusion, recall by class and the learning curves.

Each file is drawn by a Vega-Lite template of that purpose in .dvc/plots.
"""

import numpy as np

from transfer.reports import predictions
from transfer.reports.intervals import wilson

CONFUSION = ("actual", "predicted", "weights")
RECALL = ("class", "recall", "low", "high", "right", "n", "n_groups", "weights")
# Always these columns: a plot that dvc.yaml declares fails where one is missing.
CURVES = ("loss", "val_loss", "acc", "val_acc")


def shown(parts, order=("validation", "test")):
    """The first part in `order` that has images, or the last where none has; `parts`: {part: its
    Answers, or how many images it has}."""
    return next((part for part in order if parts[part]), order[-1])


def confusion(path, answers):
    """Writes actual and predicted class and the weights' origin, a row an image of `answers`: the
    part that `shown` names."""
    names, pairs = answers.classes, zip(answers.pack.labels, answers.predicted, strict=True)
    predictions.write(path, ((names[y], names[k], answers.weights) for y, k in pairs), CONFUSION)


def recall(path, answers):
    """Writes RECALL, a row a class in the order of `answers.classes`.

    low, high: the 95 % interval by Wilson, in which a group (a track of frames of one sign) is one
    trial, since its images are right or wrong together; a class has too few groups to resample.
    A class without an image has n 0 and no recall.
    """
    labels, n_classes = answers.pack.labels, len(answers.classes)
    n = np.bincount(labels, minlength=n_classes)
    right = np.bincount(labels[labels == answers.predicted], minlength=n_classes)
    n_groups = _groups_by_class(labels, answers.group, n_classes)
    table = []
    for name, *counts in zip(
        answers.classes, right.tolist(), n.tolist(), n_groups.tolist(), strict=True
    ):
        found = ("", "", "")
        if counts[1]:
            share = counts[0] / counts[1]
            found = tuple(f"{x:.6g}" for x in (share, *wilson(share, counts[2])))
        table.append((name, *found, *counts, answers.weights))
    predictions.write(path, table, RECALL)


def _groups_by_class(labels, groups, n_classes):
    """How many different groups the images of each class are of [C]."""
    base = int(groups.max(initial=0)) + 1
    both = labels * base + groups
    both.sort()
    return np.bincount(both[np.diff(both, prepend=-1) > 0] // base, minlength=n_classes)


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
