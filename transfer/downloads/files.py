"""A public file: its name and address, and the hashes its bytes must have."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class File:
    """A public file: its name, address and what is known of its bytes ("" or 0: not known)."""

    name: str
    url: str = ""
    sha256: str = ""
    md5: str = ""
    size: int = 0

    def is_published(self, digests):
        """Whether `digests` {"sha256": hex, "md5": hex} are those of the published file."""
        known = self.sha256 or self.md5
        return bool(known) and known == digests["sha256" if self.sha256 else "md5"]


def described(tree, *further):
    """The File that `tree`, a part of a YAML file, describes; it may hold the keys `further` too.

    Raises InputError, with the line, for a fault.
    """
    tree.expect_keys("name", "url", "sha256", "md5", "size", *further)
    name = tree.get("name", str, "")
    if not name or name in (".", "..") or set(name) & set("/\\\0"):
        raise tree.fault(f"needs the plain name of a file; received {name!r}", "name")
    for key, length in (("sha256", 64), ("md5", 32)):
        digest = tree.get(key, str, "")
        if digest and not re.fullmatch(f"[0-9a-f]{{{length}}}", digest):
            raise tree.fault(f"needs {length} hexadecimal digits; received {digest!r}", key)
    size = tree.get("size", int, 0)
    if isinstance(size, bool) or size < 0:
        raise tree.fault(f"needs a number of bytes; received {size!r}", "size")
    url, sha256, md5 = (tree.get(key, str, "") for key in ("url", "sha256", "md5"))
    return File(name, url, sha256, md5, size)


def store_folder():
    """The folder outside the workspace that outlives a run: $TRANSFER_STORE, else the user's
    cache folder."""
    return Path(os.environ.get("TRANSFER_STORE") or platformdirs.user_cache_dir("transfer"))


class Digester:
    """sha256 and md5 of the same bytes; md5 is all that some publishers give."""

    def __init__(self):
        self._running = {
            "sha256": hashlib.sha256(),
            "md5": hashlib.md5(usedforsecurity=False),
        }

    def update(self, chunk):
        for running in self._running.values():
            running.update(chunk)

    def digests(self):
        """{"sha256": hex, "md5": hex}"""
        return {name: running.hexdigest() for name, running in self._running.items()}


def digests_of(path):
    """{"sha256": hex, "md5": hex} of the file `path`."""
    digester = Digester()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digester.update(chunk)
    return digester.digests()
