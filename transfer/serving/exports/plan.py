"""What is to be exported: a head with the backbone and card that its recipe asks for."""

from dataclasses import dataclass
from pathlib import Path

from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.heads import trained
from transfer.nets import cards
from transfer.serving import agreement

MODELS = Path("models")


@dataclass(frozen=True)
class Plan:
    """A head and where the network below it lies.

    head: trained.Head; layers: list of (name, cells), joined in this order; backbone, weights:
    folders of the net; card: cards.Card.
    """

    head: trained.Head
    layers: list
    backbone: Path
    weights: Path
    card: cards.Card

    @property
    def size(self):
        """Pixels of the square input."""
        return self.head.recipe["size"]

    @property
    def views(self):
        """The names of the views of the input that the head averages over."""
        return self.head.recipe["views"]


def plan(head=trained.HEAD, models=MODELS):
    """The Plan of the head at `head`, on what lies in the folder `models`.

    Raises InputError where there is no head, where its recipe asks for what this version does not
    do, and where the backbone is not here or another than the head was trained on.
    """
    found, models = trained.load(head), Path(models)
    agreement.require_known(found.recipe, head)
    layers = agreement.layers_of(found.recipe, head)
    card = cards.load(models / "cards" / f"{found.net}.yaml")
    agreement.require_backbone(found, head, models / "backbones" / card.name)
    return Plan(
        found, layers, models / "backbones" / card.name, models / "weights" / card.name, card
    )


def require_weights(planned):
    """Raises InputError unless the folder `planned.weights` holds what the head was trained on."""
    here = manifests.weights_of(planned.weights)
    if here != planned.head.recipe["weights"]:
        raise InputError(
            f"the weights in {planned.weights} ({here[:20]}) are not those the head was trained on "
            f"({planned.head.recipe['weights'][:20]}); `dvc repro` trains a head on these"
        )


def operation(written, name, *arrays):
    """written[name](*arrays): the operation `name` of a head in the terms of one export."""
    if name not in written:
        known = ", ".join(sorted(written))
        raise InputError(
            f"a head with the operation {name} can't be exported to this format, which writes "
            f"{known}; choose another head.kind"
        )
    return written[name](*arrays)
