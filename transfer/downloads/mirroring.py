"""A mirror made: files brought into a folder by their public names, beside their SHA256SUMS."""

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from transfer.downloads import fetching, kept, mirrors, parts
from transfer.downloads.files import UNKNOWN, File, digests_of
from transfer.downloads.responses import PATIENCE
from transfer.errors import InputError
from transfer.writing import replacing, sweep

LOCK = ".SHA256SUMS.lock"
# By name and hash, as `_part` calls them; those of `writing.replacing` have a process's number.
_PART = re.compile(r"\..+\.(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})\.part")


@dataclass(frozen=True)
class Wanted:
    """Files, at least one, of equal worth: one is brought.  `pin`: the net or dataset that lists
    them, `licence` that of those which have none of their own."""

    files: tuple[File, ...]
    pin: str
    licence: str = ""


def make(folder, wanted, source, patience=PATIENCE):
    """Brings into `folder` each of the Wanted, from the Mirror `source` or the public addresses;
    yields lines to print.  What fails is printed on stderr, a line a file, as it does.

    What is whole stays: by its hash, or by the folder's own SHA256SUMS.  SHA256SUMS grows with each
    file and keeps the lines of others, so that the mirror can be used after any end.  What killed
    processes left of other files is removed.  Raises InputError, once all that can be had is there,
    where some can't.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if source.address and not source.is_web and Path(source.address).resolve() == folder.resolve():
        source = mirrors.Mirror()
    _sums(folder)  # a damaged list is told once, before a byte is brought
    done, failed = {}, 0
    # Nets share files: each is tried once.
    wanted = list({want.files: want for want in wanted}.values())
    yield from _swept(folder, _parts(folder, wanted, source))
    for want in wanted:
        try:
            file, digests, is_new = _have(folder, want, source, patience)
        except InputError as fault:
            failed += 1
            print(f"error: {fault}", file=sys.stderr, flush=True)
            continue
        if file.name in done:
            continue  # another net lists it, with other alternatives
        size = (folder / file.name).stat().st_size
        done[file.name] = size, is_new
        notes = [f"{size:,} bytes", "brought" if is_new else "was here"]
        if file.digest and not file.is_published(digests):
            notes.append("not the published file")
        licence = file.licence or want.licence or UNKNOWN
        yield f"{file.name}: {', '.join(notes)}; licence: {licence}"
    news = sum(is_new for _, is_new in done.values())
    total = sum(size for size, _ in done.values())
    files = "1 file" if len(done) == 1 else f"{len(done)} files"
    yield f"{files}, {total:,} bytes in {folder}, {news} brought now"
    if failed:
        count = f"{failed} of {len(done) + failed}"
        raise InputError(
            f"{count} files are not in {folder}, for the reasons above; name a mirror that has "
            f"them by `mirror` in params.yaml or $TRANSFER_MIRROR, or give the same command later: "
            f"it brings these alone"
        )


def _parts(folder, wanted, source):
    """The paths, a set, of what may have come of the Wanted."""
    found = set()
    for want in wanted:
        for file in want.files:
            with contextlib.suppress(InputError):  # it is told when the file is to be brought
                what = fetching.plan(file, source, pin=want.pin)
                found.add(_part(folder, file, what))
    return found


def _part(folder, file, what):
    return folder / f".{file.name}.{what.digest}.part"


def _swept(folder, keep):
    """Removes the parts in `folder` that nobody holds, but for those of the paths `keep`; yields
    lines to print."""
    gone = sweep(folder)
    for part in sorted(folder.glob(".*.part")):
        if part in keep or not part.is_file() or not _PART.fullmatch(part.name):
            continue
        if (size := parts.removed(part)) is not None:
            gone[part.name] = size
    for name, size in gone.items():
        yield f"{name}: {size:,} bytes that a killed process left, removed"


def _have(folder, want, source, patience):
    """(File, digests, whether it was brought now) of the one of the Wanted that lies in
    `folder` now."""
    sums = _sums(folder)
    for file in want.files:
        if digests := _digests_here(folder, file, source, sums):
            _list(folder, file.name, digests["sha256"])
            return file, digests, False
    first = fetching.available(want.files, source)
    others = [f for f in want.files if f != first and (f.urls or f.name in source.sums)]
    faults = []
    for file in (first, *others):
        try:
            digests = _bring(folder, file, want.pin, source, patience)
        except InputError as fault:
            faults.append(str(fault))
            continue
        _list(folder, file.name, digests["sha256"])
        return file, digests, True
    raise InputError("; ".join(faults))


def _digests_here(folder, file, source, sums):
    """{algorithm: hex} of `file` in `folder` if it is whole there, else None."""
    path = folder / file.name
    if not path.is_file():
        return None
    digests = digests_of(path)
    right = (sums.get(file.name), source.sums.get(file.name))
    is_whole = digests["sha256"] in right or file.is_published(digests)
    return digests if is_whole else None


def _bring(folder, file, pin, source, patience):
    """Puts `file`, checked, into `folder`: copied where it is at hand, else downloaded there and
    not into the store, so that it takes its room once.  Returns {algorithm: hex}."""
    what, target = fetching.plan(file, source, pin=pin), folder / file.name
    if not what.is_web:
        return fetching.copy(what, target)
    here = kept.place(what.algorithm, what.digest)
    if digests := fetching.whole(here, what):
        kept.copy(here, target)
        return digests
    with parts.held(_part(folder, file, what), file.name) as part:
        if digests := fetching.whole(target, what):  # another process brought it meanwhile
            part.restart()
            return digests
        fetching.fill(part, file.name, what.addresses, patience, what=what, advice="")
        part.sync()
        part.move(target)
        return part.digests


def _sums(folder):
    """{name: sha256} of the folder's list, empty where there is none yet."""
    is_there = (folder / mirrors.SUMS).exists()
    return mirrors.find(os.path.abspath(folder)).sums if is_there else {}


def _list(folder, name, digest):
    """Sees to it that SHA256SUMS of `folder` has this line."""
    with parts.locked(folder / LOCK):
        try:
            sums = _sums(folder)
            if sums.get(name) != digest:
                with replacing(folder / mirrors.SUMS) as out:
                    for key, value in sorted((sums | {name: digest}).items()):
                        out.write(f"{value}  {key}\n")
        finally:
            (folder / LOCK).unlink()
