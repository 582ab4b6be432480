"""Extracts bottleneck features: each image of the index through the net, once and for all.

Reads raw and the dataset folder, the index, the card and the backbone.  Writes the packs of the
training, validation and test part, rows as in the index.  Only images that the feature store
(transfer.features.store.store) lacks are read, decoded and computed.  TensorFlow for
`engine: keras` alone, which reads the weights too.
"""

from transfer import errors, params
from transfer.datasets import index as table
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.downloads import kept
from transfer.features import announced, choices, engines, extraction
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.features.store import keys, store
from transfer.features.store.supply import Supply
from transfer.nets import cards, graphs
from transfer.packs import writer as packs


def main(source, raw, index, card, weights, backbone, train, validation, test):
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
    device, engine = announced.announce(
        choice, lambda: engines.opened(choice, net, backbone, weights)
    )
    made = recipe(net, about, device, choice) | {
        "source": {"net": net.name, "dataset": dataset.name, "weights": about["weights"]["origin"]}
    }
    (view,) = choice.views
    key, square = keys.of_recipe(made, view), Square(choice.size, net.resize, net.crop)
    rows = table.read(index)
    parts = {part: [row for row in rows if row.split == part] for part in table.PARTS}
    members = {row.sha256: row.member for part in reversed(parts.values()) for row in part[::-1]}

    def compute(digests, is_mine):
        found = readers.read(dataset, source, raw, set(digests))
        mine = (image for image in found if is_mine(digests[image.member]))
        for names, features in extraction.computed(mine, engine, square, digests, len(digests)):
            yield [digests[name] for name in names], features

    with (
        store.opened(kept.store_folder()) as features,
        Supply(features, key, members, compute, train.parent) as supply,
    ):
        supply.fill()
        length = features.length(key) or engine().length
        classes = sorted({row.label for part in parts.values() for row in part})
        number = {label: i for i, label in enumerate(classes)}
        for mine, path in zip(parts.values(), (train, validation, test), strict=True):
            packs.write(
                path,
                features=supply.blocks([row.sha256 for row in mine], length),
                shape=(len(mine), length),
                labels=[number[row.label] for row in mine],
                ids=[row.id for row in mine],
                groups=[row.group for row in mine],
                classes=classes,
                recipe=made,
            )
    untrained = ", untrained" if made["source"]["weights"] == "untrained" else ""
    print(
        f"extract: {net.name} on {dataset.name}{untrained}: {sum(map(len, parts.values())):,} "
        f"images, D = {length:,}, {choice.size} px, {device.precision}"
        + (f" (no {choice.precision} here)" if device.precision != choice.precision else "")
        + f", engine: {choice.picked}, on {device.device}"
        + f"; of {len(members):,} pictures {len(members) - supply.computed:,} came from the store, "
        f"{supply.computed:,} were computed"
    )


if __name__ == "__main__":
    errors.run(main)
