"""The one road from encoded bytes to pixels.

Rules, so that every reader, index and engine sees the same picture: the content decides the
format, the first frame of an animation is the picture, the EXIF turn is applied, 16-bit grey is
scaled to 8 bit and 16-bit colours to within one step of that, palette, grey and CMYK are expanded
to RGB, and transparent parts lie on white.  A CMYK JPEG is taken to be inverted, as Adobe writes
it.  Colour profiles and gamma are ignored: the networks were trained on pixels that were read so.
What follows a whole picture in its file is ignored.  A truncated file is refused, never filled with
grey, and so is one that was moved as text.  A JPEG for which a smaller picture is enough is decoded
at 1/2, 1/4 or 1/8 of its size, the smallest that is.  docs/trust.md lists many kinds of files.
"""

import io
import re
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

from transfer.datasets.reading import damage, silence, strangers
from transfer.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
PIXEL_LIMIT = 100_000_000  # H * W; 300 MB as RGB, beyond any photo that a net would look at

# Decides, with the bytes, every pixel: part of each feature's recipe.  Raise the number of the
# rules whenever the rules above change.
VERSION = f"pillow {PIL.__version__}, rules 2"
# Decides, with VERSION, what is refused and in which words, and no pixel: raised alone, it has all
# images judged anew, and no feature computed anew.
REFUSALS = "refusals 2"

# Pillow's readers raise whatever their parsing of hostile bytes ran into.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class Unreadable(InputError):  # noqa: N818, the word that people read in the index
    """Bytes that are no picture of ours; the message is the reason alone, without a place."""


def decode(data, least=None):
    """Pixels of encoded `data` (bytes): ndarray uint8 RGB of shape [H, W, 3], values 0..255.

    least: pixels that neither side may fall below when the picture is decoded at a reduced size,
    as JPEG can be (libjpeg leaves out high frequencies, and with them most of the work); None for
    the full size.
    Raises Unreadable with a short reason that is the same on every run.
    """
    silence.keep()
    if not data:
        raise Unreadable("the file is empty")
    if damage.is_text_mode(data):
        raise Unreadable("moved as text, which put a CR before each LF; copy it anew as it was")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(*picture.size)
            if least:
                picture.draft(None, (least, least))  # does nothing to other formats
            # Turned first: a turned copy has lost its `format`, so that is handed on.
            return np.array(_as_rgb(_upright(picture), picture.format))  # [H, W, 3]
    except Unreadable:
        raise
    except PIL.UnidentifiedImageError:
        raise Unreadable(strangers.reason(data)) from None
    except Image.DecompressionBombError:
        raise Unreadable(f"more than the limit of {PIXEL_LIMIT:,} pixels") from None
    except _FAULTS as fault:
        raise Unreadable(f"can't be decoded: {_reason(fault)}") from None


def _check_size(width, height):
    if width * height > PIXEL_LIMIT:
        raise Unreadable(f"{width}x{height} is more than the limit of {PIXEL_LIMIT:,} pixels")


def _upright(picture):
    """The picture turned as its EXIF says; one whose EXIF is broken stays as it is stored."""
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except _FAULTS:
        return picture


def _as_rgb(picture, kind):
    mode = picture.mode
    if mode.startswith("I;16") or (mode == "I" and kind == "PPM"):  # Pillow gives both 0..65535
        grey = np.asarray(picture).astype(np.uint32)
        picture = Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8))
    elif mode in ("I", "F"):
        raise Unreadable("32-bit grey has no fixed white; save it with 8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _reason(fault):
    """The fault in words without object addresses, which differ from run to run."""
    words = re.sub(r"<[^>]*>| at 0x[0-9a-fA-F]+", "", " ".join(str(fault).split()))
    return words or type(fault).__name__
