"""Sizes and free space, of places that may not be there yet."""

import contextlib
import os
import shutil
from pathlib import Path


def ground(place):
    """The nearest folder to `place`, itself or above, that is there."""
    place = Path(place).absolute()
    while not place.is_dir():
        place = place.parent
    return place


def free(place):
    """Bytes that a user may still write on the disk of `place`."""
    return shutil.disk_usage(ground(place)).free


def same(a, b):
    """Whether two places lie on one file system."""
    return os.stat(ground(a)).st_dev == os.stat(ground(b)).st_dev


def size(place):
    """Bytes of all files below the folder `place`, one of several names once; 0 where it is not
    there."""
    found = {}
    for folder, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a run may remove it meanwhile
                status = os.lstat(os.path.join(folder, name))
                found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())
