"""The data that `dvc plots` draws: the confusion matrix and the learning curves."""

from transfer.reports import predictions

CONFUSION = ("actual", "predicted", "weights")
# Always these columns: a plot that dvc.yaml declares fails where one is missing.
CURVES = ("loss", "val_loss", "acc", "val_acc")


def confusion(path, rows):
    """Writes actual and predicted class and the weights' origin, a row an image of validation, or
    of test where validation is empty.  rows: those of `predictions.table`."""
    where = {name: i for i, name in enumerate(predictions.COLUMNS)}
    parts = [row[where["split"]] for row in rows]
    part = "validation" if "validation" in parts else "test"
    columns = [where[name] for name in ("label", "predicted", "weights")]
    shown = [[row[i] for i in columns] for row in rows if row[where["split"]] == part]
    predictions.write(path, shown, CONFUSION)


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
