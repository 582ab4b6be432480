"""Where files are kept that outlive a run."""

import contextlib
import os
import shutil
from pathlib import Path

import platformdirs


def store_folder():
    """The folder outside the workspace: $TRANSFER_STORE, else the user's cache folder."""
    return Path(os.environ.get("TRANSFER_STORE") or platformdirs.user_cache_dir("transfer"))


def place(algorithm, digest):
    """The path of the downloaded file of that hash, whether it is there or not."""
    return _downloads() / f"{algorithm}-{digest}"


@contextlib.contextmanager
def partial():
    """The path of a file that is being downloaded; it is gone afterwards unless it was moved."""
    part = _downloads() / f"{os.getpid()}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def keep(part, digests):
    """Moves the file `part`, of `digests` {algorithm: hex}, to its places: one file, found by
    any of its hashes, so that a card which gives another one later costs no download."""
    first, *others = (place(*item) for item in sorted(digests.items()))
    part.replace(first)
    for other in others:
        link(first, other)


def link(kept, target):
    """Gives the file `kept` a second name `target`, or copies it where links can't be had."""
    target.unlink(missing_ok=True)
    try:
        os.link(kept, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(kept, target)


def _downloads():
    return store_folder() / "downloads"
