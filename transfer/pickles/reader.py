"""Pickles and `.npy` files read as data: NumPy arrays and plain containers, and nothing else.

A pickle is a program for a small stack machine.  `machine` is that machine without the opcodes'
power: the few names that arrays need are understood as words and never imported, so a file can't
run anything.  Array data are read-only views of the source, so a mapped file costs no memory.  What
a file declares is checked against what it holds before memory is taken.
"""

import mmap
import re
from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.pickles import arrays, containers
from transfer.pickles.machine import Machine
from transfer.pickles.opcodes import OPCODES

_NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?)(\w+)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}L?, ?)*(?:\d{1,19}L?)?)\),? ?\}\s*"
)


def load(source, name=None):
    """The object in a pickle of protocol 0 to 5, as `pickle.load(encoding="latin1")` gives it.

    `source`: bytes, memoryview or mmap of the whole pickle, or a Path, which is mapped; `name`:
    what messages call it.  Builds None, bool, int, float, str, bytes, list, tuple, dict (keys: str,
    bytes or int), NumPy dtypes, scalars and arrays of bool, int, uint, float, complex, S and U
    (read-only views of the source, in the byte order it has there) and object arrays of all these.
    Raises InputError for anything else, or where the file is damaged.
    """
    if isinstance(source, Path):
        name = name or str(source)
        source = mapped(source, name)
    name = name or "the pickle"
    value = Machine(memoryview(source).cast("B").toreadonly(), name).run(OPCODES)
    containers.check_nesting(value, name)
    return value


def load_npy(path, name=None):
    """The array in a `.npy` file, mapped read-only; one of dtype O is read as `load` reads it.

    Raises InputError where it is no `.npy` file, or its header does not fit what follows.
    """
    name = name or str(path)
    data = memoryview(mapped(Path(path), name))
    major = data[6] if len(data) > 12 and data[:6] == b"\x93NUMPY" else 0
    if major not in (1, 2):
        raise InputError(
            f"{name} is not a .npy file of version 1 or 2: it begins with {bytes(data[:8])!r}"
        )
    start = 10 if major == 1 else 12
    stop = start + int.from_bytes(data[8:start], "little")
    header = bytes(data[start : min(stop, start + 65536)])
    fields = _NPY_HEADER.fullmatch(header)
    dtype = fields and arrays.dtype_of(fields[2].decode(), fields[1].decode())
    if dtype is None:
        raise InputError(
            f"{name}: its header {header[:80]!r} is not of an array of numbers, strings or objects"
        )
    shape = tuple(int(n) for n in re.findall(rb"\d+", fields[4]))
    if not dtype.hasobject:
        return arrays.view(shape, dtype, data[stop:], "F" if fields[3] == b"True" else "C", name)
    array = load(data[stop:], name)
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        raise InputError(f"{name}: its header tells of objects {shape}, its content is not that")
    return array


def mapped(path, name):
    """The file `path` as an mmap; raises InputError where it can't be, which calls it `name`."""
    try:
        with path.open("rb") as handle:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise InputError(f"{name} is not here; make or fetch it first") from None
    except ValueError:  # the system can't map what has no length
        raise InputError(f"{name} is empty; expected a file of arrays, fetch it again") from None
    except OSError as fault:
        raise InputError(f"{name} can't be read: {fault.strerror or fault}") from None
