"""Images in folders named after their classes: `[prefix/][part/]class/.../picture.jpg`.

The same layout serves archives, read as streams in their own order, and, without a prefix, the
user's own folder, read in place in natural order (`2.jpg` before `10.jpg`).  Ignored on purpose:
names that begin with a dot, Thumbs.db, desktop.ini, __MACOSX, source.yaml, *.dvc, and files that
are no images and lie outside of the class folders (a LICENSE.txt).  A file inside a class folder
is never ignored: one that is no image becomes an Image whose decoding is refused, so it is listed.
"""

from pathlib import Path, PurePosixPath

from transfer.datasets.index import PARTS
from transfer.datasets.reading import archives, folders
from transfer.datasets.reading.decoder import EXTENSIONS
from transfer.datasets.reading.images import Image
from transfer.errors import InputError

# Never class names when all folders are named so: somebody's other words for the parts.
_ALIASES = {"training": "train", "testing": "test"}
_ALIASES.update(dict.fromkeys(("val", "valid", "dev"), "validation"))
_IGNORED = {"Thumbs.db", "desktop.ini", "__MACOSX", "source.yaml"}


def read(source, folder, raw, members=None):
    """Yields an Image a file (see readers.read); an own image's member is its path in `folder`."""
    if source.kind == "own":
        for name, place in places(folder).items():
            if members is None or name in members:
                yield _image(name, place, folders.load(Path(folder) / name))
        return
    found = {}
    for archive in source.archives:
        path = Path(raw) / archive
        names = [name for name in archives.names(path) if not _is_ignored(name)]
        found[path] = _places(names, path, _prefix(names))
    # Over all of them: an archive may well hold one class.
    _check_number({k: v for placed in found.values() for k, v in placed.items()}, source.name)
    for path, placed in found.items():

        def wanted(name, placed=placed):
            return name in placed and (members is None or name in members)

        for name, data in archives.stream(path, wanted):
            yield _image(name, placed[name], data)


def places(folder):
    """{path: (id, part, label)} of the images in the user's own folder, in natural order.

    Raises InputError for whatever is wrong with the folder by the names in it.
    """
    folder = Path(folder)
    names, empty = folders.walk(folder, _is_ignored)
    found = _places(names, folder, empty=empty)
    _check_number(found, folder)
    return found


def _is_ignored(name):
    parts = name.split("/")
    return name.endswith(".dvc") or any(p.startswith(".") or p in _IGNORED for p in parts)


def _image(name, place, data):
    id_, part, label = place
    return Image(id_, name, label, part, "", data)


def _places(names, where, prefix="", empty=()):
    """{name: (id, part, label)} of the files that lie in class folders.

    names: POSIX paths, in order; where: what they lie in, for the sentences; prefix: the folders
    above the classes and parts; empty: the folders that hold no file at all.
    """
    split = {name: name.removeprefix(prefix).split("/") for name in names}
    tops = {parts[0] for parts in split.values() if len(parts) > 1}
    tops.update(folder.split("/")[0] for folder in empty)
    depth = 1 if _has_parts(tops, where) else 0
    found = {}
    for name, parts in split.items():
        if len(parts) > depth + 1:
            found[name] = ("/".join(parts), parts[0] if depth else "", parts[depth])
        elif _is_image(name):
            raise InputError(f"{where}: {name} lies outside of the class folders; move it into one")
    _check_classes(found, depth, where, empty)
    return found


def _prefix(names):
    """The folders, as "a/b/" or "", that all files lie in and that are neither part nor class."""
    prefix = ""
    while True:
        deeper = [name[len(prefix) :] for name in names if "/" in name[len(prefix) :]]
        tops = {name.split("/")[0] for name in deeper}
        if len(tops) != 1 or tops & {*PARTS}:
            return prefix
        (top,) = tops
        below = [name[len(top) + 1 :] for name in deeper]
        # Images right below make it a class; without folders below there would be no class left.
        if any("/" not in n and _is_image(n) for n in below) or not any("/" in n for n in below):
            return prefix
        prefix += f"{top}/"


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


def _check_classes(found, depth, where, empty):
    folders_ = {(part, label): False for _, part, label in found.values()}
    for name, (_, part, label) in found.items():
        folders_[part, label] = folders_[part, label] or _is_image(name)
    for folder in empty:
        parts = folder.split("/")
        if len(parts) == depth:
            raise InputError(f"{where}: the part {folder} holds no class folder; fill or remove it")
        if len(parts) == depth + 1:
            folders_.setdefault((parts[0] if depth else "", parts[depth]), False)
    for (part, label), filled in sorted(folders_.items()):
        if not filled:
            place = f"{part}/{label}" if part else label
            raise InputError(
                f"{where}: the class {label} has no image in {place}; expected at least one "
                f"{', '.join(EXTENSIONS)}; add images or remove the folder"
            )


def _check_number(places, where):
    labels = sorted({label for _, _, label in places.values()})
    if len(labels) < 2:
        raise InputError(
            f"{where} needs at least two class folders with images; received "
            f"{', '.join(labels) or 'none'}"
        )


def _is_image(name):
    return PurePosixPath(name).suffix.lower() in EXTENSIONS
