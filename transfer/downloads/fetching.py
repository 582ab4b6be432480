"""Files fetched from a mirror or their public address, checked, and kept beside the store.

Where a file comes from is decided by `plan`, a pure function; `fetch` carries it out.  A file
that a mirror's SHA256SUMS lists comes from there and is checked against that list; any other
comes from its public address and is checked against the hash that stands in git.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from tqdm import tqdm

from transfer.downloads import kept
from transfer.downloads.files import ALGORITHMS
from transfer.downloads.mirrors import TIMEOUT, reason
from transfer.errors import InputError

CHUNK = 1 << 20  # bytes read at a time
TRIES = 3


@dataclass(frozen=True)
class Plan:
    """The path or address to get a file from, the digest its bytes must have, and who says so."""

    address: str
    is_web: bool
    algorithm: str
    digest: str
    said_by: str


def available(files, mirror):
    """The one of `files`, alternatives of equal worth and at least one, to fetch: the first that
    the mirror lists, else the first that has an address, else the first."""
    listed = [file for file in files if file.name in mirror.sums]
    return [*listed, *(file for file in files if file.url), *files][0]


def plan(file, mirror, *, pin, else_try=""):
    """The Plan for `file`; InputError where no address or no hash is known.

    `pin` is the name that `python -m transfer pin` takes; `else_try` another way out, said last.
    """
    if file.name in mirror.sums:
        digest = mirror.sums[file.name]
        return Plan(
            mirror.at(file.name), mirror.is_web, "sha256", digest, "the mirror's SHA256SUMS"
        )
    if not file.url:
        lacks = f"the mirror {mirror.address} lacks it" if mirror.address else "no mirror is given"
        raise InputError(
            f"{file.name} has no public address and {lacks}; name a mirror that has it by "
            f"`mirror` in params.yaml or $TRANSFER_MIRROR{else_try}"
        )
    if file.digest is None:
        raise InputError(
            f"no hash is known for {file.url}, so its bytes can't be trusted; "
            f"`python -m transfer pin {pin}` downloads it once and writes its sha256 down"
        )
    return Plan(file.url, True, *file.digest, f"what is pinned for {pin}")


def fetch(file, folder, mirror, *, pin, else_try=""):
    """Puts `file` into `folder`, checked; returns its line for the manifest, a dict."""
    what = plan(file, mirror, pin=pin, else_try=else_try)
    target = folder / file.name
    target.unlink(missing_ok=True)
    if what.is_web:
        digests = _from_web(file, what, else_try)
        kept.link(kept.place(what.algorithm, what.digest), target)
    else:
        # A copy, never a link: DVC write-protects what it links, and a mirror is not ours.
        digests = _from_folder(file, what, target)
    return {
        "name": file.name,
        "sha256": digests["sha256"],
        "size": target.stat().st_size,
        "origin": "published" if file.is_published(digests) else "mirror",
    }


def download(address, path, file, else_try=""):
    """Downloads `address` to `path`, tried several times; returns {algorithm: hex}.

    Raises InputError where it can't be had; nothing is checked here.
    """
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
                declared = int(answer.headers.get("Content-Length") or 0)
                return _write(answer, path, file, declared)
        except (OSError, ValueError, http.client.HTTPException) as fault:
            lasting = isinstance(fault, urllib.error.HTTPError) and fault.code < 500
            if lasting or attempt == TRIES:
                raise InputError(
                    f"{file.name} can't be had from {address} ({reason(fault)}); name a mirror "
                    f"that has it by `mirror` in params.yaml or $TRANSFER_MIRROR{else_try}"
                ) from None
            time.sleep(attempt)
    return None


def digests_of(path):
    """{algorithm: hex} of the file `path`; md5 or sha1 is all that some publishers give."""
    with path.open("rb") as file:
        return _digests(iter(lambda: file.read(CHUNK), b""))


def _from_web(file, what, else_try):
    here = kept.place(what.algorithm, what.digest)
    if here.exists():
        digests = digests_of(here)
        if digests[what.algorithm] == what.digest:
            return digests
    with kept.partial() as part:
        digests = download(what.address, part, file, else_try)
        _check(what, digests)
        kept.keep(part, digests)
    return digests


def _from_folder(file, what, target):
    try:
        with open(what.address, "rb") as source:
            digests = _write(source, target, file, os.fstat(source.fileno()).st_size)
    except OSError as fault:
        raise InputError(
            f"{what.address} is listed by its mirror but can't be read ({reason(fault)})"
        ) from None
    try:
        _check(what, digests)
    except InputError:
        target.unlink()
        raise
    return digests


def _write(source, path, file, declared):
    """Copies the stream `source` of `declared` bytes (0: not known) to `path`; its digests."""

    def chunks(out, bar):
        while chunk := source.read(CHUNK):
            out.write(chunk)
            bar.update(len(chunk))
            yield chunk

    total = declared or file.size or None
    with (
        path.open("wb") as out,
        tqdm(desc=file.name, total=total, unit="B", unit_scale=True, disable=None) as bar,
    ):
        digests = _digests(chunks(out, bar))
        if declared and out.tell() != declared:
            raise OSError(f"cut after {out.tell():,} of {declared:,} bytes")
    return digests


def _digests(chunks):
    running = {name: hashlib.new(name, usedforsecurity=name == "sha256") for name in ALGORITHMS}
    for chunk in chunks:
        for digest in running.values():
            digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in running.items()}


def _check(what, digests):
    received = digests[what.algorithm]
    if received != what.digest:
        raise InputError(
            f"{what.address} has {what.algorithm} {received}, expected {what.digest} by "
            f"{what.said_by}; it was not used: it is damaged, or another file than the one meant"
        )
