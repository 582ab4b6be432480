"""Puts what was trained where the repository keeps it: models/mini.h5 and mini.json, and their hash
and size in the card."""

import json
import shutil

from ruamel.yaml import YAML

from pretrain.places import CARDS, EXPORTED
from transfer import errors
from transfer.writing import replacing


def main(exported=EXPORTED, card=CARDS / "mini.yaml"):
    about = json.loads((exported / "mini.json").read_text(encoding="utf-8"))
    for name in ("mini.h5", "mini.json"):
        shutil.copyfile(exported / name, card.parent.parent / name)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    tree = yaml.load(card.read_text(encoding="utf-8"))
    tree["weights"] |= {"sha256": about["sha256"], "size": about["size"]}
    with replacing(card) as out:
        yaml.dump(tree, out)
    print(f"models/mini.h5: {about['size']:,} bytes; its hash stands in {card.name}")


if __name__ == "__main__":
    with errors.sentences():
        main()
