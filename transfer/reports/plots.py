"""The data that `dvc plots` draws: the confusion matrix and the learning curves."""

from transfer.reports import predictions

CONFUSION = ("actual", "predicted")
# Always these columns: a plot that dvc.yaml declares fails where one is missing.
CURVES = ("loss", "val_loss", "acc", "val_acc")


def confusion(path, rows):
    """Writes (actual, predicted) class names, a row an image of validation, or of test where
    validation is empty.  rows: those of `predictions.table`."""
    where = {name: i for i, name in enumerate(predictions.COLUMNS)}
    parts = [row[where["split"]] for row in rows]
    part = "validation" if "validation" in parts else "test"
    pairs = [(r[where["label"]], r[where["predicted"]]) for r in rows if r[where["split"]] == part]
    predictions.write(path, pairs, CONFUSION)


def curves(path, found):
    """Writes a row an epoch, counted from 1: epoch, then CURVES, empty where not known.

    found: {name: [epochs]}, as a head keeps them; {} of a head that has no epochs.
    """
    columns = [found.get(name) for name in CURVES]
    epochs = max((len(column) for column in columns if column is not None), default=0)
    rows = (
        [epoch + 1, *("" if column is None else f"{column[epoch]:.6g}" for column in columns)]
        for epoch in range(epochs)
    )
    predictions.write(path, rows, ("epoch", *CURVES))
