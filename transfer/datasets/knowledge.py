"""What was learnt about images before, kept by their content: why a decoder refuses one, or "".

A small SQLite file beside the feature store, which many processes may use at once.  Whatever goes
wrong with it costs time only: then images are decoded again.
"""

import contextlib
import sqlite3
import threading
from pathlib import Path

NAME = "decoded.sqlite"
BATCH = 2000  # facts a transaction, so that a kill loses little
PATIENCE = 20  # seconds to wait for another process's transaction


class Knowledge:
    """Facts {sha256 of the content: problem} for one decoder version; safe in threads.

    folder: where the file lies, None for a memory that lasts as long as the object.
    """

    def __init__(self, folder, decoder):
        self._decoder = decoder
        self._new = {}
        self._lock = threading.Lock()
        self._base = None
        if folder is not None:
            self._base = _open(Path(folder) / NAME)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self.close()

    def get(self, sha256):
        """The problem ("": none) of the content, or None where nothing is known."""
        with self._lock:
            if sha256 in self._new:
                return self._new[sha256]
            query = "SELECT problem FROM decoded WHERE sha256 = ? AND decoder = ?"
            found = self._try(lambda base: base.execute(query, (sha256, self._decoder)).fetchone())
            return found[0] if found and isinstance(found[0], str) else None

    def learn(self, sha256, problem):
        """Keeps a fact; it is on disk at the latest after `close`."""
        with self._lock:
            self._new[sha256] = problem
            if self._base is not None and len(self._new) >= BATCH:
                self._flush()

    def close(self):
        with self._lock:
            self._flush()
            self._try(lambda base: base.close())
            self._base = None

    def _flush(self):
        rows = [(sha256, self._decoder, problem) for sha256, problem in self._new.items()]

        def write(base):
            with base:  # one transaction
                base.executemany("INSERT OR REPLACE INTO decoded VALUES (?, ?, ?)", rows)
            self._new.clear()

        if rows:
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
                "CREATE TABLE IF NOT EXISTS decoded (sha256 TEXT, decoder TEXT, problem TEXT, "
                "PRIMARY KEY (sha256, decoder)) WITHOUT ROWID"
            )
            base.execute("SELECT sha256, decoder, problem FROM decoded LIMIT 1").fetchone()
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
