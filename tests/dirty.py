"""Picture files as they lie about in the world, made by code, and what each becomes.

The picture of most is SCENE: four flat quarters, so that a lossy format keeps it within some steps
and no two of the eight turns look alike.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

H, W = 32, 64  # halves of whole 16 x 16 blocks, of which JPEG makes its colours
COLOURS = ((200, 40, 30), (30, 160, 60), (40, 60, 190), (230, 220, 90))
WHITE = (255, 255, 255)

# How reasons begin.
NONE = "not a JPEG, PNG, BMP, GIF, WebP, PPM or TIFF image"
MOVED = "moved as text, which put a CR before each LF"
LIMIT = "more than the limit of 100,000,000 pixels"


def quarters(a, b, c, d, height=H, width=W):
    """uint8 [height, width, 3] of four flat quarters: a, b above, c, d below."""
    scene = np.empty((height, width, 3), np.uint8)
    scene[: height // 2, : width // 2], scene[: height // 2, width // 2 :] = a, b
    scene[height // 2 :, : width // 2], scene[height // 2 :, width // 2 :] = c, d
    return scene


SCENE = quarters(*COLOURS)
GREY = quarters(10, 90, 170, 250)


@dataclass(frozen=True)
class Kind:
    """name: as docs/trust.md has it; ending: of the file's name; expected: uint8 RGB [H, W, 3], or
    the start of the reason (str); within: steps of 255 by which a lossy format may miss it."""

    name: str
    ending: str
    data: bytes
    expected: np.ndarray | str
    within: int = 0


def kinds():
    """All Kinds, in the order of the table; the same bytes on every run."""
    return [*_jpeg(), *_turned(), *_png(), *_gif(), *_bmp(), *_netpbm(), *_tiff(), *_webp(), *_no()]


def encoded(picture, kind, **options):
    """Bytes of a Pillow image, or of an array as Image.fromarray takes it."""
    file = io.BytesIO()
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(picture)
    picture.save(file, kind, **options)
    return file.getvalue()


def text_mode(data):
    """What a transfer as text, or a file opened as such, makes of bytes."""
    return data.replace(b"\n", b"\r\n")


def swapped_profile():
    """An ICC profile (bytes) under which red is blue: who obeys it shows other colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the time of making
    profile[84:100] = bytes(16)  # a digest of it
    return (
        bytes(profile).replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    )


def _plane(a, b, c, d):
    """uint8 [H, W]: `quarters` of one channel."""
    return quarters(a, b, c, d)[..., 0].copy()


def _palette():
    picture = Image.fromarray(_plane(0, 1, 2, 3)).convert("L")
    picture.putpalette([value for colour in COLOURS for value in colour])
    return picture


