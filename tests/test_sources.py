import pytest

from tests.imports import ROOT
from transfer.datasets import sources
from transfer.errors import InputError

ARCHIVE = """\
title: Some signs
licence: public domain
layout: class_folders
files:
  - name: signs.zip
    url: https://example.org/signs.zip
    md5: f33fd80ac59bff73c82d25ab499e03a3
    size: 12
split: {validation: 0.1}
recommend:
  any: {layers: [mixed8], size: 96}
  resnet: {views: [plain, flipped]}
"""


NUMBERED = """\
layout: pickled
files: [{name: train.p}]
classes:
  - 00 cat
  - 01 dog
"""


def written(folder, text, name="signs"):
    (folder / name).mkdir(parents=True)
    (folder / name / "source.yaml").write_text(text)
    return folder / name


def test_archives(tmp_path):
    source = sources.load(written(tmp_path, ARCHIVE))
    assert (source.name, source.kind, source.layout) == ("signs", "archives", "class_folders")
    assert source.archives == ("signs.zip",)
    assert source.files[0].size == 12
    assert source.files[0].sha256 == ""
    assert source.split == {"validation": 0.1, "test": 0.2}
    assert not source.flip
    assert source.recommend["resnet"] == {"views": ["plain", "flipped"]}


def test_own_folder_with_and_without_a_source_file(tmp_path):
    (tmp_path / "mine").mkdir()
    mine = sources.load(tmp_path / "mine")
    assert (mine.kind, mine.title, mine.layout) == ("own", "mine", "class_folders")
    assert mine.split == {"validation": 0.2, "test": 0.2}
    assert mine.archives == ()
    told = sources.load(written(tmp_path, "flip: true\nsplit: {test: 0}", "told"))
    assert (told.kind, told.flip, told.split["test"]) == ("own", True, 0)
    assert sources.load(written(tmp_path, "", "blank")).kind == "own"


def test_the_repositorys_own():
    names = ["cifar10", "flowers", "sample", "traffic", "traffic32"]
    assert set(names) <= set(sources.known(ROOT / "data" / "datasets"))
    cifar = sources.load(ROOT / "data" / "datasets" / "cifar10")
    assert (cifar.layout, cifar.flip, cifar.split["test"]) == ("cifar10", True, 0)
    assert cifar.files[0].size == 170_498_071
    sample = sources.load(ROOT / "data" / "datasets" / "sample")
    assert (sample.kind, sample.flip) == ("render", False)
    assert sample.archives == (sources.RENDERED,)


def test_the_signs_have_the_same_43_names_in_the_order_of_their_numbers():
    traffic, traffic32 = (
        sources.load(ROOT / "data" / "datasets" / name) for name in ("traffic", "traffic32")
    )
    assert traffic.classes == traffic32.classes
    assert [name[:3] for name in traffic.classes] == [f"{i:02d} " for i in range(43)]
    assert sorted(traffic.classes) == list(traffic.classes)
    assert not any(set(name) & set("/\\") for name in traffic.classes)
    assert [traffic.classes[i] for i in (0, 14, 38)] == [
        "00 speed limit 20",
        "14 stop",
        "38 keep right",
    ]
    assert not traffic.flip
    assert not traffic32.flip


def test_a_name_that_is_kept_for_near_duplicates_is_refused_where_it_is_asked_for(tmp_path):
    source = sources.load(written(tmp_path, ARCHIVE, "signs_near"))
    with pytest.raises(InputError, match=r"signs_near needs another name, .*of a dataset signs$"):
        sources.require_known(source, ["resnet"])


def test_label_of_a_number(tmp_path):
    source = sources.load(written(tmp_path, NUMBERED))
    assert source.classes == ("00 cat", "01 dog")
    assert source.label(1, "x") == "01 dog"
    for number in (2, -1):
        with pytest.raises(InputError) as fault:
            source.label(number, "train.p, row 7")
        assert str(fault.value) == (
            f"train.p, row 7: the class {number} has no name; expected 0 to 1, the 2 names that "
            "`classes` in signs/source.yaml lists"
        )


def test_unknown_dataset_lists_the_known_ones_nearest_first(tmp_path):
    for name in ("cifar10", "flowers", ".hidden"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="unknown dataset 'flower'; known: flowers, cifar10"):
        sources.load(tmp_path / "flower")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("titel: x", r"source.yaml, line 1: unknown key 'titel'; known: title, "),
        (ARCHIVE.replace("    md5", "    md6"), r"line 7: unknown key 'md6'; known: md5"),
        (ARCHIVE.replace("size: 12", "size: big"), "line 8: files.0.size must be a number"),
        (ARCHIVE.replace("size: 12", "size: -1"), "needs a number of bytes; received -1"),
        (ARCHIVE.replace("f33fd8", "zzz"), "line 7: files.0.md5 needs 32 hexadecimal digits"),
        (ARCHIVE.replace("signs.zip\n    url", "../s.zip\n    url"), "needs the plain name"),
        (ARCHIVE.replace("0.1", "1.5"), "line 9: split.validation needs a fraction"),
        (ARCHIVE.replace("{validation: 0.1}", "{validation: 0.9}"), "nothing to train on"),
        (ARCHIVE.replace("layout: class_folders\n", ""), "files has files but no layout"),
        (ARCHIVE.replace("[mixed8]", "mixed8"), "recommend.any.layers must be a list"),
        (ARCHIVE + "render: {}\n", "has both files and render"),
        (ARCHIVE + "title: again\n", "line 13: the key title stands twice"),
        ("layout: cifar10", "has layout cifar10 but no files"),
        (NUMBERED.replace("01 dog", "00 cat"), "line 5: classes.1 '00 cat' stands twice"),
        (NUMBERED.replace("01 dog", "' '"), "line 5: classes.1 needs a name, printable"),
        (NUMBERED.replace("01 dog", "7"), "line 5: classes.1 needs a name.*; received 7"),
        (NUMBERED.replace("01 dog", r'"a\tb"'), "line 5: classes.1 needs a name"),
        (NUMBERED.replace("\n  - ", " "), "line 3: classes must be a list"),
        (NUMBERED.partition("classes")[0], "line 1: layout is pickled, .* add `classes`"),
        (ARCHIVE + "classes: [a, b]", "line 13: classes is for the layouts gtsrb and pickled al"),
        ("flip: maybe", "flip must be true or false; received 'maybe'"),
        ("files:", "files must be a list; received None"),
        ("files: [a.zip]", "files.0 must be a mapping; received 'a.zip'"),
        ("- a", "must be a mapping of keys"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_faults_name_the_file_and_the_key(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as fault:
        sources.load(written(tmp_path, text))
    assert "source.yaml" in str(fault.value)
    assert "\n" not in str(fault.value)
