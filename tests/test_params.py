"""params.yaml: each value is checked, and the sentence says key, demand and what was there."""

import os
import re
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from tests.imports import ROOT
from transfer import errors, params
from transfer.errors import InputError

SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


def written(tmp_path, **changes):
    tree = yaml.safe_load(SHIPPED)
    for key, value in changes.items():
        section, _, name = key.rpartition("__")
        (tree[section] if section else tree)[name] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_only_the_keys_asked_for(tmp_path):
    path = written(tmp_path)
    assert params.read("split.seed", "net", path=path) == {"split.seed": 0, "net": "mini"}


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("net", "", "net must be a card's name in models/cards; received ''"),
        ("net", "../x", "net must be a card's name in models/cards; received '../x'"),
        ("dataset", "x'; touch y; '", "dataset must be a folder's name in data/datasets"),
        (
            "extract__size",
            100000,
            "extract.size must be auto, card or a number of pixels from 16 to",
        ),
        ("weights", "imagenet", "weights must be one of pretrained, random; received 'imagenet'"),
        ("strict", "yes", "strict must be true or false; received 'yes'"),
        ("split__by", "frame", "split.by must be one of group, image; received 'frame'"),
        ("split__per_class", 0, "split.per_class must be a whole number from 1, or all"),
        ("split__per_class", True, "split.per_class must be a whole number from 1, or all"),
        ("split__validation", 1.0, "split.validation must be null or a number from 0 up to"),
        ("split__seed", -1, "split.seed must be a whole number from 0; received -1"),
        ("extract__layers", [], "extract.layers must be auto, card, multi or a list of layers"),
        ("extract__size", 3, "extract.size must be auto, card or a number of pixels from 16"),
        ("extract__precision", "fp16", "extract.precision must be one of bf16, f32"),
        ("extract__engine", "tpu", "extract.engine must be one of auto, openvino"),
        ("head__strength", 0, "head.strength must be auto or a number from 1e-07; received 0"),
        ("head__rate", 2, "head.rate must be auto or a number from 1e-06 to 1; received 2"),
        ("head__rate", True, "head.rate must be auto or a number from 1e-06 to 1; received True"),
        ("extract__augmented", "some", "extract.augmented must be a whole number from 0 to 64, or"),
        (
            "head__strength",
            -1e-3,
            "head.strength must be auto or a number from 1e-07; received -0.001",
        ),
        ("head__strength", float("inf"), "head.strength must be auto or a number from 1e-07"),
        ("head__strength", float("nan"), "head.strength must be auto or a number from 1e-07"),
        (
            "head__strength",
            True,
            "head.strength must be auto or a number from 1e-07; received True",
        ),
        ("head__neighbours", 0, "head.neighbours must be auto or a whole number from 1; received"),
        ("head__folds", 1, "head.folds must be a whole number from 2; received 1"),
        ("head__transform", "log", "head.transform must be one of auto, none, standardise, power"),
        ("head__class_weights", "even", "head.class_weights must be one of none, balanced; rec"),
        ("head__epochs", 1.5, "head.epochs must be auto or a whole number from 1; received 1.5"),
    ],
)
def test_each_value_is_checked(tmp_path, key, value, sentence):
    path = written(tmp_path, **{key: value})
    with pytest.raises(InputError, match=re.escape(sentence)):
        params.read(key.replace("__", "."), path=path)


def test_all_is_a_number_of_images_a_class(tmp_path):
    path = written(tmp_path, split__per_class="all")
    assert params.read("split.per_class", path=path) == {"split.per_class": "all"}


def test_slips_in_the_file(tmp_path):
    path = written(tmp_path, split__sed=3)
    with pytest.raises(InputError, match=r", line 29: unknown key 'split.sed'; known: split.seed"):
        params.unread_keys(path)
    path.write_text("net: mini\nextra: {}\n")
    with pytest.raises(InputError, match=r", line 2: unknown key 'extra'; known: extract"):
        params.unread_keys(path)
    path.write_text("net: mini\n")
    with pytest.raises(InputError, match=r"params.yaml lacks the key split.by"):
        params.read("split.by", path=path)
    path.write_text("net: [\n")
    with pytest.raises(InputError, match=r"params.yaml, line 2: is not valid YAML"):
        params.read("net", path=path)
    path.write_text(SHIPPED.replace("seed: 0", "seed: -1", 1))
    line = path.read_text()[: path.read_text().index("seed: -1")].count("\n") + 1
    with pytest.raises(InputError, match=rf"params.yaml, line {line}: split.seed must be a whole"):
        params.read("split.seed", path=path)
    with pytest.raises(InputError, match=r"nowhere.yaml is not here; run in the repository's root"):
        params.read("net", path=Path("nowhere.yaml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("net: mini\nmirror: !!python/name:os.system ''", "line 2: is not .* holds the tag "),
        ("net: &a mini\ndataset: *a", r"line 2: is not .* holds the alias \*a; write out what"),
        ("net: mini\nnet: vgg", "line 2: the key net stands twice; leave one"),
        ("net: mini\nsplit: " + "{a: " * 3000, "line 2: is not .* more than 20 mappings"),
        ("- net", "params.yaml: must be a mapping of keys; received list"),
    ],
)
def test_what_params_yaml_may_not_hold_is_told_with_its_line(tmp_path, text, words):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        params.read("net", path=path)
    with pytest.raises(InputError, match=words):
        params.unread_keys(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "params.yaml")
    with pytest.raises(InputError, match=r"params.yaml is a pipe, a socket or a device; expected"):
        params.read("net", path=tmp_path / "params.yaml")


def test_a_switch_and_back_leaves_params_yaml_as_it_was(tmp_path):
    """Only in the form that DVC itself writes: or git shows a change where there is none."""
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED)
    there = ["net=x", "mirror=../m", "split.test=0.2", "extract.layers=[a,b]", "extract.cut=c"]
    back = ["net=mini", "mirror=''", "split.test=null", "extract.layers=auto", "extract.cut=null"]
    apply_overrides(path, there)
    assert params.read("extract.layers", path=path) == {"extract.layers": ["a", "b"]}
    apply_overrides(path, back)
    assert path.read_text() == SHIPPED


@pytest.mark.parametrize("text", ["1e-06", "1e-6", "0.000001", "1.0e-6"])
def test_a_small_number_is_a_number_however_it_is_written(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED)
    apply_overrides(path, [f"head.strength={text}"])
    assert params.read("head.strength", path=path) == {"head.strength": 1e-6}
    path.write_text(SHIPPED.replace("strength: auto", f"strength: {text}"))
    assert params.read("head.strength", path=path) == {"head.strength": 1e-6}


def test_unknown_lists_the_nearest_first():
    fault = errors.unknown("net", "squeeze", ["vgg", "alexnet", "squeezenet"])
    assert str(fault) == "unknown net 'squeeze'; known: squeezenet, alexnet, vgg"


def test_run_tells_a_fault_in_one_sentence(capsys):
    def main(card):
        raise InputError(f"{card} is bad")

    with pytest.raises(SystemExit) as stop:
        errors.run(main, ["--card", "a"])
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: a is bad\n"


def test_run_takes_paths_by_name(tmp_path):
    seen = {}

    def main(one, two):
        seen.update(one=one, two=two)

    errors.run(main, ["--two", "b", "--one", "a/c"])
    assert seen == {"one": Path("a/c"), "two": Path("b")}
