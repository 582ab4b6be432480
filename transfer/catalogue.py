"""Everything that a run may fetch: whose it is, under which licence, and by which hash it is known.

Read from the cards and source files alone; of a mirror, its list and the sizes of its files.
"""

import json
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path

from transfer.datasets import sources
from transfer.downloads import fetching
from transfer.downloads.files import UNKNOWN
from transfer.features.store.upkeep import readable
from transfer.nets import cards
from transfer.nets.classes import CLASSES

WIDTH = 100  # columns of the table
HEADER = ("name", "download", "pinned by", "mirror", "title")
INDENT = "    "
GAP = 2  # columns between columns


@dataclass(frozen=True)
class Entry:
    """A dataset, a net or another thing that files are fetched for.

    `licence` is UNKNOWN where neither card nor source file states one, `licences` all of them;
    `groups` are lists of File, alternatives of equal worth, of each of which one is fetched;
    `further` those that only some commands need (a net's own classes).
    """

    kind: str
    name: str
    title: str
    licence: str
    homepage: str = ""
    groups: tuple = ()
    further: tuple = field(default=())


def entries():
    """The Entries: datasets, then nets, by name, then what commands fetch.

    Raises InputError for the first card or source file that has a fault.
    """
    found = [_dataset(sources.load(sources.FOLDER / name)) for name in sources.known()]
    found += [_net(cards.load(cards.CARDS / f"{name}.yaml")) for name in cards.known()]
    title = "The names of ImageNet's 1000 classes"
    return [*found, Entry("list", "imagenet", title, UNKNOWN, "", ((CLASSES,),))]


def _dataset(source):
    if source.kind == "own":
        return Entry("dataset", source.name, source.title, source.licence or UNKNOWN)
    groups = tuple((file,) for file in source.files)
    licence = source.licence or UNKNOWN
    return Entry("dataset", source.name, source.title, licence, source.homepage, groups)


def _net(card):
    own = (card.weights,) if card.weights else ()
    further = (card.classifier.weights,) if card.classifier and card.classifier.weights else ()
    said = dict.fromkeys(file.licence or UNKNOWN for group in (*own, *further) for file in group)
    licence = (
        "; ".join(said) or "none needed: its filters are drawn from a seed, nothing is fetched"
    )
    return Entry("net", card.name, card.title, licence, card.homepage, own, further)


def as_json(found, mirror):
    """The Entries as one JSON array, each with all its files and what the mirrors.Mirror has."""
    return json.dumps([_told(entry, mirror) for entry in found], indent=2)


def _told(entry, mirror):
    groups = [(group, "always") for group in entry.groups]
    groups += [(group, "for its own classes") for group in entry.further]
    files = [
        asdict(file)
        | {
            "licence": file.licence or entry.licence,
            "needed": needed,
            "alternatives": len(group) - 1,
            "pinned": file.digest is not None,
            "mirror": {"sha256": mirror.sums[file.name], "size": held(file, mirror)}
            if file.name in mirror.sums and not file.path
            else None,
        }
        for group, needed in groups
        for file in group
    ]
    named = {key: getattr(entry, key) for key in ("kind", "name", "title", "licence", "homepage")}
    return named | {"files": files}


def held(file, mirror):
    """Bytes of `file` in a mirrors.Mirror that is a folder, or None."""
    path = Path(mirror.at(file.name))
    listed = file.name in mirror.sums and not mirror.is_web and path.is_file()
    return path.stat().st_size if listed else None


def table(found, mirror):
    """The Entries, kind by kind: a line each of what is fetched, and below it licence and homepage,
    in at most WIDTH columns."""
    rows = [(entry.name, *_cells(entry, mirror), entry.title) for entry in found]
    widths = [max(map(len, column)) + GAP for column in zip(HEADER, *rows, strict=True)]
    lines, kind = [_line(HEADER, widths)], ""
    for entry, row in zip(found, rows, strict=True):
        if entry.kind != kind:
            kind = entry.kind
            lines.append(f"{kind}s:")
        lines.append(_line(row, widths))
        for text in filter(None, (f"licence: {entry.licence}", entry.homepage)):
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT,
                break_on_hyphens=False, break_long_words=False,
            )  # fmt: skip
    return "\n".join(lines)


def _line(cells, widths):
    return "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cells(entry, mirror):
    """What is downloaded, what its bytes are checked against, and what the mirror has, of the files
    that are always needed: of alternatives the one that would be fetched."""
    files = [fetching.available(group, mirror) for group in entry.groups]
    files = [file for file in files if not file.path]
    if not files:
        shipped = entry.groups[0][0].digest[0] if entry.groups else "-"
        return "nothing", shipped, "-"
    sizes = [file.size for file in files]
    download = readable(sum(sizes)) if all(sizes) else UNKNOWN
    listed = [file for file in files if file.name in mirror.sums]
    by = sorted({_pin(file, mirror) for file in files})
    counts = [held(file, mirror) for file in listed]
    there = readable(sum(counts)) if counts and None not in counts else "listed" if counts else "no"
    partly = f"{len(listed)} of {len(files)}" if 0 < len(listed) < len(files) else ""
    return download, ", ".join(by), partly or there


def _pin(file, mirror):
    if file.digest:
        return file.digest[0]
    return "its mirror" if file.name in mirror.sums else "nothing"
