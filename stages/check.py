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
from transfer.writing import replacing


def main(source, card, checked):
    params.unread_keys()
    given = params.read(*params.KEYS)
    net = cards.load(card)
    dataset = sources.load(source)
    for name in dataset.recommend:
        if name not in ("any", *cards.known()):
            raise errors.unknown(f"net in recommend of {dataset.name}", name, cards.known())
    choices.choose(net, dataset.recommend, given)
    kinds.named(given["head.kind"])
    with replacing(checked) as file:
        file.write("params.yaml names what is here\n")


if __name__ == "__main__":
    errors.run(main)
