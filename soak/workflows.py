"""What a fault leaves of a whole workflow: `dvc repro` disturbed, and queues beside it.

    python -m soak.workflows [--sorts NAME ...] [--trials 20] [--seed 0] [--images 20]

Clones of the repository, each with a feature store of its own; the rendered sample, of `images` a
class, with `mini`.  `dvc repro` is run once undisturbed, and then so many times with a fault of
each sort: killed with all that it started (at any moment, or once features are kept), short of
memory, its largest process or one that renders killed alone, DVC's cache or the feature store
read-only (these two from two states, whatever is asked for).  After each, `dvc repro` is run again:
dvc.lock and all outputs must be byte for byte those of the undisturbed run, and features that the
store held are not computed again.  Queued experiments beside a `dvc repro` are in `soak.queues`.
Prints a table, what DVC refused, and exits by 1 where something was lost.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from soak import clones, disturbances, faults, queues, states, victims

WHAT = "dvc repro"
SORTS = (
    disturbances.KILLED,
    replace(disturbances.MEMORY_SHORT, speaks=True),
    *victims.SORTS,
)
NAMES = (*(sort.name for sort in SORTS), queues.NAME)
# What DVC 3.67 says of files that a killed process was writing: those of its locks, and of what the
# stages gave.
TORN, LOCKS = "RWLock-file", ".dvc/tmp/rwlock"
HALF, LOCK = "dvc.lock' validation failed", "dvc.lock"


@dataclass(frozen=True)
class Workflow(faults.Reference):
    """notes: how often what was told that is no fault of the project's."""

    notes: Counter = field(default_factory=Counter)

    def command(self, work):
        return clones.dvc(work, "repro")

    def again(self, work):
        """`dvc repro`; where DVC refuses its own torn files, once more as `doctor` advises."""
        ran = super().again(work)
        if ran.code and TORN in ran.error:
            self.notes[f"DVC asked for `rm {LOCKS}`"] += 1
            (work / states.SPACE / LOCKS).unlink()
            ran = super().again(work)
        if ran.code and HALF in ran.error:
            self.notes[f"DVC asked for `git checkout HEAD -- {LOCK}`"] += 1
            words = ["git", "checkout", "-q", "HEAD", "--", LOCK]
            subprocess.run(words, cwd=work / states.SPACE, check=True)
            ran = super().again(work)
        return ran

    def is_told(self, ran):
        """By the stage, or by DVC, whose errors begin so, where a stage has no say."""
        is_dvcs = "ERROR: " in ran.error and "\nerror: " not in f"\n{ran.error}"
        return ran.is_sentence or (is_dvcs and "Traceback" not in ran.error)

    def files(self, work):
        return clones.outputs(work)


def main(argv=None):
    given = _parser().parse_args(argv)
    if disturbances.moved_to_a_namespace("soak.workflows"):
        return
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        made = workflow(Path(folder), given.images)
        lost = faults.printed(
            _tried(made, name, Path(folder, "trial"), given.trials, given.seed)
            for name in given.sorts
        )
    for what, count in sorted(made.notes.items()):
        print(f"{what}: {count}")
    if lost:
        sys.exit(1)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m soak.workflows")
    parser.add_argument("--sorts", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--trials", type=int, default=20, help="of each sort of fault")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--images", type=int, default=20, help="a class, in the sample")
    return parser


def workflow(folder, images, done=()):
    """The Workflow in `folder`: a clone, and its `dvc repro` undisturbed; done: stages that are
    run before it."""
    before, after = folder / "before", folder / "after"
    clones.made(faults.ROOT, before, faults.SETTINGS, images)
    if done:
        clones.repro(before, *done)
    states.copy(before, after)
    return Workflow(WHAT, before, after, clones.repro(after))


def _tried(made, name, work, trials, seed):
    if name == queues.NAME:
        return queues.tried(made, work, trials, seed)
    (sort,) = (sort for sort in SORTS if sort.name == name)
    return faults.tried(made, sort, work, trials, seed)


if __name__ == "__main__":
    main()
