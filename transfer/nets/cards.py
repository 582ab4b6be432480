"""Cards: what a net is.  One YAML file a net, the only place where its pixels are written down."""

import contextlib
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

from transfer import trees
from transfer.downloads.files import described
from transfer.errors import InputError, unknown

CARDS = Path("models/cards")


@dataclass(frozen=True)
class Pixels:
    """From uint8 RGB to what the network was trained on: (x - mean) / divisor, channels in `order`
    (`mean` too), giving float32 in about [-mean / divisor, (255 - mean) / divisor]."""

    order: str  # RGB or BGR
    mean: tuple  # of three numbers, in 0..255
    divisor: float


@dataclass(frozen=True)
class Card:
    """A net: its builder, weights, input and layers.

    `weights` are the Files of pretrained weights, any of which will do; none where filters are
    drawn from `seed`.  `include_top`: a network of keras.applications is built with its classes,
    which fixes its size.  `layer` is the bottleneck, `name` or `name:cells`, and `features` its
    length D; `multi` are the layers joined for `extract.layers: multi`; `cuts` says where it
    may be divided, {layer: Cut}; `parameters` the number of
    weights of the network as its builder makes it; `classifier` says where its own classes come
    from, or is None.  `title` (else the name) and `homepage`, of who publishes the weights, are
    for people.
    """

    name: str
    builder: str
    weights: tuple  # of File
    seed: int
    size: int  # pixels, of the square input
    resize: str  # kernel
    crop: str  # before the resizing: none, or centre for the centre square
    pixels: Pixels
    layer: str
    features: int
    multi: tuple
    cuts: dict
    parameters: int
    include_top: bool
    classifier: "Classifier | None"
    title: str
    homepage: str

    @property
    def layers(self):
        """The name of every layer that the converted network gives out, without doubles."""
        asked = (*self.multi, self.layer, *self.cuts)
        return tuple(dict.fromkeys(name.partition(":")[0] for name in asked))


@dataclass(frozen=True)
class Cut:
    """Where a network may be divided.  shape: (h, w, c) of the activations there at the card's
    size; upto: the layer up to which the rest is tuned unless another is asked for."""

    shape: tuple
    upto: str

    @property
    def size(self):
        """Bytes of an image's activations in float16."""
        return 2 * math.prod(self.shape)


@dataclass(frozen=True)
class Classifier:
    """The layer of class probabilities, and the weights and parameters of the network up to it;
    () and 0 where those of the card go as far."""

    layer: str
    weights: tuple  # of File
    parameters: int


def known(folder=CARDS):
    """The names of all nets, sorted."""
    return sorted(path.stem for path in Path(folder).glob("*.yaml"))


def shipped(root="."):
    """The paths, a set, of the files of weights that cards of the repository `root` say come with
    it; a card with a fault tells it when it is used."""
    found, folder = set(), Path(root, CARDS)
    for name in known(folder):
        with contextlib.suppress(InputError):
            found |= {file.path for file in load(folder / f"{name}.yaml").weights}
    return found - {""}


def load(path):
    """The Card that `path` holds; InputError where it is missing or has a fault."""
    path = Path(path)
    if not path.is_file():
        raise unknown("net", path.stem, known(path.parent))
    tree = trees.read(path)
    tree.expect_keys(*(field.name for field in fields(Card) if field.name not in _DERIVED))
    weights, seed = _weights(tree)
    return Card(
        name=path.stem,
        builder=_text(tree, "builder"),
        weights=weights,
        seed=seed,
        size=_count(tree, "size"),
        resize=_text(tree, "resize"),
        crop=_one_of(tree, "crop", *CROPS),
        pixels=_pixels(tree.below("pixels")),
        layer=_text(tree, "layer"),
        features=_count(tree, "features"),
        multi=_names(tree, "multi"),
        cuts=_cuts(tree.below("cuts")),
        parameters=_count(tree, "parameters"),
        include_top=tree.get("include_top", bool, False),
        classifier=_classifier(tree, weights) if "classifier" in tree.value else None,
        title=tree.get("title", str, path.stem),
        homepage=tree.get("homepage", str, ""),
    )


