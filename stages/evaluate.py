"""Measures the head on the validation and the test pack.

Reads the head, the packs, the index, and the manifest of the raw folder; the dataset folder is for
the sheet of mistakes.  Writes reports/metrics.json, the predictions and the plot data.  Seconds.
"""

from transfer import errors, params
from transfer.datasets import index as indexes
from transfer.downloads import manifests
from transfer.heads import trained
from transfer.packs import reader as packs
from transfer.reports import metrics as measures
from transfer.reports import plots, summary
from transfer.reports import predictions as tables


def main(
    head, train, validation, test, index, raw, source, metrics, predictions, confusion, curves
):
    per_class = params.read("split.per_class")["split.per_class"]
    model = trained.load(head)
    parts = {"train": train, "validation": validation, "test": test}
    read = {part: packs.read(path) for part, path in parts.items()}
    for part, path in parts.items():
        trained.require_same_source(model, head, read[part], path)
    n_train = len(read.pop("train").labels)
    weights = trained.weights_origin(model.recipe)
    measured, rows = {}, []
    for part, pack in read.items():
        if len(pack.labels):  # a dataset without a test part has an empty pack
            p = model.probabilities(pack.features)
            measured[part] = measures.measure(p, pack.labels, pack.groups)
            rows += tables.table(pack, part, p, model.classes, weights)
    origin = manifests.read(raw)["origin"]
    found = summary.summary(model, measured, n_train, indexes.read(index), per_class, origin)
    summary.write(metrics, found)
    tables.write(predictions, rows)
    plots.confusion(confusion, rows)
    plots.curves(curves, model.curves, weights)
    print(f"evaluate: {summary.table(model, found)}")


if __name__ == "__main__":
    errors.run(main)
