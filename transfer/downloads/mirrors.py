"""A mirror: a folder or base address that holds files by their public names and a SHA256SUMS."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from transfer.downloads import attempts
from transfer.downloads.responses import PATIENCE, DownloadError, reason
from transfer.errors import InputError

SUMS = "SHA256SUMS"
LARGEST = 1 << 24  # bytes of a list of sums


@dataclass(frozen=True)
class Mirror:
    """`address` is "" where there is no mirror; `sums` {name: sha256} are of the files it lists."""

    address: str = ""
    sums: dict = field(default_factory=dict)

    @property
    def is_web(self):
        return self.address.startswith(("http://", "https://"))

    def at(self, name):
        """The path or address of its file `name`."""
        return f"{self.address}/{name}" if self.is_web else str(Path(self.address, name))


def address(param):
    """What params.yaml names as a mirror, else what $TRANSFER_MIRROR does, else ""."""
    return param or os.environ.get("TRANSFER_MIRROR", "")


def find(param, patience=PATIENCE):
    """The Mirror that params.yaml names, else $TRANSFER_MIRROR, else the empty one.

    A relative folder is taken from $DVC_ROOT (the repository an experiment was queued in: the
    experiment itself runs in a copy elsewhere), else from the current folder.  Raises InputError
    where it can't be reached or its list is damaged.
    """
    place = address(param)
    if not place:
        return Mirror()
    if not Mirror(place).is_web:
        if "://" in place:
            raise InputError(f"the mirror {place} can't be used: it must be a folder or http(s)")
        place = str(Path(os.environ.get("DVC_ROOT", "."), os.path.expanduser(place)))
    mirror = Mirror(place.rstrip("/"))
    where = mirror.at(SUMS)
    try:
        if mirror.is_web:
            text = attempts.read(where, LARGEST, patience).decode()
        else:
            text = Path(where).read_text(encoding="utf-8")
    except (OSError, ValueError, DownloadError) as fault:
        raise InputError(
            f"the mirror {mirror.address} can't be used: {where} can't be read ({reason(fault)}); "
            f"correct `mirror` in params.yaml or $TRANSFER_MIRROR, or leave both empty for the "
            f"public addresses"
        ) from None
    return Mirror(mirror.address, _parse(text, where))


def _parse(text, where):
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        digest, _, name = line.strip().partition(" ")
        name = name.strip().removeprefix("*").removeprefix("./")
        if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef") or not name:
            raise InputError(f"{where}, line {number}: expected `sha256  name`, received {line!r}")
        sums[name] = digest.lower()
    return sums
