"""The feature store and the kept downloads: where they lie, and whether they can be used.

Nothing is written, made or set aside: that is for the runs and for `store verify`.
"""

import contextlib
import os
import shlex
import sqlite3

from transfer.downloads import kept
from transfer.features.store.database import NAME, TABLES
from transfer.features.store.upkeep import readable
from transfer.health import disks, locks
from transfer.health.findings import off, well

LEAST = 10**9  # bytes; less room than this is soon filled
PATIENCE = 1  # seconds to wait for a process that writes


def check(deep=False):
    """The Finding about the store; `deep` reads the whole file for damage."""
    folder = kept.store_folder()
    path, ground = folder / NAME, disks.ground(folder)
    shut = path.is_file() and not os.access(path, os.W_OK)
    if shut or not os.access(ground, os.W_OK | os.X_OK):
        return off(
            "store",
            f"{path if shut else folder} can't be written: features are computed anew in each run",
            "name another folder by $TRANSFER_STORE, or correct its rights",
        )
    said = f"{folder}: nothing is kept yet{unfinished(folder)}"
    if path.exists():
        wrong = fault(path, deep)
        if wrong:
            return off(
                "store",
                f"{path} is damaged or no store ({wrong})",
                "`python -m transfer store verify` sets it aside; features are computed anew",
            )
        downloads = disks.size(folder / "downloads")
        said = (
            f"{folder}: features {readable(path.stat().st_size)}, downloads {readable(downloads)}"
            f"{unfinished(folder)}"
        )
    room = f"{readable(disks.free(folder))} free"
    aside = path.with_suffix(".damaged")
    if aside.exists():
        return off(
            "store",
            f"{aside} was set aside and takes {readable(aside.stat().st_size)}",
            "remove it",
        )
    if disks.free(folder) < LEAST:
        return off(
            "store",
            f"{said}, {room}",
            "`python -m transfer store gc --keep 5GB`, or $TRANSFER_STORE on a larger disk",
        )
    return well("store", f"{said}, {room}")


def unfinished(folder):
    """Words on the parts of downloads in the store `folder` that no process holds, "" for none.

    No fault: the next fetch of the same file goes on with what came.
    """
    sizes = []
    for part in folder.glob("downloads/*.part"):
        with contextlib.suppress(FileNotFoundError):  # a run may end it meanwhile
            sizes += [] if locks.is_held(part) else [part.stat().st_size]
    if not sizes:
        return ""
    count = f"{len(sizes)} download{'s' * (len(sizes) != 1)}"
    return (
        f", {readable(sum(sizes))} in {count} cut short, "
        f"which the same fetch goes on with and `rm {shlex.quote(str(folder))}/downloads/*.part` "
        f"gives up"
    )


def fault(path, deep=False):
    """What is wrong with the store's file `path`, "" where nothing is seen; read, never written."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)
        ) as base:
            rows = base.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")
            tables = {sql for (sql,) in rows}
            # A file without any is one that a run has yet to fill.
            if tables and tables != {f"CREATE TABLE {t} ({c})" for t, c in TABLES.items()}:
                return "it has other tables"
            if deep:
                (told,) = base.execute("PRAGMA quick_check(1)").fetchone()
                return "" if told == "ok" else " ".join(told.split())
    except sqlite3.OperationalError as found:
        # A process writes, or was killed as it did: SQLite takes that back at the next run.
        codes = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY)
        return "" if found.sqlite_errorcode & 0xFF in codes else str(found)
    except sqlite3.DatabaseError as found:
        return str(found)
    return ""
