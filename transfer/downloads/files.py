"""A public file: its name and address, and the hashes its bytes must have."""

import re
from dataclasses import dataclass


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
