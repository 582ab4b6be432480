"""A repository of the project as a user has it, to call DVC and git in, and images for it."""

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("blue", "green", "red")
EACH = 10


def pictures(seed):
    """{member: PNG bytes}: three classes of noisy colours, told apart with ease."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        for i in range(EACH):
            pixels = rng.integers(0, 120, (24, 24, 3), np.uint8)
            pixels[..., 2 - number] += 120
            yield f"{name}/{i}.png", Image.fromarray(pixels)


def save_pictures(folder, seed):
    """Writes `pictures` into class folders in `folder`."""
    for member, picture in pictures(seed):
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


class Workspace:
    """A git repository of the project's files, with `dvc` and `git` to call in it."""

    def __init__(self, folder, store):
        self.folder = folder
        author = {
            f"GIT_{who}_{what}": "t@t"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        self.env = (
            os.environ
            | author
            | {
                "TRANSFER_STORE": str(store),
                "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}",
            }
        )
        self.env.pop("TRANSFER_MIRROR", None)

    def call(self, *words, ok=True):
        run = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert (run.returncode == 0) == ok, f"{words}: {run.stdout}\n{run.stderr}"
        return run.stdout + run.stderr

    def fail(self, *words):
        """What a command prints that must fail; params.yaml is as before afterwards.

        Not by `git checkout`: after an experiment that failed, DVC 3.67 leaves git's index such
        that git takes a params.yaml of equal size for unchanged.
        """
        params = self.folder / "params.yaml"
        before = params.read_text()
        try:
            return self.call(*words, ok=False)
        finally:
            params.write_text(before)
            self.call("git", "checkout", "-q", ".")

    def changed(self):
        return sorted(line[3:] for line in self.call("git", "status", "--short").splitlines())

    def commit(self):
        self.call("git", "add", "-A")
        self.call("git", "commit", "-qm", "state")

    def metrics(self):
        return json.loads((self.folder / "reports/metrics.json").read_text())

    def outputs(self):
        """{path: digest} of every output of the DAG but those of DVC and git."""
        places = [
            "data/raw",
            "data/index",
            "data/bottlenecks",
            "models/weights",
            "models/backbones",
            "models/head.npz",
            "reports",
        ]
        files = (f for p in places for f in [self.folder / p, *(self.folder / p).rglob("*")])
        return {
            str(f.relative_to(self.folder)): sha256(f.read_bytes()).hexdigest()
            for f in sorted(set(files))
            if f.is_file() and f.name != ".gitignore"
        }
