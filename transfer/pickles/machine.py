"""The stack machine that a pickle is a program for, and what it lets stand on its stack.

It knows no opcode by itself: `run` is given them.  Here are the limits that they all keep.
"""

import struct

from transfer.errors import InputError

# A file of arrays has few objects: a whole batch of CIFAR-10 takes 30,000 steps, CIFAR-100 200,000.
# The limit keeps a hostile file near a second and under 200 MB, however long it is.
MOST_STEPS = 500_000
FROM_TRUSTED = "it was not run; take the file from a source you trust, or save its arrays anew"
_SLACK = 1 << 20  # bytes that a file may have copied beyond its own length
_STOP = ord(".")


def short(value):
    """How a message shows something out of a file: on one line, printable and not long."""
    if isinstance(value, tuple):  # its parts may be containers, and endless when written out
        value = str(tuple(n if type(n) is int else type(n).__name__ for n in value[:9]))
    text = ascii(value if isinstance(value, str) else type(value).__name__)[1:-1]
    return text if len(text) <= 80 else text[:77] + "..."


class Pending:
    """What stands on the stack and is no object yet; `settled` makes it one, once."""

    __slots__ = ()


class Raw(Pending):
    """Long bytes, a view of the file: array data, unless a container asks for the object."""

    __slots__ = ("kind", "value", "view")

    def __init__(self, view, kind):
        self.view, self.kind, self.value = view, kind, None

    def settled(self, _):
        if self.value is None:
            self.value = self.kind(self.view)
        return self.value


class Machine:
    """The machine over `data`, a memoryview of bytes that messages call `name`."""

    def __init__(self, data, name):
        self.data, self.name = data, name
        self.at, self.left, self.copied = 0, MOST_STEPS, 0
        self.stack, self.marks, self.memo = [], [], {}

    def run(self, opcodes):
        """The object that the program leaves; `opcodes`: {opcode: what it does to the machine}."""
        start = 0
        try:
            while True:
                start = self.at
                op = self.take(1)[0]
                if op == _STOP:
                    break
                self.spend(1)
                opcodes.get(op, Machine.refuse_opcode)(self)
            value = self.settle(self.stack.pop())
        except InputError:
            raise
        # What the parts of the standard library that decode numbers and text raise, and what an
        # empty stack, an unknown memo or an operand of another type raises in an opcode.
        except (LookupError, TypeError, ValueError, OverflowError, struct.error, Warning) as fault:
            raise InputError(
                f"{self.name} is not a pickle, or a damaged one: byte {start} can't be understood"
                f" ({short(str(fault))}); fetch or write it again"
            ) from None
        if self.at != len(self.data):
            raise InputError(
                f"{self.name} goes on for {len(self.data) - self.at} bytes after its end; it is"
                " damaged, fetch or write it again"
            )
        return value

    # The file.

    def take(self, count):
        data = self.data[self.at : self.at + count]
        if len(data) != count:
            raise InputError(
                f"{self.name} is cut short: byte {self.at} needs {count} more bytes and"
                f" {len(self.data) - self.at} are left; fetch or write it again"
            )
        self.at += count
        return data

    def number(self, width):
        return int.from_bytes(self.take(width), "little")

    def line(self):
        size = 256  # a protocol 0 array is one long line: look in ever larger pieces
        while (end := bytes(self.data[self.at : self.at + size]).find(b"\n")) < 0:
            if size > len(self.data):
                end = len(self.data) - self.at  # which `take` tells as cut short
                break
            size *= 4
        return bytes(self.take(end + 1)[:-1])

    # The limits.

    def spend(self, steps):
        self.left -= steps
        if self.left < 0:
            raise InputError(
                f"{self.name} builds more than {MOST_STEPS} objects, which a file of arrays does"
                " not need; save its lists as arrays"
            )

    def copy(self, count):
        self.copied += count
        if self.copied > len(self.data) + _SLACK:
            raise InputError(f"{self.name} unfolds to more data than it holds; {FROM_TRUSTED}")

    def refuse(self, what):
        raise InputError(
            f"{self.name} asks for {short(what)}, which a file of arrays never needs;"
            f" {FROM_TRUSTED}"
        )

    def refuse_opcode(self):
        raise InputError(
            f"{self.name} is not a pickle, or a damaged one: byte {self.at - 1} is"
            f" 0x{self.data[self.at - 1]:02x}; fetch or write it again"
        )

    # The stack.

    def settle(self, value):
        """`value` as an object of its own, made once however often it is referred to."""
        return value.settled(self) if isinstance(value, Pending) else value

    def pop_mark(self):
        items, self.stack = self.stack, self.marks.pop()
        return items
