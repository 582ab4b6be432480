"""Tuples, lists and dicts: the opcodes that fill them, and how deep and large they may nest."""

import numpy as np

from transfer.errors import InputError
from transfer.pickles.machine import FROM_TRUSTED, MOST_STEPS, Pending

_COST = 8  # steps that a new container counts as, for its memory
_MOST_DEPTH = 100


class _Loose(tuple, Pending):
    """A tuple with parts that are not settled yet: arguments of a call, a state, or plain data."""

    value = None

    def settled(self, machine):
        if self.value is None:
            self.value = tuple([machine.settle(part) for part in self])
        return self.value


# The opcodes; `m` is the machine.


def mark(m):
    m.spend(_COST)
    m.marks.append(m.stack)
    m.stack = []


def push_tuple(m, items):
    m.spend(_COST)
    items = [m.settle(item) if type(item) is _Loose else item for item in items]
    loose = any(isinstance(item, Pending) for item in items)
    m.stack.append(_Loose(items) if loose else tuple(items))


def tuple_of(count):
    def push(m):
        items = m.stack[-count:]
        if len(items) != count:
            raise IndexError("too few objects for a tuple")
        del m.stack[-count:]
        push_tuple(m, items)

    return push


def empty(kind):
    def push(m):
        m.spend(_COST)
        m.stack.append(kind())

    return push


def marked(kind, fill):
    def push(m):
        items = m.pop_mark()
        empty(kind)(m)
        fill(m, items)

    return push


def extend(m, items):
    target = m.stack[-1]
    if type(target) is not list:
        raise TypeError("append to what is not a list")
    target.extend([m.settle(item) for item in items])


def update(m, items):
    target = m.stack[-1]
    if type(target) is not dict or len(items) % 2:
        raise TypeError("set an item of what is not a dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        settled = m.settle(key)
        # Other keys (tuples, floats, long integers) can be chosen to collide and hang a dict.
        if not isinstance(settled, str | bytes | int) or (
            isinstance(settled, int) and settled.bit_length() > 64
        ):
            m.refuse(f"a dict's key of type {type(settled).__name__}")
        target[settled] = m.settle(value)


def set_item(m):
    items = m.stack[-2:]
    del m.stack[-2:]
    update(m, items)


# The whole.


def check_nesting(root, name):
    """Raises InputError where containers nest too deep, hold themselves, or, with all shared parts
    written out, are larger than any honest file: whoever prints or compares them would hang."""
    weights = {}  # id: (depth, elements once all that is shared is written out)
    path = {}  # the containers from the root to here, in order
    todo = [root]
    while todo:
        node = todo[-1]
        if id(node) in weights:
            todo.pop()
            continue
        parts = _parts(node)
        within = [part for part in parts if isinstance(part, list | tuple | dict | np.ndarray)]
        if id(node) not in path:
            path[id(node)] = None
            if any(id(part) in path for part in within):
                raise InputError(f"{name} holds a container that contains itself; {FROM_TRUSTED}")
            todo.extend(part for part in within if id(part) not in weights)
            continue
        path.popitem()
        inner = [weights[id(part)] for part in within]
        depth = 1 + max((depth for depth, _ in inner), default=0)
        size = 1 + len(parts) + sum(size for _, size in inner)
        if depth > _MOST_DEPTH or size > MOST_STEPS:
            raise InputError(
                f"{name} nests {depth} containers of {size} elements; expected at most"
                f" {_MOST_DEPTH} and {MOST_STEPS}; {FROM_TRUSTED}"
            )
        weights[id(node)] = depth, size
        todo.pop()


def _parts(node):
    if isinstance(node, dict):
        return list(node.values())
    if isinstance(node, np.ndarray):
        return node.ravel().tolist() if node.dtype.hasobject else ()
    return node if isinstance(node, list | tuple) else ()
