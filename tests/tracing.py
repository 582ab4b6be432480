"""Memory that Python allocates while something runs."""

import tracemalloc


def peak(iterable):
    """Bytes allocated at once, at most, while the result of `iterable()` is gone through."""
    tracemalloc.start()
    try:
        for _ in iterable():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
