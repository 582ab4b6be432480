"""Zip and tar archives as streams of members: nothing is ever unpacked to disk."""

import re
import tarfile
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from lzma import LZMAError

from transfer.errors import InputError

MEMBER_LIMIT = 512 * 2**20  # bytes of one member, which is held in memory
# What no name may hold: control characters, and the stand-ins for bytes that are not UTF-8.
ODD = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def names(path):
    """Names of the regular files in the archive `path`, in its order; every member is checked.

    Raises InputError for a broken archive and for a member that is a link, a device, absolute,
    points out of the archive, is larger than MEMBER_LIMIT or stands twice.
    """
    with _faults(path):
        found = [name for name, _ in _members(path)]
    if len(set(found)) < len(found):
        twice, _ = Counter(found).most_common(1)[0]
        raise InputError(f"{path}: the member {twice} stands twice; pack the archive anew")
    return found


def stream(path, wanted=None):
    """Yields (name, bytes) of each member of `path`, in its order, for which `wanted(name)`."""
    with _faults(path):
        for name, read in _members(path):
            if wanted is None or wanted(name):
                yield name, read()


def _members(path):
    """Yields (name, function that reads it at once); raises faults of the libraries as they are."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                # The upper half of the attributes is the file's Unix mode; 0 where there is none.
                kind = (member.external_attr >> 16) & 0o170000
                if not member.is_dir():
                    name = _checked(path, member.filename, member.file_size, kind in (0, 0o100000))
                    yield name, lambda member=member: archive.read(member)
        return
    with tarfile.open(path, mode="r|*") as archive:
        for member in archive:
            if not member.isdir():
                name = _checked(path, member.name, member.size, member.isfile())
                yield name, lambda member=member: archive.extractfile(member).read()


def _checked(path, name, size, regular):
    """The member's name without a leading "./"; raises InputError where it can't be used."""
    if not regular:
        raise InputError(f"{path}: the member {name} is a link or a device; pack plain files only")
    name = name.removeprefix("./")
    parts = name.split("/")
    # Backslashes and drive letters are separators where the archive may have been packed.
    if {"", ".", ".."} & set(parts) or parts[0].endswith(":") or "\\" in name:
        raise InputError(
            f"{path}: the member {name!r} does not name a file inside the archive; pack it anew"
        )
    if ODD.search(name):
        raise InputError(f"{path}: the name {name!r} is not printable UTF-8; pack it anew")
    if size > MEMBER_LIMIT:
        raise InputError(
            f"{path}: the member {name} holds {size:,} bytes; the limit is {MEMBER_LIMIT:,}"
        )
    return name


@contextmanager
def _faults(path):
    """Turns what the libraries raise on a broken archive into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro fetch_data`") from None
    except InputError:
        raise
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        LZMAError,
        EOFError,
        OSError,
        NotImplementedError,  # a compression that the library lacks
        RuntimeError,  # an encrypted member
        ValueError,
    ) as fault:
        raise InputError(
            f"{path} can't be read as a zip or tar archive: {fault}; `dvc repro -f -s fetch_data` "
            "brings it anew, from another mirror if you name one"
        ) from None
