"""Checks every name and value in params.yaml before the first costly step.

Reads params.yaml, all cards, and the dataset folder that params.yaml names: by itself, since a name
that is wrong may mean something to the shell, and DVC would say of a folder that isn't there only
that a path is missing, and look into it for whatever lies there.  So the folder is no dep, and what
changes in it later is told by the stages that read it.  Writes one constant line, so that
nothing reruns because of it.
"""

from transfer import errors, params
from transfer.datasets import sources
from transfer.datasets.reading import outline
from transfer.features import choices
from transfer.heads import options
from transfer.nets import cards
from transfer.writing import replacing


def main(checked):
    params.unread_keys()
    given = params.read(*params.KEYS)
    net = cards.load(cards.CARDS / f"{given['net']}.yaml")
    folder = sources.FOLDER / given["dataset"]
    dataset = sources.load(folder)
    sources.require_known(dataset, cards.known())
    if dataset.kind == "own":
        outline.of_folder(folder)
    choice = choices.choose(net, dataset, given)
    cut = choices.choose_cut(net, dataset, given, choice)
    options.require_fit(given["head.kind"], given["head.class_weights"])
    options.require_cut(given["head.kind"], given["extract.cut"])
    if given["head.kind"] == "finetune" and given["head.upto"] != "auto":
        from transfer.nets import tails  # noqa: PLC0415  # imports TensorFlow

        tails.require(net, cut.layers[0][0], given["head.upto"])
    with replacing(checked) as file:
        file.write("params.yaml names what is here\n")


if __name__ == "__main__":
    errors.run(main)
