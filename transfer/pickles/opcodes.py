"""The opcodes of a pickle: what each does to the machine, its only argument.

PEP 307, 3154 and 574 and CPython's Lib/pickletools.py describe them.
"""

import codecs
import struct

from transfer.errors import InputError
from transfer.pickles import arrays, containers
from transfer.pickles.machine import Raw


def _proto(m):
    version = m.number(1)
    if version > 5:
        raise InputError(
            f"{m.name} is a pickle of protocol {version}, or none at all; expected 0 to 5"
        )


def _frame(m):
    if m.number(8) > len(m.data) - m.at:
        raise InputError(f"{m.name} is cut short in a frame; fetch or write it again")


def _refused(what):
    """An opcode that arrays never need; as the first byte it is rather that of another file."""
    return lambda m: m.refuse(what) if m.at > 1 else m.refuse_opcode()


# The stack and the memo.


def _pop(m):
    if m.stack:
        m.stack.pop()
    else:
        m.pop_mark()


def _memo(index):
    """(put, get) at the number that `index` reads."""

    def put(m):
        at = index(m)
        m.memo[at] = m.stack[-1]

    return put, lambda m: m.stack.append(m.memo[index(m)])


# Plain values.


def _constant(value):
    return lambda m: m.stack.append(value)


def _line(decode):
    return lambda m: m.stack.append(decode(m.line()))


def _struct(layout):
    reader = struct.Struct(layout)
    return lambda m: m.stack.append(reader.unpack(m.take(reader.size))[0])


def _long(width):
    def push(m):
        size = m.number(width)
        if size > 256:
            raise ValueError(f"an integer of {size} bytes")
        m.stack.append(int.from_bytes(m.take(size), "little", signed=True))

    return push


def _counted(width, kind):
    """A string with its length before it; text and short strings at once, long bytes as a view."""

    def push(m):
        view = m.take(m.number(width))
        m.stack.append(kind(view) if width == 1 or kind is _utf8 else Raw(view, kind))

    return push


def _latin(view):
    return str(view, "latin-1")


def _utf8(view):
    return str(view, "utf-8", "surrogatepass")


def _string(line):
    """The text form of a Python 2 str, with its quotes."""
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string without quotes")
    return Raw(memoryview(codecs.escape_decode(line[1:-1])[0]), _latin)


# Names; what they are for is in `arrays`.


def _global_lines(m):
    arrays.push_global(m, m.line().decode(), m.line().decode())


def _global_stacked(m):
    name, module = m.settle(m.stack.pop()), m.settle(m.stack.pop())
    if not (isinstance(name, str) and isinstance(module, str)):
        raise TypeError("a global's name is not text")
    arrays.push_global(m, module, name)


def _instance(m):
    m.refuse(f"an instance of {m.line().decode()}.{m.line().decode()}")


_PUT, _GET = _memo(lambda m: int(m.line()))
_BINPUT, _BINGET = _memo(lambda m: m.number(1))
_LONG_BINPUT, _LONG_BINGET = _memo(lambda m: m.number(4))
_MEMOIZE, _ = _memo(lambda m: len(m.memo))
OPCODES = {
    ord(letter): do
    for letters, do in {
        "\x80": _proto,
        "\x95": _frame,
        "(": containers.mark,
        "0": _pop,
        "1": lambda m: m.pop_mark(),
        "2": lambda m: m.stack.append(m.stack[-1]),
        "p": _PUT,
        "q": _BINPUT,
        "r": _LONG_BINPUT,
        "\x94": _MEMOIZE,
        "g": _GET,
        "h": _BINGET,
        "j": _LONG_BINGET,
        "N": _constant(None),
        "\x88": _constant(True),
        "\x89": _constant(False),
        "I": _line(lambda line: line == b"01" if line in (b"00", b"01") else int(line)),
        "L": _line(lambda line: int(line.rstrip(b"L"))),
        "F": _line(float),
        "S": _line(_string),
        "V": _line(lambda line: str(line, "raw-unicode-escape")),
        "J": _struct("<i"),
        "K": _struct("<B"),
        "M": _struct("<H"),
        "G": _struct(">d"),
        "\x8a": _long(1),
        "\x8b": _long(4),
        "U": _counted(1, _latin),
        "T": _counted(4, _latin),
        "\x8c": _counted(1, _utf8),
        "X": _counted(4, _utf8),
        "\x8d": _counted(8, _utf8),
        "C": _counted(1, bytes),
        "B": _counted(4, bytes),
        "\x8e": _counted(8, bytes),
        "\x96": _counted(8, bytearray),
        ")": lambda m: containers.push_tuple(m, ()),
        "\x85": containers.tuple_of(1),
        "\x86": containers.tuple_of(2),
        "\x87": containers.tuple_of(3),
        "t": lambda m: containers.push_tuple(m, m.pop_mark()),
        "]": containers.empty(list),
        "l": containers.marked(list, containers.extend),
        "a": lambda m: containers.extend(m, [m.stack.pop()]),
        "e": lambda m: containers.extend(m, m.pop_mark()),
        "}": containers.empty(dict),
        "d": containers.marked(dict, containers.update),
        "s": containers.set_item,
        "u": lambda m: containers.update(m, m.pop_mark()),
        "c": _global_lines,
        "\x93": _global_stacked,
        "R": arrays.reduce,
        "b": arrays.build,
        "i": _instance,
        "PQ": _refused("an object by a persistent id"),
        "o\x81\x92": _refused("an instance of a class"),
        "\x82\x83\x84": _refused("a registered extension"),
        "\x8f\x90\x91": _refused("a set"),
        "\x97\x98": _refused("a buffer outside the file"),
    }.items()
    for letter in letters
}
