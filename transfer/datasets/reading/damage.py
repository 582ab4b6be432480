"""Bytes that were moved as text: each line feed (LF) became CR LF, and what follows it shifted.

Many a format still opens after that and shows another picture: a PPM with shifted rows and colours,
a JPEG with torn blocks.
"""

import re
import struct

# So many LFs, each after a CR, stand in an unharmed compressed file by a chance of 256 ** -8.
_FEW = 8
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"  # between the numbers of a Netpbm header, comments included
_NUMBER = rb"(\d{1,9})"
_BITS = re.compile(rb"P4" + (_GAP + _NUMBER) * 2 + rb"\s")
_LEVELS = re.compile(rb"P([56])" + (_GAP + _NUMBER) * 3 + rb"\s")
_COMPRESSED = (b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")  # and TIFF, which may well be
_PNG = b"\x89PNG\r\n\x1a\n"  # made to show it (PNG specification, 5.2)


def is_text_mode(data):
    """Whether the bytes of a picture were moved as text, as far as its format lets one tell.

    Where the format tells the file's size (BMP, PPM, PGM, PBM, WebP), that decides: it is wrong,
    and right once the change is undone.  Else (JPEG, GIF, TIFF) at least 8 LFs do, all of them
    after a CR, so a file too small to hold so many is not found out.
    """
    if data.startswith(_PNG[:4]) and not data.startswith(_PNG):
        return data.startswith((b"\x89PNG\r\r\n\x1a\r\n", b"\x89PNG\n\x1a\n"))
    first = data.find(b"\n")
    if first < 1 or data[first - 1 : first] != b"\r":
        return False  # unharmed, nearly always: no need to look at the rest
    if data.startswith(_COMPRESSED):
        return data.count(b"\n") == data.count(b"\r\n") >= _FEW
    undone = data.replace(b"\r\n", b"\n")
    return _size(undone) == len(undone) and _size(data) != len(data)


def _size(data):
    """Bytes that a file of this head has, or None where the head does not tell."""
    if data.startswith(b"BM") and len(data) >= 6:
        return struct.unpack_from("<I", data, 2)[0]
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return struct.unpack_from("<I", data, 4)[0] + 8
    if found := _BITS.match(data):
        width, height = map(int, found.groups())
        return found.end() + (width + 7) // 8 * height
    if found := _LEVELS.match(data):
        kind, width, height, white = map(int, found.groups())
        return found.end() + width * height * {5: 1, 6: 3}[kind] * (1 if white < 256 else 2)
    return None
