"""Streams of images: worked out ahead by all cores, and gathered to batches."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from transfer.features.engine import BATCH


def ahead(look, items):
    """Yields look(item) of each of `items`, in their order, worked out by a pool of threads that
    runs a few batches ahead and no further; a fault of `look` comes in its turn."""
    workers = os.cpu_count() or 1
    pool, pending = ThreadPoolExecutor(workers), deque()
    try:
        for item in items:
            pending.append(pool.submit(look, item))
            if len(pending) > 2 * BATCH + workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:  # after a fault, or when nobody wants the rest
        pool.shutdown(cancel_futures=True)


def batches(squares, size, length):
    """From (key, uint8 [size, size, 3]) to (keys, uint8 [length, size, size, 3]), the batches that
    an Engine takes; the last one is padded with zeros."""
    keys, images = [], np.zeros((length, size, size, 3), np.uint8)
    for key, pixels in squares:
        images[len(keys)] = pixels
        keys.append(key)
        if len(keys) == length:
            yield keys, images
            keys, images = [], np.zeros((length, size, size, 3), np.uint8)
    if keys:
        yield keys, images
