import io
import logging
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tests.imports import ROOT
from transfer.datasets.reading import decoder, silence
from transfer.datasets.reading.decoder import Unreadable, decode

RAMP = (np.arange(48 * 64 * 3).reshape(48, 64, 3) % 256).astype(np.uint8)  # [H, W, 3]
ABOVE = np.zeros((48, 64, 3), np.uint8)  # bright above, dark below
ABOVE[:24] = 200


def encoded(pixels, kind, mode=None, **options):
    file = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels, mode)
    picture.save(file, kind, **options)
    return file.getvalue()


def bmp_header(width, height):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "WEBP"])
def test_lossless_formats_come_back_as_they_were(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(RAMP, kind, **options))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RAMP)


def test_jpeg_is_near():
    smooth = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None] * 3, (48, 64, 3))
    found = decode(encoded(np.ascontiguousarray(smooth), "JPEG", quality=95)).astype(int)
    assert abs(found - smooth).max() <= 6


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("least", "shape"), [(241, (480, 640)), (240, (240, 320)), (9, (60, 80))])
def test_a_jpeg_is_decoded_no_larger_than_asked_for(least, shape, progressive):
    rows, columns = np.mgrid[:480, :640]
    scene = np.stack([rows // 2, columns // 3, (rows + columns) // 5], axis=2).astype(np.uint8)
    data = encoded(scene, "JPEG", quality=95, progressive=progressive)
    found = decode(data, least)
    assert found.shape == (*shape, 3)
    step = 480 // shape[0]
    means = scene.reshape(shape[0], step, shape[1], step, 3).mean(axis=(1, 3))
    assert abs(found - means).mean() < 1.5
    with pytest.raises(Unreadable, match="can't be decoded"):
        decode(data[: len(data) // 2], least)


def test_other_formats_come_whole_and_turned_jpegs_reduced():
    np.testing.assert_array_equal(decode(encoded(RAMP, "PNG"), 6), RAMP)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(encoded(ABOVE, "JPEG", exif=exif), 12)
    assert found.shape == (16, 12, 3)
    assert (found[:, 8:] > 150).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_turn_is_applied_once(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen, turn a quarter clockwise: what is above comes to the right
    found = decode(encoded(ABOVE, kind, exif=exif))
    assert found.shape == (64, 48, 3)
    assert found[:, 36:].min() > 180
    assert found[:, :12].max() < 20


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiff_of_its_own_turn_tag(compression):
    tags = ImageFileDirectory_v2()
    tags[0x0112] = 3  # half a turn
    options = {"compression": compression} if compression else {}
    np.testing.assert_array_equal(
        decode(encoded(ABOVE, "TIFF", tiffinfo=tags, **options)), ABOVE[::-1, ::-1]
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert decode(encoded(deep, kind))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    ("picture", "kind", "options", "expected"),
    [
        (Image.new("RGBA", (4, 4), (10, 20, 30, 0)), "PNG", {}, (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 255)), "PNG", {}, (10, 20, 30)),
        (Image.new("LA", (4, 4), (0, 51)), "PNG", {}, (204, 204, 204)),
        (Image.new("L", (4, 4), 77), "PNG", {}, (77, 77, 77)),
        (Image.new("1", (4, 4), 1), "PNG", {}, (255, 255, 255)),
        (Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", {"transparency": (1, 2, 3)}, (255,) * 3),
        (Image.new("CMYK", (4, 4), (255, 0, 0, 0)), "TIFF", {}, (0, 255, 255)),
    ],
)
def test_modes_are_expanded_and_laid_on_white(picture, kind, options, expected):
    found = decode(encoded(picture, kind, **options))
    assert found.shape == (4, 4, 3)
    assert tuple(found[2, 2].tolist()) == expected


def test_palette_with_a_transparent_colour():
    picture = Image.new("P", (2, 1))
    picture.putpalette([9, 8, 7, 200, 100, 0] + [0] * 750)
    picture.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        assert decode(encoded(picture, kind))[0].tolist() == [[9, 8, 7], [200, 100, 0]]
    assert decode(encoded(picture, "PNG", transparency=0))[0].tolist()[0] == [255, 255, 255]


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello", "not a JPEG, PNG"),
        (encoded(Image.new("RGB", (16, 16)), "ICO"), "not a JPEG, PNG"),
        (bmp_header(20000, 20000), "limit of 100,000,000 pixels"),
        (bmp_header(11000, 11000), "11000x11000 is more than the limit"),
        (bmp_header(9500, 10000), "truncated"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "32-bit grey has no fixed white"),
    ],
)
def test_refused_with_a_reason(data, reason):
    with pytest.raises(Unreadable, match=reason):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "PPM", "BMP", "TIFF"])
def test_truncated_files_are_refused_in_the_same_words_each_time(kind):
    rng = np.random.default_rng(0)
    whole = encoded(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
    for end in (30, len(whole) // 2, len(whole) * 9 // 10):
        reasons = set()
        for _ in range(2):
            with pytest.raises(Unreadable) as fault:
                decode(whole[:end])
            reasons.add(str(fault.value))
        assert len(reasons) == 1
        assert " at 0x" not in reasons.pop()


def test_damaged_bytes_never_escape_as_another_fault():
    rng = np.random.default_rng(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = [encoded(RAMP, k) for k in ("JPEG", "PNG", "GIF", "WEBP", "PPM", "BMP", "TIFF")]
    whole += [encoded(RAMP, "JPEG", exif=exif)]
    outcomes = [0, 0]
    for round_ in range(800):
        data = bytearray(whole[round_ % len(whole)])
        for _ in range(rng.integers(1, 8)):
            data[rng.integers(min(len(data), rng.choice([40, 400, 10**6])))] = rng.integers(256)
        try:
            found = decode(bytes(data))
        except Unreadable:
            outcomes[0] += 1
        else:
            assert found.dtype == np.uint8
            assert found.shape[2] == 3
            outcomes[1] += 1
    assert min(outcomes) > 50


def test_no_warning_reaches_the_terminal():
    code = (
        "import sys; from transfer.datasets.reading.decoder import decode, Unreadable\n"
        "for size in sys.stdin.buffer.read().split(b'|||'):\n"
        "    try: decode(size)\n"
        "    except Unreadable: pass\n"
    )
    broken_exif = encoded(RAMP, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0")
    bombs = [bmp_header(9500, 10000), broken_exif]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        input=b"|||".join(bombs),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


def test_the_version_names_the_library():
    assert decoder.VERSION.startswith("pillow ")


def test_the_mirrors_pictures(mirror):
    for name, side in (("poodle.png", 227), ("weasel.png", 227), ("stop.jpg", 32)):
        data = (mirror / "images" / name).read_bytes()
        found = decode(data)
        assert found.shape == (side, side, 3)
        if name.endswith(".png"):  # their alpha is opaque everywhere: laid on white, nothing moves
            with Image.open(io.BytesIO(data)) as picture:
                np.testing.assert_array_equal(found, np.asarray(picture)[..., :3])


def tiff(samples):
    """A TIFF of 1 x 1 that declares so many samples a pixel."""
    entries = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, samples)]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(struct.pack("<HHIHxx", *e) for e in entries) + bytes(4) + b"\0" * 64


def damaged_lzw():
    """A TIFF whose codes libtiff itself finds fault with."""
    data = bytearray(encoded(RAMP, "TIFF", compression="tiff_lzw"))
    (start, *_) = Image.open(io.BytesIO(data)).tag_v2[273]  # StripOffsets
    data[start : start + 40] = bytes(range(215, 255))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff(300), "begins as a TIFF, but its head is damaged"),  # logged by Pillow
        (damaged_lzw(), "can't be decoded: "),  # printed by libtiff
    ],
    ids=["logged", "printed"],
)
def test_what_pillow_has_to_say_of_a_picture_is_not_printed(data, words):
    code = (
        "import sys; from transfer.datasets.reading import decoder\n"
        "try: decoder.decode(sys.stdin.buffer.read())\n"
        "except decoder.Unreadable as fault: print(fault)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=True, cwd=ROOT
    )
    assert ran.stderr == b""
    assert ran.stdout.decode().startswith(words)


def test_what_pillow_logs_reaches_who_asks_for_it(caplog):
    for _ in range(2):
        with pytest.raises(Unreadable):
            decode(tiff(300))
    assert len(caplog.messages) == 2
    assert logging.getLogger("PIL").handlers.count(silence._HANDLER) == 1
