"""Measures the head on the validation and the test pack.

Reads the head, the packs and the index, and for the sheets of images the dataset folder and the
raw folder, whose manifest says where they come from.  Writes reports/metrics.json, the predictions,
the data of the plots and the sheets.  Seconds; t-SNE's map of 1,000 test images takes 3 of them.
"""

from transfer import errors, params
from transfer.datasets import index as indexes
from transfer.downloads import manifests
from transfer.heads import trained
from transfer.packs import reader as packs
from transfer.reports import exhibits, maps, plots, sheets, summary
from transfer.reports import metrics as measures
from transfer.reports import predictions as tables


def main(
    head, train, validation, test, index, raw, source, metrics, predictions, confusion, recall,
    curves, map, mistakes, samples,
):  # fmt: skip
    per_class = params.read("split.per_class")["split.per_class"]
    model = trained.load(head)
    parts = {"train": train, "validation": validation, "test": test}
    read = {part: packs.read(path) for part, path in parts.items()}
    for part, path in parts.items():
        trained.require_same_source(model, head, read[part], path)
    n_train = len(read.pop("train").labels)
    weights = trained.weights_origin(model.recipe)
    measured, rows, listed = {}, [], indexes.read(index)
    for part, pack in read.items():
        if len(pack.labels):  # a dataset without a test part has an empty pack
            p = model.probabilities(pack.features)
            measured[part] = measures.measure(p, pack.labels, pack.groups)
            rows += tables.table(pack, part, p, model.classes, weights)
    origin = manifests.read(raw)["origin"]
    found = summary.summary(model, measured, n_train, listed, per_class, origin)
    summary.write(metrics, found)
    tables.write(predictions, rows)
    plots.confusion(confusion, rows)
    plots.recall(recall, rows, model.classes, weights)
    plots.curves(curves, model.curves, weights)
    left_out = maps.write(map, read, rows)
    wrong, few = exhibits.mistakes(rows), exhibits.samples(listed, model.classes)
    pictures = exhibits.pictures(source, raw, listed, wrong.surest, *few.values())
    sheets.mistakes(mistakes, trained.title(model), wrong, pictures)
    sheets.samples(samples, trained.title(model), few, pictures)
    print("\n".join(["evaluate: " + summary.table(model, found), *left_out]))


if __name__ == "__main__":
    errors.run(main)
