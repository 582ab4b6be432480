"""Cuts the views: of photos that resemble no image of a protected dataset, and of drawings.

Writes data/views.npy, uint8 [V, side, side, 3], and images.json: what was screened, what is drawn.
View i has a Generator of its own, seeded by (seed, i): the same file for any number of processes.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from pretrain import drawings, faces, photos, screening, views
from pretrain.places import ABOUT, DATASETS, VIEWS
from transfer import errors
from transfer.writing import write_json

_CHUNK = 1000


def main():
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["images"]
    kept, about = screened()
    count, side = given["photos"] + given["drawings"], given["side"]
    VIEWS.parent.mkdir(exist_ok=True)
    out = np.lib.format.open_memmap(VIEWS, "w+", np.uint8, (count, side, side, 3))
    starts = range(0, count, _CHUNK)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(os.cpu_count(), context, _start, (kept, given)) as pool,
        tqdm(total=count, desc="images", unit=" views", disable=None) as bar,
    ):
        for start, chunk in zip(starts, pool.map(partial(_chunk, count), starts), strict=True):
            out[start : start + len(chunk)] = chunk
            bar.update(len(chunk))
    out.flush()
    of_photos = sum(is_of_photo(given, generator(given, i)) for i in range(count))
    about["views"] = {"of photos": of_photos, "of drawings": count - of_photos}
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


def _start(pictures, given):
    global _PICTURES, _GIVEN
    _PICTURES, _GIVEN = pictures, given


def _chunk(count, start):
    return np.stack([view(_PICTURES, _GIVEN, i) for i in range(start, min(start + _CHUNK, count))])


def view(pictures, given, i):
    """View i of `given` (params.yaml's images) over the photos `pictures`: photos and drawings are
    mixed by chance, as many of each as is asked for on average."""
    rng = generator(given, i)
    if is_photo := is_of_photo(given, rng):
        pixels = pictures[rng.integers(len(pictures))]
    else:
        pixels = drawings.draw(rng)
    return views.cut(pixels, given["side"], rng, given["coarse"], mirrored=is_photo)


def generator(given, i):
    return np.random.default_rng([given["seed"], i])


def is_of_photo(given, rng):
    """Whether the view of which `rng` is the new generator is cut of a photo."""
    return rng.random() * (given["photos"] + given["drawings"]) < given["photos"]


if __name__ == "__main__":
    errors.run(main)
