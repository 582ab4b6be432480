"""Sheets of images: what is chosen, what is drawn, and that bad names and images do no harm."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from tests.evaluated import prepare, run_stage
from transfer.datasets import index
from transfer.errors import InputError
from transfer.reports import exhibits, sheets


def wrong(id_, probability, group=None):
    answer = {"label": "a", "predicted": "b", "probability": f"{probability}"}
    return {"id": id_, "group": id_ if group is None else group, **answer}


def training(label, n):
    return [index.Row(f"{label}/{i}", f"{label}/{i}.png", label, "train", "", "") for i in range(n)]


def picture(width, height):
    return Image.new("RGB", (width, height), "#2050b0")


def size(path):
    with Image.open(path) as sheet:
        return sheet.size


def inks(path):
    """The set of colours on a sheet."""
    with Image.open(path) as sheet:
        return {colour for _, colour in sheet.getcolors(2**24)}


def test_mistakes_are_the_surest_wrong_answers():
    rows = [wrong("less", 0.6), wrong("tie b", 0.7), wrong("tie a", 0.7)]
    found = exhibits.mistakes("validation", 4, iter(rows))
    assert (found.part, found.n, found.wrong) == ("validation", 4, 3)
    assert [exhibit.id for exhibit in found.surest] == ["tie a", "tie b", "less"]
    many = [wrong(f"{i:03}", i / 100) for i in range(90)]
    found = exhibits.mistakes("validation", 99, many)
    assert (found.wrong, len(found.surest)) == (90, exhibits.MISTAKES)
    assert found.surest[0] == exhibits.Exhibit("089", "a", "b", 0.89)
    track = [row | {"group": "track"} for row in many]
    found = exhibits.mistakes("validation", 99, track)
    assert (found.wrong, [exhibit.id for exhibit in found.surest]) == (90, ["089"])
    assert exhibits.mistakes("test", 0, []) == exhibits.Mistakes("test", 0, 0, [])


def test_mistakes_are_those_that_sorting_all_of_them_finds():
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, (30, 200, 9), (3000, 3)).tolist()
    rows = [wrong(f"{i % 40}", p / 30, f"group {g}") for p, g, i in numbers]
    surest = {}
    for row in sorted(rows, key=lambda row: (-float(row["probability"]), row["id"])):
        surest.setdefault(row["group"], (row["id"], float(row["probability"])))
    found = exhibits.mistakes("test", 5000, rows).surest
    assert [(shown.id, shown.probability) for shown in found] == list(surest.values())[:25]


def test_samples_spread_over_a_class_and_keep_the_order_of_classes():
    listed = [*training("b", 600), *training("a", 2), index.Row("t", "m", "a", "test", "", "")]
    found = exhibits.samples(listed, {"b": 600, "a": 2, "empty": 0})
    assert list(found) == ["b", "a", "empty"]
    assert [exhibit.id for exhibit in found["b"]] == [f"b/{i}" for i in range(0, 600, 50)]
    assert [exhibit.id for exhibit in found["a"]] == ["a/0", "a/1"]
    assert found["empty"] == []


@pytest.mark.parametrize(("classes", "each"), [(3, 12), (43, 6), (1000, 3)])
def test_many_classes_have_fewer_samples_each(classes, each):
    names = [f"{i:04}" for i in range(classes)]
    listed = [row for name in names for row in training(name, each * 7)]
    counts = dict.fromkeys(names, each * 7)
    assert {len(found) for found in exhibits.samples(listed, counts).values()} == {each}


def test_a_sheet_of_43_classes_is_no_wider_than_a_page(tmp_path):
    names = [f"{i:02} the name of a sign that is quite long" for i in range(43)]
    few = {name: [exhibits.Exhibit(f"{name}{i}", name) for i in range(6)] for name in names}
    pictures = {e.id: picture(96, 60) for found in few.values() for e in found}
    sheets.samples(tmp_path / "s.png", "title", few, pictures)
    width, height = size(tmp_path / "s.png")
    assert 900 < width < 1200
    assert 900 < height < 2000
    with Image.open(tmp_path / "s.png") as sheet:
        blue = (np.asarray(sheet) == (0x20, 0x50, 0xB0)).all(axis=2).sum()
    assert blue == 43 * 6 * 48 * 30


def test_own_images_are_read_small_whatever_they_are(tmp_path):
    folder = tmp_path / "mine"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    Image.new("RGBA", (40, 20), (200, 0, 0, 0)).save(folder / "a/clear.png")
    Image.new("L", (500, 1000), 30).save(folder / "a/tall.png")
    (folder / "b/broken.png").write_bytes(b"not an image")
    rows = [index.Row(n, n, n[0], "train", "", "") for n in ("a/clear.png", "a/tall.png")]
    rows.append(index.Row("b/broken.png", "b/broken.png", "b", "train", "", ""))
    wanted = [exhibits.Exhibit(row.id, row.label) for row in rows]
    found = exhibits.pictures(folder, tmp_path, rows, wanted[:1], wanted[1:])
    assert found["a/clear.png"].size == (96, 48)
    assert found["a/clear.png"].getpixel((9, 9)) == (255, 255, 255)
    assert found["a/tall.png"].size == (48, 96)
    assert found["b/broken.png"].startswith("not a JPEG")
    assert exhibits.pictures(folder, tmp_path, rows, []) == {}
    sheets.samples(tmp_path / "s.png", "title", {"a": wanted[:2], "b": wanted[2:]}, found)
    assert (30, 30, 30) in inks(tmp_path / "s.png")


def test_images_that_have_gone_are_told_in_one_sentence(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in ("a/1.png", "b/1.png"):
        picture(4, 4).save(tmp_path / name)
    wanted = [exhibits.Exhibit("x", "a")]
    with pytest.raises(InputError, match=r"1 images that the index does not list, such as x; run"):
        exhibits.pictures(tmp_path, tmp_path, [], wanted)
    listed = [index.Row("x", "a/2.png", "a", "train", "", "")]
    with pytest.raises(InputError, match=r"lacks 1 members that its index lists"):
        exhibits.pictures(tmp_path, tmp_path, listed, wanted)


@pytest.mark.parametrize("n", [0, 1, 6])
def test_a_sheet_has_a_row_for_each_five_mistakes(tmp_path, n):
    few = [exhibits.Exhibit(f"{i}", "a", "b", 0.5) for i in range(n)]
    found = exhibits.Mistakes("test", 10 * n, n, few)
    sheets.mistakes(tmp_path / "m.png", "title", found, {e.id: picture(96, 96) for e in few})
    width, height = size(tmp_path / "m.png")
    assert width == 1150
    assert (height - size_of_none(tmp_path)) == -(-n // 5) * 186


def size_of_none(tmp_path):
    sheets.mistakes(tmp_path / "none.png", "", exhibits.Mistakes("test", 0, 0, []), {})
    return size(tmp_path / "none.png")[1]


def test_the_title_says_untrained(tmp_path):
    """Told by the pixels: the words of the title move none of the rest."""
    for name, title in (("t", "mini"), ("u", "mini, untrained")):
        sheets.samples(tmp_path / f"{name}.png", title, {"a": []}, {})
    one, two = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "tu")
    rows = np.flatnonzero((one != two).any(axis=(1, 2)))
    assert one.shape == two.shape
    assert sheets.EDGE + sheets.LARGE < rows.min() <= rows.max() < sheets.HEAD


def test_words_are_clipped_to_their_room():
    font = sheets._font(sheets.SMALL)
    assert sheets.clipped("stop", font, 100) == "stop"
    assert sheets.clipped("two\n\tlines\x00", font, 300) == "two lines\x00"
    long = "Überholverbot für Kraftfahrzeuge über 3,5 t"
    for keep_end in (False, True):
        cut = sheets.clipped(long, font, 120, keep_end)
        assert font.getlength(cut) <= 120
        assert len(cut) > 12
        assert cut.strip("…") in long
        assert cut.startswith("…") == keep_end
    assert sheets.clipped("wide", font, 1) == "…"


def test_the_font_knows_letters_beyond_english():
    font = sheets._font(sheets.SMALL)
    box = bytes(font.getmask("\ufffe"))
    assert all(bytes(font.getmask(letter)) != box for letter in "ÄÖÜäöüßéñøåčšžőłğя…")
    assert isinstance(font, ImageFont.FreeTypeFont)


def test_odd_names_are_drawn(tmp_path):
    names = ["", " ", "漢字", "a" * 500, "</script><img src=x onerror=alert(1)>", "\u202eright"]
    few = [exhibits.Exhibit(name, name, name, 1.0) for name in names]
    pictures = dict.fromkeys(names, "a reason that is much longer than the frame is wide")
    sheets.mistakes(tmp_path / "m.png", "t" * 999, exhibits.Mistakes("test", 9, 6, few), pictures)
    sheets.samples(tmp_path / "s.png", "t" * 999, {e.label: [e] for e in few}, pictures)
    assert size(tmp_path / "s.png")[0] < 1300


def test_the_stage_writes_the_same_sheets_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, test=20)
    first = run_stage(tmp_path)
    sheets._font.cache_clear()
    assert run_stage(tmp_path) == first
    shown = inks(tmp_path / "reports/samples.png")
    assert {(grey, grey, grey) for grey in (40, 90, 140, 190)} <= shown
