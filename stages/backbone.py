"""Converts a net once: uint8 RGB in, pixel convention inside, the card's layers out, unpooled.

Reads the card and models/weights/<net>/.  Writes models/backbones/<net>/: the network as OpenVINO
IR and backbone.json (what it was made from); for `extract.precision: int8` the network in int8 too,
calibrated on rendered pictures.  Ten to thirty seconds; for int8 half a minute more on two idle
cores (VGG16: 54 CPU seconds).  The one stage that always imports TensorFlow.
"""

from transfer import errors, params
from transfer.datasets.rendering import calibration
from transfer.features.resizing import Square
from transfer.nets import cards, conversion, layers, quantisation


def main(card, weights, backbone):
    precision = params.read("extract.precision")["extract.precision"]
    net = cards.load(card)
    depths, origin = conversion.convert(net, weights, backbone)
    layers.check_length(net, depths)
    if precision == "int8":
        square = Square(net.size, net.resize, net.crop)
        quantisation.quantise(backbone, [square(picture) for picture in calibration.pictures()])
    outputs = ", ".join(f"{name} [{depth}]" for name, depth in depths.items())
    print(
        f"backbone: {net.name}: {origin}; {net.parameters:,} parameters; {outputs}"
        + ("; in int8 too" if precision == "int8" else "")
    )


if __name__ == "__main__":
    errors.run(main)
