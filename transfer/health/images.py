"""The user's own images: what lies among them that DVC would wait for without end."""

import contextlib
import os
from pathlib import Path

from transfer import trees
from transfer.datasets import sources
from transfer.health.findings import off, some, well

SHOWN = 2  # paths named; the others are counted


def check(run):
    """The Finding about the dataset folder of run.Run; its files are listed, none is opened."""
    folder = sources.FOLDER / run.source.name
    if run.source.kind != "own":
        return well("images", f"{run.source.name} has none of your own")
    count, found = 0, []
    for entry in _entries(folder):
        count += 1
        with contextlib.suppress(OSError):  # stage index tells of what can't be looked at
            # DVC hashes what links lead to.
            if not entry.is_file() and trees.is_special(Path(entry.path)):
                found.append(entry.path)
    if found:
        return off(
            "images",
            f"{some(sorted(found), SHOWN)}: a pipe, a socket or a device, which DVC waits for "
            f"without end as it hashes {folder}",
            "remove it",
        )
    return well("images", f"{folder}: {count:,} files, none a pipe or a device")


def _entries(folder):
    """Yields an os.DirEntry of all that is no folder below `folder`."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)
            else:
                yield entry
