"""What may be fetched: whose it is, under which licence, and what its bytes are checked against."""

import json
import re
from pathlib import Path

import pytest

from tests.command_line import command
from tests.imports import ROOT
from transfer import catalogue
from transfer.datasets import sources
from transfer.downloads.files import UNKNOWN
from transfer.downloads.mirrors import Mirror
from transfer.errors import InputError
from transfer.nets import cards

SHIPPED = catalogue.entries()
NONE = Mirror()


def test_everything_is_listed():
    named = [(entry.kind, entry.name) for entry in SHIPPED]
    assert named == [
        *(("dataset", name) for name in sources.known()),
        *(("net", name) for name in cards.known()),
        ("list", "imagenet"),
    ]


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_each_says_a_licence_or_that_none_is_known(entry):
    assert entry.licence.strip()
    assert entry.title != entry.name, "a title is for people"
    if any(file.urls for group in entry.groups for file in group):
        assert entry.homepage.startswith("https://") or entry.kind == "list"
    if entry.kind != "list":
        assert UNKNOWN not in entry.licence


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_each_file_has_a_hash_or_no_address_or_is_known_to_lack_one(entry):
    files = [file for group in (*entry.groups, *entry.further) for file in group]
    bare = [file.name for file in files if file.urls and not file.digest]
    assert bare == (["train.p"] if entry.name == "traffic32" else [])


def test_no_file_is_fetched_that_is_not_listed():
    """An address in a card, a source file or the code is one of the catalogue's."""
    listed = {u for e in SHIPPED for g in (*e.groups, *e.further) for f in g for u in f.urls}
    for pattern in ("models/cards/*.yaml", "data/datasets/*/source.yaml"):
        for path in ROOT.glob(pattern):
            urls = re.findall(r"\burl: *(\S+)", path.read_text(encoding="utf-8"))
            assert set(urls) <= listed, path
    code = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "transfer").rglob("*.py"))
    schema = "https://vega.github.io/schema/vega-lite/v6.json"  # names a format: nobody fetches it
    assert set(re.findall(r'"(https?://\w[^"{}. ]*\.[^"{}]*)"', code)) - {schema} <= listed


def told(mirror=NONE):
    """{name: the line of the table}, without its title."""
    lines = catalogue.table(SHIPPED, mirror).splitlines()
    rows = [line for line in lines if line[0] != " " and line[-1] != ":"]
    return {row.split()[0]: re.split(r"  +", row)[1:4] for row in rows}


def test_the_table_without_a_mirror():
    rows = told()
    assert rows["cifar10"] == ["170.5 MB", "sha256", "no"]
    assert rows["traffic"] == ["unknown", "md5", "no"]
    assert rows["traffic32"] == ["unknown", "nothing", "no"]
    assert rows["sample"] == ["nothing", "-", "-"]
    assert rows["mini"] == ["nothing", "sha256", "-"]
    # Of alternatives, the one with an address.
    assert rows["squeezenet"] == ["5.0 MB", "sha256", "no"]


def test_the_table_with_a_mirror(tmp_path):
    (tmp_path / "GTSRB_Final_Test_GT.zip").write_bytes(b"x")
    (tmp_path / "squeezenet_v1.1.npy").write_bytes(b"x" * 3000)
    names = ("GTSRB_Final_Test_GT.zip", "squeezenet_v1.1.npy", "train.p")
    rows = told(Mirror(str(tmp_path), dict.fromkeys(names, "0" * 64)))
    assert rows["traffic"] == ["unknown", "md5", "1 of 3"]
    assert rows["squeezenet"] == ["unknown", "its mirror", "3.0 kB"]
    assert rows["traffic32"] == ["unknown", "its mirror", "listed"]
    assert rows["cifar10"][2] == "no"
    web = told(Mirror("https://host/files", {"train.p": "0" * 64}))
    assert web["traffic32"] == ["unknown", "its mirror", "listed"]


def test_the_table_fits():
    lines = catalogue.table(SHIPPED, NONE).splitlines()
    assert max(len(line) for line in lines) <= catalogue.WIDTH
    assert "    licence: MIT (the authors' release, converted by Keras)" in lines
    assert lines == [line.rstrip() for line in lines]


def test_a_card_and_a_folder_that_say_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/cards").mkdir(parents=True)
    (tmp_path / "data/datasets/mine/cat").mkdir(parents=True)
    text = (ROOT / "models/cards/resnet.yaml").read_text()
    bare = re.sub(r"^( *licence|title|homepage): .*\n", "", text, flags=re.M)
    Path("models/cards/bare.yaml").write_text(bare)
    mine, bare, _ = catalogue.entries()
    assert (mine.title, mine.licence, mine.groups) == ("mine", UNKNOWN, ())
    assert (bare.title, bare.licence, bare.homepage) == ("bare", "unknown", "")
    Path("models/cards/bare.yaml").write_text(text.replace("licence: MIT (", "licence: 1 #", 1))
    with pytest.raises(InputError, match=r"bare.yaml, line \d+: weights.licence must be text"):
        catalogue.entries()


def test_json_has_all_files(tmp_path, monkeypatch):
    (tmp_path / "SHA256SUMS").write_text(f"{'1' * 64}  bvlc_googlenet.npy\n")
    (tmp_path / "bvlc_googlenet.npy").write_bytes(b"four")
    monkeypatch.setenv("TRANSFER_MIRROR", str(tmp_path))
    code, out, err = command("sources", "--json")
    assert (code, err) == (0, "")
    found = {entry["name"]: entry for entry in json.loads(out)}
    array, model = found["googlenet"]["files"]
    assert array["mirror"] == {"sha256": "1" * 64, "size": 4}
    assert (array["pinned"], array["alternatives"], array["needed"]) == (False, 1, "always")
    assert (model["pinned"], model["mirror"]) == (True, None)
    weights, whole = found["resnet"]["files"]
    assert (weights["needed"], whole["needed"]) == ("always", "for its own classes")
    assert found["flowers"]["files"][0]["licence"] == found["flowers"]["licence"]


def test_sources_is_a_table(tmp_path):
    code, out, err = command("sources")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["name", "download", "pinned", "by", "mirror", "title"]
    code, out, err = command("sources", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert err == "error: params.yaml is not here; run in the repository's root\n"
