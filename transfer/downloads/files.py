"""A public file: its name and addresses, and the hashes its bytes must have."""

import hashlib
import re
from dataclasses import dataclass

ALGORITHMS = {"sha256": 64, "sha1": 40, "md5": 32}  # hexadecimal digits; the strongest first
SHIPPED = "models"  # the folder of files that come with the repository
UNKNOWN = "unknown"  # for people, where nobody states a licence or a size
CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class File:
    """A public file: its name, the addresses that give it, tried in their order, what is known of
    its bytes ("" or 0: not known), and its licence where it has one of its own, for people.

    `path`, from the repository's root, is given for a file that comes with the repository: it has
    no address, no mirror is asked for it, and its hash is known.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    md5: str = ""
    size: int = 0
    sha1: str = ""
    licence: str = ""
    path: str = ""

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

    `url` is one address or a list of addresses.  Raises InputError, with the line, for a fault.
    """
    tree.expect_keys("name", "url", *ALGORITHMS, "size", *further)
    name = tree.get("name", str, "")
    # Its name is to be a whole line's end in a mirror's SHA256SUMS, too.
    is_line = name.isprintable() and name == name.strip()
    if not name or name in (".", "..") or set(name) & set("/\\") or not is_line:
        raise tree.fault(f"needs the plain name of a file; received {name!r}", "name")
    for key, length in ALGORITHMS.items():
        digest = tree.get(key, str, "")
        if digest and not re.fullmatch(f"[0-9a-f]{{{length}}}", digest):
            raise tree.fault(f"needs {length} hexadecimal digits; received {digest!r}", key)
    size = tree.get("size", int, 0)
    if isinstance(size, bool) or size < 0:
        raise tree.fault(f"needs a number of bytes; received {size!r}", "size")
    given = {key: tree.get(key, str, "") for key in (*ALGORITHMS, "licence", "path")}
    file = File(name, _addresses(tree), size=size, **given)
    if file.path:
        _check_path(tree, file)
    return file


def _check_path(tree, file):
    # One folder: a run's outputs, which DVC removes, lie in others.
    if file.path != f"{SHIPPED}/{file.name}":
        raise tree.fault(f"must be {SHIPPED}/{file.name}; received {file.path!r}", "path")
    if file.urls:
        raise tree.fault("can't stand beside url: the file comes with the repository", "path")
    if file.digest is None:
        raise tree.fault(f"needs sha256 beside it, as `sha256sum {file.path}` prints it", "path")


def _addresses(tree):
    """The addresses under `url`: one, or a list of them."""
    given = tree.value.get("url", "")
    urls = given if isinstance(given, list) else [given] if given != "" else []
    for url in urls:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise tree.fault(f"needs addresses of http or https; received {url!r}", "url")
    return tuple(urls)


class Digests:
    """The hashes of bytes that come one chunk after another."""

    def __init__(self):
        self._running = {
            name: hashlib.new(name, usedforsecurity=name == "sha256") for name in ALGORITHMS
        }

    def update(self, chunk):
        for digest in self._running.values():
            digest.update(chunk)

    def hex(self):
        """{algorithm: hex} so far; md5 or sha1 is all that some publishers give."""
        return {name: digest.hexdigest() for name, digest in self._running.items()}


def digests_of(path):
    """{algorithm: hex} of the file `path`."""
    digests = Digests()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digests.update(chunk)
    return digests.hex()
