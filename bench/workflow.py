"""What the workflow costs where little or nothing is to be done.

    python -m bench.workflow [--repeats 7]

In a clone with a repository of its own, on the rendered sample and mini: `dvc repro` with nothing
to do, in turn with that of an empty DAG (as many stages, each with a trivial command and one small
file); an edit of head.epochs and `dvc repro`, which trains and evaluates; the stage `train` alone;
`python -m transfer predict` of one photo.  Wall time, each in a fresh process.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import yaml
from PIL import Image

from bench import processes, table, workspaces
from bench.workspaces import ROOT

DVC = (sys.executable, "-m", "dvc")
COLUMNS = ("what", "best, s", "median, s (least-most)", "goal")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    options = argparse.ArgumentParser(prog="python -m bench.workflow")
    options.add_argument("--repeats", type=processes.positive, default=7)
    given = options.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ours = Repository(workspaces.cloned(Path(folder, "clone")), Path(folder, "store"))
        empty = Repository(empty_dag(Path(folder, "empty")), Path(folder, "store"))
        for repository in (ours, empty):
            repository.run(*DVC, "repro")
            workspaces.committed(repository.folder)
        rows = measured(ours, empty, given.repeats)
    print(table.head("bench.workflow", argv))
    print(table.markdown(COLUMNS, rows))


class Repository:
    """A git repository with DVC, and the store of its stages, to run commands in."""

    def __init__(self, folder, store):
        self.folder = folder
        self._env = workspaces.environment(store, code=folder)

    def run(self, *words):
        """Wall seconds of the command `words`."""
        return processes.run(words, cwd=self.folder, env=self._env).seconds

    def set_epochs(self, number):
        """Writes `number` as head.epochs into params.yaml, all else as it is."""
        path = self.folder / "params.yaml"
        text, count = re.subn(r"(?m)^(  epochs: )\d+$", rf"\g<1>{number}", path.read_text())
        assert count == 1, "params.yaml has another form"
        path.write_text(text)


def empty_dag(folder):
    """Makes `folder` a repository with DVC: as many stages as ours has, each depending on the one
    before, with one small file each; the same configuration."""
    count = len(workspaces.stages())
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    stages = {
        f"stage{number}": {
            "cmd": f"echo {number} > file{number}",
            "deps": [f"file{number - 1}"] if number else [],
            "outs": [f"file{number}"],
        }
        for number in range(count)
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    return workspaces.committed(folder)


def measured(ours, empty, repeats):
    """The rows of COLUMNS: `ours` and `empty` are Repositories after their first `dvc repro`."""
    nothing, floor, change, head, photo = [], [], [], [], []
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    Image.fromarray(picture).save(ours.folder / "photo.jpg")
    given = workspaces.parameters({})
    for _ in range(repeats):
        nothing.append(ours.run(*DVC, "repro"))
        floor.append(empty.run(*DVC, "repro"))
        photo.append(ours.run(sys.executable, "-m", "transfer", "predict", "photo.jpg"))
    for number in range(1, max(2, repeats // 2 + 1)):
        ours.set_epochs(50 + number)
        change.append(ours.run(*DVC, "repro"))
        head.append(ours.run(*workspaces.command("train", given)))
    ratio = f"{min(nothing) / min(floor):.2f}", f"{median(nothing) / median(floor):.2f}"
    return [
        _row("`dvc repro`, nothing to do", nothing),
        _row("the same in an empty DAG of the same size", floor),
        ("ratio of the two", *ratio, "1.15"),
        _row("head.epochs changed, to new metrics", change),
        _row("stage `train` alone, about 50 epochs", head),
        _row("`python -m transfer predict photo.jpg`", photo, "1.5 s"),
    ]


def _row(what, seconds, goal=""):
    return what, min(seconds), table.spread(seconds), goal


if __name__ == "__main__":
    processes.command(main)
