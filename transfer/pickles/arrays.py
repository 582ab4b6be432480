"""NumPy's forms: the names that a pickle of arrays calls, what they give, and the checks.

`GLOBALS` holds every name that a pickle may use; none is imported, each is a function here.
"""

import math
import re

import numpy as np

from transfer.errors import InputError
from transfer.pickles.machine import Pending, Raw, short

_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6}|O[48]?")


def dtype_of(name, order=""):
    """The dtype of `name` in the byte order `order`; None where it is not one that we read.

    Objects are written as O, O4 or O8, after the machine that wrote them.
    """
    if not isinstance(name, str) or not _DTYPE.fullmatch(name):
        return None
    return np.dtype(object if name[0] == "O" else order + name)


def view(shape, dtype, data, order, name):
    """ndarray `shape` over the buffer `data`, after checking that they fit."""
    count = _count(shape, name)
    if count * dtype.itemsize != len(data) or (count and not dtype.itemsize):
        raise InputError(
            f"{name} declares an array {shape} of {dtype}, {count * dtype.itemsize} bytes, and"
            f" holds {len(data)} for it; it is damaged, fetch or write it again"
        )
    if dtype.kind == "U" and len(data):
        points = np.ndarray(len(data) // 4, np.dtype("u4").newbyteorder(dtype.byteorder), data)
        if points.max() > 0x10FFFF:
            raise InputError(f"{name} holds text with characters that do not exist; it is damaged")
    return np.ndarray(shape, dtype, buffer=data, order=order)


def _count(shape, name):
    """Number of elements; NumPy's own limits are kept even where another axis is 0 long."""
    if not (
        isinstance(shape, tuple)
        and len(shape) <= 32
        and all(type(n) is int and n >= 0 for n in shape)
        and math.prod(n for n in shape if n) < 1 << 40
    ):
        raise InputError(f"{name} declares an array of the impossible shape {short(shape)}")
    return math.prod(shape)


class _Global(Pending):
    """A name out of `GLOBALS`, known by its last word."""

    __slots__ = ("call", "word")

    def __init__(self, name):
        self.call, self.word = GLOBALS[name], name.rpartition(".")[2]

    def settled(self, machine):
        machine.refuse(f"the function {self.word} as a value")


class _Shell(Pending):
    """A dtype, or an array that `_reconstruct` began and BUILD completes (None until then)."""

    __slots__ = ("value",)

    def __init__(self, value=None):
        self.value = value

    def settled(self, machine):
        if self.value is None:
            raise InputError(f"{machine.name} holds an array without its data; it is damaged")
        return self.value


# The opcodes; the first argument of all that follows is the machine.


def push_global(m, module, name):
    name = f"{module}.{name}"
    if name not in GLOBALS:
        m.refuse(name)
    m.stack.append(_Global(name))


def reduce(m):
    arguments, function = m.stack.pop(), m.stack.pop()
    if type(function) is not _Global or not isinstance(arguments, tuple):
        raise TypeError("a call of what is not a function")
    if function.call is None:
        m.refuse(f"a call of {function.word}")
    m.stack.append(function.call(m, *arguments))


def build(m):
    state, shell = m.stack.pop(), m.stack[-1]
    if type(shell) is not _Shell or not isinstance(state, tuple):
        m.refuse(f"a state to be set on {type(shell).__name__}")
    if isinstance(shell.value, np.dtype):
        shell.value = _built_dtype(m, shell.value, m.settle(state))
    elif shell.value is None:
        _, shape, dtype, fortran, data = state
        dtype, order = m.settle(dtype), "F" if fortran else "C"
        if isinstance(dtype, np.dtype) and dtype.hasobject:
            shell.value = _object_array(m, shape, data, order)
        else:
            shell.value = _array(m, shape, dtype, data, order)
    else:
        m.refuse("a second state for one array")


def _built_dtype(m, dtype, state):
    if not 8 <= len(state) <= 9 or state[1] not in ("<", ">", "|", "="):
        raise ValueError("a dtype's state is not understood")
    if state[2:5] != (None, None, None):
        m.refuse("an array of records")
    if not dtype.hasobject and state[5] not in (-1, dtype.itemsize):
        raise ValueError("a dtype's size is not that of its name")
    return dtype.newbyteorder(state[1]) if state[1] in "<>" else dtype


def _array(m, shape, dtype, data, order):
    dtype = m.settle(dtype)
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        m.refuse("objects inside an array's data")
    return view(shape, dtype, _bytes_of(m, data), order, m.name)


def _object_array(m, shape, data, order):
    if type(data) is not list or _count(shape, m.name) != len(data):
        raise ValueError("an array's objects are not as many as its shape tells")
    m.spend(len(data))
    array = np.empty(len(data), dtype=object)
    for index, item in enumerate(data):
        array[index] = item
    return array.reshape(shape).copy(order=order)


def _bytes_of(m, data):
    """The data of an array or scalar: a view, or text of one byte a character."""
    data = data.view if type(data) is Raw else data
    if isinstance(data, str):
        data = _encode(m, data, "latin1")
    if not isinstance(data, bytes | memoryview):
        raise TypeError("an array's data are not bytes")
    return memoryview(data)


# The functions that a pickle may call.


def _reconstruct(m, kind, *_):
    if type(kind) is not _Global or kind.word != "ndarray":
        m.refuse("an array of another class than numpy.ndarray")
    return _Shell()


def _frombuffer(m, data, dtype, shape, order, axes=None):
    order = m.settle(order)
    if order not in ("C", "F", "K"):
        raise ValueError("an array's order is not C, F or K")
    array = _array(m, shape, dtype, data, "F" if order == "F" else "C")
    return array.transpose(m.settle(axes)) if order == "K" else array


def _scalar(m, dtype, data):
    dtype, data = m.settle(dtype), _bytes_of(m, data)
    m.copy(len(data))
    if not len(data) and isinstance(dtype, np.dtype) and dtype.kind in "SU":
        return dtype.type()
    return _array(m, (), dtype, data, "C")[()]


def _dtype(m, name, *_):
    name = m.settle(name)
    dtype = dtype_of(name)
    return _Shell(dtype) if dtype is not None else m.refuse(f"the dtype {short(name)}")


def _encode(m, text, codec):
    text, codec = m.settle(text), m.settle(codec)
    if codec not in ("latin1", "latin-1"):
        m.refuse(f"the codec {short(codec)}")
    m.copy(len(text))
    return str.encode(text, "latin-1")


def _bytes(m, *arguments):
    return b"" if not arguments else m.refuse("bytes() of something")


GLOBALS = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,  # arrays at protocol 5
    "numpy._core.numeric._frombuffer": _frombuffer,
    "numpy.ndarray": None,  # what `_reconstruct` is told to make; no pickle of arrays calls it
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,  # how Python 3 writes bytes at protocols 0 to 2
    "__builtin__.bytes": _bytes,  # and empty ones
    "builtins.bytes": _bytes,
}
