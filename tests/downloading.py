"""What tests of downloads share: a file, fetched with little patience."""

import hashlib

from transfer.downloads import fetching
from transfer.downloads.mirrors import Mirror
from transfer.downloads.responses import Patience

BODY = b"weights " * 1000
SHA = hashlib.sha256(BODY).hexdigest()
SHA1 = hashlib.sha1(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()
NOWHERE = Mirror()


def hurried(sleep=lambda seconds: None, **more):
    """A Patience that does not sleep, but calls `sleep`."""
    return Patience(sleep=sleep, **more)


def fetch(file, tmp_path, mirror=NOWHERE, patience=None):
    """(manifest's line, path) of `file`, fetched into a folder below `tmp_path`."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    got = fetching.fetch(file, out, mirror, pin="net", patience=patience or hurried())
    return got, out / file.name
