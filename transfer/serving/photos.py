"""Pictures that somebody names, files and folders, read as the squares that a network takes."""

import os
from dataclasses import dataclass, replace

from transfer.datasets.reading import decoder, folders
from transfer.datasets.reading.archives import MEMBER_LIMIT
from transfer.datasets.reading.extensions import EXTENSIONS
from transfer.features import streams


@dataclass(frozen=True)
class Photo:
    """name: the path, as it was given; problem: why it can't be used, "" as far as is known."""

    name: str
    problem: str = ""


def find(names):
    """(photos, passed): a Photo for each file of `names` and for each picture in its folders, and
    how many names in those folders were passed over.

    Order is that of `names`, and natural in a folder, which is walked with all below it.  Only
    there names are passed over: what is hidden or not named as a picture, and folders that links
    bring up again.  A name that leads to no picture becomes a Photo with its problem.
    """
    photos, passed = [], 0
    for name in names:
        if os.path.isdir(name):
            found, others = _walk(name)
            photos += found
            passed += others
        else:
            photos.append(Photo(name, _problem(name)))
    return photos, passed


def squares(photos, square):
    """Yields (Photo, uint8 RGB [S, S, 3]) of each of `photos`, in their order, read and decoded
    ahead by threads; where it can't be, (Photo with its problem, None).

    square: a features.resizing.Square.  Pixels are those of extraction: same decoder, same
    resizing.  A few batches are in memory at a time.
    """

    def look(photo):
        if photo.problem:
            return photo, None
        try:
            return photo, square(decoder.decode(_load(photo.name), square.least))
        except OSError as fault:
            return replace(photo, problem=f"can't be read: {fault.strerror}"), None
        except decoder.Unreadable as fault:
            return replace(photo, problem=f"can't be read as a picture: {fault}"), None

    return streams.ahead(look, photos)


def _problem(name):
    if name == "-":
        return "pictures are read from files and folders, not from standard input; name some"
    if os.path.islink(name) and not os.path.exists(name):
        return f"it is a link to nothing ({os.readlink(name)}); correct or remove it"
    return "" if os.path.exists(name) else "there is no such file or folder; correct the path"


def _walk(folder):
    """(photos, passed) of one folder.  Links are followed, each folder is walked once."""
    problems, passed, seen = {}, 0, {os.path.realpath(folder)}  # problems: {path: its problem}

    def refused(fault):
        problems[fault.filename] = f"can't be listed: {fault.strerror}"

    for place, below, names in os.walk(folder, onerror=refused, followlinks=True):
        inner, below[:] = sorted(below), []
        for name in inner:
            real = os.path.realpath(os.path.join(place, name))
            if name.startswith(".") or real in seen:
                passed += 1
            else:
                below.append(name)
                seen.add(real)
        for name in names:
            path = os.path.join(place, name)
            if name.startswith(".") or not name.lower().endswith(EXTENSIONS):
                passed += 1
            else:
                problems[path] = _problem(path) or _is_no_file(path)
    if not problems:
        expected = f"none of its files is named *{', *'.join(EXTENSIONS)}"
        return [Photo(folder, f"the folder holds no picture: {expected}")], passed
    return [Photo(path, problems[path]) for path in sorted(problems, key=folders.natural)], passed


def _is_no_file(path):
    """A pipe that lies about in a folder would be waited for without end."""
    return "" if os.path.isfile(path) else "it is neither a file nor a folder; remove it"


def _load(name):
    """At most as many bytes as a dataset's image may have: a name may lead to a device."""
    with open(name, "rb") as file:
        data = file.read(MEMBER_LIMIT + 1)
    if len(data) > MEMBER_LIMIT:
        raise decoder.Unreadable(f"it is larger than the limit of {MEMBER_LIMIT:,} bytes")
    return data
