"""Extracts bottleneck features: each image of the index through the net, once and for all.

Reads raw and the dataset folder, the index, the card and the backbone.  Writes the packs of the
training, validation and test part, rows as in the index.  Only images that the feature store
(transfer.features.store.store) lacks are read, decoded and computed.  TensorFlow for
`engine: keras` alone, which reads the weights too.
"""

from functools import partial

from transfer import errors, params
from transfer.datasets import index as table
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.downloads import kept
from transfer.features import announced, choices, engines, extraction
from transfer.features.pictures import listed
from transfer.features.recipe import recipe
from transfer.features.resizing import Square
from transfer.features.store import keys, store
from transfer.features.store.supply import Supply
from transfer.nets import cards, graphs
from transfer.packs import writer as packs


def main(source, raw, index, card, weights, backbone, train, validation, test):
    given = params.read(
        "extract.layers", "extract.size", "extract.views", "extract.cut", "extract.precision",
        "extract.engine",
    )  # fmt: skip
    dataset, net, about = sources.load(source), cards.load(card), graphs.read_about(backbone)
    choice = choices.choose(net, dataset, given)
    device, engine = announced.announce(
        choice, lambda: engines.opened(choice, net, backbone, weights)
    )
    made = recipe(net, about, device, choice) | {
        "source": {"net": net.name, "dataset": dataset.name, "weights": about["weights"]["origin"]}
    }
    wanted = [keys.of_recipe(made, view) for view in choice.views]
    square = Square(choice.size, net.resize, net.crop)
    pictures, parts, classes = listed(table.read(index))
    read = partial(readers.read, dataset, source, raw)
    compute = extraction.computing(read, pictures, engine, square, choice.views)
    with (
        store.opened(kept.store_folder()) as features,
        Supply(features, wanted, pictures.contents, compute, train.parent) as supply,
    ):
        supply.fill()
        length = features.length(wanted[0]) or engine().length
        for part, path in zip(parts, (train, validation, test), strict=True):
            packs.write(
                path,
                features=supply.blocks(0, part.places, length),
                further={
                    view: supply.blocks(number, part.places, length)
                    for number, view in enumerate(choice.views[1:], 1)
                },
                shape=(len(part.places), length),
                labels=part.labels,
                ids=part.ids,
                groups=part.groups,
                classes=classes,
                recipe=made,
            )
    untrained = ", untrained" if made["source"]["weights"] == "untrained" else ""
    instead = " (no bf16 here)" if device.precision != choice.precision else ""
    count = len(pictures) * len(wanted)
    what = "pictures" if len(wanted) == 1 else f"views ({', '.join(choice.views)}) of pictures"
    print(
        f"extract: {net.name} on {dataset.name}{untrained}: "
        f"{sum(len(part.places) for part in parts):,} images, D = {length:,}, {choice.size} px, "
        f"{device.precision}{instead}, engine: {choice.picked}, on {device.device}; of "
        f"{count:,} {what} {count - supply.computed:,} came from the store, "
        f"{supply.computed:,} were computed"
    )


if __name__ == "__main__":
    errors.run(main)
