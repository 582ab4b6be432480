"""A network with its own classes, converted.  Imports TensorFlow: imported late."""

from transfer.nets import graphs, networks
from transfer.nets import weights as files


def convert(card, path, got, folder):
    """Writes the network of `card` into `folder` as graphs.save does: uint8 RGB to the card's
    layer.

    path: its weights' file; got: that file's line for a manifest, from fetching.fetch.  Raises
    InputError where the file does not fit the network.
    """
    model = networks.build(card)
    networks.load(model, files.read(path), path.name)
    about = {
        "net": card.name,
        "weights": {"origin": got["origin"], "file": got["name"], "sha256": got["sha256"]},
        "versions": networks.VERSIONS | {"openvino": graphs.VERSION},
    }
    graphs.save(networks.with_pixels(model, card), card.layers, about, folder)
