"""Files as the machines of a cluster read them: from a shared folder and from an S3 server, by
offset, whatever packs them."""

import lzma

import numpy as np
import pytest

WHY = "Ray and its companions are not installed: `make test RAY=1` brings them and runs these"
pytest.importorskip("indexed_gzip", reason=WHY)
pytest.importorskip("s3fs", reason=WHY)
boto3 = pytest.importorskip("boto3", reason=WHY)
pytest.importorskip("moto.server", reason=WHY)

from tests import clusters
from tests.test_pieces import MAKERS, own, source, tarred
from transfer.cluster import files, plan
from transfer.datasets.reading import compression, images, pieces, readers
from transfer.errors import InputError


@pytest.fixture(scope="module")
def s3():
    with clusters.bucket() as address:
        yield address


@pytest.fixture(params=["shared", "folder", "s3"])
def address(request, tmp_path):
    """What $TRANSFER_CLUSTER_FILES may be."""
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return "" if request.param == "shared" else f"file://{tmp_path}/put"


def planned(made, folder, shared):
    """(rows of the plan of all images, a function that gives seek points by address)."""
    found = list(readers.read(made, folder / "own", folder, located=True))
    contents = np.array([bytes.fromhex(sha256) for sha256 in ["00" * 32] * len(found)], "V32")
    asked = ((place, [0], image) for place, image in enumerate(found))
    tables = [table for table, _ in plan.tables(asked, contents, shared.url, 4)]
    assert [len(table) for table in tables[:-1]] == [4] * (len(tables) - 1)
    points = {
        shared.url(folder / name): files.seek_points(folder / name)
        for name in made.archives
        if compression.packing(folder / name) == pieces.GZIP
    }
    return [row for table in tables for row in table.to_pylist()], points.__getitem__


@pytest.mark.parametrize("name", MAKERS)
def test_all_is_read_by_offset(tmp_path, address, name):
    made = MAKERS[name](tmp_path)
    rows, points = planned(made, tmp_path, files.Shared(address))
    assert all(row["url"] for row in rows)
    read = files.read(rows[::-1], points)[::-1]  # in any order
    for image, row, stored in zip(
        readers.read(made, tmp_path / "own", tmp_path), rows, read, strict=True
    ):
        shape = tuple(row["shape"])
        data = images.unpacked(stored, row["packing"], row["size"], shape, row["planes"])
        np.testing.assert_array_equal(data, image.data)
        assert row["member"] == image.member


def test_a_file_is_put_once(tmp_path, s3):
    tarred(tmp_path)
    first, again = (
        files.Shared(s3).url(tmp_path / "a.tar"),
        files.Shared(s3).url(tmp_path / "a.tar"),
    )
    assert first == again
    client = boto3.client("s3")
    key = first.removeprefix("s3://shared/")
    kept = client.head_object(Bucket="shared", Key=key)
    assert kept["ContentLength"] == (tmp_path / "a.tar").stat().st_size
    before = kept["LastModified"]
    client.put_object(Bucket="shared", Key=key, Body=b"cut")  # by who was stopped meanwhile
    files.Shared(s3).url(tmp_path / "a.tar")
    assert client.head_object(Bucket="shared", Key=key)["LastModified"] >= before
    assert files.read([{"url": first, "start": 0, "length": 4, "packing": 0}], None) != [b"cut"]


def test_a_folder_is_fetched_once_for_all_processes(tmp_path, s3):
    folder = tmp_path / "backbone"
    folder.mkdir()
    for name in ("a.xml", "b.bin"):
        (folder / name).write_text(name)
    here = files.Shared("").folder(folder)
    assert files.fetched(here, tmp_path) == folder
    there = files.Shared(s3).folder(folder)
    copy = files.fetched(there, tmp_path / "tmp")
    assert {path.name: path.read_text() for path in copy.iterdir()} == {
        "a.xml": "a.xml",
        "b.bin": "b.bin",
    }
    assert files.fetched(there, tmp_path / "tmp") == copy
    assert len(list(copy.parent.iterdir())) == 1
    put = files.Shared(f"{tmp_path}/put").folder(folder)  # a folder without a protocol
    assert sorted(p.name for p in files.fetched(put, tmp_path / "tmp").iterdir()) == [
        "a.xml",
        "b.bin",
    ]


