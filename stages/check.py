"""Checks every name and value in params.yaml before the first costly step.

Reads params.yaml, the card's and the dataset's files.  Writes one constant line, so that a change
of params reruns nothing by itself.  DVC would say of a dataset that isn't there only that a path
is missing; this stage runs first and says which there are.
"""

from transfer import errors, params
from transfer.datasets import sources
from transfer.features import choices
from transfer.heads import kinds
from transfer.nets import cards


def main(source, card, checked):
    params.unread_keys()
    given = params.read(*params.KEYS)
    net = cards.load(card)
    dataset = sources.load(source)
    choices.choose(
        net,
        dataset.recommend,
        layers=given["extract.layers"],
        size=given["extract.size"],
        views=given["extract.views"],
        cut=given["extract.cut"],
    )
    kinds.named(given["head.kind"])
    checked.write_text("params.yaml names what is here\n", encoding="utf-8")


if __name__ == "__main__":
    errors.run(main)
