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
    assert {"cifar10", "sample"} <= set(sources.known(ROOT / "data" / "datasets"))
    cifar = sources.load(ROOT / "data" / "datasets" / "cifar10")
    assert (cifar.layout, cifar.flip, cifar.split["test"]) == ("cifar10", True, 0)
    assert cifar.files[0].size == 170_498_071
    sample = sources.load(ROOT / "data" / "datasets" / "sample")
    assert (sample.kind, sample.flip) == ("render", False)
    assert sample.archives == (sources.RENDERED,)


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
