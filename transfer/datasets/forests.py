"""Which of N nodes hang together: trees of one root each, in 4 bytes a node."""

import numpy as np


class Forest:
    """N nodes 0..N-1, of which each that has the same number in `seeds` [N] begins in one tree.

    The root of a tree is its first node.
    """

    def __init__(self, seeds):
        first = np.full(seeds.max(initial=-1) + 1, len(seeds), np.int32)
        np.minimum.at(first, seeds, np.arange(len(seeds), dtype=np.int32))
        self._parent = first[seeds]

    def roots(self, nodes):
        """int32 [n]: the root of each of `nodes` (integers [n])."""
        found = self._parent[nodes]
        while True:
            above = self._parent[found]
            if np.array_equal(above, found):
                self._parent[nodes] = found
                return found
            found = above

    def join(self, one, other):
        """Makes one tree of those of two nodes; returns whether they were two."""
        low, high = sorted((self._root(one), self._root(other)))
        self._parent[high] = low
        return low != high

    def _root(self, node):
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return int(node)
