"""Files as all machines of a cluster find them: in folders that they share, or put where
$TRANSFER_CLUSTER_FILES says, an address that fsspec knows (s3://bucket/folder, file:///mnt/x)."""

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import fsspec
from fsspec.utils import merge_offset_ranges

from transfer.datasets.reading.pieces import GZIP
from transfer.downloads import kept
from transfer.errors import InputError

ADDRESS = "TRANSFER_CLUSTER_FILES"
# Ranges of one file so near each other are read as one: a request to an object store takes as long
# as a megabyte (Amazon, "Performance Design Patterns for Amazon S3": 8 to 16 MB a request).
GAP, MOST = 1 << 18, 1 << 23


class Shared:
    """Where files lie for all machines.  address: a folder by fsspec, in which files are named by
    their content, so that each is put there once; empty: the others see this machine's folders."""

    def __init__(self, address):
        self.address = address.rstrip("/")
        # What is put is the same file for as long as a run lasts.
        self.url = functools.cache(self._put) if self.address else os.path.abspath

    def folder(self, path):
        """{name: what `url` gives} of the files right in the folder `path`, sub-folders aside."""
        return {
            file.name: self.url(file) for file in sorted(Path(path).iterdir()) if file.is_file()
        }

    def _put(self, path):
        """The address of the file `path`, which is put there where it is not."""
        path = Path(path).resolve()
        url = f"{self.address}/{_digest(path)}/{path.name}"
        with _told(url):
            files, place = fsspec.url_to_fs(url)
            if files.exists(place) and files.size(place) == path.stat().st_size:
                return url
            if "file" not in files.protocol:
                files.put_file(str(path), place)  # is there when all of it is
                return url
            files.makedirs(os.path.dirname(place), exist_ok=True)
            half = f"{place}.{os.getpid()}"
            shutil.copyfile(path, half)
            os.replace(half, place)
        return url


def fetched(urls, folder=None):
    """The folder, on this machine, of the files `urls`, {name: address}: their own where they lie
    in one here, else a copy in `folder`, the store's where None, made once for all processes."""
    folders = {os.path.dirname(url) for url in urls.values()}
    if len(folders) == 1 and "://" not in (only := folders.pop()):
        return Path(only)
    key = hashlib.sha256(repr(sorted(urls.items())).encode()).hexdigest()[:32]
    base = Path(folder or kept.store_folder(), "fetched")
    done = base / key
    if not done.is_dir():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as half:
            for name, url in urls.items():
                with _told(url):
                    files, place = fsspec.url_to_fs(url)
                    files.get_file(place, os.path.join(half, name))
            with contextlib.suppress(OSError):  # another process was first
                os.rename(half, done)
                os.mkdir(half)  # which the context removes
    return done


def require(urls):
    """Raises InputError for the first of `urls`, files or folders, that can't be found here."""
    for url in urls:
        with _told(url):
            files, place = fsspec.url_to_fs(url)
            if not files.exists(place):
                raise FileNotFoundError("it is not there")


def seek_points(path):
    """What `read` needs to begin anywhere in the gzip file `path`, as bytes."""
    import io  # noqa: PLC0415

    from indexed_gzip import IndexedGzipFile  # noqa: PLC0415

    points = io.BytesIO()
    with IndexedGzipFile(str(path)) as file:
        file.build_full_index()
        file.export_index(fileobj=points)
    return points.getvalue()


def read(pieces, points):
    """The bytes of each of `pieces`, dicts with url, start, length and packing, in their order.

    points: a function that gives the seek points of a gzip file by its address.
    Raises InputError where a file can't be read.
    """
    found = [None] * len(pieces)
    for url in dict.fromkeys(piece["url"] for piece in pieces):
        rows = [row for row, piece in enumerate(pieces) if piece["url"] == url]
        starts = [pieces[row]["start"] for row in rows]
        lengths = [pieces[row]["length"] for row in rows]
        with _told(url):
            if pieces[rows[0]]["packing"] == GZIP:
                data = _unpacked(url, starts, lengths, points)
            else:
                data = _ranges(url, starts, lengths)
        for row, one in zip(rows, data, strict=True):
            found[row] = one
    return found


def _ranges(url, starts, lengths):
    files, place = fsspec.url_to_fs(url)
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    _, begins, stops = merge_offset_ranges(
        [place] * len(starts), list(starts), list(ends), max_gap=GAP, max_block=MOST
    )
    wide = files.cat_ranges([place] * len(begins), begins, stops, on_error="raise")
    spans = list(zip(begins, stops, wide, strict=True))
    return [
        next(
            data[start - begin : end - begin]
            for begin, stop, data in spans
            if begin <= start and end <= stop
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def _unpacked(url, starts, lengths, points):
    file = _opened(url, points)
    found = []
    for start, length in zip(starts, lengths, strict=True):
        file.seek(start)
        found.append(file.read(length))
    return found


_FILES = {}  # the gzip files that this process has open, by address


def _opened(url, points):
    import io  # noqa: PLC0415

    from indexed_gzip import IndexedGzipFile  # noqa: PLC0415

    if url not in _FILES:
        plain = fsspec.open(url, "rb").open()
        file = IndexedGzipFile(fileobj=plain)
        file.import_index(fileobj=io.BytesIO(points(url)))
        _FILES[url] = file
    return _FILES[url]


@contextlib.contextmanager
def _told(url):
    """One sentence for what fsspec and its stores raise."""
    try:
        yield
    except InputError:
        raise
    except Exception as fault:  # each store has kinds of its own
        said = " ".join(str(fault).split()) or type(fault).__name__
        raise InputError(
            f"{url} can't be used: {said[:300]}; let all machines of the cluster reach it, or name "
            f"by ${ADDRESS} a place that they do"
        ) from None


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
