"""What a server answers to the request for a file: opened, bounded in time, and read in chunks."""

import contextlib
import datetime
import email.utils
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from transfer.downloads.connections import RedirectError, opener
from transfer.downloads.files import CHUNK

PASSING = (408, 425, 429)  # of the answers 4xx, those that another try may change
UNSATISFIABLE = 416


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, and `sleep`, which waits between tries."""

    timeout: float = 30  # seconds without a byte, and until the head of an answer is whole
    window: float = 60  # seconds of waiting for bytes, in which at least ...
    rate: float = 1000  # ... so many bytes a second must come
    tries: int = 4  # in a row that bring next to nothing
    longest: float = 120  # seconds that a server may ask to be left alone
    sleep: Callable = time.sleep


PATIENCE = Patience()


class DownloadError(Exception):
    """Why a try brought no whole file, in a few words.

    `lasting`: the same address would do it again; `wait`: seconds that the server asks for.
    """

    def __init__(self, words, *, lasting=False, wait=0):
        # Servers choose some of the words, and a terminal obeys what can't be printed.
        super().__init__("".join(c if c.isprintable() else "?" for c in words))
        self.lasting = lasting
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """The answer of a server: where its bytes begin in the file, and of what they are."""

    address: str  # after redirects
    status: int
    start: int  # bytes of the file that come before
    total: int  # bytes of the whole file; 0: not said
    validator: str  # names this state of the file, for If-Range; "": none
    is_html: bool  # by its Content-Type
    left: int | None  # bytes that are to come; None: not said
    stream: object

    def chunks(self, patience):
        """Its bytes as they come; raises DownloadError for a cut, a stall or a trickle."""
        left, waited, came = self.left, 0.0, 0
        while left is None or left > 0:
            began = time.monotonic()
            try:
                chunk = self.stream.read1(CHUNK if left is None else min(CHUNK, left))
            except (OSError, ValueError, http.client.HTTPException) as fault:
                raise _fault(fault, patience) from None
            waited += time.monotonic() - began  # not what is done with the chunk
            if not chunk:
                break
            came += len(chunk)
            left = None if left is None else left - len(chunk)
            yield chunk
            if waited >= patience.window:
                if came < patience.rate * waited and left != 0:
                    raise DownloadError(
                        f"it sent {came:,} bytes in {waited:.0f} s, too slow to wait for"
                    )
                waited, came = 0.0, 0


@contextlib.contextmanager
def opened(address, patience, start=0, validator=""):
    """The Answer to a request for the file at `address`, from byte `start` on.

    With a `validator` the server gives the whole file where it is not in that state any more.
    Raises DownloadError where no usable answer comes.
    """
    if not address.startswith(("http://", "https://")):
        raise DownloadError("it is no address of http or https", lasting=True)
    try:
        request = urllib.request.Request(address)
        if start:
            request.add_header("Range", f"bytes={start}-")
        if start and validator:
            request.add_header("If-Range", validator)
        stream = opener().open(request, timeout=patience.timeout)
    except urllib.error.HTTPError as fault:
        if fault.code != UNSATISFIABLE:
            fault.close()
            raise _fault(fault, patience) from None
        stream = fault
    except (OSError, ValueError, http.client.HTTPException) as fault:
        raise _fault(fault, patience) from None
    with stream:
        yield _answer(stream)


def reason(fault):
    """Why an address or file can't be read, in a few words."""
    if isinstance(fault, urllib.error.HTTPError):
        return f"HTTP {fault.code} {fault.reason}"
    return str(getattr(fault, "reason", "") or getattr(fault, "strerror", "") or fault)


def _answer(stream):
    head = stream.headers
    length = head.get("Content-Length", "")
    is_chunked = "chunked" in head.get("Transfer-Encoding", "").lower()
    left = int(length) if re.fullmatch(r"\d{1,18}", length) and not is_chunked else None
    start, total = 0, left or 0
    if stream.status in (206, UNSATISFIABLE):
        # Content-Range: bytes 5-9/10, bytes 5-9/* or bytes */10 (RFC 9110, 14.4)
        found = re.fullmatch(
            r"bytes (?:(\d{1,18})-\d+|\*)/(\d{1,18}|\*)", head.get("Content-Range", "")
        )
        begins, whole = found.groups() if found else (None, "*")
        start = -1 if begins is None else int(begins)
        total = 0 if whole == "*" else int(whole)
    tag = head.get("ETag", "")
    strong = tag if tag.startswith('"') else ""  # a weak one says nothing of bytes
    kind = head.get("Content-Type", "")
    return Answer(
        address=stream.url,
        status=stream.status,
        start=start,
        total=total,
        validator=strong or head.get("Last-Modified", ""),
        is_html=kind.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"),
        left=left,
        stream=stream,
    )


def _fault(fault, patience):
    """The DownloadError that an exception of urllib, http.client or a socket stands for."""
    if isinstance(fault, urllib.error.HTTPError):
        lasting = fault.code < 500 and fault.code not in PASSING
        return DownloadError(reason(fault), lasting=lasting, wait=_asked(fault.headers))
    cause = fault.reason if isinstance(fault, urllib.error.URLError) else fault
    if isinstance(cause, ssl.SSLCertVerificationError):
        words = (
            f"its certificate is not trusted: {cause.verify_message}; where the network has an "
            f"authority of its own, name its file by $SSL_CERT_FILE"
        )
        return DownloadError(words, lasting=True)
    if isinstance(cause, TimeoutError):
        return DownloadError(f"no answer in {patience.timeout:g} s")
    lasting = isinstance(cause, (ValueError, http.client.InvalidURL, RedirectError))
    return DownloadError(reason(fault), lasting=lasting)


def _asked(head):
    """Seconds that Retry-After asks for: a number or a date (RFC 9110, 10.2.3)."""
    text = head.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        return max(0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without its zone
        return 0