CROPS = ("none", "centre")
_DERIVED = ("name", "seed")


def listed(card):
    """What the Card lists that lies elsewhere: the Files of its own weights, and those of its
    classifier, any of either of which will do; without the empty tuples."""
    groups = (card.weights, card.classifier.weights if card.classifier else ())
    return [files for files in groups if files and not any(file.path for file in files)]


def classifier(card):
    """The Card of the same network up to its own classes: `layer` gives class probabilities [N, C].

    Raises InputError where the card does not say where they come from.
    """
    found = card.classifier
    if found is None:
        having = [name for name in known() if load(CARDS / f"{name}.yaml").classifier]
        raise unknown("net with classes of its own", card.name, having)
    return replace(
        card,
        weights=found.weights or card.weights,
        parameters=found.parameters or card.parameters,
        include_top=card.include_top or bool(found.weights),
        layer=found.layer,
        features=0,
        multi=(),
        cuts={},
        classifier=None,
    )


def _weights(tree):
    """(Files, seed) of `weights`: one file, a list of alternatives, or {seed: number}."""
    value = tree.value.get("weights")
    if isinstance(value, list) and value:
        files = [tree.below("weights", i) for i in range(len(value))]
    elif isinstance(value, dict) and "seed" in value:
        if list(value) != ["seed"] or not _is_count(value["seed"], 0):
            raise tree.fault("must hold nothing beside seed, a whole number", "weights")
        return (), value["seed"]
    else:
        files = [tree.below("weights")]
    return tuple(described(file, "licence", "path") for file in files), 0


def _classifier(card, weights):
    tree = card.below("classifier")
    tree.expect_keys("layer", "weights", "parameters")
    layer, own = _text(tree, "layer"), "weights" in tree.value
    files = _weights(tree)[0] if own else ()
    if not (files or weights):
        raise card.fault("needs the weights of a trained network", "classifier")
    if own and not files:
        raise tree.fault("must name a file", "weights")
    return Classifier(layer, files, _count(tree, "parameters") if own else 0)


def _one_of(tree, key, *choices):
    value = tree.get(key, str, choices[0])
    if value not in choices:
        raise tree.fault(f"must be one of {', '.join(choices)}; received {value!r}", key)
    return value


def _pixels(tree):
    tree.expect_keys("order", "mean", "divisor")
    order, mean, divisor = (tree.value.get(key) for key in ("order", "mean", "divisor"))
    if order not in ("RGB", "BGR"):
        raise tree.fault(f"must be RGB or BGR; received {order!r}", "order")
    if not isinstance(mean, list) or len(mean) != 3 or not all(_is_number(m) for m in mean):
        raise tree.fault(f"must be three numbers, one a channel; received {mean!r}", "mean")
    if not _is_number(divisor) or divisor <= 0:
        raise tree.fault(f"must be a number above 0; received {divisor!r}", "divisor")
    return Pixels(order, tuple(mean), divisor)


def _text(tree, key):
    if not tree.get(key, str, ""):
        raise tree.fault("must be given", key)
    return tree.value[key]


def _count(tree, key):
    if not _is_count(tree.value.get(key), 1):
        raise tree.fault(f"must be a whole number from 1; received {tree.value.get(key)!r}", key)
    return tree.value[key]


def _names(tree, key):
    names = tree.get(key, list, [])
    if not all(isinstance(name, str) for name in names):
        raise tree.fault(f"must be a list of layers; received {names!r}", key)
    return tuple(names)


def _cuts(tree):
    found = {}
    for layer in tree.value:
        below = tree.below(layer)
        below.expect_keys("shape", "upto")
        shape = below.value.get("shape")
        if not (
            isinstance(shape, list) and len(shape) == 3 and all(_is_count(n, 1) for n in shape)
        ):
            raise below.fault(f"must be [h, w, c] of the layer; received {shape!r}", "shape")
        found[layer] = Cut(tuple(shape), _text(below, "upto"))
    return found


def _is_count(value, least):
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
