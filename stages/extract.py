"""Extracts bottleneck features: each image of the index through the net, once.

Reads raw and the dataset folder, the index, the card and the backbone.  Writes the packs of the
training, validation and test part, rows as in the index.  No TensorFlow.
"""

from transfer import errors, params
from transfer.datasets import index as table
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.features import choices, extraction
from transfer.features.engine import BATCH, Engine
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.nets import cards, graphs
from transfer.packs import writer as packs


def main(source, raw, index, card, backbone, train, validation, test):
    given = params.read(
        "extract.layers",
        "extract.size",
        "extract.views",
        "extract.cut",
        "extract.precision",
        "extract.engine",
    )
    dataset, net, about = sources.load(source), cards.load(card), graphs.read_about(backbone)
    choice = choices.choose(net, dataset.recommend, given)
    engine = Engine(
        graphs.open_pooled(backbone, choice.layers, choice.size, BATCH), choice.precision
    )
    made = recipe(net, about, engine, choice) | {
        "source": {"net": net.name, "dataset": dataset.name, "weights": about["weights"]["origin"]}
    }
    rows = table.read(index)
    parts = {part: [row for row in rows if row.split == part] for part in table.PARTS}
    members = [row.member for part in parts.values() for row in part]
    images = readers.read(dataset, source, raw, set(members))
    square = Square(choice.size, net.resize, net.crop)
    features = extraction.extract(images, members, engine, square)
    classes = sorted({row.label for part in parts.values() for row in part})
    number = {label: i for i, label in enumerate(classes)}
    start = 0
    for part, path in zip(table.PARTS, (train, validation, test), strict=True):
        mine = parts[part]
        packs.write(
            path,
            features=features[start : (start := start + len(mine))],
            labels=[number[row.label] for row in mine],
            ids=[row.id for row in mine],
            groups=[row.group for row in mine],
            classes=classes,
            recipe=made,
        )
    untrained = ", untrained" if made["source"]["weights"] == "untrained" else ""
    print(
        f"extract: {net.name} on {dataset.name}{untrained}: {len(members):,} images, "
        f"D = {engine.length:,}, {choice.size} px, {engine.precision}"
        + (f" (no {choice.precision} here)" if engine.precision != choice.precision else "")
    )


if __name__ == "__main__":
    errors.run(main)
