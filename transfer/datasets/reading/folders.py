"""A folder on disk, walked in an order that does not depend on the file system."""

import errno
import os
import re
import stat

from transfer.datasets.reading.archives import MEMBER_LIMIT, ODD
from transfer.datasets.reading.pieces import Piece
from transfer.errors import InputError


class Unavailable(InputError):  # noqa: N818, as decoder.Unreadable
    """A file without bytes to be had; the message is the reason alone, without a place."""


def natural(path):
    """Sorting key (str) of a POSIX path: numbers by value, letters without case, ties by spelling.

    A text, and not the lists that it stands for, since a large folder is sorted by it.
    """
    # \0, which no path holds, ends each text, and comes before whatever goes on.
    return "".join(
        f"{re.sub('[0-9]+', _number, name.casefold())}\0\0{name}\0" for name in path.split("/")
    )


def _number(match):
    """A number as text that sorts by its value: first the count of its digits, as a character."""
    digits = match[0].lstrip("0")
    return f"\0{chr(1 + len(digits))}{digits}"


def walk(folder, is_ignored):
    """Yields the POSIX paths below `folder` (Path) of all that is no folder, in natural order, and
    of the folders in which no such thing lies at any depth, with a / at the end.

    `folder` itself and files may be links.  `is_ignored(path)` names what is left out.  Pipes and
    links to nothing come as files do: `load` tells what is wrong with them.  Raises InputError for
    a linked folder below, and for a name that can't be written down.  Holds the names of one folder
    at each depth, some 180 bytes each.
    """
    yield from _walk(folder, "", is_ignored)


def _walk(folder, prefix, is_ignored):
    any_file = False
    for name in sorted(_listed(folder, prefix, is_ignored), key=natural):
        if name.endswith("/"):
            for path in _walk(folder, f"{prefix}{name}", is_ignored):
                any_file = any_file or not path.endswith("/")
                yield path
        else:
            any_file = True
            yield f"{prefix}{name}"
    if prefix and not any_file:
        yield prefix


def _listed(folder, prefix, is_ignored):
    """Yields the names right in `folder / prefix`, those of folders with a / at the end."""
    first = None  # of the faulty names: which comes first must not depend on the file system
    with _entries(folder / prefix) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if is_ignored(name):
                continue
            fault = _fault(folder, name, entry)
            if not fault:
                yield f"{entry.name}/" if _is_folder(entry) else entry.name
            elif first is None or name < first[0]:
                first = name, fault
    if first:
        raise InputError(first[1])


def _fault(folder, name, entry):
    """Why the os.DirEntry can't be used, or ""."""
    if ODD.search(name):
        return f"{folder}: the name {name!r} is not printable UTF-8; rename it"
    # DVC 3.67 does not look behind it, so edits there would rerun nothing.
    if entry.is_symlink() and _is_folder(entry):
        return (
            f"{folder}: {name} is a link to a folder, in which DVC sees no edits; move "
            f"the folder here, or make {folder.name} itself a link to one of them all"
        )
    return ""


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def load(path):
    """The bytes of the file `path`; raises Unavailable where there are none to be had."""
    return _taken(path, lambda file, _: file.read())


def located(path):
    """The pieces.Piece of the file `path`; raises Unavailable as `load` does."""
    return _taken(path, lambda _, size: Piece(path, 0, size, size))


def _taken(path, take):
    try:
        # Looked at before it is opened: a pipe would be waited for without end.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise Unavailable("it is a pipe, a socket or a device, and no file")
        if status.st_size > MEMBER_LIMIT:
            raise Unavailable(f"it is larger than the limit of {MEMBER_LIMIT:,} bytes")
        with open(path, "rb") as file:
            return take(file, status.st_size)
    except OSError as fault:
        if os.path.islink(path) and fault.errno in (errno.ENOENT, errno.ELOOP):
            raise Unavailable("it is a link to nothing, or to itself") from None
        raise Unavailable(f"it can't be read: {fault.strerror}") from None


def _entries(path):
    try:
        return os.scandir(path)
    except OSError as fault:
        raise InputError(f"{path} can't be listed: {fault.strerror}") from None
