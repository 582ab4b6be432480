"""YAML that people write, and what nobody should: each fault with its file and line, at once."""

import os
import re
import time
from datetime import date

import pytest
from ruamel.yaml import YAML

from transfer import trees
from transfer.errors import InputError
from transfer.nets import cards

ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))


def written(folder, text):
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: [", "line 2: is not valid YAML: expected the node content"),
        (
            "a: 1\nb: !!python/object/apply:os.system [mkdir ran]",
            "line 2: .*holds the tag .*system",
        ),
        ("a: 1\nb: !!int ''", "line 2: .*holds the tag"),
        ("a: 1\nb: !mine x", "line 2: .*holds the tag !mine; expected plain values"),
        (ALIASES, r"line 2: .*holds the alias \*a0; write out what it stands for"),
        ("a: &a [*a]", r"line 1: .*holds the alias \*a"),
        ("a: &a {b: 1}\nc:\n  d: *a", r"line 3: .*holds the alias \*a"),
        ("a: 1\nb: " + "[" * 5000, "line 2: .*more than 20 mappings and lists"),
        ("a: 1\nb: " + "{c: " * 5000, "line 2: .*more than 20 mappings and lists"),
        ("a: 1\nb: 2001-99-99", "line 2: .*month must be"),
        ("a: 1\nb: " + "9" * 5000, "line 2: .*not to be read: it has 5,000 characters"),
        ("a: 1\nb: 0x_", "line 2: .*not to be read"),
        ("a: 1\nb: \x01", r"line 2: .*character '\\x01' is not allowed"),
        (b"a: 1\nb: \xff\n", "line 2: .*not text in UTF-8"),
        ("a: 1\n? [b]\n: 2", "line 2: .*unhashable"),
        ("a: 1\n---\nb: 2", "line 2: .*another document"),
        ("a: 1\n\tb: 2", "line 2: .*cannot start any token"),
        ("a: 1\nb: {c: 1,\n c: 2}", "line 3: the key c stands twice"),
        ("a: " + "x" * 300_000, "longer than 262,144 bytes"),
        ("- a", "must be a mapping of keys"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    with pytest.raises(InputError, match=words) as fault:
        trees.read(written(tmp_path, text))
    assert time.process_time() - start < 1
    assert str(fault.value).startswith(str(tmp_path / "x.yaml"))
    assert str(fault.value).isprintable()
    assert os.listdir(tmp_path) == ["x.yaml"]


def test_a_card_with_a_fault_names_its_line(tmp_path):
    text = (cards.CARDS / "mini.yaml").read_text(encoding="utf-8")
    path = tmp_path / "x.yaml"
    path.write_text(text + "colour: red\n", encoding="utf-8")
    with pytest.raises(InputError) as fault:
        cards.load(path)
    line = text.count("\n") + 1
    assert str(fault.value).startswith(f"{path}, line {line}: unknown key 'colour'; known: ")


def test_plain_values(tmp_path):
    text = "a: 1\nb: [x, 2.5, null, true]\n# U+FFFD: \ufffd\nc: {d: 2026-01-02, e: 1e-06}\n"
    tree = trees.read(written(tmp_path, text))
    assert tree.value == {
        "a": 1,
        "b": ["x", 2.5, None, True],
        "c": {"d": date(2026, 1, 2), "e": 1e-6},
    }
    assert str(tree.below("c").fault("is late", "d")).endswith("x.yaml, line 4: c.d is late")


def test_nothing(tmp_path):
    assert trees.read(tmp_path / "x.yaml").value == {}
    assert trees.read(written(tmp_path, "")).value == {}
    with pytest.raises(InputError, match="can't be read: Is a directory"):
        trees.read(tmp_path)
    with pytest.raises(InputError, match=r"nowhere.yaml is not here; run in the repository's root"):
        trees.required(tmp_path / "nowhere.yaml")


def test_a_pipe_or_a_link_to_a_device_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    (tmp_path / "y.yaml").symlink_to("/dev/zero")
    for name in ("x.yaml", "y.yaml"):
        with pytest.raises(InputError, match=rf"{name} is a pipe, a socket or a device; expected"):
            trees.read(tmp_path / name)


@pytest.mark.parametrize(
    "value", ["0100", "-010", "1_000", "0b11", "1:40", "yes", "No", "on", "OFF", "=", "0_1.5"]
)
def test_what_versions_of_yaml_read_in_different_ways_is_refused(tmp_path, value):
    path = tmp_path / "card.yaml"
    path.write_text(f"a: 1\nb: {value}\n")
    with pytest.raises(
        InputError, match=rf"line 2: .*holds {re.escape(value)}, which is one thing"
    ):
        trees.read(path)
    path.write_text(f"a: 1\nb: '{value}'\n")
    assert trees.read(path).value == {"a": 1, "b": value}


def test_merge_keys_are_refused(tmp_path):
    path = tmp_path / "card.yaml"
    path.write_text("<<: {net: vgg}\nnet: mini\n")
    with pytest.raises(InputError, match=r"line 1: .*holds <<"):
        trees.read(path)


def test_plain_numbers_are_what_dvc_reads(tmp_path):
    text = "[0, 100, -5, 0.5, 1e-06, 1.5e+3, 0x1f, true, False, null, ~, 0.05, +1, 10.0]"
    path = tmp_path / "card.yaml"
    path.write_text(f"a: {text}\n")
    theirs = YAML(typ="safe", pure=True).load(path.read_text())
    ours = trees.read(path).value
    assert ours == theirs
    assert list(map(type, ours["a"])) == list(map(type, theirs["a"]))
