"""Converts a net once: uint8 RGB in, pixel convention inside, the card's layers out, unpooled.

Reads the card and models/weights/<net>/.  Writes models/backbones/<net>/: the network as OpenVINO
IR and backbone.json (what it was made from).  Ten to thirty seconds; the one stage that always
imports TensorFlow.
"""

from transfer import errors
from transfer.nets import cards, conversion, layers


def main(card, weights, backbone):
    net = cards.load(card)
    depths, origin = conversion.convert(net, weights, backbone)
    layers.check_length(net, depths)
    outputs = ", ".join(f"{name} [{depth}]" for name, depth in depths.items())
    print(f"backbone: {net.name}: {origin}; {net.parameters:,} parameters; {outputs}")


if __name__ == "__main__":
    errors.run(main)
