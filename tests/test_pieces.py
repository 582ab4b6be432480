"""Where readers say that an image's bytes lie: there they are, whatever packs them."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image as Picture

from tests.test_gtsrb import benchmark
from tests.test_pickled import arrays, pickled
from tests.test_readers import cifar
from transfer.datasets import sources
from transfer.datasets.reading import archives, images, pieces, readers
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError

RNG = np.random.default_rng(4)


def pictures(count=5):
    """{member: PNG} of two classes."""
    for number in range(count):
        file = io.BytesIO()
        Picture.fromarray(RNG.integers(0, 256, (9, 7, 3), np.uint8)).save(file, "png")
        yield f"flowers/{'ab'[number % 2]}/{number}.png", file.getvalue()


def zipped(folder, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(folder / "a.zip", "w", method) as archive:
        for name, data in pictures():
            # Of a header of its own in the file that the list of the zip has not.
            member = zipfile.ZipInfo(name)
            member.compress_type, member.extra = method, b"\xfe\xca\x02\x00xy"
            archive.writestr(member, data)
    return source("a.zip")


def tarred(folder, name="a.tar", opener=open):
    with opener(folder / name, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        for member, data in pictures():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return source(name)


def source(name, kind="archives", layout="class_folders"):
    return sources.Source(name="x", kind=kind, layout=layout, files=(sources.File(name),))


def own(folder):
    for name, data in pictures():
        path = folder / "own" / name.removeprefix("flowers/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return sources.load(folder / "own")


def batches(folder):
    """CIFAR-10 with its numbers as they are in the file, as in the publisher's: Python 3 writes
    them as text in the protocol that Python 2 wrote."""
    made, _ = cifar(folder)
    with tarfile.open(folder / "c.tar.gz") as archive:
        trees = {m.name: pickle.loads(archive.extractfile(m).read()) for m in archive.getmembers()}
    with tarfile.open(folder / "c.tar.gz", "w:gz") as archive:
        for name, tree in trees.items():
            data = pickle.dumps(tree, protocol=4)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made


MAKERS = {
    "deflated zip": zipped,
    "stored zip": lambda folder: zipped(folder, zipfile.ZIP_STORED),
    "tar": tarred,
    "tar.gz": lambda folder: tarred(folder, "a.tar.gz", gzip.open),
    "own folder": own,
    "pickle": lambda folder: pickled(folder, arrays()),
    "signs": benchmark,
    "cifar10": batches,
}


def stored(piece):
    """The bytes at a Piece, read without the library."""
    opener = gzip.open if piece.packing == pieces.GZIP else open
    with opener(piece.path, "rb") as file:
        file.seek(piece.start)
        return file.read(piece.length)


def unpacked(piece):
    return images.unpacked(stored(piece), piece.packing, piece.size, piece.shape, piece.planes)


@pytest.mark.parametrize("name", MAKERS)
def test_pieces_hold_what_readers_read(tmp_path, name):
    made = MAKERS[name](tmp_path)
    read = list(readers.read(made, tmp_path / "own", tmp_path))
    located = list(readers.read(made, tmp_path / "own", tmp_path, located=True))
    assert len(read) == len(located) > 0
    for image, other in zip(read, located, strict=True):
        assert isinstance(other.data, pieces.Piece)
        np.testing.assert_array_equal(unpacked(other.data), image.data)
        assert (image.id, image.member, image.label) == (other.id, other.member, other.label)


@pytest.mark.parametrize("opener", [bz2.open, lzma.open])
def test_what_can_be_had_in_its_turn_alone_is_read(tmp_path, opener):
    made = tarred(tmp_path, "a.tar.x", opener)
    read = list(readers.read(made, None, tmp_path))
    located = list(readers.read(made, None, tmp_path, located=True))
    assert [image.data for image in read] == [image.data for image in located]


def test_so_is_an_array_whose_rows_lie_apart(tmp_path):
    tree = arrays()
    tree["features"] = np.asfortranarray(tree["features"])
    (first, *_) = readers.read(pickled(tmp_path, tree), None, tmp_path, located=True)
    np.testing.assert_array_equal(first.data, tree["features"][0])


def test_of_a_zip_what_is_bzip2_is_read_and_what_is_encrypted_refused(tmp_path):
    made = zipped(tmp_path, zipfile.ZIP_BZIP2)
    read = list(readers.read(made, None, tmp_path))
    located = list(readers.read(made, None, tmp_path, located=True))
    assert [image.data for image in read] == [image.data for image in located]
    path = tmp_path / "a.zip"
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1  # general purpose flags in the list
    path.write_bytes(data)
    with pytest.raises(InputError, match="encrypted"):
        list(archives.located(path, lambda name: True))


def test_bytes_that_are_not_those_of_the_piece_are_refused():
    with pytest.raises(Unreadable, match="it has 3 bytes, not 4"):
        images.unpacked(b"abc", pieces.PLAIN, 4)
    with pytest.raises(Unreadable, match="it can't be unpacked"):
        images.unpacked(b"\xff\xff\xff", pieces.DEFLATED, 4)
    bomb = zlib.compressobj(wbits=-15)
    data = bomb.compress(bytes(10**6)) + bomb.flush()
    with pytest.raises(Unreadable, match="it has 5 bytes, not 4"):
        images.unpacked(data, pieces.DEFLATED, 4)
