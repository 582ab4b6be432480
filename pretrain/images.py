"""Cuts the views: of photos that resemble no image of a protected dataset, and of drawings.

Writes data/views.npy, uint8 [V, side, side, 3]; what each that shows a sign shows:
data/faces.npy, uint8 RGB [V, small, small, 3], its face as seen from the front in plain light, on
grey, and data/texts.npy, int8 [V, places], what is written on it (faces.spelt), -1 in views of
anything else; and images.json: what was screened, what is drawn.
View i has a Generator of its own, seeded by (seed, i): the same file for any number of processes.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from skimage.transform import resize_local_mean
from tqdm import tqdm

from pretrain import arrays, drawings, faces, photos, screening, views
from pretrain.places import ABOUT, DATASETS, FACES, TEXTS, VIEWS
from transfer import errors, processes
from transfer.writing import write_json

_CHUNK = 1000
_SMALL = 24  # pixels of a face as it is kept
_LEAST = 0.45  # of a drawing's area, so that most views show a sign whole


def main():
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["images"]
    kept, about = screened()
    count, side = given["photos"] + given["drawings"], given["side"]
    VIEWS.parent.mkdir(exist_ok=True)
    out = [
        arrays.created(VIEWS, np.uint8, (count, side, side, 3)),
        arrays.created(FACES, np.uint8, (count, _SMALL, _SMALL, 3)),
        arrays.created(TEXTS, np.int8, (count, faces.PLACES)),
    ]
    starts = range(0, count, _CHUNK)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(os.cpu_count(), context, _start, (os.getpid(), kept, given)) as pool,
        tqdm(total=count, desc="images", unit=" views", disable=None) as bar,
    ):
        for start, chunk in zip(starts, pool.map(partial(_chunk, count), starts), strict=True):
            for array, part in zip(out, chunk, strict=True):
                array[start : start + len(part)] = part
            bar.update(len(chunk[0]))
    of_photos = sum(is_of_photo(given, generator(given, i)) for i in range(count))
    of_signs = int((out[2][:, 0] >= 0).sum())
    about["views"] = {
        "of photos": of_photos,
        "of signs": of_signs,
        "of other drawings": count - of_photos - of_signs,
    }
    for array in out:
        array.flush()
    write_json(ABOUT, about)
    print(f"images: {about}")


def screened():
    """([pixels] of the photos that may be used, what images.json says of all that was looked
    at)."""
    pictures, archive = photos.read()
    place = Path("data/protected")
    archives = screening.brought(place, DATASETS)
    codes = screening.fingerprints_of(pictures)
    others = screening.fingerprints_of(screening.protected(place, DATASETS))
    removed = screening.near(codes, others)
    about = {
        "photos": {"archive": archive, "count": len(pictures), "near": int(removed.sum())},
        "protected": {"archives": archives, "count": len(others)},
        "too_plain_to_compare": {
            "photos": int((~codes.any(axis=1)).sum()),
            "protected": int((~others.any(axis=1)).sum()),
        },
        "never_drawn": list(faces.NEVER),
    }
    return [pixels for pixels, near in zip(pictures, removed, strict=True) if not near], about


def _start(parent, pictures, given):
    global _PICTURES, _GIVEN
    processes.end_with(parent)
    _PICTURES, _GIVEN = pictures, given


def _chunk(count, start):
    found = [view(_PICTURES, _GIVEN, i) for i in range(start, min(start + _CHUNK, count))]
    return [np.stack(part) for part in zip(*found, strict=True)]


def view(pictures, given, i):
    """View i of `given` (params.yaml's images) over the photos `pictures`, with the face and the
    text that it shows, rows of the three files: photos and drawings are mixed by chance, as many of
    each as is asked for on average."""
    rng = generator(given, i)
    face, text = np.zeros((_SMALL, _SMALL, 3), np.uint8), np.full(faces.PLACES, -1, np.int8)
    if is_of_photo(given, rng):
        pixels = pictures[rng.integers(len(pictures))]
        return views.cut(pixels, given["side"], rng, given["coarse"], mirrored=True), face, text
    pixels, sign = drawings.draw(rng)
    if sign is not None:
        face, text = _small(sign[0]), faces.spelt(sign[1])
    seen = views.cut(pixels, given["side"], rng, given["coarse"], mirrored=False, least=_LEAST)
    return seen, face, text


def _small(face):
    """uint8 [_SMALL, _SMALL, 3] of a face [SIDE, SIDE, 4] on grey."""
    flat = face[..., :3] * face[..., 3:] + 0.5 * (1 - face[..., 3:])
    small = resize_local_mean(flat, (_SMALL, _SMALL))
    return (small * 255 + 0.5).astype(np.uint8)


def generator(given, i):
    return np.random.default_rng([given["seed"], i])


def is_of_photo(given, rng):
    """Whether the view of which `rng` is the new generator is cut of a photo."""
    return rng.random() * (given["photos"] + given["drawings"]) < given["photos"]


if __name__ == "__main__":
    errors.run(main)
