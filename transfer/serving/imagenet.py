"""A network's own 1000 ImageNet classes, brought to pictures without any head of ours.

The converted network is kept in the user's cache (`shelf`), so that a first call alone needs
TensorFlow; the workspace's outputs are neither read nor written.
"""

import json
import shutil
import sys
from importlib import metadata
from pathlib import Path

from transfer import nets
from transfer.downloads import fetching, manifests, mirrors
from transfer.errors import InputError, unknown
from transfer.features.engine import Engine
from transfer.features.resizing import Square
from transfer.nets import cards, graphs
from transfer.nets.classes import CLASSES
from transfer.nets.layers import chosen_layers
from transfer.serving import shelf
from transfer.serving.classifier import Classifier


def load(net, mirror, batch):
    """The Classifier of the net of that name, in float32, by its own classes.

    mirror: the param of that name; batch: as in `classifier.load`.  Fetches and converts what is
    not kept yet, and says so on stderr.  Raises InputError where the net has no such classes, or a
    file can't be had.
    """
    if net not in cards.known():
        raise unknown("net", net, cards.known())
    card = cards.classifier(cards.load(cards.CARDS / f"{net}.yaml"))
    files = mirrors.find(mirror)
    folder = _kept(card, files)
    classes = _classes(folder / CLASSES.name)
    layers = chosen_layers(card, "card")
    engine = Engine(graphs.open_pooled(folder, layers, card.size, batch), "f32")
    if engine.length != len(classes):
        raise InputError(
            f"layer {card.layer} of {net} gives {engine.length} probabilities; expected one for "
            f"each of the {len(classes)} classes of ImageNet; correct `classifier` in its card"
        )
    origin = graphs.read_about(folder)["weights"]["origin"]
    title = f"{net} with its own {len(classes)} classes of ImageNet, weights: {origin}"
    square = Square(card.size, card.resize, card.crop)
    return Classifier(title, classes, square, engine, batch=batch)


def _kept(card, mirror):
    """The folder of the converted network and of the classes' names."""
    weights = fetching.available(card.weights, mirror)
    plans = [fetching.plan(file, mirror, pin=card.name) for file in (weights, CLASSES)]
    decides = {
        "net": card.name,
        "weights": plans[0].digest,
        "classes": plans[1].digest,
        "builder": card.builder,
        "layer": card.layer,
        "pixels": vars(card.pixels),
        "size": card.size,
        "code": _code(),
        # Without importing them: that is what keeping is for.
        "versions": {name: metadata.version(name) for name in ("keras", "openvino", "tensorflow")},
    }

    def make(folder):
        fetching.fetch(CLASSES, folder, mirror, pin=card.name)
        fetched = folder / "weights"
        fetched.mkdir()
        got = fetching.fetch(weights, fetched, mirror, pin=card.name)
        manifests.write(fetched, got["origin"], [got])
        print(f"imagenet: converting {card.name}, once: half a minute ...", file=sys.stderr)
        from transfer.nets import conversion  # noqa: PLC0415  # imports TensorFlow

        conversion.convert(card, fetched, folder)
        shutil.rmtree(fetched)

    return shelf.kept("imagenet", decides, make, lambda folder: _is_whole(folder, plans[1]))


def _code():
    """{module: sha256} of the code that makes a network of a card and its weights."""
    folder = Path(nets.__file__).parent
    return {
        str(path.relative_to(folder)): fetching.digests_of(path)["sha256"]
        for path in sorted(folder.rglob("*.py"))
    }


def _is_whole(folder, plan):
    """Whether the network and the names in `folder` are as they were written."""
    try:
        is_network = graphs.digest(folder) == graphs.read_about(folder)["graph"]
        names = fetching.digests_of(folder / CLASSES.name)[plan.algorithm]
    except (OSError, InputError, KeyError, TypeError):  # not there, or cut, or something else
        return False
    return is_network and names == plan.digest


def _classes(path):
    """[{"label": name, "wnid": WordNet's number}, ...] of the 1000 classes, in their order."""
    index = json.loads(path.read_text(encoding="utf-8"))
    return [
        {"label": name, "wnid": wnid} for wnid, name in (index[str(i)] for i in range(len(index)))
    ]
