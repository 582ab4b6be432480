"""A public file: its name and address, and the hashes its bytes must have."""

import re
from dataclasses import dataclass

ALGORITHMS = {"sha256": 64, "sha1": 40, "md5": 32}  # hexadecimal digits; the strongest first


@dataclass(frozen=True)
class File:
    """A public file: its name, address, what is known of its bytes ("" or 0: not known), and its
    licence where it has one of its own, for people."""

    name: str
    url: str = ""
    sha256: str = ""
    md5: str = ""
    size: int = 0
    sha1: str = ""
    licence: str = ""

    @property
    def digest(self):
        """(algorithm, hex) of the strongest hash known, or None."""
        known = [(name, getattr(self, name)) for name in ALGORITHMS if getattr(self, name)]
        return known[0] if known else None

    def is_published(self, digests):
        """Whether `digests` {algorithm: hex} are those of the published file."""
        return self.digest is not None and digests[self.digest[0]] == self.digest[1]


def described(tree, *further):
    """The File that `tree`, a part of a YAML file, describes; it may hold the keys `further` too.

    Raises InputError, with the line, for a fault.
    """
    tree.expect_keys("name", "url", *ALGORITHMS, "size", *further)
    name = tree.get("name", str, "")
    if not name or name in (".", "..") or set(name) & set("/\\\0"):
        raise tree.fault(f"needs the plain name of a file; received {name!r}", "name")
    for key, length in ALGORITHMS.items():
        digest = tree.get(key, str, "")
        if digest and not re.fullmatch(f"[0-9a-f]{{{length}}}", digest):
            raise tree.fault(f"needs {length} hexadecimal digits; received {digest!r}", key)
    size = tree.get("size", int, 0)
    if isinstance(size, bool) or size < 0:
        raise tree.fault(f"needs a number of bytes; received {size!r}", "size")
    given = {key: tree.get(key, str, "") for key in ("url", *ALGORITHMS, "licence")}
    return File(name, size=size, **given)
