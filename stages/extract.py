"""Extracts bottleneck features: each image of the index through the net, once and for all.

Reads raw and the dataset folder, the index, the card and the backbone.  Writes the packs of the
training, validation and test part, rows as in the index, and with `extract.cut` the activations
there, of augmented views too for the training part, or what these are drawn from where
`extract.augmented: fresh`.  Only images that the feature store (transfer.features.store.store)
lacks are read, decoded and computed.  TensorFlow for `engine: keras` alone, which reads the weights
too.
"""

import shutil
from dataclasses import replace
from functools import partial

import numpy as np

from transfer import errors, params
from transfer.cluster import opening
from transfer.datasets import index as table
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.downloads import kept
from transfer.features import choices, extraction, fresh, outputs, rules
from transfer.features.pictures import listed
from transfer.features.resizing import Square
from transfer.features.store import store
from transfer.nets import cards
from transfer.packs import activations, squares
from transfer.packs import writer as packs

MUCH = 1e9  # bytes of activations that are told before they are computed


def main(
    source, raw, index, card, weights, backbone, train, validation, test, train_cut,
    validation_cut, test_cut,
):  # fmt: skip
    given = params.read(
        "extract.layers", "extract.size", "extract.views", "extract.cut", "extract.augmented",
        "extract.precision", "extract.engine",
    )  # fmt: skip
    dataset, net = sources.load(source), cards.load(card)
    choice = choices.choose(net, dataset, given)
    at_cut = choices.choose_cut(net, dataset, given, choice)
    pictures, parts, classes = listed(table.read(index))
    count = sum(len(part.places) for part in parts)
    read = partial(readers.read, dataset, source, raw)
    places = [source] if dataset.kind == "own" else [raw / name for name in dataset.archives]
    origin = outputs.Origin(net, dataset, backbone, weights, read, places, pictures, train.parent)
    with opening.opened() as cluster, store.opened(kept.store_folder()) as features:
        origin = replace(origin, cluster=cluster)
        with outputs.opened(origin, choice, features) as found:
            for part, path in zip(parts, (train, validation, test), strict=True):
                first, *further = (found.blocks(view, part.places) for view in choice.views)
                packs.write(
                    path,
                    features=first,
                    further=dict(zip(choice.views[1:], further, strict=True)),
                    shape=(len(part.places), found.length),
                    labels=part.labels,
                    ids=part.ids,
                    groups=part.groups,
                    classes=classes,
                    recipe=found.recipe,
                )
            print(f"extract: {found.told(count)}")
        folders = (train_cut, validation_cut, test_cut)
        if at_cut is None:
            for folder in folders:
                activations.write_nothing(folder)
            return
        # Training alone is augmented: what is measured on are images as they are.
        plain = choice.views
        augmented = at_cut.views[len(plain) :]
        _tell_size(net, at_cut, parts, train_cut)
        wanted = [None] * len(plain) + [np.unique(parts[0].places)] * len(augmented)
        with outputs.opened(origin, at_cut, features, wanted) as found:
            for part, folder in zip(parts, folders, strict=True):
                seen = at_cut.views if part is parts[0] else plain
                activations.write(
                    folder,
                    activations.of_views(found.recipe, len(seen)),
                    (len(part.places), *found.shape),
                    {view: found.blocks(view, part.places) for view in seen},
                )
            print(f"extract: {found.told(count)}")
    if given["extract.augmented"] == rules.FRESH:
        places = parts[0].places
        square = Square(at_cut.size, net.resize, net.crop)
        shown = extraction.squares(read, pictures, np.unique(places), square)
        front = fresh.front_of(at_cut)
        squares.write(train_cut, front, square.size, pictures.contents, places, shown)


def _tell_size(net, at_cut, parts, folder):
    """Says how much disk activations will take, where that is much; a cut's shape is known at the
    card's size, so it is only about right."""
    ((name, _),) = at_cut.layers
    augmented = [view for view in at_cut.views if rules.parted(view)[1]]
    plain = len(at_cut.views) - len(augmented)
    count = sum(len(part.places) for part in parts) * plain + len(parts[0].places) * len(augmented)
    size = count * net.cuts[name].size * (at_cut.size / net.size) ** 2
    if size > MUCH:
        free = shutil.disk_usage(folder.parent).free
        print(
            f"extract: the activations at {name} take about {size / 1e9:.1f} GB, and as much in "
            f"the feature store; {free / 1e9:.0f} GB are free",
            flush=True,
        )


if __name__ == "__main__":
    errors.run(main)
