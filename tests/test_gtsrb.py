"""GTSRB's archives, small: what is read, what is passed over, and every refusal."""

import zipfile

import numpy as np
import pytest

from transfer.datasets import sources, survey
from transfer.datasets.reading import images, readers
from transfer.datasets.reading.gtsrb import COLUMNS
from transfer.errors import InputError

TRAIN, TEST = "GTSRB/Final_Training/Images", "GTSRB/Final_Test/Images"
HEAD = ";".join(COLUMNS)


def index_of(source, raw, validation):
    draw = {"by": "group", "per_class": 1, "validation": validation, "test": 0, "seed": 0}
    return list(survey.build(readers.read(source, None, raw), source, strict=False, **draw)[0])


def ppm(value, side=4):
    return b"P6\n%d %d\n255\n" % (side, side) + bytes([value % 256]) * (3 * side * side)


def table(names, numbers, end="\r\n"):
    rows = [f"{name};4;4;0;0;3;3;{number}" for name, number in zip(names, numbers, strict=True)]
    return end.join([HEAD, *rows, ""])


def benchmark(folder, change=None, archives=("a.zip", "b.zip", "c.zip")):
    """Two classes of two tracks of two frames, three test signs; `change(members)` before they are
    packed: {archive: {member: content}}.  Names of archives tell nothing."""
    train = {}
    for number in (0, 1):
        names = [f"{track:05d}_{frame:05d}.ppm" for track in (0, 1) for frame in (0, 1)]
        for i, name in enumerate(names):
            train[f"{TRAIN}/{number:05d}/{name}"] = ppm(50 * number + i)
        # After what it is needed for, which the order in the zip must not matter for.
        train[f"{TRAIN}/{number:05d}/GT-{number:05d}.csv"] = table(names, [number] * 4)
    test = {f"{TEST}/{i:05d}.ppm": ppm(200 + i) for i in range(3)}
    unlabelled = [f"{i:05d}.ppm;4;4;0;0;3;3" for i in range(3)]
    test[f"{TEST}/GT-final_test.test.csv"] = "\r\n".join(
        [HEAD.removesuffix(";ClassId"), *unlabelled]
    )
    labels = {"GT-final_test.csv": table([f"{i:05d}.ppm" for i in range(3)], [1, 0, 1])}
    train["GTSRB/Readme-Images.txt"] = test["GTSRB/Readme-Images-Final-test.txt"] = "Words.\r\n"
    members = dict(zip(archives, (labels, train, test), strict=False))
    (change or (lambda members: None))(members)
    for archive, contents in members.items():
        with zipfile.ZipFile(folder / archive, "w") as packed:
            for name, content in contents.items():
                packed.writestr(name, content)
    return sources.Source(
        name="signs",
        kind="archives",
        layout="gtsrb",
        classes=("0 stop", "1 yield"),
        files=tuple(sources.File(archive) for archive in members),
    )


def test_small_benchmark(tmp_path):
    found = list(readers.read(benchmark(tmp_path), None, tmp_path))
    assert [(image.id, image.label, image.part, image.track) for image in found] == [
        ("train/00000/00000_00000.ppm", "0 stop", "train", "00000/00000"),
        ("train/00000/00000_00001.ppm", "0 stop", "train", "00000/00000"),
        ("train/00000/00001_00000.ppm", "0 stop", "train", "00000/00001"),
        ("train/00000/00001_00001.ppm", "0 stop", "train", "00000/00001"),
        ("train/00001/00000_00000.ppm", "1 yield", "train", "00001/00000"),
        ("train/00001/00000_00001.ppm", "1 yield", "train", "00001/00000"),
        ("train/00001/00001_00000.ppm", "1 yield", "train", "00001/00001"),
        ("train/00001/00001_00001.ppm", "1 yield", "train", "00001/00001"),
        ("test/00000.ppm", "1 yield", "test", ""),
        ("test/00001.ppm", "0 stop", "test", ""),
        ("test/00002.ppm", "1 yield", "test", ""),
    ]
    assert found[1].data == ppm(1)
    assert images.pixels(found[-1]).tolist() == np.full((4, 4, 3), 202).tolist()


