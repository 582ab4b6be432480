"""Brings a net's weights file, or says that its filters are to be drawn from a seed.

Reads weights and parameters of the card, and the mirror or the public address.  Writes
models/weights/<net>/: the file and manifest.json (its sha256, and whether it is the published one).
"""

from transfer import errors, params
from transfer.downloads import fetching, manifests, mirrors
from transfer.nets import cards
from transfer.nets import weights as files

ELSE_TRY = ", or try the net without its weights by `-S weights=random`"


def main(card, weights):
    given = params.read("weights", "mirror")
    net = cards.load(card)
    weights.mkdir(parents=True, exist_ok=True)
    if given["weights"] == "random" or not net.weights:
        manifests.write(weights, "untrained", seed=net.seed)
    else:
        mirror = mirrors.find(given["mirror"])
        file = fetching.available(net.weights, mirror)
        got = fetching.fetch(file, weights, mirror, pin=net.name, else_try=ELSE_TRY)
        files.check_count(weights / file.name, net)
        manifests.write(weights, manifests.origin_of([got]), [got])
    print(f"fetch_weights: {net.name}: {manifests.read(weights)['origin']}")


if __name__ == "__main__":
    errors.run(main)
