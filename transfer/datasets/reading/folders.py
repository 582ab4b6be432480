"""A folder on disk, walked in an order that does not depend on the file system."""

import os
import re

from transfer.datasets.reading.archives import MEMBER_LIMIT, ODD
from transfer.errors import InputError


def natural(path):
    """Sorting key of a POSIX path: numbers by value, letters without case, ties by spelling."""
    return [([_number(p) for p in re.split("([0-9]+)", n)], n) for n in path.split("/")]


def _number(text):
    return int(text) if text.isdecimal() and text.isascii() else text.casefold()


def walk(folder, is_ignored):
    """(files, empty): POSIX paths below `folder` (Path) of the regular files, in natural order,
    and of the folders in which no file lies at any depth.

    `folder` itself and files may be links.  `is_ignored(path)` names what is left out.  Raises
    InputError for a linked folder below, and for what is neither a file nor a folder.
    """
    files, empty = [], []

    def visit(prefix):
        before = len(files)
        for entry in _entries(folder / prefix):
            name = f"{prefix}{entry.name}"
            if is_ignored(name):
                continue
            _check_name(folder, name)
            if entry.is_dir():
                # DVC 3.67 does not look behind it, so edits there would rerun nothing.
                if entry.is_symlink():
                    raise InputError(
                        f"{folder}: {name} is a link to a folder, in which DVC sees no edits; move "
                        f"the folder here, or make {folder.name} itself a link to one of them all"
                    )
                visit(f"{name}/")
            elif entry.is_file():
                files.append(name)
            else:
                raise InputError(
                    f"{folder}: {name} is neither a file nor a folder, or a link to nothing"
                )
        if prefix and len(files) == before:
            empty.append(prefix.rstrip("/"))

    visit("")
    return sorted(files, key=natural), empty


def load(path):
    """The bytes of the file `path`; raises InputError where it can't be read or is too large."""
    try:
        if path.stat().st_size > MEMBER_LIMIT:
            raise InputError(
                f"{path} is larger than the limit of {MEMBER_LIMIT:,} bytes; remove it"
            )
        return path.read_bytes()
    except OSError as fault:
        raise InputError(f"{path} can't be read: {fault.strerror}") from None


def _entries(path):
    try:
        return sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as fault:
        raise InputError(f"{path} can't be listed: {fault.strerror}") from None


def _check_name(folder, name):
    if ODD.search(name):
        raise InputError(f"{folder}: the name {name!r} is not printable UTF-8; rename it")
