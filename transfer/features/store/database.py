"""The store's SQLite file, given up or set aside where it fails: that costs time only."""

import contextlib
import fcntl
import os
import sqlite3
import sys
from pathlib import Path

NAME = "features-1.sqlite"  # the number is that of the tables: others would lie in another file
PATIENCE = 60  # seconds to wait for another process's transaction
CACHE = 65536  # KiB of memory; the index of a million features takes 50 MB
PAGE = 65536  # bytes; rows of 2 to 16 kB fill its pages to 75-99 % (SQLite, "Database File Format")

TABLES = {
    "recipes": "id INTEGER PRIMARY KEY, key TEXT UNIQUE, recipe TEXT, length INTEGER",
    # A commit's features are used, and one day removed, together.  used: seconds since 1970.
    "batches": "id INTEGER PRIMARY KEY, recipe INTEGER, used INTEGER",
    "features": "id INTEGER PRIMARY KEY, recipe INTEGER, image BLOB, batch INTEGER, "
    "checksum INTEGER, value BLOB, UNIQUE (recipe, image)",
    "claims": "key TEXT, image BLOB, owner TEXT, until REAL, PRIMARY KEY (key, image)",
}
# SQLITE_ERROR: our statements fail only where the tables are not ours.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class Database:
    """The file in `folder`, made where it is not there.  Its faults are printed, a line each on
    stderr, and not raised: then `read` and `write` give what they are told to give otherwise.

    writable: whether what is written is kept.
    """

    def __init__(self, folder):
        self.path = Path(folder) / NAME
        self.writable = True
        self._base = self._file = None
        self._open()

    def read(self, work, otherwise=None):
        """work(connection) in one transaction, which sees one state of the file."""
        return self._run("BEGIN", work, otherwise)

    def write(self, work, otherwise=None):
        """work(connection) in one transaction, on disk when this returns, or not done at all."""
        return self._run("BEGIN IMMEDIATE", work, otherwise) if self.writable else otherwise

    def close(self):
        if self._base is not None:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
        self._base = None

    def set_aside(self, why):
        """Renames the damaged file, unless another process has done so, and opens a new one."""
        mine = self._file
        self.close()
        try:
            with self._alone():
                if mine is None or _identity(self.path) == mine:
                    aside = self.path.with_suffix(".damaged")
                    self.path.replace(aside)
                    self.path.with_name(f"{NAME}-journal").unlink(missing_ok=True)
                    self.say(f"was damaged ({why}): it is now {aside.name}, and filled anew")
        except OSError as fault:
            self._give_up(fault)
        else:
            self._open(again=True)

    def _run(self, begin, work, otherwise):
        for _ in range(2):
            if self._base is not None and _identity(self.path) != self._file:
                self.close()  # somebody has removed the file, or set it aside
                self._open()
            if self._base is None:
                return otherwise
            try:
                return self._transaction(begin, work)
            except sqlite3.Error as fault:
                if _is_damage(fault):
                    self.set_aside(fault)
                elif begin == "BEGIN":
                    self._give_up(fault)
                else:
                    self.writable = False
                    self.say(f"can't be written ({fault}): features are computed and not kept")
                    return otherwise
        return otherwise

    def _transaction(self, begin, work):
        self._base.execute(begin)
        try:
            found = work(self._base)
            self._base.execute("COMMIT")
            return found
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # it may have been rolled back by itself
                self._base.execute("ROLLBACK")
            raise

    def _open(self, again=False):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                base = self._base = sqlite3.connect(
                    self.path, timeout=PATIENCE, isolation_level=None
                )
                base.execute(f"PRAGMA page_size = {PAGE}")
                base.execute(f"PRAGMA cache_size = {-CACHE}")
                with _unless_read_only():
                    base.execute("PRAGMA auto_vacuum = INCREMENTAL")
                    base.execute("PRAGMA journal_mode = TRUNCATE")
                base.execute("PRAGMA synchronous = FULL")
                if not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    self._transaction("BEGIN IMMEDIATE", _make_tables)
                tables = base.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")
                if {sql for (sql,) in tables} != {
                    f"CREATE TABLE {t} ({c})" for t, c in TABLES.items()
                }:
                    raise sqlite3.DatabaseError("it has other tables")
                self._file = _identity(self.path)
        except (sqlite3.Error, OSError) as fault:
            self._file = None
            if isinstance(fault, sqlite3.Error) and _is_damage(fault) and not again:
                self.set_aside(fault)
            else:
                self._give_up(fault)

    @contextlib.contextmanager
    def _alone(self):
        """Keeps other processes from opening or renaming the file meanwhile."""
        try:
            file = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # a folder without rights: nobody renames there either
            yield
            return
        try:
            with contextlib.suppress(OSError):  # file systems without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _give_up(self, fault):
        self.close()
        self.say(f"can't be used ({fault}): features are computed without it")

    def say(self, what):
        """Prints a line about the file on stderr."""
        print(f"warning: the feature store {self.path} {what}", file=sys.stderr)


@contextlib.contextmanager
def _unless_read_only():
    """Passes over what a file on a read-only file system does not take; it can still be read."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise


def _make_tables(base):
    for name, columns in TABLES.items():
        base.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    base.execute("CREATE INDEX IF NOT EXISTS of_batch ON features (batch)")


def _identity(path):
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_damage(fault):
    return getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGED
