import io
import os
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from stages import index as stage
from tests.imports import ROOT
from transfer.datasets import fingerprints, index, sources, survey
from transfer.datasets import knowledge as knowledge_
from transfer.datasets.index import Row
from transfer.datasets.knowledge import NAME, Fact, Knowledge
from transfer.datasets.reading import decoder, readers
from transfer.datasets.reading.images import Image, digest
from transfer.errors import InputError

OWN = sources.Source(name="mine", kind="own", split={"validation": 0.25, "test": 0.25})
DRAW = {
    "strict": False,
    "by": "group",
    "per_class": 100,
    "validation": None,
    "test": None,
    "seed": 0,
}


def png(colour, side=8):
    file = io.BytesIO()
    Picture.new("RGB", (side, side), (colour % 256, colour // 256, 9)).save(file, "PNG")
    return file.getvalue()


def images(n=8, labels="ab"):
    return [
        Image(f"{label}/{i}.png", f"{label}/{i}.png", label, "", "", png(100 * c + i))
        for c, label in enumerate(labels)
        for i in range(n)
    ]


def with_data(image, data, **change):
    fields = {k: getattr(image, k) for k in ("id", "member", "label", "part", "track")}
    return Image(**{**fields, **change}, data=data)


def build(found, source=OWN, **change):
    rows, notes = survey.build(found, source, **{**DRAW, **change})
    return list(rows), notes


def test_rows_follow_the_images():
    found = images()
    rows, notes = build(found)
    assert [row.id for row in rows] == [image.id for image in found]
    assert [row.sha256 for row in rows] == [digest(image) for image in found]
    assert all(row.group == row.sha256[:16] for row in rows)
    assert [sum(row.split == part for row in rows) for part in ("train", "validation", "test")] == [
        8,
        4,
        4,
    ]
    assert notes == [
        "mine knows no tracks: split.by group keeps only copies and near-duplicates together",
        "2 classes have fewer than 100 training images and use all they have; the fewest: a, 4",
    ]
    assert build(found, by="image", per_class="all")[1] == []


def test_params_overrule_the_sources_fractions():
    rows, _ = build(images(), validation=0.0, test=0.5)
    assert sorted({row.split for row in rows}) == ["test", "train"]


def test_a_part_of_the_sources_own_is_not_drawn_and_said():
    found = [with_data(one, one.data, part="train") for one in images()]
    found += [
        with_data(one, png(500 + i), part="test", id=f"t/{one.id}")
        for i, one in enumerate(images())
    ]
    _, notes = build(found, test=0.5)
    assert notes[:2] == [
        "split.test is not used: mine has a test part of its own",
        "mine has no validation part: it is drawn from its train part",
    ]
    assert "split.test" not in " ".join(build(found)[1])


def test_problems_are_listed_in_the_same_words_each_time():
    found = images()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Picture.fromarray(noise).save(file, "JPEG")
    found[1] = with_data(found[1], b"")
    found[2] = with_data(found[2], file.getvalue()[:2000], member="a/2.jpg")
    found[3] = with_data(found[3], found[3].data, member="a/3.txt")
    found[9] = with_data(found[9], found[4].data)
    first, _ = build(found)
    again, _ = build(found)
    assert first == again
    problems = {row.id: row.problem for row in first if row.problem}
    assert problems == {
        "a/1.png": "the file is empty",
        "a/2.png": problems["a/2.png"],
        "a/3.png": "a file named *.txt is not an image here",
        "a/4.png": "the same image stands under another label: b (b/1.png)",
        "b/1.png": "the same image stands under another label: a (a/4.png)",
    }
    assert problems["a/2.png"].startswith("can't be decoded: image file is truncated")
    assert all(row.split == "" for row in first if row.problem)
    with pytest.raises(InputError, match=r"5 of 16 images can't be used, the first a/1.png: the f"):
        build(found, strict=True)
    assert "16 images of 2 classes: " in index.summary(first)
    assert "; 5 set aside (a/1.png: the file is empty; a/2.png: " in index.summary(first)


def test_arrays_are_taken_as_they_are():
    pixels = np.zeros((32, 32, 3), np.uint8)
    found = [
        Image(f"{i}", f"m:{i}", "ab"[i % 2], "", "", np.full_like(pixels, i)) for i in range(8)
    ]
    rows, _ = build(found)
    assert not any(row.problem for row in rows)
    assert len({row.sha256 for row in rows}) == 8


def test_faults():
    with pytest.raises(InputError, match=r"2 images have the id a/0.png"):
        build([*images(), images()[0]])
    with pytest.raises(InputError, match="at least two classes; received a"):
        build(images(labels="a"))
    with pytest.raises(InputError, match="received none"):
        build([])
    broken = [with_data(one, b"junk") if one.label == "b" else one for one in images()]
    with pytest.raises(InputError, match=r"class b has no usable image, the first b/0.png: not a"):
        build(broken)
    tracks = [with_data(one, one.data, track="t") for one in images()]
    with pytest.raises(InputError, match="track t spans the classes a and b"):
        build(tracks)


def test_file_is_byte_stable_and_comes_back(tmp_path):
    rows = [
        Row('a/"q", é.png', "m", "a b", "train", "g", "00", ""),
        Row("b/1", "m:1", "b", "", "g2", "11", 'odd, "why"'),
    ]
    index.write(tmp_path / "deep" / "x.csv", rows)
    data = (tmp_path / "deep" / "x.csv").read_bytes()
    assert (
        data
        == (
            "id,member,label,split,group,sha256,problem\n"
            '"a/""q"", é.png",m,a b,train,g,00,\n'
            'b/1,m:1,b,,g2,11,"odd, ""why"""\n'
        ).encode()
    )
    read = index.read(tmp_path / "deep" / "x.csv")
    assert list(read) == list(read) == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "its first line must be id,member"),
        ("id,label\n", "its first line must be id,member"),
        (",".join(index.COLUMNS) + "\na,b\n", "row 2 has 2 cells, not 7"),
        ("\xff", "is not an index"),
    ],
)
def test_read_faults(tmp_path, text, words):
    path = tmp_path / "x.csv"
    with pytest.raises(InputError, match="run `dvc repro index`"):
        index.read(path)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words):
        list(index.read(path))


@pytest.mark.parametrize("text", ["id,label\n", "\xff"])
def test_a_file_that_is_no_index_is_told_before_any_row_is_asked_for(tmp_path, text):
    (tmp_path / "x.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is not an index"):
        index.read(tmp_path / "x.csv")


def test_a_bad_row_is_told_when_its_turn_comes(tmp_path):
    good = index.Row(*"1234567")
    index.write(tmp_path / "x.csv", [good] * 5000)
    with (tmp_path / "x.csv").open("ab") as file:
        file.write(b"a,\xff\n")
    rows = iter(index.read(tmp_path / "x.csv"))
    assert next(rows) == good
    with pytest.raises(InputError, match="is not an index: 'utf-8' codec"):
        list(rows)


def test_a_file_that_goes_away_between_two_readings(tmp_path):
    index.write(tmp_path / "x.csv", [])
    rows = index.read(tmp_path / "x.csv")
    assert list(rows) == []
    (tmp_path / "x.csv").unlink()
    with pytest.raises(InputError, match="is not here; run `dvc repro index`"):
        list(rows)


def test_the_summary_takes_rows_one_by_one():
    rows = [Row(f"{i}", "m", "ab"[i % 2], "", "g", "0", f"why {i}") for i in range(3)]
    rows += [Row("x", "m", "c", part, "g", "0") for part in ("train", "train", "test", "unused")]
    assert index.summary(iter(rows)) == (
        "7 images of 3 classes: 2 train, 0 validation, 1 test, 1 unused; "
        "3 set aside (0: why 0; 1: why 1; 2: why 2)"
    )
    assert index.summary(iter([*rows, rows[0], rows[0]])).endswith(
        "5 set aside (0: why 0; 1: why 1; 2: why 2; ...)"
    )


# What was learnt before


def fact(problem):
    return Fact(problem, bytes(16))


def test_the_second_index_decodes_nothing(tmp_path, monkeypatch):
    found = images()
    found[1] = with_data(found[1], b"junk")
    first, _ = build(found, store=tmp_path)

    def refuse(data):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decoder, "decode", refuse)
    assert build(found, store=tmp_path)[0] == first
    monkeypatch.setattr(decoder, "VERSION", "another decoder")
    with pytest.raises(AssertionError):
        build(found, store=tmp_path)


def test_a_known_content_under_a_name_that_is_no_image(tmp_path):
    found = images()
    build(found, store=tmp_path)
    found[0] = with_data(found[0], found[0].data, member="a/0.txt")
    rows, _ = build(found, store=tmp_path)
    assert rows[0].problem == "a file named *.txt is not an image here"
    found[0] = with_data(found[0], found[0].data, member="a/0.png")
    assert build(found, store=tmp_path)[0][0].problem == ""


def test_a_broken_store_costs_time_only(tmp_path):
    found = images()
    expected, _ = build(found)
    (tmp_path / NAME).write_bytes(b"this is no database " * 100)
    assert build(found, store=tmp_path)[0] == expected
    version = f"{decoder.VERSION}, {decoder.REFUSALS}, {fingerprints.VERSION}"
    with Knowledge(tmp_path, version) as knowledge:  # replaced by a sound one
        assert set(knowledge.get([expected[0].sha256])) == {expected[0].sha256}
    (tmp_path / "file").write_text("")
    assert build(found, store=tmp_path / "file")[0] == expected
    (tmp_path / "other").mkdir()
    with sqlite3.connect(tmp_path / "other" / NAME) as base:
        base.execute("CREATE TABLE decoded (something TEXT)")
    assert build(found, store=tmp_path / "other")[0] == expected


def test_a_store_torn_in_the_middle(tmp_path):
    facts = {f"{i:064x}": fact("x" * 50) for i in range(3000)}
    with Knowledge(tmp_path, "d") as knowledge:
        knowledge.learn(facts)
    path = tmp_path / NAME
    data = bytearray(path.read_bytes())
    data[8192:-4096] = os.urandom(len(data) - 12288)
    path.write_bytes(data)
    with Knowledge(tmp_path, "d") as knowledge:
        for sha256 in facts:
            assert knowledge.get([sha256]) in ({}, {sha256: fact("x" * 50)})
        knowledge.learn({"new": fact("")})


def test_facts_are_known_before_and_after_they_are_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge_, "BATCH", 3)
    with Knowledge(tmp_path, "d") as knowledge, Knowledge(tmp_path, "d") as other:
        knowledge.learn({"1": fact(""), "2": fact("bad")})
        assert knowledge.get(["0", "1", "2"]) == {"1": fact(""), "2": fact("bad")}
        assert other.get(["1", "2"]) == {}
        knowledge.learn({"3": fact("")})
        assert (
            knowledge.get(["1", "3", "4"])
            == other.get(["1", "3", "4"])
            == {"1": fact(""), "3": fact("")}
        )
        assert knowledge.get([]) == {}
    with Knowledge(tmp_path, "another decoder") as knowledge:
        assert knowledge.get(["1", "2", "3"]) == {}


def test_without_a_folder_memory_holds_the_newest_facts(monkeypatch):
    monkeypatch.setattr(knowledge_, "BATCH", 3)
    with Knowledge(None, "d") as knowledge:
        knowledge.learn({"1": fact(""), "2": fact("bad")})
        assert knowledge.get(["1", "2"]) == {"1": fact(""), "2": fact("bad")}
        knowledge.learn({"3": fact("")})
        assert knowledge.get(["1", "2", "3"]) == {}


def test_many_processes_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from transfer.datasets.knowledge import Fact, Knowledge\n"
        "for start in range(5):\n"
        "    with Knowledge(Path(sys.argv[1]), 'd') as knowledge:\n"
        "        for i in range(500):\n"
        "            knowledge.learn({f'{sys.argv[2]}-{start}-{i}': Fact('p', bytes(16))})\n"
    )
    jobs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)], cwd=ROOT)
        for n in range(3)
    ]
    assert [job.wait(60) for job in jobs] == [0, 0, 0]
    names = [f"{n}-{start}-{i}" for n in range(3) for start in range(5) for i in range(500)]
    with Knowledge(tmp_path, "d") as knowledge:
        assert knowledge.get(names) == dict.fromkeys(names, fact("p"))


# The stage


def params_of(folder, **change):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text, encoding="utf-8")


def test_stage_on_an_own_folder(tmp_path, monkeypatch, capsys):
    for image in images(6):
        path = tmp_path / "mine" / image.member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image.data)
    (tmp_path / "mine" / "a" / "zero.png").write_bytes(b"")
    params_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    outputs = []
    for name in ("one.csv", "two.csv"):
        near = tmp_path / f"near-{name}"
        stage.main(tmp_path / "mine", tmp_path / "raw", tmp_path / "index" / name, near)
        assert near.read_text() == "id,near,distance,label,near_label,split,near_split\n"
        outputs.append((tmp_path / "index" / name).read_bytes())
    assert outputs[0] == outputs[1]
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(
        "index: mine: 13 images of 2 classes: 8 train, 2 validation, 2 test, 0 unused; "
        f"1 set aside (a/zero.png: the file is empty); all in {tmp_path}/index/one.csv, "
        f"near-duplicates in {tmp_path}/near-one.csv\n"
    )
    rows = index.read(tmp_path / "index" / "one.csv")
    members = {row.member for row in rows if row.split == "test"}
    source = sources.load(tmp_path / "mine")
    again = list(readers.read(source, tmp_path / "mine", tmp_path / "raw", members))
    assert {image.member for image in again} == members
    (tmp_path / "params.yaml").write_text(
        (tmp_path / "params.yaml").read_text().replace("strict: false", "strict: true")
    )
    with pytest.raises(InputError, match=r"1 of 13 images can't be used, the first a/zero.png"):
        stage.main(tmp_path / "mine", tmp_path / "raw", tmp_path / "index" / "three.csv", near)


def test_stage_ends_with_a_sentence(tmp_path):
    params_of(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../x/1.png", png(0))
    (tmp_path / "hostile").mkdir()
    (tmp_path / "hostile" / "source.yaml").write_text(
        "layout: class_folders\nfiles: [{name: a.zip}]"
    )
    argv = "-m stages.index --source hostile --raw . --index x.csv --near near.csv"
    done = subprocess.run(
        [sys.executable, *argv.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: a.zip: the member '../x/1.png' does not name a file")
    assert done.stderr.count("\n") == 1
    assert not Path(tmp_path, "x.csv").exists()


def test_the_mirrors_cifar(mirror):
    source = sources.load(ROOT / "data" / "datasets" / "cifar10")
    rows, notes = build(readers.read(source, None, mirror), source)
    assert not any(row.problem for row in rows)
    per_class = {
        label: [
            sum(row.label == label and row.split == part for row in rows)
            for part in ("train", "validation", "test", "unused")
        ]
        for label in {row.label for row in rows}
    }
    assert len(per_class) == 10
    for train, validation, _test, unused in per_class.values():
        assert train == 100
        assert abs(validation - (train + validation + unused) / 5) <= 1
    assert sum(counts[2] for counts in per_class.values()) == 600
    assert notes == [
        "cifar10 knows no tracks: split.by group keeps only copies and near-duplicates together",
        "cifar10 has 6 sets of near-duplicates, 0 of them across labels and 1 across parts of the "
        "source",
    ]
