import io
import os
import pickle
import random
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import tracing
from tests.imports import ROOT
from transfer.datasets import sources
from transfer.datasets.reading import archives, folders, images, readers
from transfer.datasets.reading.decoder import Unreadable
from transfer.errors import InputError


def png(colour=0):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


def files(folder, *names):
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(i))
    return folder


def archive(folder, names, kind="zip"):
    """An archive `a.<kind>` of a picture a name, and the Source that reads it."""
    path = folder / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            for i, name in enumerate(names):
                packed.writestr(name, png(i))
    else:
        with tarfile.open(path, "w:gz" if kind == "tgz" else "w") as packed:
            for i, name in enumerate(names):
                data = png(i)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
    return sources.Source(name="a", kind="archives", files=(sources.File(path.name),))


OWN = sources.Source(name="mine", kind="own")


def own(folder, members=None):
    return list(readers.read(OWN, folder, folder / "raw", members))


def test_natural_order():
    names = ["b/1", "a/10", "a/9", "a/2x", "a/2", "A/3", "a/2/1"]
    ordered = sorted(names, key=folders.natural)
    assert ordered == ["A/3", "a/2", "a/2/1", "a/2x", "a/9", "a/10", "b/1"]


def lists(path):
    """The sorting key that `folders.natural` stands for, written out."""

    def number(text):
        return int(text) if text.isdecimal() and text.isascii() else text.casefold()

    return [([number(p) for p in re.split("([0-9]+)", n)], n) for n in path.split("/")]


def test_natural_order_is_that_of_lists():
    draw = random.Random(0)

    def name():
        return "".join(
            draw.choices("aAbZ0129\u00df\u00b2\u0663\u1e9e\u212a _.-~", k=draw.randint(1, 6))
        )

    paths = {"/".join(name() for _ in range(draw.randint(1, 3))) for _ in range(20_000)}
    paths |= {f"{n:0{width}}.png" for n in (0, 7, 10, 10**30) for width in (1, 3, 40)}
    paths = sorted(paths)
    assert sorted(paths, key=folders.natural) == sorted(paths, key=lists)


def test_a_walk_is_in_natural_order(tmp_path):
    draw = random.Random(1)
    for _ in range(300):
        parts = draw.choices(["a", "A", "b2", "b10", "10", "9", "9x", "a0", "a00", "0"], k=3)
        files(tmp_path, f"{'/'.join(parts[: draw.randint(1, 3)])}.png")
    (tmp_path / "b2" / "empty" / "deep").mkdir(parents=True)
    found = list(folders.walk(tmp_path, lambda name: name.endswith("9")))
    paths = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png")]
    expected = [p for p in paths if not any(part == "9" for part in p.split("/"))]
    assert [p for p in found if not p.endswith("/")] == sorted(expected, key=lists)
    assert [p for p in found if p.endswith("/")] == ["b2/empty/deep/", "b2/empty/"]


def test_own_folder_in_place(tmp_path):
    files(tmp_path, "dog/10.png", "dog/9.png", "cat/deep/er/1.JPG", "cat/0.webp")
    files(tmp_path, ".git/x.png", "dog/.hidden.png", "dog/Thumbs.db", "cat.dvc", "README.md")
    (tmp_path / "source.yaml").write_text("")
    found = own(tmp_path)
    assert [image.id for image in found] == [
        "cat/0.webp",
        "cat/deep/er/1.JPG",
        "dog/9.png",
        "dog/10.png",
    ]
    assert [image.label for image in found] == ["cat", "cat", "dog", "dog"]
    assert all(image.member == image.id and image.part == image.track == "" for image in found)
    assert [image.member for image in own(tmp_path, {"dog/9.png"})] == ["dog/9.png"]


