"""A folder on disk, walked in an order that does not depend on the file system."""

import os
import re

from transfer.datasets.reading.archives import MEMBER_LIMIT, ODD
from transfer.errors import InputError


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
    """Yields the POSIX paths below `folder` (Path) of the regular files, in natural order, and of
    the folders in which no file lies at any depth, with a / at the end.

    `folder` itself and files may be links.  `is_ignored(path)` names what is left out.  Raises
    InputError for a linked folder below, and for what is neither a file nor a folder.  Holds the
    names of one folder at each depth, some 180 bytes each.
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
                yield f"{entry.name}/" if entry.is_dir() else entry.name
            elif first is None or name < first[0]:
                first = name, fault
    if first:
        raise InputError(first[1])


def _fault(folder, name, entry):
    """Why the os.DirEntry can't be used, or ""."""
    if ODD.search(name):
        return f"{folder}: the name {name!r} is not printable UTF-8; rename it"
    if entry.is_dir():
        # DVC 3.67 does not look behind it, so edits there would rerun nothing.
        if entry.is_symlink():
            return (
                f"{folder}: {name} is a link to a folder, in which DVC sees no edits; move "
                f"the folder here, or make {folder.name} itself a link to one of them all"
            )
    elif not entry.is_file():
        return f"{folder}: {name} is neither a file nor a folder, or a link to nothing"
    return ""


def load(path):
    """The bytes of the file `path`; raises InputError where it can't be read or is too large."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MEMBER_LIMIT:
                raise InputError(
                    f"{path} is larger than the limit of {MEMBER_LIMIT:,} bytes; remove it"
                )
            return file.read()
    except OSError as fault:
        raise InputError(f"{path} can't be read: {fault.strerror}") from None


def _entries(path):
    try:
        return os.scandir(path)
    except OSError as fault:
        raise InputError(f"{path} can't be listed: {fault.strerror}") from None
