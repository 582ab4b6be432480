"""Archives from strangers: refused in one sentence or read whole; never fewer members unsaid, and
nothing written."""

import gzip
import io
import os
import resource
import stat
import struct
import tarfile
import time
import zipfile

import pytest

from soak.targets import MEMBERS, packed
from transfer.datasets.reading import archives, headers
from transfer.errors import InputError

KINDS = ("zip", "stored", "gnu", "pax", "tgz", "tbz", "txz")


def read(path):
    """{name: bytes} of all members, after they were listed."""
    listed = list(archives.names(path))
    found = dict(archives.stream(path))
    assert list(found) == listed
    return found


def refusal(folder, data, words=""):
    """The sentence with which the archive `data` is refused, nothing being written."""
    path = folder / "a.archive"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as fault:
        read(path)
    assert str(fault.value).startswith(f"{path}")
    assert str(fault.value).isprintable()
    assert os.listdir(folder) == ["a.archive"]
    return str(fault.value)


def tar(*members, mode="w"):
    """A tar of (name, size declared, type, bytes)."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode=mode, format=tarfile.GNU_FORMAT) as archive:
            for name, size, kind, data in members:
                header = tarfile.TarInfo(name)
                header.size, header.type = size, kind
                archive.fileobj.write(header.tobuf(tarfile.GNU_FORMAT))
                archive.fileobj.write(data + bytes(-len(data) % 512))
        return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_whole(tmp_path, kind):
    path = tmp_path / "a"
    path.write_bytes(packed(kind))
    assert read(path) == MEMBERS


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_percent(tmp_path, kind):
    """A tar's padding after its end, and what follows a compressed stream, may go: all members are
    then still there, and given."""
    whole = packed(kind)
    path = tmp_path / "a"
    refused = 0
    for percent in range(100):
        path.write_bytes(whole[: len(whole) * percent // 100])
        try:
            assert read(path) == MEMBERS
        except InputError:
            refused += 1
    assert refused >= (30 if kind in ("gnu", "pax") else 80)


@pytest.mark.parametrize("kind", ["gnu", "pax"])
def test_a_tar_cut_between_two_members_is_not_taken_for_its_end(tmp_path, kind):
    whole = packed(kind)
    for end in range(512, len(whole), 512):
        (tmp_path / "a").write_bytes(whole[:end])
        try:
            assert read(tmp_path / "a") == MEMBERS
        except InputError:
            assert end <= whole.rindex(b"set/b/2.png") + 2 * 512


@pytest.mark.parametrize("kind", ["gnu", "tgz"])
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path, kind):
    plain = bytearray(packed("gnu"))
    plain[plain.index(b"set/b/1.png") + 148] ^= 1  # a digit of its sum
    data = gzip.compress(plain, mtime=0) if kind == "tgz" else plain
    refusal(tmp_path, bytes(data), "cut short or damaged at byte 4096")


def flipped(plain):
    """`plain` as gzip packs it uncompressed, one bit of it changed: it unpacks all the same."""
    data = bytearray(gzip.compress(plain, 0, mtime=0))
    data[data.index(MEMBERS["set/a/1.png"])] ^= 1
    return bytes(data)


@pytest.mark.parametrize("member", [0, 1], ids=["only", "second"])
def test_a_tgz_whose_bytes_are_not_those_that_were_packed(tmp_path, member):
    """Also where the file is of several gzips one after another, as `pigz -i` and others write."""
    plain = packed("gnu")
    first = gzip.compress(plain[: 512 * member], mtime=0) if member else b""
    sentence = refusal(tmp_path, first + flipped(plain[512 * member :]), "CRC check failed")
    assert "`dvc repro -f -s fetch_data` brings it anew" in sentence
    (tmp_path / "a.archive").write_bytes(first + gzip.compress(plain[512 * member :], mtime=0))
    assert read(tmp_path / "a.archive") == MEMBERS


@pytest.mark.parametrize("kind", ["tgz", "tbz", "txz"])
def test_a_checksum_at_the_very_end_is_compared(tmp_path, kind):
    data = bytearray(packed(kind))
    at = {"tgz": -8, "tbz": -4, "txz": -9}[kind]  # of the whole; of xz, the index's, in the footer
    data[at] ^= 0xFF
    refusal(tmp_path, bytes(data), "can't be read as a zip or tar archive")


def test_a_bomb_behind_the_end_of_a_tar(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "PADDING", 2**20)
    data = gzip.compress(packed("gnu") + bytes(2**21), mtime=0)
    refusal(tmp_path, data, "more than 1,048,576 bytes follow the end of the tar")


@pytest.mark.parametrize("name", ["/etc/a", "../a", "a/../../b", "C:/a", "a\\b", "a//b", "a/./b"])
@pytest.mark.parametrize("kind", ["zip", "gnu", "tgz"])
def test_names_that_point_out(tmp_path, kind, name):
    refusal(tmp_path, packed(kind, {"a.png": b"1", name: b"2"}), "does not name a file inside")


@pytest.mark.parametrize("kind", ["zip", "pax"])
def test_names_with_control_characters(tmp_path, kind):
    refusal(tmp_path, packed(kind, {"a\x1b[2Jb": b"1"}), "is not printable UTF-8")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path, kind):
    data = tar(("a.png", 1, tarfile.REGTYPE, b"1"), ("b.png", 0, kind, b""))
    refusal(tmp_path, data, r"b.png is a link or a device")


@pytest.mark.parametrize(
    "mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_links_and_devices_in_a_zip(tmp_path, mode):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            member = zipfile.ZipInfo("b.png")
            member.external_attr = (mode | 0o644) << 16
            archive.writestr(member, "/etc/passwd")
        refusal(tmp_path, file.getvalue(), r"b.png is a link or a device")


def zipped(change, data=b"x" * 100):
    """A zip of a.png, its central entry (46 bytes and the name) and all before it changed."""
    whole = bytearray(packed("stored", {"a.png": data}))
    change(whole, whole.index(b"PK\x01\x02"))
    return bytes(whole)


def put(layout, offset, *values):
    return lambda whole, at: struct.pack_into(layout, whole, at + offset, *values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("<H", 8, 1), "encrypted"),
        (put("<H", 10, 99), "compression"),  # of AES, and none that Python knows
        (put("<I", 24, 50), "CRC|size"),  # it lies: shorter than what it unpacks to
        (put("<II", 20, 150, 150), "a.png|header|overlap"),  # longer than what is there
        (put("<I", 24, 600 * 2**20), "the limit is"),
        (put("<I", 16, 0), "CRC"),
        (put("<I", 42, 2**31), "can't be read"),  # its place is beyond the end
    ],
    ids="encrypted compression shorter longer declared crc place".split(),
)
def test_zips_that_lie(tmp_path, change, words):
    refusal(tmp_path, zipped(change), words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_member_twice(tmp_path):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.png", b"1")
            archive.writestr("./a.png", b"2")
        refusal(tmp_path, file.getvalue(), "a.png stands twice")


@pytest.mark.parametrize(
    ("size", "words"),
    [(100_000, "unexpected end|cut short"), (2**40, "the limit is"), (-1, "declares -1 bytes")],
)
def test_tars_that_lie_of_a_size(tmp_path, size, words):
    refusal(tmp_path, tar(("a.png", size, tarfile.REGTYPE, b"1")), words)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_name_of_gigabytes_takes_no_memory(tmp_path, kind):
    data = tar(("a.png", 2**36, kind, b""))
    refusal(tmp_path, data, "declares 68,719,476,736 bytes of its own")
    assert headers.TEXT_LIMIT < 2**36


def test_a_chain_of_long_names_ends(tmp_path):
    chain = [("x", 1, tarfile.GNUTYPE_LONGNAME, b"x")] * 5000
    refusal(tmp_path, tar(*chain), "can't be read")


def bomb_zip(copies, size):
    """Members that all unpack one run of zeros: what overlaps is written once."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("0", bytes(size))
            first = archive.infolist()[0]
            for number in range(1, copies):
                member = zipfile.ZipInfo(str(number))
                for key in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                    setattr(member, key, getattr(first, key))
                archive.filelist.append(member)
        return file.getvalue()


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    many = bomb_zip(2000, 2**20)
    sparse = tar(*[(f"{n}", 2**29, tarfile.REGTYPE, b"") for n in range(1)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    (tmp_path / "a").write_bytes(many)
    with pytest.raises(InputError, match="more than 200 times the archive's own; it is a bomb"):
        list(archives.names(tmp_path / "a"))
    (tmp_path / "a").write_bytes(sparse)
    with pytest.raises(InputError, match=r"unexpected end|cut short"):
        list(archives.names(tmp_path / "a"))
    assert time.process_time() - start < 2
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100


def test_a_bomb_in_a_tar_is_refused_while_its_headers_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "SLACK", 2**20)
    members = [(f"{n}.bmp", 2**18, tarfile.REGTYPE, bytes(2**18)) for n in range(30)]
    data = tar(*members, mode="w:gz")
    assert len(data) * archives.RATIO < 30 * 2**18
    refusal(tmp_path, data, "it is a bomb")


def test_plain_pictures_that_compress_well_are_no_bomb(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(packed("tgz", {f"{n}.bmp": bytes(2**18) for n in range(20)}))
    assert len(read(path)) == 20