def test_only_wanted_members_are_read(tmp_path, monkeypatch):
    source = benchmark(tmp_path)
    wanted = {f"{TRAIN}/00001/00000_00001.ppm", f"{TEST}/00002.ppm"}
    opened = []
    read = zipfile.ZipFile.read
    monkeypatch.setattr(
        zipfile.ZipFile, "read", lambda z, m: opened.append(m.filename) or read(z, m)
    )
    found = list(readers.read(source, None, tmp_path, wanted))
    assert {image.member for image in found} == wanted
    assert {name for name in opened if name.endswith(".ppm")} == wanted
    with pytest.raises(InputError, match="lacks 2 members that its index lists; run `dvc repro"):
        list(readers.read(source, None, tmp_path, {*wanted, "gone.ppm", GT0}))


def test_all_in_one_archive_and_unix_line_ends(tmp_path):
    expected = [image.id for image in readers.read(benchmark(tmp_path), None, tmp_path)]

    def one(members):
        whole = {
            k: v for archive in ("b.zip", "c.zip", "a.zip") for k, v in members[archive].items()
        }
        whole = {k: v.replace("\r\n", "\n") if isinstance(v, str) else v for k, v in whole.items()}
        members.clear()
        members["one.zip"] = whole

    (tmp_path / "one").mkdir()
    source = benchmark(tmp_path / "one", one)
    assert [image.id for image in readers.read(source, None, tmp_path / "one")] == expected


def test_a_broken_picture_is_listed(tmp_path):
    def cut(members):
        members["b.zip"][f"{TRAIN}/00000/00000_00001.ppm"] = ppm(1)[:20]

    source = benchmark(tmp_path, cut)
    rows = index_of(source, tmp_path, 0.5)
    (bad,) = [row for row in rows if row.problem]
    assert (bad.id, bad.split) == ("train/00000/00000_00001.ppm", "")
    assert bad.problem.startswith("can't be decoded: ")


def test_a_training_sign_that_stands_in_the_test_set_too(tmp_path):
    source = benchmark(
        tmp_path, lambda m: m["b.zip"].update({f"{TRAIN}/00000/00001_00001.ppm": ppm(201)})
    )
    rows = index_of(source, tmp_path, 0.3)
    (bad,) = [row for row in rows if row.problem]
    assert bad.id == "train/00000/00001_00001.ppm"
    assert bad.problem == "the same image stands in the source's test part: test/00001.ppm"
    assert [row.id for row in rows if row.split == "test"] == [
        f"test/0000{i}.ppm" for i in range(3)
    ]


def edit(archive, member, old, new):
    def change(members):
        assert old in members[archive][member]
        members[archive][member] = members[archive][member].replace(old, new)

    return change


def drop(archive, member):
    return lambda members: members[archive].pop(member)


def add(archive, member, content=b"x"):
    return lambda members: members[archive].update({member: content})