def _noise():
    """uint8 [H, W, 3] that no format makes small."""
    return np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def _exif(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def _adobe(data, transform):
    """A CMYK JPEG with another colour transform in its Adobe marker; None: without the marker."""
    start = data.index(b"\xff\xee\x00\x0eAdobe")
    if transform is None:
        return data[:start] + data[start + 16 :]
    return data[: start + 15] + bytes([transform]) + data[start + 16 :]


def _jpeg():
    plain = encoded(SCENE, "JPEG", subsampling=0, quality=95)
    size = plain.index(b"\xff\xc0") + 4  # of the frame header: precision, height, width
    cmyk = encoded(Image.fromarray(SCENE).convert("CMYK"), "JPEG", quality=95)
    luma = np.asarray(Image.fromarray(255 - SCENE).convert("YCbCr"))
    ycck = np.concatenate([255 - luma, np.zeros((H, W, 1), np.uint8)], axis=2)
    ycck = encoded(Image.frombytes("CMYK", (W, H), ycck.tobytes()), "JPEG", quality=95)
    second = Image.fromarray(255 - SCENE)
    noise = encoded(_noise(), "JPEG", quality=95)
    return [
        Kind(
            "JPEG, progressive",
            "jpg",
            encoded(SCENE, "JPEG", subsampling=0, progressive=True),
            SCENE,
            6,
        ),
        Kind("JPEG, grey", "jpg", encoded(GREY[..., 0], "JPEG"), GREY, 4),
        Kind(
            "JPEG of RGB without a colour transform",
            "jpg",
            encoded(SCENE, "JPEG", subsampling=0, keep_rgb=True),
            SCENE,
            6,
        ),
        Kind("JPEG, CMYK with Adobe's marker", "jpg", cmyk, SCENE, 6),
        Kind("JPEG, CMYK without a marker", "jpg", _adobe(cmyk, None), SCENE, 6),
        Kind("JPEG, YCCK", "jpg", _adobe(ycck, 2), SCENE, 8),
        Kind(
            "JPEG with an ICC profile",
            "jpg",
            encoded(SCENE, "JPEG", subsampling=0, icc_profile=swapped_profile()),
            SCENE,
            6,
        ),
        Kind("JPEG with trailing garbage", "jpg", plain + b"\0garbage\xff\xd8\xff" * 50, SCENE, 6),
        Kind(
            "JPEG of several pictures (MPO)",
            "jpg",
            encoded(Image.fromarray(GREY), "MPO", save_all=True, append_images=[second]),
            GREY,
            6,
        ),
        Kind("JPEG named .png", "png", plain, SCENE, 6),
        Kind(
            "JPEG with a broken EXIF",
            "jpg",
            encoded(
                SCENE, "JPEG", subsampling=0, exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0"
            ),
            SCENE,
            6,
        ),
        Kind("JPEG without its end marker", "jpg", plain[:-2], "can't be decoded"),
        Kind("JPEG, truncated", "jpg", noise[: len(noise) // 2], "can't be decoded"),
        Kind("JPEG, header only", "jpg", plain[: size + 20], "can't be decoded"),
        Kind("JPEG with garbage before it", "jpg", b"\0\0\0" + plain, NONE),
        Kind(
            "JPEG of 12 bits",
            "jpg",
            plain[:size] + b"\x0c" + plain[size + 1 :],
            "begins as a JPEG, but its head",
        ),
        Kind("JPEG, text mode", "jpg", text_mode(noise), MOVED),
        Kind(
            "JPEG of 65,500 x 65,500",
            "jpg",
            plain[: size + 1] + b"\xff\xdc\xff\xdc" + plain[size + 5 :],
            LIMIT,
        ),
    ]


def _turned():
    see = {
        1: SCENE,
        2: SCENE[:, ::-1],
        3: SCENE[::-1, ::-1],
        4: SCENE[::-1],
        5: SCENE.transpose(1, 0, 2),
        6: np.rot90(SCENE, -1),
        7: SCENE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(SCENE),
        9: SCENE,
    }
    return [
        Kind(
            f"JPEG, EXIF turn {turn}",
            "jpg",
            encoded(SCENE, "JPEG", subsampling=0, exif=_exif(turn)),
            expected,
            6,
        )
        for turn, expected in see.items()
    ]


def chunk(kind, data, crc=None):
    """A PNG chunk."""
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(width, height, depth, colour, rows, *, interlace=0, before=b"", after=b""):
    """A PNG file of packed, unfiltered `rows` (bytes, each with its filter byte)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + after
        + chunk(b"IEND", b"")
    )


def _rows(array):
    return b"".join(b"\0" + row.tobytes() for row in array)


def _interlaced(pixels):
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    return b"".join(_rows(pixels[top::down, left::right]) for top, left, down, right in passes)


def _png():
    plain = encoded(SCENE, "PNG")
    rows = _rows(SCENE)
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[H // 2 :] = 0
    alpha[:, : W // 2] = 51  # a fifth

    def blend(scene):
        return np.round(scene * (alpha / 255) + 255 - alpha).astype(np.uint8)

    wide = SCENE.astype(">u2") * 257
    palette = _palette()
    seen = quarters(WHITE, *COLOURS[1:])
    frames = {"save_all": True, "append_images": [Image.fromarray(255 - SCENE)]}
    black_white = quarters(0, 255, 255, 0)
    one = _plane(0, 1, 2, 3)
    two_bits = (one[:, 0::4] << 6) | (one[:, 1::4] << 4) | (one[:, 2::4] << 2) | one[:, 3::4]
    idat = plain.index(b"IDAT")
    length = struct.unpack(">I", plain[idat - 4 : idat])[0]
    bad = plain[: idat + 4 + length] + b"\0\0\0\0" + plain[idat + 8 + length :]
    middle = idat + 4 + length // 2
    damaged = plain[:middle] + bytes([plain[middle] ^ 16]) + plain[middle + 1 :]
    text = chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000)
    ztext = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 3_000_000))
    return [
        Kind("PNG named .jpg", "jpg", plain, SCENE),
        Kind(
            "PNG, RGBA", "png", encoded(np.concatenate([SCENE, alpha], 2), "PNG"), blend(SCENE), 1
        ),
        Kind(
            "PNG, grey with alpha",
            "png",
            encoded(np.concatenate([GREY[..., :1], alpha], 2), "PNG"),
            blend(GREY),
            1,
        ),
        Kind("PNG, grey", "png", encoded(GREY[..., 0], "PNG"), GREY),
        Kind("PNG, palette", "png", encoded(palette, "PNG"), SCENE),
        Kind(
            "PNG, palette with a transparent colour",
            "png",
            encoded(palette, "PNG", transparency=0),
            seen,
        ),
        Kind(
            "PNG, palette with alphas",
            "png",
            encoded(palette, "PNG", transparency=b"\0\xff\xff\xff"),
            seen,
        ),
        Kind(
            "PNG, RGB with a transparent colour",
            "png",
            encoded(SCENE, "PNG", transparency=COLOURS[0]),
            seen,
        ),
        Kind(
            "PNG, 1 bit",
            "png",
            encoded(Image.fromarray(black_white).convert("1"), "PNG"),
            black_white,
        ),
        Kind("PNG, 2-bit grey", "png", png(W, H, 2, 0, _rows(two_bits)), quarters(0, 85, 170, 255)),
        Kind("PNG, 16-bit grey", "png", encoded(GREY[..., 0].astype(np.uint16) * 257, "PNG"), GREY),
        Kind(
            "PNG, 16-bit grey with alpha",
            "png",
            png(W, H, 16, 4, _rows(np.concatenate([GREY[..., :1], alpha], 2).astype(">u2") * 257)),
            blend(GREY),
            1,
        ),
        Kind("PNG, 16-bit RGB", "png", png(W, H, 16, 2, _rows(wide)), SCENE),
        Kind(
            "PNG, 16-bit RGBA",
            "png",
            png(W, H, 16, 6, _rows(np.concatenate([SCENE, alpha], 2).astype(">u2") * 257)),
            blend(SCENE),
            1,
        ),
        Kind("PNG, interlaced", "png", png(W, H, 8, 2, _interlaced(SCENE), interlace=1), SCENE),
        Kind(
            "PNG, animated (APNG)", "png", encoded(Image.fromarray(SCENE), "PNG", **frames), SCENE
        ),
        Kind(
            "PNG with an ICC profile",
            "png",
            encoded(SCENE, "PNG", icc_profile=swapped_profile()),
            SCENE,
        ),
        Kind(
            "PNG with a gamma",
            "png",
            png(W, H, 8, 2, rows, before=chunk(b"gAMA", struct.pack(">I", 100000))),
            SCENE,
        ),
        Kind(
            "PNG with an EXIF turn",
            "png",
            encoded(SCENE, "PNG", exif=_exif(6)),
            np.rot90(SCENE, -1),
        ),
        Kind("PNG of 1 x 1", "png", encoded(SCENE[:1, :1], "PNG"), SCENE[:1, :1]),
        Kind(
            "PNG of 1 x 10,000",
            "png",
            encoded(np.full((10_000, 1, 3), 7, np.uint8), "PNG"),
            np.full((10_000, 1, 3), 7, np.uint8),
        ),
        Kind(
            "PNG of 10,000 x 1",
            "png",
            encoded(np.full((1, 10_000, 3), 7, np.uint8), "PNG"),
            np.full((1, 10_000, 3), 7, np.uint8),
        ),
        Kind("PNG with trailing garbage", "png", plain + b"garbage" * 50, SCENE),
        Kind("PNG with a text chunk of 3 MB", "png", png(W, H, 8, 2, rows, before=text), SCENE),
        Kind(
            "PNG with a compressed text of 3 MB",
            "png",
            png(W, H, 8, 2, rows, before=ztext),
            "can't be decoded",
        ),
        Kind("PNG, data beyond its size", "png", png(W, H, 8, 2, rows + bytes(50_000_000)), SCENE),
        Kind("PNG with a wrong checksum of the pixels", "png", bad, SCENE),
        Kind("PNG with damaged pixels", "png", damaged, "can't be decoded"),
        Kind(
            "PNG with a wrong checksum of a comment",
            "png",
            png(W, H, 8, 2, rows, before=chunk(b"tEXt", b"a\0b", crc=1)),
            "begins as a PNG, but its head",
        ),
        Kind("PNG, truncated", "png", plain[: idat + 4 + length // 2], "can't be decoded"),
        Kind("PNG without its end", "png", plain[:-12], SCENE),
        Kind("PNG, text mode", "png", text_mode(plain), MOVED),
        Kind("PNG of no width", "png", png(0, H, 8, 2, b""), "begins as a PNG"),
        Kind("PNG of 30,000 x 30,000", "png", png(30_000, 30_000, 8, 2, b""), LIMIT),
        Kind(
            "PNG of 9,000 x 9,000 with no pixels",
            "png",
            png(9_000, 9_000, 8, 0, b""),
            "can't be decoded",
        ),
    ]


def _gif():
    first = Image.fromarray(SCENE).quantize(8)
    frames = [Image.fromarray(255 - SCENE).quantize(8)]
    animated = encoded(first, "GIF", save_all=True, append_images=frames, duration=100)
    still = encoded(first, "GIF")
    palette = _palette()
    return [
        Kind("GIF, animated", "gif", animated, SCENE),
        Kind("GIF, interlaced", "gif", encoded(first, "GIF", interlace=1), SCENE),
        Kind(
            "GIF with a transparent colour",
            "gif",
            encoded(palette, "GIF", transparency=0),
            quarters(WHITE, *COLOURS[1:]),
        ),
        Kind("GIF, truncated", "gif", still[: len(still) * 2 // 3], "can't be decoded"),
        Kind(
            "GIF of no frame",
            "gif",
            b"GIF89a" + struct.pack("<HHBBB", W, H, 0, 0, 0) + b";",
            "begins as a GIF",
        ),
        Kind("GIF with trailing garbage", "gif", still + b"garbage" * 9, SCENE),
        Kind("GIF, text mode", "gif", text_mode(encoded(_noise()[..., 0], "GIF")), MOVED),
    ]


def bmp(pixels, bits=24, height=None, compression=0, masks=b""):
    """A BMP of packed rows (bytes), which begin below."""
    info = struct.pack(
        "<IiiHHIIiiII", 40, W, height or H, 1, bits, compression, len(pixels), 0, 0, 0, 0
    )
    offset = 14 + len(info) + len(masks)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + masks + pixels


def _bmp():
    below = np.ascontiguousarray(SCENE[::-1, :, ::-1])
    top = np.ascontiguousarray(SCENE[:, :, ::-1])
    four = np.concatenate([below, np.zeros((H, W, 1), np.uint8)], 2)
    black_white = quarters(0, 255, 255, 0)
    wide = below.astype(np.uint16)
    p565 = ((wide[..., 2] >> 3) << 11) | ((wide[..., 1] >> 2) << 5) | (wide[..., 0] >> 3)
    nl = np.full((H, W, 3), 10, np.uint8)
    return [
        Kind("BMP, top-down", "bmp", bmp(top.tobytes(), height=-H), SCENE),
        Kind(
            "BMP, 1 bit",
            "bmp",
            encoded(Image.fromarray(black_white).convert("1"), "BMP"),
            black_white,
        ),
        Kind(
            "BMP, 8-bit palette", "bmp", encoded(Image.fromarray(SCENE).quantize(8), "BMP"), SCENE
        ),
        Kind(
            "BMP, 16 bits (5-6-5)",
            "bmp",
            bmp(
                p565.astype("<u2").tobytes(),
                16,
                compression=3,
                masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F),
            ),
            SCENE,
            8,
        ),
        Kind("BMP, 32 bits, alpha unused", "bmp", bmp(four.tobytes(), 32), SCENE),
        Kind("BMP, text mode", "bmp", text_mode(bmp(nl.tobytes())), MOVED),
        Kind("BMP, truncated", "bmp", bmp(below.tobytes())[:-100], "can't be decoded"),
        Kind("BMP with trailing garbage", "bmp", bmp(below.tobytes()) + b"xx", SCENE),
        Kind(
            "BMP of 20,000 x 20,000",
            "bmp",
            b"BM"
            + struct.pack("<IHHI", 54, 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, 20_000, 20_000, 1, 24, 0, 0, 0, 0, 0, 0),
            LIMIT,
        ),
    ]


def _netpbm():
    raw = SCENE.tobytes()
    head = b"P6\n%d %d\n255\n" % (W, H)
    plain = b"P3\n%d %d\n255\n" % (W, H) + b" ".join(b"%d" % v for v in SCENE.ravel()) + b"\n"
    bits = _plane(0, 1, 1, 0).astype(bool)
    newlines = SCENE.copy()
    newlines[3:9, 5:20] = (10, 13, 10)
    whole = head + newlines.tobytes()
    hundred = np.round(SCENE / 255 * 100).astype(np.uint8)
    return [
        Kind(
            "PPM with comments",
            "ppm",
            b"P6\n# made by\n%d # wide\n%d\n#\n255\n" % (W, H) + raw,
            SCENE,
        ),
        Kind("PPM, as text (P3)", "ppm", plain, SCENE),
        Kind("PPM, as text, in text mode", "ppm", text_mode(plain), SCENE),
        Kind(
            "PPM of values 0..100", "ppm", b"P6 %d %d 100\n" % (W, H) + hundred.tobytes(), SCENE, 2
        ),
        Kind(
            "PPM, 16 bits",
            "ppm",
            b"P6 %d %d 65535\n" % (W, H) + (SCENE.astype(">u2") * 257).tobytes(),
            SCENE,
        ),
        Kind(
            "PGM, 16 bits",
            "pgm",
            b"P5 %d %d 65535\n" % (W, H) + (GREY[..., 0].astype(">u2") * 257).tobytes(),
            GREY,
        ),
        Kind(
            "PBM",
            "pbm",
            b"P4 %d %d\n" % (W, H) + np.packbits(bits, axis=1).tobytes(),
            quarters(255, 0, 0, 255),
        ),
        Kind("PPM, newlines among its values", "ppm", whole, newlines),
        Kind("PPM, text mode", "ppm", text_mode(whole), MOVED),
        Kind(
            "PGM, text mode",
            "pgm",
            text_mode(b"P5\n%d %d\n255\n" % (W, H) + GREY[..., 0].tobytes()),
            MOVED,
        ),
        Kind("PPM with trailing garbage", "ppm", head + raw + b"garbage", SCENE),
        Kind("PPM, truncated", "ppm", (head + raw)[:-9], "can't be decoded"),
        Kind("PPM of 30,000 x 30,000", "ppm", b"P6 30000 30000 255\n", LIMIT),
        Kind(
            "PPM of no known values", "ppm", b"P6 4 4 0\n" + bytes(48), "can't be decoded: maxval"
        ),
        Kind(
            "PFM, of floats",
            "ppm",
            b"Pf\n4 4\n-1.0\n" + bytes(64),
            "32-bit grey has no fixed white",
        ),
    ]


def _tiff():
    picture = Image.fromarray(SCENE)
    pages = {"save_all": True, "append_images": [Image.fromarray(255 - SCENE)]}
    black_white = quarters(0, 255, 255, 0)
    fax = Image.fromarray(black_white).convert("1")
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[:, : W // 2] = 0
    rgba = np.concatenate([SCENE, alpha], 2)
    seen = np.where(alpha == 0, 255, SCENE).astype(np.uint8)
    whole = encoded(picture, "TIFF")
    return [
        Kind("TIFF, LZW", "tif", encoded(picture, "TIFF", compression="tiff_lzw"), SCENE),
        Kind(
            "TIFF, deflate",
            "tif",
            encoded(picture, "TIFF", compression="tiff_adobe_deflate"),
            SCENE,
        ),
        Kind("TIFF, JPEG inside", "tif", encoded(picture, "TIFF", compression="jpeg"), SCENE, 8),
        Kind("TIFF, fax (group 4)", "tif", encoded(fax, "TIFF", compression="group4"), black_white),
        Kind("TIFF of several pages", "tif", encoded(picture, "TIFF", **pages), SCENE),
        Kind("TIFF, big TIFF", "tif", encoded(picture, "TIFF", big_tiff=True), SCENE),
        Kind("TIFF, CMYK", "tif", encoded(picture.convert("CMYK"), "TIFF"), SCENE, 1),
        Kind("TIFF, RGBA", "tif", encoded(rgba, "TIFF"), seen),
        Kind(
            "TIFF, 16-bit grey", "tif", encoded(GREY[..., 0].astype(np.uint16) * 257, "TIFF"), GREY
        ),
        Kind(
            "TIFF, 32-bit grey",
            "tif",
            encoded(np.zeros((H, W), np.int32), "TIFF"),
            "32-bit grey has no fixed white",
        ),
        Kind(
            "TIFF of floats",
            "tif",
            encoded(np.zeros((H, W), np.float32), "TIFF"),
            "32-bit grey has no fixed white",
        ),
        Kind("TIFF, truncated", "tif", whole[: len(whole) // 2], "can't be decoded"),
        Kind("TIFF, text mode", "tif", text_mode(encoded(_noise(), "TIFF")), MOVED),
        Kind(
            "TIFF of an endless list of pages",
            "tif",
            b"II*\0" + struct.pack("<IHI", 8, 0, 8),
            "begins as a TIFF",
        ),
    ]


def _webp():
    picture = Image.fromarray(SCENE)
    second = Image.fromarray(255 - SCENE)
    lossless = encoded(picture, "WEBP", lossless=True)
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[:, : W // 2] = 0
    rgba = np.concatenate([SCENE, alpha], 2)
    seen = np.where(alpha == 0, 255, SCENE).astype(np.uint8)
    return [
        Kind("WebP, lossy", "webp", encoded(GREY, "WEBP", quality=95), GREY, 8),
        Kind("WebP, lossless", "webp", lossless, SCENE),
        Kind(
            "WebP, animated",
            "webp",
            encoded(picture, "WEBP", lossless=True, save_all=True, append_images=[second]),
            SCENE,
        ),
        Kind("WebP with alpha", "webp", encoded(rgba, "WEBP", lossless=True, exact=True), seen),
        Kind(
            "WebP with an EXIF turn",
            "webp",
            encoded(picture, "WEBP", lossless=True, exif=_exif(8)),
            np.rot90(SCENE),
        ),
        Kind(
            "WebP with an ICC profile",
            "webp",
            encoded(picture, "WEBP", lossless=True, icc_profile=swapped_profile()),
            SCENE,
        ),
        Kind("WebP with trailing garbage", "webp", lossless + b"garbage", SCENE),
        Kind("WebP, truncated", "webp", lossless[: len(lossless) // 2], "can't be decoded"),
        Kind("WebP, text mode", "webp", text_mode(encoded(_noise(), "WEBP", lossless=True)), MOVED),
    ]


def _no():
    ico = encoded(Image.new("RGB", (16, 16)), "ICO")
    return [
        Kind("empty file", "jpg", b"", "the file is empty"),
        Kind("zeros", "jpg", bytes(5000), f"{NONE}, but zeros"),
        Kind("text named .jpg", "jpg", b"sorry, not found\n", NONE),
        Kind(
            "web page named .jpg",
            "jpg",
            b"<!DOCTYPE html>\n<html><body>404</body></html>",
            f"{NONE}, but a web page",
        ),
        Kind(
            "Git LFS pointer",
            "jpg",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
            f"{NONE}, but a Git LFS pointer",
        ),
        Kind(
            "SVG named .png",
            "png",
            b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
            f"{NONE}, but an SVG",
        ),
        Kind("PDF named .jpg", "jpg", b"%PDF-1.7\n", f"{NONE}, but a PDF"),
        Kind(
            "HEIC named .jpg", "jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", f"{NONE}, but a HEIC"
        ),
        Kind(
            "AVIF named .jpg", "jpg", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", f"{NONE}, but an AVIF"
        ),
        Kind(
            "PostScript named .jpg",
            "jpg",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            f"{NONE}, but PostScript",
        ),
        Kind("zip named .jpg", "jpg", b"PK\x03\x04" + bytes(50), f"{NONE}, but a zip"),
        Kind("icon named .png", "png", ico, f"{NONE}, but a Windows icon"),
    ]
