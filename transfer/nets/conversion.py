"""A net from its card and a folder of its weights: as a Keras network, and converted.

Imports TensorFlow: whoever can do without it imports this late.
"""

from transfer.downloads import manifests
from transfer.nets import graphs, networks, weights


def filled(card, folder):
    """(keras.Model, manifest): the network of `card` with the weights that `folder` holds, or that
    the seed in its manifest stands for.

    Raises InputError where the manifest is damaged, or the file does not fit the network.
    """
    manifest = manifests.read(folder)
    model = networks.build(card)
    if manifest["origin"] == "untrained":
        networks.randomise(model, manifest["seed"])
    else:
        name = manifest["files"][0]["name"]
        networks.load(model, weights.read(folder / name), name)
    return model, manifest


def convert(card, folder, backbone):
    """Writes the network of `card` into the folder `backbone` as `graphs.save` does, from uint8 RGB
    to the card's layers, unpooled.  Returns ({layer: channels}, where the weights come from)."""
    model, manifest = filled(card, folder)
    if manifest["origin"] == "untrained":
        source = {"seed": manifest["seed"]}
    else:
        (file,) = manifest["files"]
        source = {"file": file["name"], "sha256": file["sha256"]}
    about = {
        "net": card.name,
        "weights": {"origin": manifest["origin"], **source},
        "versions": networks.VERSIONS | {"openvino": graphs.VERSION},
    }
    backbone.mkdir(parents=True, exist_ok=True)
    depths = graphs.save(networks.with_pixels(model, card), card.layers, about, backbone)
    return depths, manifest["origin"]