def test_own_parts(tmp_path):
    files(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/2.png")
    assert [(image.part, image.label, image.id) for image in own(tmp_path)] == [
        ("test", "a", "test/a/1.png"),
        ("test", "b", "test/b/2.png"),
        ("train", "a", "train/a/1.png"),
        ("train", "b", "train/b/1.png"),
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a/1.png"], "at least two class folders with images; received a"),
        ([], "at least two class folders with images; received none"),
        (["a/1.png", "b/notes.txt"], "the class b has no image in b; expected .*jpg"),
        (["a/1.png", "b/1.png", "1.png"], "1.png lies outside of the class folders"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png"], "rename val to validation;"),
        (["train/a/1.png", "car/1.png"], "beside train .* received car;"),
        (["Train/a/1.png", "Val/a/1.png"], "rename Train to train, Val to validation"),
        (["train/a/1.png", "train/b/1.png", "train/1.png"], "train/1.png lies outside"),
        (["train/a/1.png", "train/b/1.png", "test/a/x.csv"], "has no image in test/a"),
    ],
)
def test_own_faults(tmp_path, names, words):
    with pytest.raises(InputError, match=words):
        own(files(tmp_path, *names))


@pytest.mark.parametrize(
    ("empty", "words"),
    [
        ("c", "the class c has no image in c"),
        ("train/c", "beside train"),
        ("validation", "beside validation"),
    ],
)
def test_empty_folders(tmp_path, empty, words):
    files(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / empty / "deeper").mkdir(parents=True)
    with pytest.raises(InputError, match=words):
        own(tmp_path)


def test_an_empty_part(tmp_path):
    files(tmp_path, "train/a/1.png", "train/b/1.png")
    (tmp_path / "test").mkdir()
    with pytest.raises(InputError, match="the part test holds no class folder"):
        own(tmp_path)


def test_what_is_no_image_is_listed_with_a_reason(tmp_path):
    files(tmp_path, "a/1.png", "b/1.png", "b/raw.nef", "b/noext")
    reasons = {}
    for image in own(tmp_path):
        try:
            images.pixels(image)
        except Unreadable as fault:
            reasons[image.id] = str(fault)
    assert reasons == {
        "b/noext": "a file without an extension is not an image here",
        "b/raw.nef": "a file named *.nef is not an image here",
    }


def test_the_folder_itself_and_files_may_be_links(tmp_path):
    files(tmp_path / "photos", "a/1.png", "b/1.png")
    files(tmp_path / "elsewhere", "2.png")
    (tmp_path / "photos" / "b" / "2.png").symlink_to(tmp_path / "elsewhere" / "2.png")
    (tmp_path / "mine").symlink_to(tmp_path / "photos")
    found = own(tmp_path / "mine")
    assert [image.id for image in found] == ["a/1.png", "b/1.png", "b/2.png"]
    assert [image.member for image in found] == [image.id for image in found]
    (tmp_path / "photos" / "stray.png").write_bytes(png())
    with pytest.raises(InputError, match=r"/mine: stray.png lies outside of the class folders"):
        own(tmp_path / "mine")


def test_linked_folders_below_are_refused(tmp_path):
    """DVC does not look behind a linked folder: an edit there would rerun nothing."""
    files(tmp_path / "elsewhere", "1.png")
    folder = files(tmp_path / "mine", "a/1.png", "b/1.png")
    (folder / "c").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="c is a link to a folder, in which DVC sees no edits"):
        own(folder)
    (folder / "c").unlink()
    (folder / "a" / "loop").symlink_to(folder)
    with pytest.raises(InputError, match="a/loop is a link to a folder"):
        own(folder)


def test_odd_names_are_refused(tmp_path):
    files(tmp_path, "a/1.png", "b/two\nlines.png")
    with pytest.raises(InputError, match=r"'b/two\\nlines.png' is not printable UTF-8"):
        own(tmp_path)


