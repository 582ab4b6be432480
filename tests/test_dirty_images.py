"""Every kind of tests/dirty.py becomes what the table in docs/trust.md says, alone and in a run."""

import io
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from stages import index as stage
from tests import dirty
from tests.imports import ROOT
from transfer.datasets import index, sources
from transfer.datasets.reading import archives, damage, decoder, folders, readers
from transfer.errors import InputError

KINDS = dirty.kinds()
PIPE = "it is a pipe, a socket or a device, and no file"
NO_TARGET = "it is a link to nothing, or to itself"


def named(name):
    return next(kind for kind in KINDS if kind.name == name)


# Each alone


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_decoded_as_documented_or_refused_with_a_reason(kind):
    if isinstance(kind.expected, str):
        with pytest.raises(decoder.Unreadable) as fault:
            decoder.decode(kind.data)
        assert str(fault.value).startswith(kind.expected)
        assert "\n" not in str(fault.value)
    else:
        found = decoder.decode(kind.data)
        assert found.shape == kind.expected.shape
        assert abs(found.astype(int) - kind.expected).max() <= kind.within


def test_the_kinds_are_the_same_on_every_run():
    assert [(k.name, k.data) for k in dirty.kinds()] == [(k.name, k.data) for k in KINDS]


def test_the_profile_that_is_ignored_would_swap_red_and_blue():
    """Else a decoder that obeys profiles would pass as one that ignores them."""
    profile = ImageCms.getOpenProfile(io.BytesIO(dirty.swapped_profile()))
    seen = ImageCms.profileToProfile(
        Image.fromarray(dirty.SCENE), profile, ImageCms.createProfile("sRGB")
    )
    assert abs(np.asarray(seen).astype(int) - dirty.SCENE[..., ::-1]).max() <= 2


def test_the_page_lists_every_kind_and_their_number():
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    section = page.split("## Dirty images\n")[1].split("\n## ")[0]
    assert [kind.name for kind in KINDS if f"| {kind.name} |" not in section] == []
    refused = sum(isinstance(kind.expected, str) for kind in KINDS)
    decoded = len(KINDS) - refused
    assert f"{len(KINDS)} kinds: {decoded} are decoded and {refused} are refused" in section


def test_text_mode_is_found_by_the_size_not_by_the_line_ends_alone():
    assert named("PPM, newlines among its values").data.count(b"\r\n") > 8
    for size in (1, 10, 13):  # all values alike, LF and CR too
        values = np.full((8, 8, 3), size, np.uint8)
        for kind in ("PPM", "BMP"):
            data = dirty.encoded(values, kind)
            np.testing.assert_array_equal(decoder.decode(data), values)
            moved = dirty.text_mode(data)
            assert damage.is_text_mode(moved) == (moved != data)
    pairs = b"P5 16 8 255 " + b"\r\n" * 64  # each LF after a CR, and unharmed
    assert decoder.decode(pairs)[0, :2, 0].tolist() == [13, 10]


def test_a_head_of_absurd_numbers_is_no_size():
    for head in (b"P6\r\n" + b"9" * 5000, b"BM\r\n", b"RIFF\r\n", b"P5\r\n#" + b"#" * 10**6):
        assert not damage.is_text_mode(head)


# All in one folder, through the index


def own_folder(folder):
    """Fills `folder` / mine with a file a kind, and with what is no file at all; returns
    {member: the start of its problem, "" where it decodes}."""
    expected = {}
    for number, kind in enumerate(KINDS):
        member = f"{'ab'[number % 2]}/{number:03} {kind.name.replace('/', '-')}.{kind.ending}"
        expected[member] = kind.expected if isinstance(kind.expected, str) else ""
        path = folder / "mine" / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kind.data)
    a = folder / "mine" / "a"
    for name in ('comma, "quoted".png', "it's.png", "grün 緑.png", "$(true) `;*.png"):
        (a / name).write_bytes(dirty.encoded(dirty.SCENE + np.uint8(len(expected)), "PNG"))
        expected[f"a/{name}"] = ""
    (a / "named.txt").write_bytes(named("PNG named .jpg").data)
    expected["a/named.txt"] = "a file named *.txt is not an image here"
    (a / "folder.jpg").mkdir()
    expected["a/folder.jpg"] = "it is an empty folder"
    os.mkfifo(a / "pipe.jpg")
    (a / "device.jpg").symlink_to("/dev/zero")
    expected |= dict.fromkeys(("a/pipe.jpg", "a/device.jpg", "a/socket.jpg"), PIPE)
    here = os.getcwd()
    os.chdir(a)  # a socket's whole path has little room
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jpg")
    os.chdir(here)
    (a / "nowhere.jpg").symlink_to("nowhere")
    (a / "loop.jpg").symlink_to("loop.jpg")
    expected |= dict.fromkeys(("a/nowhere.jpg", "a/loop.jpg"), NO_TARGET)
    return expected


