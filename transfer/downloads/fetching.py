"""Files fetched from a mirror or their public address, checked, and kept beside the store.

Where a file comes from is decided by `plan`, a pure function; `fetch` carries it out.  A file
that comes with the repository is copied from there; one that a mirror's SHA256SUMS lists comes from
there and is checked against that list; any other comes from its public address.  But for a mirror's
all are checked against the hash that stands in git.
"""

from dataclasses import dataclass
from pathlib import Path

from transfer import trees
from transfer.downloads import attempts, kept, parts
from transfer.downloads.files import CHUNK, Digests, digests_of
from transfer.downloads.mirrors import SUMS
from transfer.downloads.responses import PATIENCE, DownloadError, reason
from transfer.errors import FULL, InputError
from transfer.writing import replacing

# What helps where an address does not.
ADVICE = "; name a mirror that has it by `mirror` in params.yaml or $TRANSFER_MIRROR"


@dataclass(frozen=True)
class Plan:
    """The path, or the addresses in their order, to get a file from; the digest its bytes must
    have, and who says so; how many they must be (0: not known); of a path, whose file it is; and
    what else brings it, the end of a sentence."""

    addresses: tuple[str, ...]
    is_web: bool
    algorithm: str
    digest: str
    said_by: str
    size: int = 0
    whose: str = ""
    remedy: str = ""

    def fault(self, digests):
        """What is wrong with bytes of `digests` {algorithm: hex}, or ""."""
        received = digests[self.algorithm]
        if received == self.digest:
            return ""
        return (
            f"has {self.algorithm} {received}, expected {self.digest} by {self.said_by}; it was "
            f"not used: it is damaged, or another file than the one meant"
        )


def available(files, mirror):
    """The one of `files`, alternatives of equal worth and at least one, to fetch: the first that
    comes with the repository, else that the mirror lists, else that has an address, else the
    first."""
    listed = [file for file in files if file.path]
    listed += [file for file in files if file.name in mirror.sums]
    return [*listed, *(file for file in files if file.urls), *files][0]


def plan(file, mirror, *, pin, else_try=""):
    """The Plan for `file`; InputError where no address or no hash is known.

    `pin` is the name that `python -m transfer pin` takes; `else_try` another way out, said last.
    """
    if file.path:
        said_by, whose = f"what is pinned for {pin}", "of this repository"
        remedy = f"; if git has it, `git checkout HEAD -- {file.path}` brings it back"
        return Plan((file.path,), False, *file.digest, said_by, file.size, whose, remedy)
    if file.name in mirror.sums:
        digest = mirror.sums[file.name]
        size = file.size if digest == file.sha256 else 0
        where, whose = (mirror.at(file.name),), "listed by its mirror"
        return Plan(where, mirror.is_web, "sha256", digest, f"the mirror's {SUMS}", size, whose)
    if not file.urls:
        lacks = f"the mirror {mirror.address} lacks it" if mirror.address else "no mirror is given"
        raise InputError(f"{file.name} has no public address and {lacks}{ADVICE}{else_try}")
    if file.digest is None:
        raise InputError(
            f"no hash is known for {file.urls[0]}, so its bytes can't be trusted; "
            f"`python -m transfer pin {pin}` downloads it once and writes its sha256 down"
        )
    return Plan(file.urls, True, *file.digest, f"what is pinned for {pin}", file.size)


def fetch(file, folder, mirror, *, pin, else_try="", patience=PATIENCE):
    """Puts `file` into `folder`, checked; returns its line for the manifest, a dict.

    What comes over the web is kept in the store; so is the part that came before a cut.  Raises
    InputError where the file can't be had or is another than it must be: it is not there then.
    """
    what = plan(file, mirror, pin=pin, else_try=else_try)
    target = folder / file.name
    target.unlink(missing_ok=True)
    if what.is_web:
        digests = _keep(file, what, else_try, patience)
        kept.link(kept.place(what.algorithm, what.digest), target)
    else:
        digests = copy(what, target)
    return {
        "name": file.name,
        "sha256": digests["sha256"],
        "size": target.stat().st_size,
        "origin": "published" if file.is_published(digests) else "mirror",
    }


def fill(part, name, addresses, patience, *, what=None, advice=ADVICE):
    """Fills the Part from `addresses`, checked by the Plan `what`; without one, nothing is checked.

    Raises InputError that says why none of them gives the file, and `advice`.
    """
    size, wrong = (what.size, what.fault) if what else (0, None)
    try:
        attempts.fill(part, name, addresses, patience, size=size, wrong=wrong)
    except DownloadError as fault:
        raise InputError(f"{name} can't be had from {fault}{advice}") from None


def copy(what, target):
    """Copies the file of the repository or of a mirror's folder, checked, to `target`; returns
    {algorithm: hex}.

    A copy, never a link: DVC write-protects what it links, and a mirror is not ours.  Raises
    InputError where it can't be read or its hash is wrong: `target` is as before then.
    """
    address, digests = what.addresses[0], Digests()
    try:
        if trees.is_special(Path(address)):
            raise InputError(f"{address} is a pipe, a socket or a device; expected a file")
        count = Path(address).stat().st_size
        if what.size and count != what.size:  # told before gigabytes of another file are copied
            raise InputError(
                f"{address} has {count:,} bytes, expected {what.size:,} by {what.said_by}; it was "
                f"not used{what.remedy}"
            )
        with open(address, "rb") as source, replacing(target, "wb") as out:
            while chunk := source.read(CHUNK):
                out.write(chunk)
                digests.update(chunk)
            if fault := what.fault(digests.hex()):
                raise InputError(f"{address} {fault}{what.remedy}")
    except OSError as fault:
        if fault.errno in FULL or fault.filename not in (None, address):
            raise
        raise InputError(
            f"{address} is {what.whose} but can't be read ({reason(fault)}){what.remedy}"
        ) from None
    return digests.hex()


def whole(path, what):
    """{algorithm: hex} of the file `path` where it is the one that the Plan `what` means; else
    None, also where there is none."""
    if not path.is_file():
        return None
    digests = digests_of(path)
    return None if what.fault(digests) else digests


def _keep(file, what, else_try, patience):
    """Sees to it that the store has the file; returns {algorithm: hex}."""
    here = kept.place(what.algorithm, what.digest)
    if digests := whole(here, what):
        return digests
    with parts.held(kept.part(what.algorithm, what.digest), file.name) as part:
        if digests := whole(here, what):  # another process brought it meanwhile
            part.restart()
            return digests
        fill(part, file.name, what.addresses, patience, what=what, advice=f"{ADVICE}{else_try}")
        kept.keep(part)
        return part.digests
