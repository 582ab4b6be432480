"""What was learnt about images before, kept by their content: why a decoder refuses one, or "", and
the fingerprint of what it shows.

A small SQLite file beside the feature store, which many processes may use at once.  Whatever goes
wrong with it costs time only: then images are decoded again.
"""

import contextlib
import sqlite3
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from transfer.datasets.fingerprints import SIZE

NAME = "decoded-3.sqlite"  # the number is that of the table: another would lie in another file
# Facts a transaction, each of which goes through the whole file, or seconds between two of them: so
# much a kill loses.
BATCH, SECONDS = 20_000, 30
CACHE = 32_768  # KiB of memory; facts lie in the order of hashes, so any page may be next
PATIENCE = 20  # seconds to wait for another process's transaction


class Fact(NamedTuple):
    """problem: why an image can't be decoded, or ""; code: its fingerprint."""

    problem: str
    code: bytes


class Knowledge:
    """Facts {sha256 of the content: Fact} for one version of what teaches them; safe in threads.

    folder: where the file lies, None to keep nothing.  Memory holds at most BATCH facts.
    """

    def __init__(self, folder, version):
        self._version = version.encode()
        self._new, self._flushed = {}, time.monotonic()
        self._lock = threading.Lock()
        self._base = None
        if folder is not None:
            self._base = _open(Path(folder) / NAME)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self.close()

    def get(self, contents):
        """{sha256: Fact} of those of `contents` that something is known of."""
        keys = {self._key(sha256): sha256 for sha256 in contents}
        marks = ",".join("?" * len(keys))
        query = f"SELECT content, problem, code FROM facts WHERE content IN ({marks})"
        with self._lock:
            found = self._try(lambda base: base.execute(query, list(keys)).fetchall()) or []
            found += [(key, *self._new[key]) for key in keys if key in self._new]
        return {
            keys[key]: Fact(problem, code)
            for key, problem, code in found
            if isinstance(problem, str) and isinstance(code, bytes) and len(code) == SIZE
        }

    def learn(self, facts):
        """Keeps `facts`, {sha256: Fact}; they are on disk at the latest after `close`."""
        with self._lock:
            self._new.update((self._key(sha256), fact) for sha256, fact in facts.items())
            if len(self._new) >= BATCH or time.monotonic() - self._flushed >= SECONDS:
                self._flush()

    def close(self):
        with self._lock:
            self._flush()
            self._try(lambda base: base.close())
            self._base = None

    def _key(self, sha256):
        return blake2b(self._version + sha256.encode(), digest_size=16).digest()

    def _flush(self):
        # In the order in which they lie, so that a page is written once a batch.
        facts = sorted((key, *fact) for key, fact in self._new.items())
        self._new.clear()
        self._flushed = time.monotonic()

        def write(base):
            with base:  # one transaction
                base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", facts)

        if facts:
            self._try(write)

    def _try(self, work):
        """work(base), or None where there is no base; one that fails once is not asked again."""
        if self._base is None:
            return None
        try:
            return work(self._base)
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
            self._base = None
            return None


def _open(path):
    """A connection with the table in place, or None; a file that is no database is replaced."""
    for attempt in range(2):
        base = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
            base.execute(
                "CREATE TABLE IF NOT EXISTS facts "
                "(content BLOB PRIMARY KEY, problem TEXT, code BLOB) "
                "WITHOUT ROWID"
            )
            base.execute("SELECT content, problem, code FROM facts LIMIT 1").fetchone()
            base.execute(f"PRAGMA cache_size = {-CACHE}")
            return base
        except (sqlite3.Error, OSError) as fault:
            if base is not None:
                base.close()
            # An OperationalError is a matter of rights or locks, and the file may be sound.
            broken = isinstance(fault, sqlite3.DatabaseError)
            if attempt or not broken or isinstance(fault, sqlite3.OperationalError):
                return None
            with contextlib.suppress(OSError):
                path.unlink()
                path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    return None
