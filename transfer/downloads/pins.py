"""Pins: the hash of a file that its publisher gives none for, written where its address stands."""

from pathlib import Path

from ruamel.yaml import YAML

from transfer.downloads import fetching, kept
from transfer.downloads.files import ALGORITHMS, File
from transfer.errors import InputError
from transfer.writing import replacing


def pin(path, entries_of):
    """Downloads once each file of the YAML file `path` that lacks a hash, and writes its sha256
    and size there, comments kept.

    `entries_of` gives the mappings that describe files, in the tree of the YAML file.  Returns
    lines to print.  What was downloaded is kept, so it is not fetched again.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(Path(path).read_text(encoding="utf-8"))
    lines = []
    entries = list(entries_of(tree))
    # A file without an address is a mirror's alone: an alternative with one stands beside it.
    for entry in [entry for entry in entries if entry.get("url")] or entries:
        if not any(entry.get(algorithm) for algorithm in ALGORITHMS):
            entry["sha256"], entry["size"] = _pin(entry)
            lines.append(f"{entry['name']}: {entry['size']:,} bytes, sha256 {entry['sha256']}")
    if not lines:
        return [f"{path}: every file has a hash; nothing to pin"]
    with replacing(path) as out:
        yaml.dump(tree, out)
    return [*lines, f"written into {path}: look at the address once more before you commit it"]


def _pin(entry):
    if not entry.get("url"):
        raise InputError(f"{entry['name']} has no public address, so there is nothing to pin")
    with kept.partial() as part:
        digests = fetching.download(entry["url"], part, File(entry["name"], entry["url"]))
        size = part.stat().st_size
        kept.keep(part, digests)
    return digests["sha256"], size
