"""Runs of equal values in columns that are in order, and the ranks that values have by them."""

import numpy as np

BLOCK = 8_192  # rows looked at in one go


def ranks(digests):
    """int32 [N] of the rank of each of `digests` uint8 [N, bytes] among the distinct ones."""
    # NumPy takes a string's final zeros for padding; no two of one width are equal for that.
    strings = digests.view(f"S{digests.shape[1]}").ravel()
    order = np.argsort(strings)
    found = np.empty(len(order), np.int32)
    found[order] = np.cumsum(begins(strings, order), dtype=np.int32) - 1
    return found


def begins(values, order):
    """bool [N]: where a run of equal values begins in values[order].  values, order: [N]."""
    begin = np.ones(len(order), bool)
    for start in range(1, len(order), BLOCK):  # a copy of all in order would double them
        block = values[order[start - 1 : start + BLOCK]]
        begin[start : start + BLOCK] = block[1:] != block[:-1]
    return begin


def starts(*columns):
    """bool [n] of n rows in order: whether one is the first or differs from the one before it in
    any of `columns` [n]."""
    first = np.ones(len(columns[0]), bool)
    first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return first


def firsts(begin):
    """int [n]: the place of the first row of each row's run; begin: bool [n], as of `starts`."""
    return np.flatnonzero(begin)[np.cumsum(begin) - 1]


def lasts(begin):
    """int [n]: the place of the last row of each row's run."""
    return np.append(np.flatnonzero(begin)[1:], len(begin))[np.cumsum(begin) - 1] - 1
