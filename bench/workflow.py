"""What the workflow costs where little or nothing is to be done.

    python -m bench.workflow [--repeats 7]

In a clone with a repository of its own, on the rendered sample and mini: `dvc repro` with nothing
to do, in turn with that of two empty DAGs, of trivial commands and small files: as many stages with
a file each, and as many stages, dependencies and outputs; an edit of head.epochs, for a softmax
head, and `dvc repro`, which trains and evaluates; the stage `train` alone; `python -m transfer
predict` of one photo.  Wall time, each in a fresh process.
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
        ours.set_head("kind", "softmax")  # the head that epochs change
        stages = workspaces.stages().values()
        bare = empty_dag(Path(folder, "bare"), [(0, 1) for _ in stages])
        full = empty_dag(Path(folder, "full"), [size(stage) for stage in stages])
        empty = [Repository(made, Path(folder, "store")) for made in (bare, full)]
        for repository in (ours, *empty):
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

    def set_head(self, name, value):
        """Writes `value` as head.`name` into params.yaml, all else as it is."""
        path = self.folder / "params.yaml"
        text, count = re.subn(rf"(?m)^(  {name}: ).+$", rf"\g<1>{value}", path.read_text())
        assert count == 1, "params.yaml has another form"
        path.write_text(text)


def size(stage):
    """(dependencies, outputs) of `stage`, an entry of dvc.yaml: how many."""
    return len(stage["deps"]), len(stage.get("outs", ())) + len(stage.get("metrics", ()))


def empty_dag(folder, sizes):
    """Makes `folder` a repository with DVC and our configuration: a stage for each (dependencies,
    outputs) of `sizes`, which depends on an output of the one before and on so many small files
    that the stages share, and writes so many small files."""
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    stages, before = {}, []
    for number in range(max(deps for deps, _ in sizes)):
        (folder / f"shared{number}").write_text(f"{number}\n")
    for number, (deps, outs) in enumerate(sizes):
        written = [f"file{number}-{k}" for k in range(outs)]
        stages[f"stage{number}"] = {
            "cmd": [f"echo {name} > {name}" for name in written],
            "deps": before + [f"shared{k}" for k in range(deps - len(before))],
            "outs": written,
        }
        before = written[:1]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    return workspaces.committed(folder)


def measured(ours, empty, repeats):
    """The rows of COLUMNS.  ours, empty (two): Repositories after their first `dvc repro`."""
    nothing, bare, full, change, head, photo = [], [], [], [], [], []
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    Image.fromarray(picture).save(ours.folder / "photo.jpg")
    given = workspaces.parameters({})
    for _ in range(repeats):
        nothing.append(ours.run(*DVC, "repro"))
        for seconds, repository in zip((bare, full), empty, strict=True):
            seconds.append(repository.run(*DVC, "repro"))
        photo.append(ours.run(sys.executable, "-m", "transfer", "predict", "photo.jpg"))
    for number in range(1, max(2, repeats // 2 + 1)):
        ours.set_head("epochs", 50 + number)
        change.append(ours.run(*DVC, "repro"))
        head.append(ours.run(*workspaces.command("train", given)))
    return [
        _row("`dvc repro`, nothing to do", nothing),
        _row("the same in an empty DAG of as many stages", bare),
        ("the first beside this", *_ratios(nothing, bare), "1.15"),
        _row("the same in an empty DAG of as many stages, dependencies and outputs", full),
        ("the first beside this", *_ratios(nothing, full), "1.15"),
        _row("head.epochs changed, to new metrics", change),
        _row("stage `train` alone, about 50 epochs", head),
        _row("`python -m transfer predict photo.jpg`", photo, "1.5 s"),
    ]


def _ratios(ours, floor):
    return f"{min(ours) / min(floor):.2f}", f"{median(ours) / median(floor):.2f}"


def _row(what, seconds, goal=""):
    return what, min(seconds), table.spread(seconds), goal


if __name__ == "__main__":
    processes.command(main)
