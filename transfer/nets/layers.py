"""Layers by name: what `extract.layers` means for a card, and the length it gives."""

import re

from transfer.errors import InputError, unknown

WHOLE = 0  # the number of cells of a layer that is not pooled at all


def parsed(layer):
    """(name, cells) of a layer written `name` or `name:cells`, or None where it is neither."""
    match = re.fullmatch(r"([^:]+)(?::([1-9][0-9]{0,3}))?", layer)
    return match and (match[1], int(match[2] or 1))


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
    name = layer.partition(":")[0]
    if name not in card.layers:
        raise unknown(f"layer of {card.name}", name, card.layers)
    found = parsed(layer)
    if not found:
        raise InputError(f"layer {layer!r}: write name or name:cells, as {name}:3 for 3x3 cells")
    return found


def check_length(card, depths):
    """Raises InputError unless the bottleneck layer, of `depths` {layer: channels}, gives the D
    that `card` says."""
    ((name, cells),) = chosen_layers(card, "card")
    if depths[name] * cells**2 != card.features:
        raise InputError(
            f"the card of {card.name} says features: {card.features} and layer {card.layer} gives "
            f"{depths[name] * cells**2}; correct `features` or `layer`"
        )
