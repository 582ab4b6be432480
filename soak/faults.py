"""What a fault leaves of each stage: killed, out of disk, out of memory.

    python -m soak.faults [--stages index extract] [--sorts "disk full"] [--trials 50] [--seed 0]

The rendered sample with `mini`.  Each stage of dvc.yaml is run once undisturbed, and then so many
times with a fault of each sort (`soak.disturbances`), each time from the state that it found the
first time.  After each fault it is run again on what was left: its outputs must be byte for byte
those of the undisturbed run, and no other file may lie in the workspace.  Features that the store
held after the fault may not be computed again.  Prints a table, and exits by 1 where something was
lost.
"""

import argparse
import random
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from soak import disturbances, states
from transfer.grids import workspaces

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {"net": "mini", "dataset": "sample", "extract.engine": "openvino"}
COLUMNS = ("stage", "fault", "trials", "ended by it", "told in a sentence", "hung", "lost")
COMPUTED = re.compile(r"of [\d,]+ pictures ([\d,]+) came from the store")


@dataclass(frozen=True)
class Reference:
    """A stage, the states (`soak.states`) before and after it undisturbed, and how it ran."""

    stage: str
    before: Path
    after: Path
    ran: disturbances.Ran

    def command(self, work):
        """(words, keywords of subprocess.Popen) of what is disturbed, in the state `work`."""
        return states.run(ROOT, work, self.stage, SETTINGS)

    def again(self, work):
        """The Ran of what people do after a fault."""
        return disturbances.undisturbed(self.command(work))

    def is_told(self, ran):
        """Whether it told its end as it should."""
        return ran.is_sentence

    def files(self, work):
        """{path: SHA-256} of all that must be the same in the end."""
        return states.files(work)


def main(argv=None):
    given = _parser().parse_args(argv)
    if disturbances.moved_to_a_namespace("soak.faults"):
        return
    sorts = [sort for sort in disturbances.SORTS if sort.name in given.sorts]
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        lost = printed(
            tried(reference, sort, Path(folder, "trial"), given.trials, given.seed)
            for reference in references(Path(folder), given.stages)
            for sort in sorts
        )
    if lost:
        sys.exit(1)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m soak.faults")
    names = list(workspaces.stages(ROOT))
    parser.add_argument("--stages", nargs="+", choices=names, default=names)
    sorts = [sort.name for sort in disturbances.SORTS]
    parser.add_argument(
        "--sorts", nargs="+", choices=sorts, default=sorts, metavar="SORT",
        help="of fault: " + "; ".join(sorts),
    )  # fmt: skip
    parser.add_argument("--trials", type=int, default=50, help="of each sort of fault")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    return parser


def printed(outcomes):
    """Prints the table of the `outcomes`, each as `tried` gives it, and on stderr each as it comes;
    returns all that was lost."""
    rows, lost = [], []
    for row, found in outcomes:
        rows.append(row)
        lost += found
        print(_line(row), *found, sep="\n", file=sys.stderr, flush=True)
    print("\n".join(map(_line, [COLUMNS, ["---"] * len(COLUMNS), *rows])))
    return lost


def _line(cells):
    return f"| {' | '.join(map(str, cells))} |"


def references(folder, wanted):
    """Yields the Reference of each wanted stage: runs them all in turn, undisturbed."""
    work = folder / "undisturbed"
    states.made(ROOT, work)
    for number, stage in enumerate(workspaces.stages(ROOT)):
        before, after = (folder / f"{number}-{when}" for when in ("before", "after"))
        if stage in wanted:
            states.copy(work, before)
        ran = disturbances.undisturbed(states.run(ROOT, work, stage, SETTINGS))
        if stage in wanted:
            states.copy(work, after)
            yield Reference(stage, before, after, ran)
            shutil.rmtree(before)
            shutil.rmtree(after)


def tried(reference, sort, work, trials, seed):
    """(a row of the table, [a sentence of each loss])."""
    rng = random.Random(f"{seed} {reference.stage} {sort.name}")
    ended = told = hung = 0
    lost = []
    expected = reference.files(reference.after)
    faults = list(sort.faults(reference, trials, rng)) if sort.is_here() else []
    for fault in faults:
        with fault.place(work, reference.before):
            ran = fault.run(reference.command(work))
            ended += ran.code != 0
            hung += ran.is_hung
            told += ran.code != 0 and reference.is_told(ran)
            kept = states.features(work)
            fault.lifted(work)
            again = reference.again(work)
            hangs = ["it hung, and was killed"] if ran.is_hung and not sort.may_hang else []
            lost += [
                f"{reference.stage}, {sort.name}, {fault.told}: {what}"
                for what in [*hangs, *losses(again, kept, expected, reference.files(work))]
            ]
    said = f"{told} of {ended}" if sort.speaks else ""
    counted = len(faults) if sort.is_here() else "not here"
    return [reference.stage, sort.name, counted, ended, said, hung, len(lost)], lost


def losses(again, kept, expected, found):
    """Yields what is wrong after the stage was run again."""
    if again.code:
        yield f"it does not run again: {again.error.strip().splitlines()[-1:]}"
        return
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            how = "is left over" if name not in expected else "is not there"
            yield f"{name} {how if name not in expected or name not in found else 'differs'}"
    came = COMPUTED.search(again.printed)
    if came and int(came[1].replace(",", "")) < kept:
        yield f"of {kept} features in the store {came[1]} were read"


if __name__ == "__main__":
    main()
