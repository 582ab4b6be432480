"""Near fingerprints among many: which hang together, by as few pairs as tell it.

Exact: two fingerprints that differ in at most D = DISTANCE of their bits agree in two at least of
D + 2 bands, since each differing bit spoils one.  So for each two bands the nodes are sorted by
both, and only nodes that agree in them are compared.  Of 1,000,000 random fingerprints these are
140,000,000 pairs.  A pair is compared only if it may still join something, so thousands of pictures
that are all near each other cost a chain and not their square.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from transfer.datasets.fingerprints import BITS
from transfer.datasets.forests import Forest

# Measured on the mirror's pictures: at least 99 % of re-encoded, halved, brighter, grey or (by 2 %)
# cropped flowers are within so many bits; of 31 million pairs of signs of two classes one is, and
# none of CIFAR-10's or of other flowers.
DISTANCE = 12
_BLOCK = 65_536  # pairs compared in one go
_BANDS = DISTANCE + 2
_ENDS = [round(BITS * band / _BANDS) for band in range(_BANDS + 1)]


@dataclass(frozen=True, eq=False)
class Links:
    """P pairs that join: one, other: int32 [P] of nodes, distance: uint8 [P].

    sets: a Forest of what is near by any of the pairs; kin: one of what is near within a kind.
    """

    one: np.ndarray
    other: np.ndarray
    distance: np.ndarray
    sets: Forest
    kin: Forest


def links(codes, kind, seeds):
    """The Links of M nodes that are at most DISTANCE apart.

    codes: uint64 [2, M], the words of fingerprints; kind: int32 [M], nodes of one kind, if not
    below 0, are joined in `kin`; seeds: integers [M], nodes of one seed are together from
    the first on.  Nodes are in the order of (kind, code), which decides what pairs are found, never
    what they join.
    """
    search = _Search(codes, kind, Forest(seeds), Forest(seeds), [])
    equal = (codes[:, 1:] == codes[:, :-1]).all(0) & (kind[1:] == kind[:-1])
    repeats = np.flatnonzero(equal).astype(np.int32)
    for block in _blocks(repeats):
        search.compare(block, block + 1)
    nodes = np.flatnonzero(np.append(True, ~equal)[: len(kind)]).astype(np.int32)
    for low, high in combinations(range(_BANDS), 2):
        search.bands(nodes, low, high)
    found = np.array(search.found, np.int32).reshape(-1, 3)
    return Links(found[:, 0], found[:, 1], found[:, 2].astype(np.uint8), search.sets, search.kin)


@dataclass
class _Search:
    codes: np.ndarray  # uint64 [2, M]
    kind: np.ndarray
    sets: Forest
    kin: Forest
    found: list

    def bands(self, nodes, low, high):
        """Compares those of `nodes` (int32) that agree in the two bands."""
        keys = self._band(nodes, low)
        keys <<= np.uint64(12)
        keys |= self._band(nodes, high)
        keys <<= np.uint64(32)
        keys |= nodes.view(np.uint32)
        keys.sort()
        order = keys.astype(np.uint32).view(np.int32)  # the lower half: nodes
        keys >>= np.uint64(32)
        keys = keys.astype(np.uint32)  # half the memory of all that is made of them below
        places = np.arange(len(keys), dtype=np.int32)
        lag = 1
        while len(places):
            places = places[places < len(keys) - lag]
            places = places[keys[places] == keys[places + lag]]
            for block in _blocks(places):
                self.compare(order[block], order[block + lag])
            if lag & (lag - 1) == 0 and lag > 4:
                places = places[~self._settled(keys, order, places)]
            lag += 1

    def _band(self, nodes, band):
        start, end = _ENDS[band], _ENDS[band + 1]
        word, last = start // 64, (end - 1) // 64
        bits = self.codes[word, nodes]
        bits >>= np.uint64(max(64 * word + 64 - end, 0))
        if last != word:
            more = np.uint64(end - 64 * last)
            bits <<= more
            bits |= self.codes[last, nodes] >> (np.uint64(64) - more)
        bits &= np.uint64((1 << (end - start)) - 1)
        return bits

    def compare(self, one, other):
        """Joins the near ones of pairs of nodes, int32 [n] each."""
        distance = self._differing(one, other, 0)
        close = np.flatnonzero(distance <= DISTANCE)  # few: the other word decides for these alone
        one, other = one[close], other[close]
        distance = distance[close] + self._differing(one, other, 1)
        near = np.flatnonzero((distance <= DISTANCE) & self._useful(one, other))
        pairs = (one[near].tolist(), other[near].tolist(), distance[near].tolist())
        for first, second, apart in zip(*pairs, strict=True):
            joined = self.sets.join(first, second)
            if self.kind[first] == self.kind[second] >= 0:
                joined |= self.kin.join(first, second)
            if joined:
                self.found.append((first, second, apart))

    def _differing(self, one, other, word):
        return np.bitwise_count(self.codes[word, one] ^ self.codes[word, other])

    def _useful(self, one, other):
        """bool [n]: whether a pair may still join anything."""
        useful = self.sets.roots(one) != self.sets.roots(other)
        alike = np.flatnonzero((self.kind[one] == self.kind[other]) & (self.kind[one] >= 0))
        useful[alike] |= self.kin.roots(one[alike]) != self.kin.roots(other[alike])
        return useful

    def _settled(self, keys, order, places):
        """bool [places]: whether no two nodes with a place's key may still join anything.

        Nodes of one kind stand in a row, so that neighbours tell it of all.
        """
        touched = np.isin(keys, keys[places])
        touched = np.flatnonzero(touched[1:] & (keys[1:] == keys[:-1]))
        open_ = touched[self._useful(order[touched], order[touched + 1])]
        return ~np.isin(keys[places], keys[open_])


def _blocks(places):
    for start in range(0, len(places), _BLOCK):
        yield places[start : start + _BLOCK]