def test_what_can_not_be_opened_is_listed(tmp_path):
    files(tmp_path, "a/1.png", "b/1.png")
    os.mkfifo(tmp_path / "b" / "pipe.png")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere")
    found = own(tmp_path)
    assert {image.id: image.problem for image in found} == {
        "a/1.png": "",
        "b/1.png": "",
        "b/gone.png": "it is a link to nothing, or to itself",
        "b/pipe.png": "it is a pipe, a socket or a device, and no file",
    }
    with pytest.raises(Unreadable, match="it is a pipe"):
        images.pixels(found[3])


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_archives_keep_their_own_order(tmp_path, kind):
    names = ["set/LICENSE.txt", "set/b/10.png", "set/b/9.png", "set/a/x/1.png", "set/.x/1.png"]
    source = archive(tmp_path, names, kind)
    found = list(readers.read(source, None, tmp_path))
    assert [(image.id, image.member, image.label) for image in found] == [
        ("b/10.png", "set/b/10.png", "b"),
        ("b/9.png", "set/b/9.png", "b"),
        ("a/x/1.png", "set/a/x/1.png", "a"),
    ]
    assert found[0].data == png(1)
    wanted = list(readers.read(source, None, tmp_path, {"set/a/x/1.png"}))
    assert [image.id for image in wanted] == ["a/x/1.png"]


def test_archive_prefixes(tmp_path):
    def read(*names):
        return [(i.part, i.label) for i in readers.read(archive(tmp_path, names), None, tmp_path)]

    assert read("a/1.png", "b/1.png") == [("", "a"), ("", "b")]
    assert read("x/y/train/a/1.png", "x/y/train/b/1.png") == [("train", "a"), ("train", "b")]
    assert read("README.md", "x/a/1.png", "x/b/1.png") == [("", "a"), ("", "b")]
    assert read("x/README.md", "x/y/a/1.png", "x/y/b/1.png") == [("", "a"), ("", "b")]
    with pytest.raises(InputError, match="received cats"):  # a class, and not a prefix
        read("cats/1.png", "cats/tabby/2.png")
    with pytest.raises(InputError, match=r"loose.png lies outside"):
        read("loose.png", "x/a/1.png", "x/b/1.png")


def test_a_wanted_member_that_is_gone(tmp_path):
    source = archive(tmp_path, ["a/1.png", "b/1.png"])
    with pytest.raises(InputError, match="lacks 1 members that its index lists; run `dvc repro"):
        list(readers.read(source, None, tmp_path, {"a/1.png", "b/2.png"}))
    assert list(readers.read(source, None, tmp_path, set())) == []


class Beginning:
    """The two members whose names begin with `text`: a container that can't be gone through."""

    def __init__(self, text):
        self.text = text

    def __contains__(self, name):
        return name.startswith(self.text)

    def __len__(self):
        return 2


def test_members_are_any_container(tmp_path):
    names = ["set/a/1.png", "set/a/2.png", "set/b/1.png", "set/README.md"]
    source = archive(tmp_path, names)
    found = readers.read(source, None, tmp_path, Beginning("set/a/"))
    assert [image.id for image in found] == ["a/1.png", "a/2.png"]
    with pytest.raises(InputError, match="lacks 1 members"):
        list(readers.read(source, None, tmp_path, Beginning("set/b/")))
    own_ones = own(files(tmp_path / "mine", "a/1.png", "a/2.png", "b/1.png"), Beginning("a/"))
    assert [image.id for image in own_ones] == ["a/1.png", "a/2.png"]
    source, raw = cifar(tmp_path)
    place = "cifar-10-batches-py/test_batch:"
    found = readers.read(source, None, raw, Beginning(place))
    assert [image.member for image in found] == [f"{place}0", f"{place}1"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["../a/1.png", "/a/1.png", "a/../../1.png", "C:/a/1.png"])
