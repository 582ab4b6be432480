"""Converts a net once: uint8 RGB in, pixel convention inside, the card's layers out, unpooled.

Reads the card and models/weights/<net>/.  Writes models/backbones/<net>/: the network as OpenVINO
IR and backbone.json (what it was made from).  Ten to thirty seconds; the one stage that always
imports TensorFlow.
"""

from transfer import errors
from transfer.downloads import manifests
from transfer.nets import cards, graphs, layers, networks
from transfer.nets import weights as files


def main(card, weights, backbone):
    net = cards.load(card)
    manifest = manifests.read(weights)
    model = networks.build(net)
    if manifest["origin"] == "untrained":
        networks.randomise(model, manifest["seed"])
        source = {"seed": manifest["seed"]}
    else:
        (file,) = manifest["files"]
        networks.load(model, files.read(weights / file["name"]), file["name"])
        source = {"file": file["name"], "sha256": file["sha256"]}
    about = {
        "net": net.name,
        "weights": {"origin": manifest["origin"], **source},
        "versions": networks.VERSIONS | {"openvino": graphs.VERSION},
    }
    backbone.mkdir(parents=True, exist_ok=True)
    depths = graphs.save(networks.with_pixels(model, net), net.layers, about, backbone)
    layers.check_length(net, depths)
    outputs = ", ".join(f"{name} [{depth}]" for name, depth in depths.items())
    print(f"backbone: {net.name}: {manifest['origin']}; {net.parameters:,} parameters; {outputs}")


if __name__ == "__main__":
    errors.run(main)
