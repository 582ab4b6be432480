"""A part: what has come of a file so far, written by one process at a time, kept after a cut."""

import contextlib
import fcntl
import os
import shutil
import sys

from transfer.downloads.files import CHUNK, Digests
from transfer.errors import FULL, InputError


class Part:
    """The open file `path` that grows by `append`.

    `length`: bytes so far; `digests` {algorithm: hex} are of them; `answers`: of how many answers
    they are made, what an earlier process left counting as one; `origin`: (address, validator) of
    the last answer, ("", "") where it is not known.
    """

    def __init__(self, path, file):
        self.path = path
        self._file = file
        self._running = Digests()
        self.length = 0
        file.seek(0)
        while chunk := file.read(CHUNK):
            self._running.update(chunk)
            self.length += len(chunk)
        self.answers = 1 if self.length else 0
        self.origin = ("", "")

    @property
    def digests(self):
        return self._running.hex()

    def append(self, chunk):
        """Adds bytes at its end; InputError where the disk is full: what came is kept."""
        rest = memoryview(chunk)
        try:
            while rest:
                written = self._file.write(rest)
                self._running.update(rest[:written])
                self.length += written
                rest = rest[written:]
        except OSError as fault:
            if fault.errno not in FULL:
                fault.filename = str(self.path)  # a file of no name would be no sentence
                raise
            raise InputError(
                f"{self.path.parent} is full ({fault.strerror}) after {self.length:,} bytes of a "
                f"download; they are kept: free space and run it again"
            ) from None

    def restart(self):
        """Forgets all that has come."""
        self._file.truncate(0)
        self._running, self.length, self.answers, self.origin = Digests(), 0, 0, ("", "")

    def require_room(self, more):
        """Raises InputError where `more` bytes do not fit on its disk."""
        free = shutil.disk_usage(self.path.parent).free
        if more > free:
            raise InputError(
                f"{self.path.parent} has {free:,} bytes free, {more:,} are needed for a download; "
                f"free space there, or name another folder ($TRANSFER_STORE names the store)"
            )

    def sync(self):
        """Sees to it that its bytes are on the disk."""
        os.fsync(self._file.fileno())

    def move(self, target):
        """Gives the file, synced, its name `target`."""
        self.path.replace(target)


@contextlib.contextmanager
def held(path, name):
    """The Part `path` of the file `name`, this process's alone; others wait until it is done or
    has died.  A part without a byte is removed."""
    with locked(path, f"{name} is being downloaded by another process") as file:
        part = Part(path, file)
        try:
            yield part
        finally:
            if part.length == 0 and _is_at(path, file):
                path.unlink()


@contextlib.contextmanager
def locked(path, why=""):
    """The file `path`, made where it is not there, open and locked for this process alone; where
    another has it, prints `why` and waits.  A lock ends with its process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+b", buffering=0) as file:
            _lock(file, path, why)
            # Who held it may have moved or removed the file that was waited for.
            if _is_at(path, file):
                yield file
                return


def removed(path):
    """Removes the part `path`; its bytes, or None where a process holds it or it is gone."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Under the lock: who waits for it sees that the part is gone, and makes another.
        if _is_at(path, file):
            path.unlink()
            return os.fstat(file.fileno()).st_size
    return None


def _lock(file, path, why):
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if why:
                print(f"{why}; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as fault:  # a file system without locks, which names no file
        fault.filename = str(path)
        raise


def _is_at(path, file):
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
