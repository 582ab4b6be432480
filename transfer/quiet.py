"""What libraries print of their own is kept off the terminal."""

import contextlib
import os
import sys


@contextlib.contextmanager
def stderr():
    """What is written to stderr meanwhile, from Python and C++, is lost; faults still raise."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
