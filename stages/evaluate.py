"""Measures the head on the validation and the test pack.

Reads the head, the packs and the index, and for the sheets of images the dataset folder and the
raw folder, whose manifest says where they come from.  Writes reports/metrics.json, the predictions,
the data of the plots and the sheets.  Seconds; t-SNE's map of 1,000 test images takes 3 of them.
Of an image it holds about 100 bytes, however many classes there are.
"""

from transfer import errors, params
from transfer.datasets import index as indexes
from transfer.downloads import manifests
from transfer.heads import trained
from transfer.packs import activations
from transfer.packs import reader as packs
from transfer.reports import answers, exhibits, maps, plots, sheets, summary
from transfer.reports import metrics as measures
from transfer.reports import predictions as tables


def main(
    head, train, validation, test, validation_cut, test_cut, index, raw, source, metrics,
    predictions, confusion, recall, curves, map, mistakes, samples,
):  # fmt: skip
    per_class = params.read("split.per_class")["split.per_class"]
    model = trained.load(head)
    n_train = len(packs.read(train).labels)
    parts = {"validation": validation, "test": test}
    read = {part: packs.read(path) for part, path in parts.items()}
    if model.kind == "finetune":
        cuts = {"validation": activations.read(validation_cut), "test": activations.read(test_cut)}
        read = {part: activations.pack_of(pack, cuts[part]) for part, pack in read.items()}
    for part, path in parts.items():
        trained.require_same_source(model, head, read[part], path)
    weights = trained.weights_origin(model.recipe)
    listed = indexes.read(index)
    counts = summary.census(listed)
    told = {
        part: answers.of(part, pack, model.classes, weights, model.chunks(pack.views))
        for part, pack in read.items()
    }
    # A dataset without a test part has an empty pack.
    measured = {part: measures.measure(those) for part, those in told.items() if those}
    origin = manifests.read(raw)["origin"]
    found = summary.summary(model, measured, n_train, counts, per_class, origin)
    summary.write(metrics, found)
    tables.write(predictions, (row for those in told.values() for row in tables.rows(those)))
    shown = told[plots.shown(told)]
    plots.confusion(confusion, shown)
    plots.recall(recall, shown)
    plots.curves(curves, model.curves, weights)
    left_out = maps.write(map, told[plots.shown(told, maps.ORDER)], model.embedded)
    wrong = exhibits.mistakes(shown.part, len(shown), tables.wrong(shown))
    few = exhibits.samples(listed, {name: counts.training.get(name, 0) for name in model.classes})
    pictures = exhibits.pictures(source, raw, listed, wrong.surest, *few.values())
    sheets.mistakes(mistakes, trained.title(model), wrong, pictures)
    sheets.samples(samples, trained.title(model), few, pictures)
    print("\n".join(["evaluate: " + summary.table(model, found), *left_out]))
    for doubt in summary.doubts(found):
        print(f"evaluate: note: {doubt}")


if __name__ == "__main__":
    errors.run(main)