def test_neighbours_are_read_together_and_far_ones_are_not(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 8192)
    asked = []
    system = files.fsspec.url_to_fs(str(path))[0]
    ranges = type(system).cat_ranges
    monkeypatch.setattr(
        type(system),
        "cat_ranges",
        lambda self, paths, starts, ends, **more: (
            asked.extend(zip(starts, ends, strict=True))
            or ranges(self, paths, starts, ends, **more)
        ),
    )
    far = 1 << 20
    starts = [0, 100, far, 50]
    rows = [{"url": str(path), "start": s, "length": 60, "packing": 0} for s in starts]
    data = path.read_bytes()
    assert files.read(rows, None) == [data[s : s + 60] for s in starts]
    assert sorted(asked) == [(0, 160), (far, far + 60)]


@pytest.mark.parametrize("where", ["/nowhere/a.tar", "s3://nobody/a.tar", "odd://a/b"])
def test_what_is_not_there_is_told_in_a_sentence(where, s3):
    with pytest.raises(InputError, match=f"^{where} can't be used: .*{files.ADDRESS} a place"):
        files.require([where])
    with pytest.raises(InputError, match=f"^{where} can't be used: "):
        files.read([{"url": where, "start": 0, "length": 60, "packing": 0}], None)


def test_what_has_no_place_of_its_own_goes_along(tmp_path):
    made = source("a.tar.xz")
    tarred(tmp_path)
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress((tmp_path / "a.tar").read_bytes()))
    rows, _ = planned(made, tmp_path, files.Shared(""))
    read = list(readers.read(made, None, tmp_path))
    assert [(row["url"], row["data"]) for row in rows] == [("", image.data) for image in read]


def waves(monkeypatch, tables):
    for name, value in {"FIRST": 4, "MORE": 2, "PICTURES": 10, "BYTES": 100}.items():
        monkeypatch.setattr(plan, name, value)
    return plan.Waves(tables, lambda table: table)


def test_the_first_wave_is_short_and_the_next_is_what_was_planned_meanwhile(monkeypatch):
    planned = waves(monkeypatch, [("ab", 0)] * 10)
    assert planned.next() == ["ab"] * 2
    for _ in range(2):  # both are done
        planned.more()
    assert planned.next() == ["ab"] * 4
    assert planned.next() == ["ab"] * 2  # nothing was done
    assert planned.next() == ["ab"] * 2
    assert planned.next() == []


@pytest.mark.parametrize(
    ("tables", "most"), [([("abcde", 0)] * 8, 2), ([("x", 60)] * 8, 2), ([("x", 0)] * 30, 10)]
)
def test_waves_end_where_pictures_or_bytes_are_enough(monkeypatch, tables, most):
    planned = waves(monkeypatch, tables)
    for _ in range(20):
        planned.more()
    assert len(planned.next()) == most


@pytest.mark.parametrize(
    ("count", "cores", "side", "rows"),
    [
        (10**6, 2, 32, 256),
        (10**6, 2, 299, 112),
        (10**6, 2, 4000, 16),
        (500, 2, 32, 64),
        (5, 64, 32, 16),
        (5, 0, 32, 16),
    ],
)
def test_tables_are_of_whole_batches_and_enough_for_all_cores(count, cores, side, rows):
    assert plan.rows_of(count, cores, 3 * side**2) == rows


def test_own_pictures_are_located_in_their_folder(tmp_path):
    rows, _ = planned(own(tmp_path), tmp_path, files.Shared(""))
    assert {row["url"] for row in rows} == {str(path) for path in (tmp_path / "own").rglob("*.png")}
