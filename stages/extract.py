"""Extracts bottleneck features: each image of the index through the net, once.

Reads raw and the dataset folder, the index, the card and the backbone.  Writes the packs of the
training, validation and test part, rows as in the index.  No TensorFlow.
"""

import time

from transfer import errors, params
from transfer.datasets import index as table
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.features import choices, extraction
from transfer.features.engine import BATCH, Engine
from transfer.features.recipe import recipe
from transfer.nets import cards, graphs
from transfer.packs import writer as packs

PARTS = ("train", "validation", "test")


def main(source, raw, index, card, backbone, train, validation, test):
    given = params.read(
        "extract.layers",
        "extract.size",
        "extract.views",
        "extract.cut",
        "extract.precision",
        "extract.engine",
    )
    dataset, net = sources.load(source), cards.load(card)
    asked = {key: given[f"extract.{key}"] for key in ("layers", "size", "views", "cut")}
    choice = choices.choose(net, dataset.recommend, **asked)
    graph = graphs.open_pooled(backbone, choice.layers, choice.size, BATCH)
    engine = Engine(graph, given["extract.precision"])
    made_by = recipe(net, graphs.read_about(backbone), engine, choice)
    rows = [row for row in table.read(index) if row.split in PARTS]
    members = [row.member for row in rows]
    images = readers.read(dataset, source, raw, set(members))
    start = time.monotonic()
    features = extraction.extract(images, members, engine, choice.size, net.resize)
    rate = len(rows) / (time.monotonic() - start)
    classes = sorted({row.label for row in rows})
    for part, path in zip(PARTS, (train, validation, test), strict=True):
        mine = [number for number, row in enumerate(rows) if row.split == part]
        packs.write(
            path,
            features=features[mine],
            labels=[classes.index(rows[number].label) for number in mine],
            ids=[rows[number].id for number in mine],
            groups=[rows[number].group for number in mine],
            classes=classes,
            recipe=made_by | {"dataset": dataset.name},
        )
    untrained = " untrained," if made_by["weights"]["origin"] == "untrained" else ""
    print(
        f"extract: {net.name} on {dataset.name}:{untrained} {len(rows):,} images, D = "
        f"{engine.length:,}, {choice.size} px, {engine.precision}, {rate:,.0f} images/s"
    )


if __name__ == "__main__":
    errors.run(main)
