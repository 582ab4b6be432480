"""Checks every name and value in params.yaml before the first costly step.

Reads params.yaml, and the card and the dataset folder that it names: by itself, since a name that
is wrong may mean something to the shell.  Writes one constant line, so that nothing reruns because
of it.  Runs each time: DVC would say of a dataset or a card that isn't there only that a path is
missing, and look into a folder for whatever lies there.
"""

from transfer import errors, params
from transfer.datasets import sources
from transfer.datasets.reading import class_folders
from transfer.features import choices
from transfer.heads import kinds
from transfer.nets import cards
from transfer.writing import replacing


def main(checked):
    params.unread_keys()
    given = params.read(*params.KEYS)
    net = cards.load(cards.CARDS / f"{given['net']}.yaml")
    folder = sources.FOLDER / given["dataset"]
    dataset = sources.load(folder)
    for name in dataset.recommend:
        if name not in ("any", *cards.known()):
            raise errors.unknown(f"net in recommend of {dataset.name}", name, cards.known())
    if dataset.kind == "own":
        class_folders.places(folder)
    choices.choose(net, dataset.recommend, given)
    kinds.named(given["head.kind"])
    with replacing(checked) as file:
        file.write("params.yaml names what is here\n")


if __name__ == "__main__":
    errors.run(main)
