"""What guards a kept feature against rot: a checksum over it and what it is filed under."""

import zlib


def checksum(key, image, value):
    """CRC-32 of a feature and what it is filed under: hex, 32 bytes, bytes."""
    return zlib.crc32(value, zlib.crc32(image, zlib.crc32(key.encode())))


def is_sound(key, image, kept, value, size):
    """Whether `value` is `size` bytes and has the checksum `kept`."""
    return isinstance(value, bytes) and len(value) == size and checksum(key, image, value) == kept
