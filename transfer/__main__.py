"""`python -m transfer`: what people ask beside the DVC stages."""

import argparse

from transfer import errors
from transfer.datasets import sources
from transfer.downloads import pins
from transfer.nets import cards


def pin(name):
    """Downloads the files of a net or dataset that have no known hash, and writes the hash down."""
    if name in cards.known():
        path = cards.CARDS / f"{name}.yaml"
        has_file = cards.load(path).weights is not None
        lines = pins.pin(path, lambda tree: [tree["weights"]] if has_file else [])
    elif name in sources.known():
        path = sources.FOLDER / name / sources.NAME
        if not sources.load(path.parent).files:
            raise errors.InputError(f"dataset {name} has no files at an address to pin")
        lines = pins.pin(path, lambda tree: tree["files"])
    else:
        raise errors.unknown("net or dataset", name, [*cards.known(), *sources.known()])
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(prog="python -m transfer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("pin", help=pin.__doc__, description=pin.__doc__)
    command.add_argument("name", help="a card in models/cards or a folder in data/datasets")
    given = vars(parser.parse_args())
    with errors.sentences():
        {"pin": pin}[given.pop("command")](**given)


if __name__ == "__main__":
    main()
