"""Zip and tar archives as streams of members: nothing is ever unpacked to disk.

A tar costs no memory a member, however many it has, beyond the 16 bytes with which `names` tells
that none stands twice.  Of a zip, Python holds the whole list of members, some 640 bytes each.
"""

import re
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from lzma import LZMAError
from pathlib import Path

from transfer.datasets.reading import compression, pieces
from transfer.datasets.reading.headers import Header
from transfer.datasets.reading.pieces import Piece
from transfer.errors import InputError

MEMBER_LIMIT = 512 * 2**20  # bytes of one member, which is held in memory
# What all members may hold together, so that a small file can't keep a machine busy for hours:
# pictures hardly compress, and the largest of plain pixels do so 10 or 20 times.
RATIO = 200  # times the bytes of the archive
SLACK = 2**30  # bytes that any archive may hold
PADDING = 2**26  # bytes behind the end of a tar; tar itself writes less than 10 kB
_DIGEST = 16  # bytes: two of 10^9 names share one by a chance below 10^-20
_ENCRYPTED = 1  # of a zip's flags
_HEADER = struct.Struct("<4s22xHH")  # of a member: sign, and lengths of name and extra field
# What no name may hold: control characters, and the stand-ins for bytes that are not UTF-8.
ODD = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def names(path):
    """Yields the names of the regular files in the archive `path`, in its order; checks them all.

    Raises InputError for a broken archive and for a member that is a link, a device, absolute,
    points out of the archive or is larger than MEMBER_LIMIT, where all together are larger than
    SLACK and RATIO times the archive, and, at the end, where one stands twice.
    """
    digests = bytearray()
    with _faults(path):
        for name, _, _ in _members(path):
            digests += _digest(name)
            yield name
    repeated = _most_repeated(digests)
    if repeated:
        with _faults(path):
            twice = next(name for name, _, _ in _members(path) if _digest(name) in repeated)
        raise InputError(f"{path}: the member {twice} stands twice; pack the archive anew")


def stream(path, wanted=None):
    """Yields (name, bytes) of each member of `path`, in its order, for which `wanted(name)`."""
    with _faults(path):
        for name, read, _ in _members(path):
            if wanted is None or wanted(name):
                yield name, read()


def located(path, wanted):
    """Yields (name, pieces.Piece) of each member of `path`, in its order, for which `wanted(name)`;
    its bytes instead where they can be had in their turn alone."""
    with _faults(path):
        for name, read, locate in _members(path):
            if wanted(name):
                yield name, locate() or read()


def _digest(name):
    return blake2b(name.encode(), digest_size=_DIGEST).digest()


def _most_repeated(digests):
    """The set of those that stand most often in `digests` (bytearray, which is sorted), and none
    where all stand once."""
    import numpy as np  # noqa: PLC0415  # stage check lists folders alone, and is to start fast

    table = np.frombuffer(digests, f"S{_DIGEST}")  # [N], compared to the last byte
    table.sort()
    repeated, times = np.unique(table[1:][table[1:] == table[:-1]], return_counts=True)
    most = repeated[times == times.max(initial=0)].tolist()
    return {digest.ljust(_DIGEST, b"\0") for digest in most}  # NumPy strips zeros at the end


def _members(path):
    """Yields (name, function that reads it at once, function that gives its Piece, or None where it
    has none); raises faults of the libraries as they are."""
    limit = max(SLACK, RATIO * Path(path).stat().st_size)
    declared = 0
    for packed, size, regular, *ways in _entries(path):
        name = _checked(path, packed, size, regular)
        declared += size
        if declared > limit:
            raise InputError(
                f"{path}: its members up to {name} hold {declared:,} bytes, more than {RATIO} "
                f"times the archive's own; it is a bomb, or is to be packed as smaller archives"
            )
        yield name, *ways


def _entries(path):
    """Yields (name, bytes, whether it is a regular file) and the functions of `_members`."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                # The upper half of the attributes is the file's Unix mode; 0 where there is none.
                kind = (member.external_attr >> 16) & 0o170000
                regular = kind in (0, 0o100000)
                if not member.is_dir():
                    read = partial(archive.read, member)
                    locate = partial(_in_zip, path, archive.fp, member)
                    yield member.filename, member.file_size, regular, read, locate
        return
    packing = compression.packing(path)
    with compression.opened(path) as plain:
        with tarfile.open(fileobj=plain, mode="r|", tarinfo=Header) as archive:
            while member := archive.next():
                if not member.isdir():
                    read = partial(_tar_member, archive, member)
                    locate = partial(_in_tar, path, packing, member)
                    yield member.name, member.size, member.isfile(), read, locate
                archive.members.clear()  # where tarfile keeps all that it has read
        # A tar ends before its file does: zeros follow, and what tells whether all was as packed.
        if compression.rest(plain, PADDING) > PADDING:
            raise tarfile.ReadError(f"more than {PADDING:,} bytes follow the end of the tar")


def _tar_member(archive, member):
    return archive.extractfile(member).read()


def _in_tar(path, packing, member):
    if packing is None:
        return None
    return Piece(path, member.offset_data, member.size, member.size, packing)


def _in_zip(path, file, member):
    packing = {zipfile.ZIP_STORED: pieces.PLAIN, zipfile.ZIP_DEFLATED: pieces.DEFLATED}.get(
        member.compress_type
    )
    if packing is None or member.flag_bits & _ENCRYPTED:
        return None
    # Its bytes lie behind its own header, whose name and extra field are not those of the list
    # (APPNOTE.TXT, 4.3.7).
    file.seek(member.header_offset)
    sign, name, extra = _HEADER.unpack(file.read(_HEADER.size))
    if sign != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"no header where {member.filename} should lie")
    start = member.header_offset + _HEADER.size + name + extra
    return Piece(path, start, member.compress_size, member.file_size, packing)


def _checked(path, name, size, regular):
    """The member's name without a leading "./"; raises InputError where it can't be used."""
    if not regular:
        raise InputError(f"{path}: the member {name} is a link or a device; pack plain files only")
    name = name.removeprefix("./")
    parts = name.split("/")
    # Backslashes and drive letters are separators where the archive may have been packed.
    if {"", ".", ".."} & set(parts) or parts[0].endswith(":") or "\\" in name:
        raise InputError(
            f"{path}: the member {name!r} does not name a file inside the archive; pack it anew"
        )
    if ODD.search(name):
        raise InputError(f"{path}: the name {name!r} is not printable UTF-8; pack it anew")
    if size > MEMBER_LIMIT:
        raise InputError(
            f"{path}: the member {name} holds {size:,} bytes; the limit is {MEMBER_LIMIT:,}"
        )
    return name


@contextmanager
def _faults(path):
    """Turns what the libraries raise on a broken archive into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro fetch_data`") from None
    except InputError:
        raise
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        LZMAError,
        EOFError,
        OSError,
        NotImplementedError,  # a compression that the library lacks
        RuntimeError,  # an encrypted member
        ValueError,
        OverflowError,  # and what parsing of hostile bytes ran into
        LookupError,
        TypeError,
        struct.error,
    ) as fault:
        raise InputError(
            f"{path} can't be read as a zip or tar archive: {_words(fault)}; "
            "`dvc repro -f -s fetch_data` brings it anew, from another mirror if you name one"
        ) from None


def _words(fault):
    """The fault on one printable line: libraries put names and bytes of the archive into it."""
    words = " ".join(str(fault).split()) or type(fault).__name__
    return "".join(c if c.isprintable() else "?" for c in words)[:200]
