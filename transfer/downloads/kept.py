"""Where files are kept that outlive a run."""

import hashlib
import os
import shutil
from pathlib import Path

import platformdirs

from transfer.downloads.files import CHUNK
from transfer.errors import InputError
from transfer.writing import replacing


def store_folder():
    """The folder outside the workspace: $TRANSFER_STORE, else the user's cache folder; it need not
    be there yet.

    Raises InputError where it, or what it is to lie in, is no folder.
    """
    named = os.environ.get("TRANSFER_STORE")
    folder = Path(named or platformdirs.user_cache_dir("transfer"))
    for place in (folder, *folder.parents):
        if os.path.isdir(place):
            break
        if os.path.lexists(place):
            what = "a link to no folder" if place.is_symlink() else "a file, not a folder"
            remedy = "correct $TRANSFER_STORE" if named else "remove it, or set $TRANSFER_STORE"
            raise InputError(f"the store can't lie in {folder}: {place} is {what}; {remedy}")
    return folder


def place(algorithm, digest):
    """The path of the downloaded file of that hash, whether it is there or not."""
    return _downloads() / f"{algorithm}-{digest}"


def part(algorithm, digest):
    """The path of what has come of the file of that hash, while it is downloaded."""
    return _downloads() / f"{algorithm}-{digest}.part"


def part_of(address):
    """The path of what has come of the file at `address`, of which no hash is known."""
    return _downloads() / f"address-{hashlib.sha256(address.encode()).hexdigest()}.part"


def keep(part):
    """Moves the Part `part`, whole, to its places: one file, found by any of its hashes, so that
    a card which gives another one later costs no download."""
    *others, last = (place(*item) for item in sorted(part.digests.items()))
    part.sync()
    # Who comes between finds the part, and waits; once it is gone, every place has the file.
    for other in others:
        link(part.path, other)
    part.move(last)


def link(kept, target):
    """Gives the file `kept` a second name `target`, or copies it where links can't be had; under
    that name there is the whole file or what was there before."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.link")
    try:
        os.link(kept, beside)
    except OSError:  # another file system, or one without hard links
        copy(kept, target)
        return
    try:
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)  # a rename of one name of a file to another does nothing


def copy(kept, target):
    """Copies the file `kept` to `target`, whole or not at all."""
    with kept.open("rb") as source, replacing(target, "wb") as out:
        shutil.copyfileobj(source, out, CHUNK)


def _downloads():
    return store_folder() / "downloads"
