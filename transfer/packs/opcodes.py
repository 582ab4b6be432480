"""The pickle opcodes of a pack: plain values, and arrays as a stream of their rows.

They are written by hand, so that every array lies unbroken, at a multiple of 64 bytes, where it can
be used straight from the file.  PEP 3154 and CPython's Lib/pickletools.py describe them.
"""

import struct

import numpy as np

from transfer.errors import InputError

_ALIGN = 64


def write_array(file, key, shape, dtype, chunks):
    """One item of the dict: the array of `shape` and `dtype` whose rows `chunks` yields."""
    dtype = np.dtype(dtype)
    width = (-1, -1) if dtype.kind != "U" else (dtype.itemsize, 4)
    state = (3, "<", None, None, None, *width, 8 if dtype.kind == "U" else 0)
    file.write(
        plain(key)
        # NumPy 2 keeps the old name of this module for reading; NumPy 1 has no other.
        + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + plain((0,))
        + b"C\x01b\x87R("  # _reconstruct(ndarray, (0,), b"b"), then a mark: its state begins
        + plain(1)
        + plain(shape)
        + b"cnumpy\ndtype\n"
        + plain((dtype.str[1:], False, True))
        + b"R"
        + plain(state)
        + b"b\x89"  # the dtype's state is set; not in Fortran order
    )
    # Bytes that are put on the stack and dropped bring the data to their place.
    gap = -(file.tell() + 9) % _ALIGN
    gap += _ALIGN if 0 < gap < 3 else 0
    file.write(b"C" + bytes([gap - 3]) + bytes(gap - 3) + b"0" if gap else b"")
    file.write(b"\x8e" + struct.pack("<Q", dtype.itemsize * int(np.prod(shape, dtype=object))))
    for chunk in chunks:
        file.write(np.ascontiguousarray(chunk, dtype).reshape(-1).view(np.uint8).data)
    file.write(b"tbs")


def plain(value):
    """Opcodes of a plain value; dicts by sorted keys, so that equal ones have equal bytes."""
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(data)) + data
    return _container(value)


def _container(value):
    if isinstance(value, list | tuple):
        parts = b"".join(map(plain, value))
        return b"(" + parts + b"t" if isinstance(value, tuple) else b"](" + parts + b"e"
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return b"}(" + b"".join(plain(k) + plain(value[k]) for k in sorted(value)) + b"u"
    raise InputError(f"a pack's recipe may hold plain values alone; received {value!r}")
