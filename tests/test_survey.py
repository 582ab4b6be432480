"""The index against one made by lists and dicts, on small random datasets, and what it costs."""

import csv
import functools
import io
import random
import subprocess
import sys
import textwrap
from dataclasses import astuple

import numpy as np
import pytest

from tests import plain_index
from tests.imports import ROOT
from transfer.datasets import index, sources, survey
from transfer.datasets.draft import Draft
from transfer.datasets.reading.images import Image
from transfer.errors import InputError


def dataset(seed):
    """Images with copies, tracks that share some, contradictory labels, parts and broken files, as
    the `seed` has it; names are not in order, and some sort otherwise as bytes than as letters."""
    dice = random.Random(seed)
    labels = dice.choice(["ab", "abc", ["b", "B", "é", "a a"]])
    contents = dice.choice([12, 60, 1000])
    parts = dice.choice([[""], ["train"], ["train", "train", "test"], ["train", "validation"]])
    parts = dice.choice([parts, ["", "train", "validation", "test"]])
    tracks, broken = dice.choice([0, 0, 4, 15]), dice.choice([0, 0.1])
    contrary, astray = dice.random() / 9, dice.choice([0, 0, 0, 0.02])
    names = [f"{dice.choice('aZé𝄞')}{i}.png" for i in range(dice.choice([8, 40, 150]))]
    dice.shuffle(names)
    names += dice.sample(names, 3) if dice.random() < 0.05 else []
    for name in names:
        content = dice.randrange(contents)
        right = labels[content % len(labels)]
        label = dice.choice(labels) if dice.random() < contrary else right
        of = dice.choice(labels) if dice.random() < astray else label
        track = f"{of}/{dice.randrange(tracks or 1)}"
        pixels = picture(content)
        data = dice.choice([b"", b"broken"]) if dice.random() < broken else pixels
        tracked = tracks and dice.random() < 0.8
        yield Image(name, f"m/{name}", label, dice.choice(parts), track if tracked else "", data)


@functools.cache
def picture(content):
    """uint8 [16, 16, 3]: a flat one, or noise that those of five contents in a row share but for
    a little, so that some of their fingerprints are near."""
    if content % 3 == 0:
        return np.full((1, 1, 3), [content % 256, content // 256, 0], np.uint8)
    shared = np.random.default_rng(content // 5).integers(20, 200, (16, 16, 1))
    own = np.random.default_rng(10_000 + content).integers(-15, 16, (16, 16, 3))
    return (shared + own).astype(np.uint8)


def outcome(build, found, **draw):
    source = sources.Source(name="mine", kind="own", split={"validation": 0.2, "test": 0.1})
    try:
        rows, notes = build(found, source, **draw)
    except InputError as fault:
        return str(fault), []
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(index.COLUMNS)
    table.writerows(map(astuple, rows))
    return file.getvalue(), notes


@pytest.mark.parametrize("seed", range(40))
def test_the_same_bytes_and_words_as_by_lists(seed, tmp_path):
    found = list(dataset(seed))
    dice = random.Random(f"draw {seed}")
    for _ in range(4):
        draw = {
            "strict": dice.random() < 0.1,
            "by": dice.choice(["group", "image"]),
            "per_class": dice.choice(["all", 1, 3, 20]),
            "validation": dice.choice([None, 0, 0.3, 1 / 3]),
            "test": dice.choice([None, 0, 0.25, 0.7]),
            "seed": dice.randrange(3),
        }
        assert outcome(survey.build, found, **draw) == outcome(plain_index.build, found, **draw)


# What an index takes, measured in a process of its own

SCALE = """
import sys
import numpy as np
from transfer.datasets import draft, index, sources, survey
from transfer.datasets.reading.images import Image

draft.CACHE = 500  # KiB: full from the first images on
SOURCE = sources.Source(name="mine", kind="own", split={"validation": 0.2, "test": 0.1})

def found(n, kind):
    for i in range(n):
        content = i % 7 if kind == "few contents" else i
        pixels = np.array([content, i % 7], np.uint32).view(np.uint8)[:6].reshape(1, 2, 3)
        if kind == "pictures":
            pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
        name = f"a folder/of some length/{i:07}.png"
        label, track = str(content % 7), f"t{i}" if kind == "many tracks" else ""
        yield Image(name, name, label, "", track, pixels)

def peak(n, kind):
    draw = {"by": "group", "per_class": 100, "validation": None, "test": None, "seed": 0}
    rows, notes = survey.build(found(n, kind), SOURCE, strict=False, **draw)
    index.write(sys.argv[2] + "/x.csv", rows)
    index.summary(index.read(sys.argv[2] + "/x.csv"))
    # Not ru_maxrss, which begins at that of the process that started this one.
    status = dict(line.split(":") for line in open("/proc/self/status"))
    return 1024 * int(status["VmHWM"].split()[0])

few = peak(20_000, sys.argv[1])
print((peak(70_000, sys.argv[1]) - few) / 50_000)
"""


@pytest.mark.parametrize("kind", ["many contents", "few contents", "many tracks", "pictures"])
def test_an_image_costs_at_most_200_bytes_of_memory(kind, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCALE, kind, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 200


FULL = """
import resource
from transfer.datasets import draft
from transfer.datasets.index import Row

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
draft.CACHE = 16
full = draft.Draft()
for i in range(100):
    full.add([Row(f"{i}/{j}", "m", "a", "", "", "00" * 32) for j in range(100)])
"""


def test_a_disk_that_cannot_take_the_draft():
    code = f"from transfer import errors\nwith errors.sentences():{textwrap.indent(FULL, '    ')}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the index can't be kept on disk while it is made: ")
    assert done.stderr.count("\n") == 1


def test_a_name_that_is_no_text():
    name = "a/\udcff.png"
    draft = Draft()
    with pytest.raises(InputError, match=r"the name 'a/\\udcff.png' is not UTF-8"):
        draft.add([index.Row(name, name, "a", "", "", "00" * 32)])
