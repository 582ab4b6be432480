"""Memory that Python and NumPy allocate while something runs."""

import tracemalloc
from collections import deque


def peak(run):
    """Bytes allocated at once, at most, while `run()` runs, beyond those before."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def peak_through(iterable):
    """The same while the result of `iterable()` is gone through."""
    return peak(lambda: deque(iterable(), maxlen=0))
