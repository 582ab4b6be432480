"""Attempts at a download: tried again after what passes, resumed after a cut, at each address."""

import itertools

from tqdm import tqdm

from transfer.downloads import responses
from transfer.downloads.responses import UNSATISFIABLE, DownloadError

ENOUGH = 1 << 20  # bytes that show that a try was worth it


def fill(part, name, addresses, patience, *, size=0, wrong=None):
    """Fills the Part with the file at one of `addresses`, tried in their order.

    size: of the file, 0 where it is not known; wrong: a function of the digests {algorithm: hex}
    of the whole file that says what is wrong with them, or "" (None: nothing is known of them).
    Raises DownloadError that says why each address gave no whole file: of wrong bytes nothing is
    left, those that a cut left behind stay in the part.
    """
    faults = []
    for address in addresses:
        try:
            _fill(part, name, address, patience, size, wrong)
            return
        except DownloadError as fault:
            faults.append(f"{address} ({fault})")
    raise DownloadError(", nor from ".join(faults))


def read(address, longest, patience):
    """The bytes of the file at `address`, at most `longest`.

    Raises DownloadError where it can't be had.
    """

    def attempt():
        found = bytearray()
        with responses.opened(address, patience) as answer:
            for chunk in answer.chunks(patience):
                found.extend(chunk)
                if len(found) > longest:
                    words = f"it sends more than the {longest:,} bytes that such a file may have"
                    raise DownloadError(words, lasting=True)
            _require_whole(len(found), answer.total)
        return bytes(found)

    return _persist(attempt, patience)


def _persist(attempt, patience, progress=lambda: 0):
    """What `attempt()` returns, called again after each passing DownloadError, ever later.

    progress: gives how many bytes there are; an attempt that brought enough of them, beyond the
    most there ever were, is no failure.
    """
    failed, most = 0, progress()
    while True:
        try:
            return attempt()
        except DownloadError as fault:
            if fault.lasting:
                raise
            if fault.wait > patience.longest:
                words = f"{fault}; it asks to be left alone for {fault.wait:,.0f} s"
                raise DownloadError(words, lasting=True) from None
            failed = 0 if progress() - most >= ENOUGH else failed + 1
            most = max(most, progress())
            if failed == patience.tries:
                raise
            patience.sleep(max(fault.wait, 2 ** max(0, failed - 1)))


def _fill(part, name, address, patience, size, wrong):
    def attempt():
        _bring(part, name, address, patience, size, is_known=wrong is not None)

    for is_last in (False, True):
        _persist(attempt, patience, lambda: part.length)
        fault = wrong(part.digests) if wrong else ""
        if not fault:
            return
        # The bytes of two states of a file, put together, are neither of them.
        may_be_mixed = part.answers != 1 or part.origin[0] != address
        part.restart()
        if is_last or not may_be_mixed:
            raise DownloadError(f"it {fault}", lasting=True)


def _bring(part, name, address, patience, size, is_known):
    """One try: asks for what the part lacks, and appends it."""
    if size and part.length > size:
        part.restart()
    if size and part.length == size:
        return
    validator = part.origin[1] if part.origin[0] == address else ""
    # Unchecked bytes are continued only where the server vouches that the file is the same.
    start = part.length if is_known or validator else 0
    with responses.opened(address, patience, start, validator) as answer:
        if answer.status == UNSATISFIABLE and start and answer.total == start:
            return  # it was whole
        _require_place(part, answer, start, validator)
        chunks = answer.chunks(patience)
        first = next(chunks, b"")
        _require_file(answer, first, address, size)
        if answer.start == 0:
            part.restart()
        part.require_room(max(0, (answer.total or size) - part.length))
        part.answers += 1
        part.origin = (address, answer.validator or validator)
        with tqdm(
            desc=name,
            total=answer.total or size or None,
            initial=part.length,
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar:
            for chunk in itertools.chain([first], chunks):
                if size and part.length + len(chunk) > size:
                    part.restart()
                    raise DownloadError(
                        f"it sends more than the {size:,} bytes expected", lasting=True
                    )
                part.append(chunk)
                bar.update(len(chunk))
        _require_whole(part.length, answer.total or size)


def _require_place(part, answer, start, validator):
    """Forgets the part where the answer's bytes do not go on from `start`, by DownloadError."""
    fault = ""
    if answer.status == UNSATISFIABLE:
        fault = f"it says that it has no byte {start:,}"
    elif answer.start not in (0, part.length):
        fault = f"it was asked for the bytes from {start:,} on, and sends others"
    elif answer.start and validator and answer.validator not in ("", validator):
        fault = "the file there has changed meanwhile"
    if fault:
        part.restart()
        raise DownloadError(fault)


def _require_file(answer, first, address, size):
    """Raises DownloadError where the answer, of which `first` are the first bytes, is not the file
    of `size` bytes (0: not known); before the part is touched."""
    if _is_page(answer, first):
        who = "it" if answer.address == address else f"{answer.address}, where it leads,"
        raise DownloadError(f"{who} answers with a web page, not with the file", lasting=True)
    if size and answer.total not in (0, size):
        raise DownloadError(f"it has {answer.total:,} bytes, expected {size:,}", lasting=True)


def _require_whole(length, expected):
    if expected and length != expected:
        raise DownloadError(f"cut after {length:,} of {expected:,} bytes")


def _is_page(answer, first):
    """Whether it is a web page, as proxies and servers send it with status 200 for a file."""
    text = first[:512].lstrip().lower()
    return text.startswith((b"<!doctype html", b"<html")) or (answer.is_html and text[:1] == b"<")
