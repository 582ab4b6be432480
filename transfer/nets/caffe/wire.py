"""Protocol Buffers' wire format, read a field at a time and never copied
(protobuf.dev/programming-guides/encoding).

Files are not trusted: a length is held against the bytes that are there before anything is made of
it, and one budget of fields bounds the time for a whole file.
"""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, are long deprecated


class Malformed(ValueError):  # noqa: N818, it is caught and told in a sentence
    """The bytes are not a message; says why, for a sentence that names the file."""


class Fields:
    """Reads messages of one file, at most `most` fields in all of them together."""

    def __init__(self, most):
        self._left = most

    def of(self, message):
        """(number, wire type, value) of each field of the memoryview `message`, in order: an int
        for VARINT, else a memoryview.  Raises Malformed."""
        at = 0
        while at < len(message):
            self._count()
            key, at = _varint(message, at)
            number, kind = key >> 3, key & 7
            if not 0 < number < 1 << 29:
                raise Malformed(f"it has a field numbered {number}")
            if kind == VARINT:
                value, at = _varint(message, at)
                yield number, kind, value
                continue
            if kind == BYTES:
                length, at = _varint(message, at)
            elif kind in (FIXED32, FIXED64):
                length = 4 if kind == FIXED32 else 8
            else:
                raise Malformed(f"field {number} has the wire type {kind}")
            if length > len(message) - at:
                raise Malformed(
                    f"field {number} is {length:,} bytes long where {len(message) - at:,} are left"
                )
            yield number, kind, message[at : at + length]
            at += length

    def varints(self, packed):
        """The ints of a packed field."""
        at = 0
        while at < len(packed):
            self._count()
            value, at = _varint(packed, at)
            yield value

    def _count(self):
        self._left -= 1
        if self._left < 0:
            raise Malformed("it has more fields than any such file needs")


def _varint(message, at):
    """(value, where the next byte is) of the number at `at`: 7 bits a byte, the lowest first."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            raise Malformed("it ends inside a number: it is cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("it has a number of more than 10 bytes")
