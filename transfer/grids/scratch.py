"""Folders for runs, outside of the workspace, that no killed run leaves for good."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from transfer.downloads import kept


@contextlib.contextmanager
def folder():
    """A new folder below $TMPDIR, else below the store; it is gone afterwards.

    What a killed process left there is removed first: a folder is in use while it is locked, and
    the lock of a process ends with it.
    """
    place = Path(os.environ.get("TMPDIR") or kept.store_folder(), "cells-scratch")
    place.mkdir(parents=True, exist_ok=True)
    with _locked(place):  # nobody sweeps between the making of a folder and its lock
        for other in sorted(place.iterdir()):
            with (
                contextlib.suppress(BlockingIOError, FileNotFoundError),  # in use, or gone by now
                _locked(other, fcntl.LOCK_NB),
            ):
                shutil.rmtree(other, ignore_errors=True)
        made = Path(tempfile.mkdtemp(dir=place))
        lock = contextlib.ExitStack()
        lock.enter_context(_locked(made))
    with lock:
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder, more=0):
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | more)
        yield
    finally:
        os.close(number)