def test_members_that_point_out_are_refused(tmp_path, kind, name):
    source = archive(tmp_path, ["a/1.png", "b/1.png", name], kind)
    with pytest.raises(InputError, match="does not name a file inside the archive"):
        list(readers.read(source, None, tmp_path))
    assert sorted(os.listdir(tmp_path)) == [f"a.{kind}"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_in_a_tar_are_refused(tmp_path, kind):
    source = archive(tmp_path, ["a/1.png", "b/1.png"], "tar")
    with tarfile.open(tmp_path / "a.tar", "a") as packed:
        member = tarfile.TarInfo("b/2.png")
        member.type, member.linkname = kind, "/etc/passwd"
        packed.addfile(member)
    with pytest.raises(InputError, match=r"b/2.png is a link or a device"):
        list(readers.read(source, None, tmp_path))


def test_links_in_a_zip_are_refused(tmp_path):
    source = archive(tmp_path, ["a/1.png", "b/1.png"])
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as packed:
        member = zipfile.ZipInfo("b/2.png")
        member.external_attr = 0o120777 << 16
        packed.writestr(member, "/etc/passwd")
    with pytest.raises(InputError, match=r"b/2.png is a link or a device"):
        list(readers.read(source, None, tmp_path))


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_broken_archives(tmp_path, kind):
    source = archive(tmp_path, ["a/1.png", "b/1.png"], kind)
    path = tmp_path / f"a.{kind}"
    data = path.read_bytes()
    for broken in (b"", b"junk" * 300, data[: min(len(data) // 3, 560)]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=rf"a.{kind}") as fault:
            list(readers.read(source, None, tmp_path))
        assert "\n" not in str(fault.value)
    path.unlink()
    with pytest.raises(InputError, match="is not here; run `dvc repro fetch_data`"):
        list(readers.read(source, None, tmp_path))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_a_member_that_stands_twice(tmp_path, kind):
    names = ["a/1.png", "b/1.png", "b/2.png", "a/1.png", "./b/2.png", "b/2.png", "LICENSE"]
    source = archive(tmp_path, names, kind)
    with pytest.raises(InputError, match=rf"a.{kind}: the member b/2.png stands twice; pack the"):
        list(readers.read(source, None, tmp_path))


def test_a_large_member_is_refused_before_it_is_read(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        member = tarfile.TarInfo("a/1.png")
        packed.addfile(member)
        member.size = archives.MEMBER_LIMIT + 1
        member.name = "a/2.png"
        packed.fileobj.write(member.tobuf())
        packed.fileobj.truncate(packed.fileobj.tell() + member.size)
    source = sources.Source(name="a", kind="archives", files=(sources.File("a.tar"),))
    with pytest.raises(InputError, match=r"a/2.png holds 536,870,913 bytes; the limit is 536,8"):
        list(readers.read(source, None, tmp_path))


def test_an_image_more_costs_a_tar_next_to_no_memory(tmp_path):
    """16 bytes, by which the names are compared; the lists of the libraries would be 1,000."""

    def peak(n):
        data = png()
        with tarfile.open(tmp_path / "a.tar", "w") as packed:
            for i in range(n):
                member = tarfile.TarInfo(f"set/{'ab'[i % 2]}/{i:05d}.png")
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
        source = sources.Source(name="a", kind="archives", files=(sources.File("a.tar"),))
        return tracing.peak_through(lambda: readers.read(source, None, tmp_path))

    peak(10)  # what the first reading sets up for good
    assert (peak(4_000) - peak(1_000)) / 3_000 < 40  # bytes


def test_an_image_more_costs_an_own_folder_no_memory(tmp_path):
    """But for the names of one folder and one path a folder."""
    for name in ("few", "many"):
        for i in range({"few": 400, "many": 4_000}[name]):
            path = tmp_path / name / f"{i // 200}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def peak(name):
        return tracing.peak_through(lambda: readers.read(OWN, tmp_path / name, tmp_path))

    peak("few")
    assert (peak("many") - peak("few")) / 3_600 < 10  # bytes


def test_unknown_layout(tmp_path):
    source = sources.Source(name="a", kind="archives", layout="cifar")
    with pytest.raises(InputError, match="unknown layout of dataset a 'cifar'; known: cifar10"):
        list(readers.read(source, None, tmp_path))


def test_digest_tells_shapes_apart_and_ignores_memory_order():
    flat = np.arange(24, dtype=np.uint8)

    def digest(data):
        return images.digest(images.Image("i", "m", "l", "", "", data))

    assert digest(flat.reshape(2, 4, 3)) != digest(flat.reshape(4, 2, 3))
    turned = np.asfortranarray(flat.reshape(2, 4, 3))
    assert digest(turned) == digest(flat.reshape(2, 4, 3))
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# CIFAR-10


def batch(rows, first=0):
    data = (np.arange(rows * 3072).reshape(rows, 3072) * 7 + first).astype(np.uint8)
    return {"data": data, "labels": [(first + i) % 2 for i in range(rows)]}


def cifar(folder, change=None):
    trees = {f"data_batch_{i}": batch(3, i) for i in range(1, 6)}
    trees |= {"test_batch": batch(2, 9), "readme.html": "no pickle"}
    trees["batches.meta"] = {"label_names": ["cat", "dog"]}  # after what it is needed for
    (change or (lambda trees: None))(trees)
    with tarfile.open(folder / "c.tar.gz", "w:gz") as packed:
        for name, tree in trees.items():
            data = pickle.dumps(tree, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    source = sources.Source(
        name="c", kind="archives", layout="cifar10", files=(sources.File("c.tar.gz"),)
    )
    return source, folder


def test_cifar_rows(tmp_path):
    source, raw = cifar(tmp_path)
    found = list(readers.read(source, None, raw))
    assert len(found) == 17
    assert (found[0].id, found[0].member) == (
        "data_batch_1/00000",
        "cifar-10-batches-py/data_batch_1:0",
    )
    assert [image.part for image in found] == ["train"] * 15 + ["test"] * 2
    assert [image.label for image in found[:3]] == ["dog", "cat", "dog"]
    image = found[4].data
    row = batch(3, 2)["data"][1]
    assert (image.shape, image.dtype) == ((32, 32, 3), np.uint8)
    assert image[5, 7].tolist() == [row[c * 1024 + 5 * 32 + 7] for c in range(3)]
    wanted = {found[16].member, found[4].member}
    again = list(readers.read(source, None, raw, wanted))
    assert [one.id for one in again] == [found[4].id, found[16].id]
    np.testing.assert_array_equal(again[0].data, image)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("batches.meta"), "lacks batches.meta"),
        (lambda t: t.pop("data_batch_3"), "lacks data_batch_3"),
        (lambda t: t["test_batch"]["labels"].append(0), "needs a list of 2 labels"),
        (lambda t: t["test_batch"].update(labels=[0, 2]), "number from 0 to 1"),
        (lambda t: t["test_batch"].pop("data"), "test_batch needs a dict with data"),
        (lambda t: t["test_batch"].update(data=np.zeros((2, 5), "u1")), r"\[n, 3072\]; received"),
        (lambda t: t["test_batch"].update(data=np.zeros((2, 3072))), "received float64"),
        (lambda t: t.update({"batches.meta": {"label_names": 3}}), "a list of names"),
        (lambda t: t.update(test_batch=Path("x")), "test_batch"),
    ],
)
def test_cifar_faults(tmp_path, change, words):
    source, raw = cifar(tmp_path, change)
    with pytest.raises(InputError, match=words):
        list(readers.read(source, None, raw))


def test_the_mirrors_cifar(mirror):
    source = sources.load(ROOT / "data" / "datasets" / "cifar10")
    parts, labels = {"train": 0, "test": 0}, set()
    for image in readers.read(source, None, mirror):
        parts[image.part] += 1
        labels.add(image.label)
    assert parts == {"train": 6000, "test": 600}
    assert sorted(labels) == ("airplane automobile bird cat deer dog frog horse ship truck".split())
    assert image.data.shape == (32, 32, 3)
