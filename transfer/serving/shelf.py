"""A folder kept in the user's cache: made once, found by the hash of all that decides it."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from transfer.downloads.kept import store_folder

ABANDONED = 24 * 3600  # seconds; a slow download is part of making


def kept(name, decides, make, is_whole):
    """The Path of the kept folder that `decides`, a dict of plain values, stands for.

    name: of the shelf in the cache; make(path): fills the empty folder `path`;
    is_whole(path): whether it is undamaged, else it is made again.  A kill leaves what was there,
    and of two processes that make it at once the first one's is kept.
    """
    shelf = store_folder() / name
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    place = shelf / key
    if is_whole(place):
        return place
    shelf.mkdir(parents=True, exist_ok=True)
    for work in shelf.glob(".*"):  # of processes that were killed
        with contextlib.suppress(FileNotFoundError):  # another one's, which is ready now
            if time.time() - work.stat().st_mtime > ABANDONED:
                shutil.rmtree(work, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{key[:8]}.", dir=shelf) as work:
        made = Path(work, "made")
        made.mkdir()
        make(made)
        try:
            os.rename(made, place)
        except OSError:  # there is one: another process's, which is as good, or a damaged one
            if not is_whole(place):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(place, Path(work, "damaged"))
                os.rename(made, place)
    return place
