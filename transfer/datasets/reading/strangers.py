"""What a file may be that no picture of ours opens, for the reason that people read."""

import re

# In this order; each by what the file begins with.
_OURS = (
    ("a JPEG", rb"\xff\xd8\xff"),
    ("a PNG", rb"\x89PNG\r\n\x1a\n"),
    ("a GIF", rb"GIF8[79]a"),
    ("a TIFF", rb"II[*+]\0|MM\0[*+]"),
    ("a WebP", rb"(?s:RIFF....WEBP)"),
    ("a BMP", rb"BM(?s:....)\0\0\0\0"),
)
_OTHERS = (
    ("a Git LFS pointer: `git lfs pull` brings the file", rb"version https://git-lfs"),
    ("an SVG drawing", rb"(?i:\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg\b)"),
    ("a web page", rb"(?i:\s*<!doctype html|\s*<html\b|\s*<head\b)"),
    ("an AVIF picture", rb"(?s:....)ftyp(?:avif|avis)"),
    ("a HEIC picture", rb"(?s:....)ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)"),
    ("a JPEG 2000 picture", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("a JPEG XL picture", rb"\0\0\0\x0cJXL |\xff\x0a"),
    ("a PDF", rb"%PDF-"),
    ("PostScript", rb"%!PS"),
    ("a Photoshop file", rb"8BPS"),
    ("a Windows icon", rb"\0\0\x01\0"),
    ("a zip archive", rb"PK\x03\x04"),
    ("a gzip archive", rb"\x1f\x8b"),
)
_HEAD = 512  # bytes looked at
_BOM = b"\xef\xbb\xbf"  # before much text


def reason(data):
    """One reason (str) why the bytes `data`, which no reader of ours knows, can't be used."""
    head = data[:_HEAD].removeprefix(_BOM)
    for name, sign in _OURS:
        if re.match(sign, head):
            return f"begins as {name}, but its head is damaged or of a kind that is not read here"
    told = "not a JPEG, PNG, BMP, GIF, WebP, PPM or TIFF image"
    if not any(head):
        return f"{told}, but zeros" if not any(data) else told
    for name, sign in _OTHERS:
        if re.match(sign, head, re.DOTALL):
            return f"{told}, but {name}"
    return told