def params(folder, **change):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for key, value in change.items():
        text = re.sub(rf"(?m)^{key}: \w+", f"{key}: {value}", text)
    (folder / "params.yaml").write_text(text, encoding="utf-8")


def run(folder, name):
    """The stage in a process of its own, which has to end."""
    paths = {
        "source": "mine",
        "raw": "raw",
        "index": f"index/{name}.csv",
        "near": f"index/{name}_near.csv",
    }
    words = [word for key, path in paths.items() for word in (f"--{key}", path)]
    return subprocess.run(
        [sys.executable, "-m", "stages.index", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_all_at_once_are_decoded_or_listed_and_counted(tmp_path):
    expected = own_folder(tmp_path)
    params(tmp_path)
    done = run(tmp_path, "one")
    assert done.returncode == 0, done.stderr
    rows = {row.member: row for row in index.read(tmp_path / "index" / "one.csv")}
    assert set(rows) == set(expected)
    astray = {m: r.problem for m, r in rows.items() if not r.problem.startswith(expected[m])}
    assert astray == {}
    assert [m for m, row in rows.items() if bool(row.problem) != bool(expected[m])] == []
    assert [m for m, row in rows.items() if bool(row.split) == bool(row.problem)] == []
    bad = sum(map(bool, expected.values()))
    assert f"index: mine: {len(expected)} images of 2 classes: " in done.stdout
    assert f"; {bad} set aside (" in done.stdout

    params(tmp_path, strict="true")
    done = run(tmp_path, "two")  # of what is known by now
    assert done.returncode == 1
    first = next(row for row in rows.values() if row.problem)
    assert done.stderr == (
        f"error: {bad} of {len(expected)} images can't be used, the first {first.id}: "
        f"{first.problem}; mend or remove them, or set strict: false to set them aside\n"
    )
    assert not (tmp_path / "index" / "two.csv").exists()
    params(tmp_path)
    assert run(tmp_path, "three").returncode == 0
    one, three = ((tmp_path / "index" / f"{name}.csv").read_bytes() for name in ("one", "three"))
    assert one == three


def test_one_bad_image_among_hundreds(tmp_path, monkeypatch, capsys):
    draw = np.random.default_rng(0)
    for number in range(400):
        path = tmp_path / "mine" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = dirty.encoded(draw.integers(0, 256, (12, 12, 3), dtype=np.uint8), "PNG")
        path.write_bytes(data[:200] if number == 321 else data)
    monkeypatch.chdir(tmp_path)
    params(tmp_path)
    stage.main(tmp_path / "mine", tmp_path / "raw", tmp_path / "one.csv", tmp_path / "near.csv")
    reason = "b/321.png: can't be decoded: image file is truncated"
    said = capsys.readouterr().out
    assert "index: mine: 400 images of 2 classes: " in said
    assert f"; 1 set aside ({reason}" in said
    rows = index.read(tmp_path / "one.csv")
    assert [row.id for row in rows if row.problem] == ["b/321.png"]
    assert sum(row.split != "" for row in rows) == 399
    params(tmp_path, strict="true")
    with pytest.raises(InputError, match=f"1 of 400 images can't be used, the first {reason}"):
        stage.main(tmp_path / "mine", tmp_path / "raw", tmp_path / "two.csv", tmp_path / "near.csv")


# What stands in the way of opening


def listed(folder):
    own = sources.Source(name="mine", kind="own")
    return {image.id: image.problem for image in readers.read(own, folder, folder / "raw")}


@pytest.fixture
def two(tmp_path):
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(named("PNG, RGBA").data)
    return tmp_path


def test_files_without_permission_and_too_large_are_listed(two, monkeypatch):
    def refusing(path, mode):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:  # root may read all, whatever its mode
        patch.setattr(folders, "open", refusing, raising=False)
        assert set(listed(two).values()) == {"it can't be read: Permission denied"}
    with open(two / "b" / "2.png", "wb") as file:
        file.truncate(folders.MEMBER_LIMIT + 1)
    assert listed(two)["b/2.png"] == "it is larger than the limit of 536,870,912 bytes"


@pytest.mark.parametrize("name", [b"\xff\xfe.jpg", b"two\nlines.jpg", b"bell\x07.jpg"])
def test_a_name_that_no_index_could_hold_is_refused_by_that_name(two, name):
    try:
        (two / "b" / os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(InputError, match="is not printable UTF-8; rename it") as fault:
        listed(two)
    assert "\n" not in str(fault.value)
    str(fault.value).encode()


def test_unharmed_pictures_are_never_taken_for_moved_as_text(mirror):
    """On real photos and signs."""
    for name, ending in (
        ("GTSRB_Final_Training_Images.zip", ".ppm"),
        ("flower_photos.tgz", ".jpg"),
    ):
        found = 0
        for _, data in archives.stream(mirror / name, lambda member, e=ending: member.endswith(e)):
            found += 1
            assert not damage.is_text_mode(data)
        assert found > 700
