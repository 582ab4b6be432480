"""Sheets of images as PNG: the surest mistakes, and a few training images of each class."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from transfer.reports.exhibits import SIDE
from transfer.writing import replacing

PAPER, INK, SOFT, GREEN, RED = "#ffffff", "#1d1f21", "#6b7075", "#1f6f54", "#b3273a"
EDGE, GAP = 24, 18  # pixels around the sheet, and between its cells
ACROSS, CELL = 5, 206  # mistakes in a row, and the pixels that each has for its words
STRIPS = 1100  # pixels: about how wide the sheet of samples becomes
SMALL, LARGE, LINE = 12, 19, 18  # pixels: sizes of the font, and from line to line of the small one
FEW = 60  # images on the sheet of samples that get their full size
HEAD = EDGE + LARGE + LINE + 2 * GAP  # pixels above the cells


def mistakes(path, title, found, pictures):
    """Writes the sheet of the surest mistakes: each image with the probability of the wrong answer,
    its true class, the class it was taken for, and its id.

    title: what was run, as `trained.title` says it; found: the exhibits.Mistakes; pictures: as of
    `exhibits.pictures`.
    """
    part = f"{found.n} {found.part} images"
    shown = f"the {len(found.surest)} surest of " if len(found.surest) < found.wrong else ""
    note = f"{shown}{found.wrong} mistakes on {part}" if found.n else "no image to be wrong on"
    high = SIDE + 3 * LINE + 2 * GAP
    rows = -(-len(found.surest) // ACROSS)
    width = ACROSS * CELL + (ACROSS - 1) * GAP
    sheet = _sheet(width, rows * high, "Surest mistakes", f"{title}; {note}")
    for i, exhibit in enumerate(found.surest):
        x = EDGE + i % ACROSS * (CELL + GAP)
        y = HEAD + i // ACROSS * high
        _picture(sheet, x, y, SIDE, pictures[exhibit.id])
        beside = CELL - SIDE - 8
        _text(sheet, x + SIDE + 8, y + SIDE - LARGE, f"{exhibit.probability:.2f}", beside, RED)
        _text(sheet, x, y + SIDE + 6, f"is {exhibit.label}", CELL, GREEN)
        _text(sheet, x, y + SIDE + 6 + LINE, f"taken for {exhibit.predicted}", CELL, RED)
        _text(sheet, x, y + SIDE + 6 + 2 * LINE, exhibit.id, CELL, SOFT, keep_end=True)
    _save(sheet, path)


def samples(path, title, by_class, pictures):
    """Writes the sheet of `exhibits.samples`: under each class's name a strip of its images."""
    each = max((len(found) for found in by_class.values()), default=0)
    side = SIDE if each * len(by_class) <= FEW else SIDE // 2
    cell = max(each * (side + 4) - 4, CELL)
    across = max(1, min(len(by_class), STRIPS // cell))
    high = LINE + side + GAP
    width = max(across * (cell + GAP) - GAP, 3 * CELL)  # the title needs room too
    sheet = _sheet(width, -(-len(by_class) // across) * high, "Training images", title)
    for i, (name, exhibits) in enumerate(by_class.items()):
        x = EDGE + i % across * (cell + GAP)
        y = HEAD + i // across * high
        _text(sheet, x, y, name, cell)
        for k, exhibit in enumerate(exhibits):
            _picture(sheet, x + k * (side + 4), y + LINE, side, pictures[exhibit.id])
    _save(sheet, path)


def clipped(text, font, width, keep_end=False):
    """`text` in one line of at most `width` pixels, cut with an ellipsis where it is longer: its
    end, or, of what tells things apart at its end (a path), its beginning."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        cut = f"…{text[-length:].lstrip()}" if keep_end else f"{text[:length].rstrip()}…"
        if font.getlength(cut) <= width:
            return cut
    return "…"


@cache
def _font(size):
    """DejaVu Sans, which knows Latin, Greek, Cyrillic, Arabic and more; Pillow's own knows ASCII.

    It lies in the package matplotlib, which is not imported for it.
    """
    package = Path(find_spec("matplotlib").origin).parent
    return ImageFont.truetype(str(package / "mpl-data/fonts/ttf/DejaVuSans.ttf"), size)


def _sheet(width, height, title, note):
    sheet = Image.new("RGB", (width + 2 * EDGE, HEAD + height + EDGE - GAP), PAPER)
    _text(sheet, EDGE, EDGE, title, width, size=LARGE)
    _text(sheet, EDGE, EDGE + LARGE + 8, note, width, SOFT)
    return sheet


def _text(sheet, x, y, text, width, colour=INK, size=SMALL, keep_end=False):
    font = _font(size)
    line = clipped(text, font, width, keep_end)
    ImageDraw.Draw(sheet).text((x, y), line, fill=colour, font=font)


def _picture(sheet, x, y, side, picture):
    """The picture in a square of `side` pixels; or a frame with the reason why there is none."""
    if isinstance(picture, str):
        ImageDraw.Draw(sheet).rectangle((x, y, x + side - 1, y + side - 1), outline=SOFT)
        _text(sheet, x + 4, y + side // 2 - SMALL, picture, side - 8, SOFT)
        return
    if max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    width, height = picture.size
    sheet.paste(picture, (x + (side - width) // 2, y + (side - height) // 2))


def _save(sheet, path):
    with replacing(path, "wb") as file:
        sheet.save(file, "PNG", optimize=True)
