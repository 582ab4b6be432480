"""Files of arrays too large for memory."""

import os

import numpy as np

from transfer.errors import InputError


def created(path, dtype, shape):
    """A new .npy file at `path`, mapped for writing, which has all its room from the start: a disk
    that is full later would end the process without a word.

    Raises InputError where there is too little room.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    size = path.stat().st_size
    try:
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as fault:
        path.unlink()
        raise InputError(
            f"{path} needs {size:,} bytes: {fault.strerror}; free some there"
        ) from None
    return array
