"""Pins: the hash of a file that its publisher gives none for, written where its address stands."""

from pathlib import Path

from ruamel.yaml import YAML

from transfer import trees
from transfer.downloads import fetching, kept, parts
from transfer.downloads.files import ALGORITHMS
from transfer.downloads.responses import PATIENCE
from transfer.errors import InputError
from transfer.writing import replacing


def pin(path, entries_of, patience=PATIENCE):
    """Downloads once each file of the YAML file `path` that lacks a hash, and writes its sha256
    and size there, comments kept.

    `entries_of` gives the mappings that describe files, in the tree of the YAML file.  Returns
    lines to print.  What was downloaded is kept, so it is not fetched again.  Raises InputError as
    trees.required does, and where a file can't be had.
    """
    trees.required(Path(path))  # tells a fault by its line; ruamel is for keeping comments
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
            entry["sha256"], entry["size"] = _pin(entry, patience)
            lines.append(f"{entry['name']}: {entry['size']:,} bytes, sha256 {entry['sha256']}")
    if not lines:
        return [f"{path}: every file has a hash; nothing to pin"]
    with replacing(path) as out:
        yaml.dump(tree, out)
    return [*lines, f"written into {path}: look at the address once more before you commit it"]


def _pin(entry, patience):
    name, urls = entry["name"], entry.get("url")
    if not urls:
        raise InputError(f"{name} has no public address, so there is nothing to pin")
    urls = [urls] if isinstance(urls, str) else list(urls)
    with parts.held(kept.part_of(urls[0]), name) as part:
        part.restart()  # no hash tells whether what an earlier call left is of the same file
        fetching.fill(part, name, urls, patience)
        kept.keep(part)
        return part.digests["sha256"], part.length
