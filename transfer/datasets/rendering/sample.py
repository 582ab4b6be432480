"""The sample dataset: small photos of road signs, rendered, so that it needs no download.

Every image has its own generator, seeded by (seed, class, image), so the archive is the same for
any number of processes.  What makes it hard is pose and light, which move all pixels, while the
classes differ in small symbols: `render:` of source.yaml sets how hard (see Look).
"""

import io
import multiprocessing
import os
import zipfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from functools import cache, partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from transfer import processes
from transfer.datasets.rendering import scenes, signs
from transfer.errors import InputError, unknown
from transfer.writing import replacing

FACE = 128  # pixels of a face before it is placed in a scene


@dataclass(frozen=True)
class Look:
    """How many images, and how far each property varies; drawn evenly unless said otherwise."""

    images: int = 150  # a class
    size: int = 64  # pixels, H and W of an image
    seed: int = 0
    scale: tuple = (0.5, 0.9)  # diameter of the sign to the image's side
    shift: float = 0.14  # of the image's side, either way
    turn: float = 12.0  # degrees in the image plane, either way
    tilt: float = 38.0  # degrees about each other axis, either way
    gain: tuple = (0.35, 1.25)  # of light
    gamma: tuple = (0.7, 1.5)
    cast: float = 0.15  # of light, a channel, either way
    shadow: float = 0.4  # chance
    blur: float = 1.1  # pixels, largest sigma
    noise: float = 0.05  # largest sigma, of full white
    quality: tuple = (25, 90)  # of a JPEG in between
    occlusion: float = 0.35  # chance of something in front
    clutter: int = 14  # things behind, at most


def render(path, spec, workers=None):
    """Writes the archive `path`, an uncompressed zip `class/00000.png` that is the same, byte by
    byte, on every run; `spec`: a mapping with the fields of Look; `workers`: processes.

    Raises InputError for a bad spec, and where one of the processes is killed.
    """
    look = read_look(spec)
    jobs = [(c, i) for c in range(len(signs.FACES)) for i in range(look.images)]
    workers = workers or os.cpu_count() or 1
    with (
        replacing(path, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        tqdm(total=len(jobs), desc="render", unit=" images", disable=None) as bar,
    ):
        for (c, i), data in zip(jobs, _rendered(look, jobs, workers), strict=True):
            member = zipfile.ZipInfo(f"{list(signs.FACES)[c]}/{i:05d}.png", (1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            member.create_system = 3  # Unix, wherever this runs
            archive.writestr(member, data)
            bar.update()


def read_look(spec):
    """The Look that the mapping `spec` gives; raises InputError for a bad key or value."""
    defaults = {field.name: field.default for field in fields(Look)}
    given = {}
    for key, value in spec.items():
        if key not in defaults:
            raise unknown("key in the source's render section", key, defaults)
        numbers = value if isinstance(value, list | tuple) else [value]
        wanted = defaults[key] if isinstance(defaults[key], tuple) else (defaults[key],)
        # A whole number may stand for a fraction, not the reverse.
        whole = isinstance(wanted[0], int)
        fits = all(type(n) is int or (type(n) is float and not whole) for n in numbers)
        if len(numbers) != len(wanted) or not fits or min(numbers) < 0:
            kind = "whole number" if whole else "number"
            raise InputError(
                f"render: {key} must be {len(wanted)} {kind} from 0 up, as {defaults[key]}; "
                f"received {value!r}"
            )
        given[key] = tuple(numbers) if isinstance(defaults[key], tuple) else value
    look = Look(**given)
    if look.images < 1 or look.size < 16:
        raise InputError("render: images must be from 1 up and size from 16 pixels up")
    for key in ("scale", "gain", "gamma", "quality"):
        low, high = getattr(look, key)
        if not low <= high:
            raise InputError(f"render: {key} must rise; received {[low, high]}")
        if low <= 0 or (key == "quality" and high > 100):
            raise InputError(
                f"render: {key} must be above 0, quality at most 100; received {low, high}"
            )
    return look


def picture(look, c, i):
    """The encoded PNG, bytes, of image `i` of class `c` (a number in the order of signs.FACES)."""
    rng = np.random.default_rng([look.seed, c, i])
    pixels = scenes.photograph(look, _face(list(signs.FACES)[c]), rng)
    jpeg = _encoded(pixels, "JPEG", quality=int(rng.integers(*look.quality, endpoint=True)))
    with Image.open(io.BytesIO(jpeg)) as dirty:
        return _encoded(np.asarray(dirty), "PNG")


@cache
def _face(name):
    return signs.face(name, FACE)


def _encoded(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _rendered(look, jobs, workers):
    """Yields the pictures of `jobs` in their order."""
    if workers == 1:
        yield from (picture(look, c, i) for c, i in jobs)
        return
    # Started afresh: a fork of a process with threads (a progress bar's) can hang.
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, processes.end_with, (os.getpid(),)) as pool:
            yield from pool.map(partial(picture, look), *zip(*jobs, strict=True), chunksize=25)
    except BrokenProcessPool:
        raise InputError(
            f"one of {workers} processes that render was killed, as the system does where memory "
            f"is short; expected all to live to the end: free some memory and run it again"
        ) from None
