"""What of an index is extracted: its different pictures, and those that each part shows.

Numbers alone are held, some 70 bytes a row of the index; names wait on disk until the packs take
them.
"""

import hashlib
from array import array
from dataclasses import dataclass

import numpy as np

from transfer.datasets import runs
from transfer.datasets.index import PARTS
from transfer.features.lines import Lines
from transfer.features.store import keys
from transfer.packs.columns import Strings

_CONTENT, _MEMBER = 32, 16  # bytes: a sha256; a BLAKE2b, of which no two names have the same

FEW = 50_000  # members of which a set is held, 6 MB


@dataclass(frozen=True)
class Part:
    """The n rows of a part: labels int64 [n], 0..C-1; places int32 [n] of their pictures."""

    name: str
    labels: np.ndarray
    places: np.ndarray
    ids: Strings
    groups: Strings


class Pictures:
    """M different pictures, by their places 0..M-1, in the order in which the index lists them
    first.  contents: V32 [M], the sha256 of each."""

    def __init__(self, contents, members):
        """members: V16 [M], `_key` of the first member that shows it."""
        self.contents = contents
        self._order = np.argsort(members).astype(np.int32)
        self._members = members[self._order]

    def __len__(self):
        return len(self._order)

    def place(self, member):
        """The place of the picture that `member` shows, or None where it is not listed first."""
        key = np.frombuffer(_key(member), self._members.dtype)[0]
        at = np.searchsorted(self._members, key)
        if at == len(self._members) or self._members[at] != key:
            return None
        return int(self._order[at])

    def keys(self, chosen):
        """The set of `_key` of the members of those pictures that are `chosen`, bool [M]."""
        return set(self._members[chosen[self._order]].tolist())


class Members:
    """The members that show the pictures at `places`, for a reader: `in` and `len`."""

    def __init__(self, pictures, places):
        self._pictures, self._length = pictures, len(places)
        self._chosen = np.zeros(len(pictures), bool)
        self._chosen[places] = True
        # A set answers several times as fast, and most of a dataset asks for nothing where little
        # of it is new; for many it would take much memory.
        self._keys = pictures.keys(self._chosen) if len(places) <= FEW else None

    def __len__(self):
        return self._length

    def __contains__(self, member):
        if self._keys is not None:
            return _key(member) in self._keys
        place = self._pictures.place(member)
        return place is not None and bool(self._chosen[place])


def listed(rows):
    """(Pictures, [Part of each of PARTS], class names, sorted) of the index `rows`, gone through
    once; rows of no part are passed over.

    Raises InputError for a row without a sha256, and where the disk can't take the names.
    """
    contents, members, numbers = bytearray(), bytearray(), {}
    labels, parts = array("i"), array("b")
    ids, groups = {part: Lines() for part in PARTS}, {part: Lines() for part in PARTS}
    for row in rows:
        if row.split in PARTS:
            contents += keys.of_image(row.sha256)
            members += _key(row.member)
            labels.append(numbers.setdefault(row.label, len(numbers)))
            parts.append(PARTS.index(row.split))
            ids[row.split].add(row.id)
            groups[row.split].add(row.group)
    contents, members = (
        np.frombuffer(contents, f"V{_CONTENT}"),
        np.frombuffer(members, f"V{_MEMBER}"),
    )
    first, places = _each_once(contents)
    if len(first) < len(contents):  # else they are taken as they are, without a copy
        contents, members = contents[first], members[first]
    classes = sorted(numbers)
    rank = np.empty(len(classes), np.int64)  # of a label's number among the sorted names
    rank[[numbers[name] for name in classes]] = np.arange(len(classes))
    labels, parts = np.asarray(labels), np.asarray(parts)
    found = []
    for number, part in enumerate(PARTS):
        mine = parts == number
        names = (Strings(lines, len(lines), lines.width) for lines in (ids[part], groups[part]))
        found.append(Part(part, rank[labels[mine]], places[mine], *names))
    return Pictures(contents, members), found, classes


def _each_once(contents):
    """(rows int64 [M] that show a content first, ascending; places int32 [R] in them of the content
    of each row) of `contents` V32 [R]."""
    order = np.argsort(contents, kind="stable")  # equal contents side by side, in the rows' order
    starts = runs.begins(contents, order)
    first = np.sort(order[starts])
    places = np.empty(len(order), np.int32)
    places[order] = np.searchsorted(first, order[starts])[np.cumsum(starts) - 1]
    return first, places


def _key(member):
    return hashlib.blake2b(member.encode(), digest_size=_MEMBER).digest()