GT0, GT1 = f"{TRAIN}/00000/GT-00000.csv", f"{TRAIN}/00001/GT-00001.csv"
FINAL = "GT-final_test.csv"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            drop("b.zip", f"{TRAIN}/00000/00001_00001.ppm"),
            "row 5: no archive holds the image '0000",
        ),
        (drop("c.zip", f"{TEST}/00001.ppm"), r"a.zip: GT-final_test.csv, row 3: no archive holds"),
        (
            add("b.zip", f"{TRAIN}/00000/00007_00000.ppm"),
            "1 images have no row .* first train/0000",
        ),
        (add("c.zip", f"{TEST}/00003.ppm"), "1 images have no row .* first test/00003.ppm"),
        (
            drop("b.zip", GT1),
            "4 images have no row in a table .* first train/00001/00000_00000.ppm",
        ),
        (edit("b.zip", GT0, ";ClassId", ""), "expected the columns Filename;.*; received Filename"),
        (edit("b.zip", GT0, ";", ","), "expected the columns Filename;.*; received Filename,Width"),
        (edit("a.zip", FINAL, "Roi.X1", "X1"), "a.zip: GT-final_test.csv: expected the columns"),
        (edit("a.zip", FINAL, HEAD, ""), "expected the columns"),
        (add("a.zip", FINAL, ""), "expected the columns .* received nothing"),
        (add("a.zip", FINAL, b"\xff\xfe"), "GT-final_test.csv is not a table: "),
        (edit("a.zip", FINAL, "3;3;0", "3;3;2"), "row 3: the class 2 has no name; expected 0 to 1"),
        (edit("a.zip", FINAL, "3;3;0", "3;3;-1"), "expected a number as ClassId; received '-1'"),
        (edit("a.zip", FINAL, "3;3;0", "3;3;" + "9" * 5000), "expected a number as ClassId"),
        (edit("a.zip", FINAL, "3;3;0", "3;3;"), "expected a number as ClassId; received ''"),
        (edit("a.zip", FINAL, "00001.ppm", "00000.ppm"), "row 3: 00000.ppm stands twice"),
        (edit("a.zip", FINAL, "00001.ppm", "../x.ppm"), r"no archive holds the image '../x.ppm'"),
        (edit("b.zip", GT1, "3;3;1", "3;3;0"), "row 2: ClassId 0 disagrees with the folder 00001"),
        (edit("b.zip", GT1, "3;3;1\r\n", "3;3\r\n"), "row 2 has 7 cells, not 8; the table may be"),
        (edit("a.zip", FINAL, "00002.ppm;4;4;0;0;3;3;1\r\n", "00002.ppm;4;4"), "row 4 has 3 cells"),
        (edit("a.zip", FINAL, "00002.ppm;4;4;0;0;3;3;1\r\n", ""), "1 images have no row in a tab"),
        (
            edit("a.zip", FINAL, "00002.ppm;4;4;0;0;3;3;1\r\n", "00002.ppm;4;4;0;0;3;3;1"),
            "row 4 has no line end: the table may be cut",
        ),
        (
            lambda members: members.pop("a.zip"),
            r"\(b.zip, c.zip\) holds the test table, such as GT",
        ),
        (lambda members: members.pop("b.zip"), "holds the training images, such as Final_Train"),
        (lambda members: members.pop("c.zip"), "holds the test images, such as Final_Test"),
        (
            lambda members: [members["b.zip"].pop(name) for name in (GT0, GT1)],
            "holds the training tables, such as Final_Training/Images/00042/GT-00042.csv",
        ),
        (lambda m: m.update({"d.zip": m["a.zip"]}), r"d.zip: GT-final_test.csv stands in another"),
        (lambda m: m.update({"d.zip": m["c.zip"]}), r"d.zip: .*/00000.ppm stands in another"),
        (add("b.zip", f"x/{TRAIN}/00000/00000_00000.ppm"), "00000_00000.ppm stands in another arc"),
        (add("b.zip", f"{TRAIN}/00000/extra.png"), "extra.png has no place in the benchmark's"),
        (add("b.zip", f"{TRAIN}/00000/GT-00001.csv"), "GT-00001.csv has no place"),
        (add("c.zip", "GTSRB/Online-Test/Images/00000.ppm"), "has no place"),
        (add("c.zip", "../00000.ppm"), "does not name a file inside the archive"),
    ],
)
def test_faults_of_the_archives(tmp_path, change, words):
    source = benchmark(tmp_path, change)
    with pytest.raises(InputError, match=words) as fault:
        list(readers.read(source, None, tmp_path))
    assert "\n" not in str(fault.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_stands_twice_in_its_archive(tmp_path):
    source = benchmark(tmp_path)
    with zipfile.ZipFile(tmp_path / "c.zip", "a") as packed:
        packed.writestr(f"{TEST}/00001.ppm", ppm(1))
    with pytest.raises(InputError, match=r"c.zip: the member .*/00001.ppm stands twice; pack the"):
        list(readers.read(source, None, tmp_path))


def test_a_cut_archive(tmp_path):
    source = benchmark(tmp_path)
    path = tmp_path / "b.zip"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match=r"b.zip can't be read as a zip or tar archive"):
        list(readers.read(source, None, tmp_path))
