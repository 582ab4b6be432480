"""An index in the making: its text on disk, its rows in memory as numbers.

All that judging, grouping and drawing need to know of two images is whether their names, labels or
contents are equal and which comes first, so a column of text is as good as the ranks of its values.
An image costs 76 bytes of memory, 16 of them until the fingerprints are asked for, whatever the
length of its names and were each a class and a track of its own; on disk, while
the index is made, its names and 20 bytes.
"""

import contextlib
import sqlite3
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transfer.datasets.fingerprints import SIZE, VOID
from transfer.datasets.index import PARTS, Row
from transfer.datasets.runs import ranks
from transfer.errors import InputError

CACHE = 8_192  # KiB of memory for the text
OWN = ("", *PARTS)  # the source's own part of an image, as numbered in Numbers.part
NONE = -1  # where the number of a row or of a track would stand


@dataclass(frozen=True, eq=False)
class Numbers:
    """N rows of a draft, a column of [N] each; ranks are int32 from 0 in the order of the values.

    id, label: ranks; track: ranks, NONE without one; part: int8, the number in OWN; bad: bool,
    whether there is a problem; digest: uint8 [N, 32], the sha256; content: its ranks; prefix: ranks
    of its first 8 bytes, the 16 hex digits that name a group.  row(n): the text of a row.
    """

    id: np.ndarray
    label: np.ndarray
    track: np.ndarray
    part: np.ndarray
    bad: np.ndarray
    digest: np.ndarray
    content: np.ndarray
    prefix: np.ndarray
    row: Callable[[int], Row]

    def __len__(self):
        return len(self.id)


class Draft:
    """Rows as examined: the source's own part in `split`, the track or "" in `group`.

    Their text lies in a nameless file, gone with the object or the process, in SQLite's folder for
    such files: $SQLITE_TMPDIR, else $TMPDIR, else /var/tmp.  Raises InputError where the disk can't
    take it.
    """

    def __init__(self):
        self._base = sqlite3.connect("", check_same_thread=False)  # "": a file without a name
        weakref.finalize(self, self._base.close)
        self._digests, self._parts, self._bad = bytearray(), bytearray(), bytearray()
        self._codes = bytearray()
        with _told():
            self._base.execute(f"PRAGMA cache_size = {-CACHE}")
            self._base.execute("PRAGMA journal_mode = OFF")
            self._base.execute(
                "CREATE TABLE rows (n INTEGER PRIMARY KEY, id TEXT, member TEXT, label TEXT, "
                "track TEXT, problem TEXT)"
            )

    def __len__(self):
        return len(self._parts)

    def add(self, rows, codes=None):
        """Puts a list of Rows at the end; codes: as many fingerprints, None for VOID ones."""
        texts = [
            (n, row.id, row.member, row.label, row.group, row.problem)
            for n, row in enumerate(rows, len(self))
        ]
        with _told():
            self._base.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", texts)
        for row in rows:
            self._digests += bytes.fromhex(row.sha256)
            self._parts.append(OWN.index(row.split))
            self._bad.append(row.problem != "")
        self._codes += b"".join(codes or [VOID] * len(rows))

    def texts(self):
        """Yields (id, member, label, track, sha256, problem) of each row."""
        query = "SELECT n, id, member, label, track, problem FROM rows ORDER BY n"
        with _told():
            for n, id_, member, label, track, problem in self._base.execute(query):
                yield id_, member, label, track, self._digest(n), problem

    def row(self, n):
        """The nth Row, as it was added."""
        query = "SELECT id, member, label, track, problem FROM rows WHERE n = ?"
        with _told():
            id_, member, label, track, problem = self._base.execute(query, [int(n)]).fetchone()
        return Row(id_, member, label, OWN[self._parts[n]], track, self._digest(n), problem)

    def _digest(self, n):
        return self._digests[32 * n : 32 * n + 32].hex()

    def numbers(self):
        """The Numbers of all rows; none can be added any more."""
        digest = np.frombuffer(self._digests, np.uint8).reshape(-1, 32)
        content = ranks(digest)
        prefix = ranks(np.ascontiguousarray(digest[:, :8]))
        return Numbers(
            id=self._ranks("id"),
            label=self._ranks("label"),
            track=self._ranks("track", absent=""),
            part=np.frombuffer(self._parts, np.int8),
            bad=np.frombuffer(self._bad, bool),
            digest=digest,
            content=content,
            prefix=prefix,
            row=self.row,
        )

    def codes(self):
        """big-endian uint64 [N, 2], the fingerprints of all rows, which are forgotten here."""
        codes, self._codes = self._codes, bytearray()
        return np.frombuffer(codes, ">u8").reshape(-1, SIZE // 8)

    def _ranks(self, column, absent=None):
        """int32 [N] of the rank among the distinct values of `column`, NONE where it is `absent`.

        By SQLite, which sorts on disk what memory has no room for.
        """
        found = np.full(len(self), NONE, np.int32)
        query = f"SELECT n, {column} FROM rows WHERE {column} IS NOT ? ORDER BY {column}"
        rank, before = NONE, None
        with _told():
            for n, text in self._base.execute(query, [absent]):
                if text != before:
                    rank, before = rank + 1, text
                found[n] = rank
        return found


@contextlib.contextmanager
def _told():
    try:
        yield
    except sqlite3.Error as fault:
        raise InputError(
            f"the index can't be kept on disk while it is made: {fault}; free space in the folder "
            "for temporary files, or name another by $SQLITE_TMPDIR"
        ) from None
    except UnicodeEncodeError as fault:
        raise InputError(
            f"the name {fault.object!r} is not UTF-8, as every name in an index must be; rename it"
        ) from None
