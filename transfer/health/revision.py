"""git: whether what the stages read can be had back by a revision."""

import os
import subprocess
from pathlib import Path

from transfer import trees
from transfer.errors import InputError
from transfer.health.findings import off, some, well
from transfer.nets import cards

SHOWN = 4  # paths named; the others are counted
DEPS = (
    "dvc.yaml",
    "params.yaml",
    "data/datasets",
    "models/cards",
)  # beside the files that stages name


def check(pipeline="dvc.yaml"):
    """The Finding about this folder's git repository and uncommitted edits of what stages read."""
    try:
        inside = _git("rev-parse", "--short", "HEAD")
    except FileNotFoundError:
        return off("git", "git is not here", "install it: DVC keeps experiments in it")
    if inside.returncode:
        told = (inside.stderr.strip().splitlines() or ["no revision"])[0]
        return off(
            "git",
            f"this folder has no revision to go back to ({told})",
            "`git init`, `git add -A` and `git commit`, or a clone",
        )
    lock = Path(_git("rev-parse", "--git-path", "index.lock").stdout.strip())
    if lock.exists():
        return off(
            "git",
            f"{lock} is there: a git command runs, or was killed and every other is refused",
            f"rm {lock}, if none runs",
        )
    changed = [path for path in edited(deps(pipeline)) if not _is_told(path, pipeline)]
    gone = [path for path in changed if not os.path.lexists(path)]
    if gone:
        return off(
            "git",
            f"deleted, and read by stages: {some(gone, SHOWN)}",
            "`git checkout HEAD -- PATH` has them back",
        )
    if changed:
        return off(
            "git",
            f"not committed, and read by stages: {some(changed, SHOWN)}",
            "`git commit`, so that results can be had back; an experiment keeps them itself",
        )
    return well("git", f"revision {inside.stdout.strip()}, what stages read is committed")


def deps(pipeline):
    """The paths in git that the stages of dvc.yaml may read, for whatever net and dataset; without
    a dvc.yaml that can be read, of which the check of DVC tells, those alone of DEPS."""
    try:
        stages = trees.required(Path(pipeline)).below("stages")
        named = {
            dep
            for name in stages.value
            for dep in stages.below(name).get("deps", list, [])
            if isinstance(dep, str) and "$" not in dep
        }
    except InputError:
        named = set()
    return sorted(named | set(DEPS) | cards.shipped())


def _is_told(path, pipeline):
    """Whether another check says what is wrong with `path`, and a commit is no remedy."""
    if not os.path.lexists(path):
        return path == pipeline
    return os.path.exists(path) and trees.is_special(Path(path))


def edited(paths):
    """Those files at or below `paths` that differ from the last commit or are not in git."""
    told = _git("status", "--porcelain", "-z", "--no-renames", "--", *paths)
    return sorted({entry[3:] for entry in told.stdout.split("\0") if entry})


def _git(*words):
    return subprocess.run(
        ["git", "--no-optional-locks", *words], capture_output=True, text=True, check=False
    )
