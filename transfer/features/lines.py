"""A column of names that waits on disk: gone through many times as fast as the index is read."""

import tempfile

from transfer.errors import InputError


class Lines:
    """N strings without line ends, in a nameless file in the folder for temporary files, gone with
    the object.  width: the length of the longest, 1 at least.

    Raises InputError where the disk can't take them.
    """

    def __init__(self):
        self._length, self.width = 0, 1
        try:
            self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115
        except OSError as fault:
            raise _cant(fault) from None

    def __len__(self):
        return self._length

    def add(self, text):
        """Puts `text` at the end; all must be there before they are gone through."""
        try:
            self._file.write(f"{text}\n")
        except OSError as fault:
            raise _cant(fault) from None
        self._length += 1
        self.width = max(self.width, len(text))

    def __iter__(self):
        try:
            self._file.seek(0)  # writes what is still in memory
        except OSError as fault:
            raise _cant(fault) from None
        return (line[:-1] for line in self._file)


def _cant(fault):
    return InputError(
        f"names can't be kept in the folder for temporary files: {fault.strerror or fault}; free "
        "space there, or name another folder by $TMPDIR"
    )
