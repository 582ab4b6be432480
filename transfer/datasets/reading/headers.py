"""The headers of a tar, read so that one which is damaged or lost ends in a fault.

Python's tarfile takes a broken header, or none at all, for the end of the archive once a member
has been read, and so gives fewer members of a damaged archive than it holds, without a word.
"""

import tarfile

# Bytes of a header's own data: a long name, or the records of PAX.
TEXT_LIMIT = 2**20
_TEXTS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class Header(tarfile.TarInfo):
    """A TarInfo for `tarfile.open(..., tarinfo=Header)`.

    Reading it raises tarfile.ReadError where a header is damaged, where the archive ends without
    the block of zeros that ends every tar, and where a header declares a name or records larger
    than TEXT_LIMIT, before memory is taken for them.
    """

    @classmethod
    def fromtarfile(cls, archive):
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as fault:
            at = archive.offset
            raise tarfile.ReadError(f"it is cut short or damaged at byte {at}, {fault}") from None

    @classmethod
    def frombuf(cls, *block):
        header = super().frombuf(*block)
        if header.size < 0 or (header.type in _TEXTS and header.size > TEXT_LIMIT):
            raise tarfile.ReadError(f"a header declares {header.size:,} bytes of its own")
        return header
