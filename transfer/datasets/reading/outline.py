"""Where the class folders lie: `[prefix/][part/]class/.../picture.jpg`, told by the names alone.

Ignored on purpose: names that begin with a dot, Thumbs.db, desktop.ini, __MACOSX, source.yaml,
*.dvc, and files that are no images and lie outside of the class folders (a LICENSE.txt).  Of the
names no more is kept than the folders in which files lie, some 240 bytes each: however many files
there are, they cost no memory.
"""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from transfer.datasets.index import PARTS
from transfer.datasets.reading import folders
from transfer.datasets.reading.extensions import EXTENSIONS
from transfer.errors import InputError

# Never class names when all folders are named so: somebody's other words for the parts.
_ALIASES = {"training": "train", "testing": "test"}
_ALIASES.update(dict.fromkeys(("val", "valid", "dev"), "validation"))
_IGNORED = {"Thumbs.db", "desktop.ini", "__MACOSX", "source.yaml"}


@dataclass(frozen=True)
class Outline:
    """prefix: the folders above the classes and parts, as "a/b/" or ""; depth: 1 where the classes
    lie in parts, else 0; labels: the classes' names."""

    prefix: str
    depth: int
    labels: frozenset[str] = frozenset()

    def place(self, name):
        """(id, part, label) of the file, or of the folder "a/b/", that `name` is the path of; None
        where it is ignored or lies in no class folder."""
        if is_ignored(name) or not name.startswith(self.prefix):
            return None
        id_ = name[len(self.prefix) :]
        parts = id_.split("/", self.depth + 1)
        if len(parts) < self.depth + 2:
            return None
        return id_, parts[0] if self.depth else "", parts[self.depth]


@dataclass(frozen=True)
class _Folders:
    """All folders in which files lie, as "a/b/", by what lies right in them."""

    pictured: dict[str, str]  # folder: its first image; in the order of these
    bare: set[str]  # those with files, but no image
    empty: list[str]  # those in which no file lies at any depth


def of_names(names, where):
    """The Outline of the files `names` (an iterable of POSIX paths); `where` (what they lie in) is
    for the sentences.  Raises InputError for whatever is wrong by the names, but for the number of
    classes, which check_number looks at."""
    found = _folders(names)
    return _checked(found, _prefix(found), where)


def of_folder(folder):
    """The Outline of the user's own `folder`, which has no prefix.

    Raises InputError for whatever is wrong with the folder by the names in it.
    """
    folder = Path(folder)
    found = _checked(_folders(folders.walk(folder, is_ignored)), "", folder)
    check_number(found.labels, folder)
    return found


def check_number(labels, where):
    """Raises InputError for fewer than two classes; `where` is for the sentence."""
    if len(labels) < 2:
        raise InputError(
            f"{where} needs at least two class folders with images; received "
            f"{', '.join(sorted(labels)) or 'none'}"
        )


def is_ignored(name):
    """Whether the POSIX path `name` is left out wherever it lies: see above."""
    return (
        name.startswith(".")
        or "/." in name
        or name.endswith(".dvc")
        or not _IGNORED.isdisjoint(name.split("/"))
    )


def _folders(names):
    found = _Folders({}, set(), [])
    for name in names:
        folder = name[: name.rfind("/") + 1]
        if folder in found.pictured or is_ignored(name):
            continue
        if folder == name:
            found.empty.append(name)
        elif name.lower().endswith(EXTENSIONS):
            found.pictured[folder] = name
            found.bare.discard(folder)
        else:
            found.bare.add(folder)
    return found


def _prefix(found):
    """The folders, as "a/b/" or "", that all files lie in and that are neither part nor class."""
    prefix, below = "", {*found.pictured, *found.bare}
    while True:
        below.discard(prefix)
        tops = {folder[len(prefix) :].partition("/")[0] for folder in below}
        if len(tops) != 1 or tops & {*PARTS}:
            return prefix
        deeper = f"{prefix}{tops.pop()}/"
        # Images right below make it a class; without folders below there would be no class left.
        if deeper in found.pictured or below == {deeper}:
            return prefix
        prefix = deeper


def _checked(found, prefix, where):
    """The Outline of the _Folders `found` below `prefix`."""
    tops = {
        folder[len(prefix) :].partition("/")[0]
        for folder in chain(found.pictured, found.bare, found.empty)
        if folder.startswith(prefix) and folder != prefix
    }
    outline = Outline(prefix, 1 if _has_parts(tops, where) else 0)
    classes = {}  # (part, label): whether it holds an image
    for image in found.pictured.values():
        place = outline.place(image)
        if place is None:
            raise InputError(
                f"{where}: {image} lies outside of the class folders; move it into one"
            )
        classes[place[1:]] = True
    for place in filter(None, map(outline.place, found.bare)):
        classes.setdefault(place[1:], False)
    for folder in found.empty:
        if folder.count("/") == outline.depth:
            raise InputError(
                f"{where}: the part {folder[:-1]} holds no class folder; fill or remove it"
            )
        if folder.count("/") == outline.depth + 1:
            classes.setdefault(outline.place(folder)[1:], False)
    _check_filled(classes, where)
    return replace(outline, labels=frozenset(label for _, label in classes))


def _check_filled(classes, where):
    for (part, label), filled in sorted(classes.items()):
        if not filled:
            place = f"{part}/{label}" if part else label
            raise InputError(
                f"{where}: the class {label} has no image in {place}; expected at least one "
                f"{', '.join(EXTENSIONS)}; add images or remove the folder"
            )


def _has_parts(tops, where):
    """Whether the top folders are parts of the dataset and not classes."""
    others = sorted(tops - {*PARTS})
    renamed = {top: _ALIASES.get(top.lower(), top.lower()) for top in others}
    aliases = [top for top in others if renamed[top] in PARTS]
    if not others:
        return bool(tops)
    if len(aliases) == len(others):
        names = ", ".join(f"{top} to {renamed[top]}" for top in aliases)
        raise InputError(f"{where}: rename {names}; parts are named {', '.join(PARTS)}")
    if len(others) < len(tops):
        parts = ", ".join(sorted(tops & {*PARTS}))
        raise InputError(
            f"{where}: beside {parts} only {', '.join(PARTS)} may lie; received "
            f"{', '.join(others[:5])}; move or rename these folders"
        )
    return False
