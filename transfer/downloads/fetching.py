"""Files fetched from a mirror or their public address, checked, and kept beside the store.

Where a file comes from is decided by `plan`, a pure function; `fetch` carries it out.  A file
that a mirror's SHA256SUMS lists comes from there and is checked against that list; any other
comes from its public address and is checked against the hash that stands in git.
"""

import os
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from tqdm import tqdm

from transfer.downloads.files import CHUNK, Digester, digests_of, store_folder
from transfer.downloads.mirrors import TIMEOUT, reason
from transfer.errors import InputError

TRIES = 3


@dataclass(frozen=True)
class Plan:
    """The path or address to get a file from, and the digest its bytes must have."""

    address: str
    is_web: bool
    algorithm: str
    digest: str


def plan(file, mirror, *, pin, else_try=""):
    """The Plan for `file`; InputError where no address or no hash is known.

    `pin` is the name that `python -m transfer pin` takes; `else_try` another way out, said last.
    """
    if file.name in mirror.sums:
        return Plan(mirror.at(file.name), mirror.is_web, "sha256", mirror.sums[file.name])
    if not file.url:
        lacks = f"the mirror {mirror.address} lacks it" if mirror.address else "no mirror is given"
        raise InputError(
            f"{file.name} has no public address and {lacks}; name a mirror that has it by "
            f"`mirror` in params.yaml or $TRANSFER_MIRROR{else_try}"
        )
    if not (file.sha256 or file.md5):
        raise InputError(
            f"no hash is known for {file.url}, so its bytes can't be trusted; "
            f"`python -m transfer pin {pin}` downloads it once and writes its sha256 down"
        )
    algorithm = "sha256" if file.sha256 else "md5"
    return Plan(file.url, True, algorithm, file.sha256 or file.md5)


def fetch(file, folder, mirror, *, pin, else_try=""):
    """Puts `file` into `folder`, checked; returns its line for the manifest, a dict."""
    what = plan(file, mirror, pin=pin, else_try=else_try)
    target = folder / file.name
    target.unlink(missing_ok=True)
    if what.is_web:
        kept = store_folder() / "downloads" / f"{what.algorithm}-{what.digest}"
        digests = digests_of(kept) if kept.exists() else {}
        if digests.get(what.algorithm) != what.digest:
            digests = _download(file, what, kept, else_try)
        _link(kept, target)
    else:
        digests = _copy(what, target)
    return {
        "name": file.name,
        "sha256": digests["sha256"],
        "size": target.stat().st_size,
        "origin": "published" if file.is_published(digests) else "mirror",
    }


def stream(address, path, file, else_try=""):
    """Downloads `address` to `path`, tried several times; returns {"sha256", "md5"}.

    Raises InputError where it can't be had; nothing is checked here.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return _stream(address, path, file)
        except (OSError, ValueError) as fault:  # URLError, time-outs and cuts are OSErrors
            lasting = isinstance(fault, urllib.error.HTTPError) and fault.code < 500
            if lasting or attempt == TRIES:
                raise InputError(
                    f"{file.name} can't be had from {address} ({reason(fault)}); name a mirror "
                    f"that has it by `mirror` in params.yaml or $TRANSFER_MIRROR{else_try}"
                ) from None
            time.sleep(attempt)
    return None


def _download(file, what, kept, else_try):
    """Downloads to `kept`: the whole file, checked, or nothing; returns its digests."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    try:
        digests = stream(what.address, part, file, else_try)
        _check(what, digests)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
    return digests


def _stream(address, path, file):
    digester = Digester()
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, path.open("wb") as out:
        declared = int(answer.headers.get("Content-Length") or 0)
        total = declared or file.size or None
        with tqdm(desc=file.name, total=total, unit="B", unit_scale=True, disable=None) as bar:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                digester.update(chunk)
                bar.update(len(chunk))
        if declared and out.tell() != declared:
            raise OSError(f"cut after {out.tell():,} of {declared:,} bytes")
    return digester.digests()


def _copy(what, target):
    # A copy, never a link: DVC write-protects what it links, and a mirror is not ours to change.
    try:
        shutil.copyfile(what.address, target)
    except OSError as fault:
        raise InputError(
            f"{what.address} is listed by its mirror but can't be read ({reason(fault)})"
        ) from None
    digests = digests_of(target)
    try:
        _check(what, digests)
    except InputError:
        target.unlink()
        raise
    return digests


def _link(kept, target):
    try:
        os.link(kept, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(kept, target)


def _check(what, digests):
    received = digests[what.algorithm]
    if received != what.digest:
        raise InputError(
            f"{what.address} has {what.algorithm} {received}, expected {what.digest}; it was not "
            f"used: either it is damaged or it is another file than the one that was pinned"
        )
