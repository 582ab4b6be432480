"""Images in folders named after their classes: `[prefix/][part/]class/.../picture.jpg`.

The same layout serves archives, read as streams in their own order, and, without a prefix, the
user's own folder, read in place in natural order (`2.jpg` before `10.jpg`).  A file inside a class
folder is never ignored: one that is no image, or can't be opened, becomes an Image that is refused,
and so does an empty folder that is named as a picture; so it is listed.  The names are gone through
twice, and no list of them is made: first for the outline.
"""

import os
from pathlib import Path

from transfer.datasets.reading import archives, folders, outline
from transfer.datasets.reading.extensions import EXTENSIONS
from transfer.datasets.reading.images import Image


def read(source, folder, raw, members=None, located=False):
    """Yields an Image a file (see readers.read); an own image's member is its path in `folder`."""
    if source.kind == "own":
        yield from _own(Path(folder), members, folders.located if located else folders.load)
        return
    paths = [Path(raw) / archive for archive in source.archives]
    outlines = {path: outline.of_names(archives.names(path), path) for path in paths}
    # Over all of them: an archive may well hold one class.
    outline.check_number({label for one in outlines.values() for label in one.labels}, source.name)
    for path, one in outlines.items():

        def wanted(name, place=one.place):
            return (members is None or name in members) and place(name) is not None

        for name, data in (archives.located if located else archives.stream)(path, wanted):
            yield _image(name, one.place(name), data)


def _own(folder, members, take):
    place = outline.of_folder(folder).place
    for name in folders.walk(folder, outline.is_ignored):
        is_empty = name.endswith("/")
        name = name.removesuffix("/")  # noqa: PLW2901
        if is_empty and not name.lower().endswith(EXTENSIONS):
            continue
        if members is not None and name not in members:
            continue
        found = place(name)
        if found:  # else a file that is no image, such as a LICENSE.txt
            data, problem = (
                (b"", "it is an empty folder") if is_empty else _taken(folder, name, take)
            )
            yield _image(name, found, data, problem)


def _taken(folder, name, take):
    """(what `take` gives, "") of a file, or (b"", why there are none)."""
    try:
        # No Path, each of which interns its parts: Python 3.12 keeps those for good.
        return take(os.path.join(folder, name)), ""
    except folders.Unavailable as fault:
        return b"", str(fault)


def _image(name, place, data, problem=""):
    id_, part, label = place
    return Image(id_, name, label, part, "", data, problem)
