import contextlib
import hashlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.imports import ROOT
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.datasets.reading.images import pixels
from transfer.datasets.rendering import sample, signs
from transfer.errors import InputError

SPEC = {"images": 2, "size": 32}


def test_bytes_depend_neither_on_the_workers_nor_on_the_run(tmp_path):
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        sample.render(tmp_path / name / "sample.zip", SPEC, workers)
    digests = {hashlib.sha256(f.read_bytes()).hexdigest() for f in tmp_path.rglob("*.zip")}
    assert len(digests) == 1
    assert sorted(f.name for f in tmp_path.rglob("*") if f.is_file()) == ["sample.zip"] * 3


def test_a_process_that_is_killed_is_told_in_a_sentence_and_leaves_no_file(tmp_path):
    def kill():
        # Both must run by then: an executor that breaks while it starts one (CPython 3.11, submit)
        # does not end it, and waits for it for good.
        while len(there := list(filter(renders, multiprocessing.active_children()))) < 2:
            time.sleep(0.01)
        there[0].kill()

    def renders(child):
        with contextlib.suppress(OSError):  # it has ended
            return b"spawn_main" in Path(f"/proc/{child.pid}/cmdline").read_bytes()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(InputError, match="one of 2 processes that render was killed"):
        sample.render(tmp_path / "sample.zip", {**SPEC, "images": 50}, 2)
    killer.join(10)
    assert list(tmp_path.iterdir()) == []


RENDERING = """
import sys
from pathlib import Path
from transfer.datasets.rendering import sample
if __name__ == "__main__":
    sample.render(Path(sys.argv[1]), {"images": 10_000, "size": 32}, 2)
"""


def test_workers_end_where_their_parent_is_killed(tmp_path):
    (tmp_path / "render.py").write_text(RENDERING)
    words = [sys.executable, tmp_path / "render.py", tmp_path / "sample.zip"]
    parent = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)})
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while len(started := children.read_text().split()) < 3:  # two workers, and what tracks them
        time.sleep(0.05)
    time.sleep(1)
    parent.kill()
    parent.wait()
    limit = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in started) and time.monotonic() < limit:
        time.sleep(0.1)
    left = [child for child in started if Path(f"/proc/{child}").exists()]
    for child in left:
        os.kill(int(child), signal.SIGKILL)
    assert left == []


def test_an_image_depends_on_its_numbers_alone(tmp_path):
    sample.render(tmp_path / "few.zip", {**SPEC, "images": 1}, 1)
    sample.render(tmp_path / "more.zip", SPEC, 1)
    with zipfile.ZipFile(tmp_path / "few.zip") as few, zipfile.ZipFile(tmp_path / "more.zip") as m:
        assert all(few.read(name) == m.read(name) for name in few.namelist())
        assert len(set(map(m.read, m.namelist()))) == len(m.namelist()) == 24
        assert {member.compress_type for member in m.infolist()} == {zipfile.ZIP_STORED}
    look = sample.read_look(SPEC)
    assert sample.picture(look, 3, 1) != sample.picture(sample.Look(size=32, seed=1), 3, 1)


def test_read_as_class_folders(tmp_path):
    sample.render(tmp_path / sources.RENDERED, SPEC, 1)
    source = sources.load(ROOT / "data" / "datasets" / "sample")
    found = list(readers.read(source, None, tmp_path))
    assert sorted({image.label for image in found}) == sorted(signs.FACES)
    assert found[0].id == "crossing/00000.png"
    assert all(pixels(image).shape == (32, 32, 3) for image in found)


def test_the_source_file_gives_a_look():
    spec = sources.load(ROOT / "data" / "datasets" / "sample").render
    assert sample.read_look(spec).images == 150
    assert sample.read_look(spec).size == 64


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"blurr": 1}, "unknown key in the source's render section 'blurr'; known: blur,"),
        ({"images": 1.5}, "images must be 1 whole number"),
        ({"images": True}, "images must be 1 whole number"),
        ({"images": 0}, "images must be from 1 up"),
        ({"scale": 0.5}, "scale must be 2 number"),
        ({"noise": -0.1}, "noise must be 1 number from 0 up"),
        ({"turn": "much"}, "turn must be 1 number"),
        ({"gain": [2.0, 1.0]}, "gain must rise"),
        ({"gain": [0.0, 1.0]}, "gain must be above 0"),
        ({"quality": [0, 101]}, "quality"),
    ],
)
def test_bad_specs(tmp_path, spec, words):
    with pytest.raises(InputError, match=words):
        sample.render(tmp_path / "sample.zip", spec, 1)
    assert list(tmp_path.iterdir()) == []


def test_faces_differ_and_cover_their_middle():
    faces = {name: signs.face(name, 32) for name in signs.FACES}
    assert len({face.tobytes() for face in faces.values()}) == 12
    for face in faces.values():
        assert face.shape == (32, 32, 4)
        assert face.min() >= 0
        assert face.max() <= 1
        assert face[16, 16, 3] == 1
        assert face[0, 0, 3] == 0
    # A mirrored left turn is a right turn, so mirroring would not keep the label.
    left, right = faces["turn_left"], faces["turn_right"]
    assert abs(left[:, ::-1] - right).mean() < abs(left - right).mean() / 2


def test_images_vary_in_place_and_light():
    look = sample.Look()
    photos = [Image.open(io.BytesIO(sample.picture(look, 8, i))) for i in range(12)]
    pixels = np.stack([np.asarray(photo, float) for photo in photos])  # [N, H, W, 3]
    assert pixels.shape == (12, 64, 64, 3)
    assert np.ptp(pixels.mean((1, 2, 3))) > 40  # light
    assert pixels.std(0).mean() > 30  # whatever one pixel shows, in some it shows something else
