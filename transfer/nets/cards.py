"""Cards: what a net is.  One YAML file a net, the only place where its pixels are written down."""

from dataclasses import dataclass, fields
from pathlib import Path

from transfer import trees
from transfer.downloads.files import File, described
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

    `weights` is the File of pretrained weights, or None for filters drawn from `seed`.
    `layer` is the bottleneck, `name` or `name:cells`, and `features` its length D; `multi` are the
    layers joined for `extract.layers: multi`; `cuts` the layers where it may be divided;
    `parameters` the number of weights of the network as its builder makes it.
    """

    name: str
    builder: str
    weights: File | None
    seed: int
    licence: str
    size: int  # pixels, of the square input
    resize: str  # kernel
    pixels: Pixels
    layer: str
    features: int
    multi: tuple
    cuts: tuple
    parameters: int

    @property
    def layers(self):
        """The name of every layer that the converted network gives out, without doubles."""
        asked = (*self.multi, self.layer, *self.cuts)
        return tuple(dict.fromkeys(name.partition(":")[0] for name in asked))


def known(folder=CARDS):
    """The names of all nets, sorted."""
    return sorted(path.stem for path in Path(folder).glob("*.yaml"))


def load(path):
    """The Card that `path` holds; InputError where it is missing or has a fault."""
    path = Path(path)
    if not path.is_file():
        raise unknown("net", path.stem, known(path.parent))
    tree = trees.read(path)
    tree.expect_keys(*(field.name for field in fields(Card) if field.name not in _DERIVED))
    weights = tree.below("weights")
    seed, file = weights.value.get("seed"), None
    if seed is None:
        file = described(weights, "licence")
    elif list(weights.value) != ["seed"] or not _is_count(seed, 0):
        raise weights.fault("must be a file's name, address and hash, or {seed: a whole number}")
    return Card(
        name=path.stem,
        builder=_text(tree, "builder"),
        weights=file,
        seed=seed or 0,
        licence=weights.get("licence", str, ""),
        size=_count(tree, "size"),
        resize=_text(tree, "resize"),
        pixels=_pixels(tree.below("pixels")),
        layer=_text(tree, "layer"),
        features=_count(tree, "features"),
        multi=_names(tree, "multi"),
        cuts=_names(tree, "cuts"),
        parameters=_count(tree, "parameters"),
    )


_DERIVED = ("name", "seed", "licence")


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


def _is_count(value, least):
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def chosen_layers(card, layers):
    """The layers that `extract.layers` means for `card`, as a tuple of (name, cells).

    `cells` k is for means over k x k cells, 1 for the mean over the whole area.
    """
    if layers == "card":
        layers = [card.layer]
    elif layers == "multi":
        if not card.multi:
            raise InputError(f"the card of {card.name} lists no layers for extract.layers: multi")
        layers = card.multi
    return tuple(_parse_layer(card, layer) for layer in layers)


def _parse_layer(card, layer):
    name, colon, cells = layer.partition(":")
    if name not in card.layers:
        raise unknown(f"layer of {card.name}", name, card.layers)
    if colon and not (cells.isdigit() and int(cells) > 0):
        raise InputError(f"layer {layer!r}: write name or name:cells, as {name}:3 for 3x3 cells")
    return name, int(cells) if colon else 1


def check_length(card, depths):
    """Raises InputError unless the bottleneck layer, of `depths` {layer: channels}, gives the D
    that `card` says."""
    ((name, cells),) = chosen_layers(card, "card")
    if depths[name] * cells**2 != card.features:
        raise InputError(
            f"the card of {card.name} says features: {card.features} and layer {card.layer} gives "
            f"{depths[name] * cells**2}; correct `features` or `layer`"
        )
