"""Queued experiments, on two workers, beside a `dvc repro` of the workspace, over one store.

All of them want features that the store lacks, some of them the same.  Each must give the dvc.lock
and metrics that it gives alone in a clone of its own: dvc.lock has the hash of every output.
Where DVC's own lock refuses a command that command is given again, which is told and no fault.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import time

from soak import clones, disturbances, states
from transfer.reports import experiments

NAME = "a queue beside it"
WORKERS = 2
HERE = "workspace"
# The first and the last want the same features: what several lack at once is computed by one.  Each
# sets all, since an experiment takes along how the workspace was edited meanwhile.
SETTINGS = {
    "small": {"extract.size": 64, "split.seed": 0, "head.kind": "auto"},
    "seeded": {"extract.size": 96, "split.seed": 1, "head.kind": "knn"},
    HERE: {"extract.size": 64, "split.seed": 2, "head.kind": "auto"},
}
FILES = ("dvc.lock", "reports/metrics.json")
COMPUTED = re.compile(r"([\d,]+) were computed")
REFUSED = ("Unable to acquire lock", "it is being blocked by", "RWLock-file")
LOOK = 5  # seconds between looks at the queue
LONGEST = 1800  # seconds that the experiments may take, on a slow machine too
ENOUGH = 1.3  # times as many computed as there are: by whom a claim ran out, on a slow machine


def tried(made, work, trials, seed):
    """(a row of the table of soak.faults, [a sentence of each loss]); made: a Workflow."""
    rng = random.Random(f"{seed} {NAME}")
    alone = {name: _alone(made, work, settings) for name, settings in SETTINGS.items()}
    lost = []
    for _ in range(trials):
        wait = rng.uniform(0, made.ran.seconds / 2)
        _placed(made, work)
        try:
            found = _beside(made, work, wait)
            lost += [
                f"{made.stage}, {NAME}, after {wait:.3f} s: {what}"
                for what in losses(alone, *found)
            ]
        finally:
            _call(made, work, "queue", "stop", "--kill", tried=1)
            _end_workers(work)
            shutil.rmtree(work)
    return [made.stage, NAME, trials, 0, "", 0, len(lost)], lost


def _end_workers(work):
    """Kills what still runs in `work`: DVC asks its workers to stop and does not wait for it, and
    one that goes on writes into a folder that is being removed."""
    while left := disturbances.within(work):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)


def losses(alone, together, computed, kept):
    """Yields what is wrong: {name: (dvc.lock, metrics)} of the experiments `alone` and `together`,
    None for what did not finish; how many features all of them computed, and the store has."""
    for name, expected in alone.items():
        if together.get(name) is None:
            yield f"{name} did not finish"
        elif together[name] != expected:
            files = [
                file for file, a, b in zip(FILES, expected, together[name], strict=True) if a != b
            ]
            yield f"{name} has another {' and '.join(files)} than alone"
    if not kept <= computed <= ENOUGH * kept:
        yield f"{computed} features were computed for the {kept} in the store"


def _placed(made, work):
    """The state after the workflow, with an empty store."""
    states.copy(made.after, work)
    shutil.rmtree(work / states.STORE)
    (work / states.STORE).mkdir()


def _alone(made, work, settings):
    """The FILES of an experiment that runs by itself."""
    _placed(made, work)
    clones.set_parameters(work, settings)
    clones.repro(work)
    found = _here(work)
    shutil.rmtree(work)
    return found


def _here(work):
    return tuple((work / states.SPACE / file).read_text(encoding="utf-8") for file in FILES)


def _beside(made, work, wait):
    """(what each gave, how many features they computed, how many the store has)."""
    queued = [name for name in SETTINGS if name != HERE]
    for name in queued:
        _queue(made, work, name)
    _call(made, work, "queue", "start", "-j", str(WORKERS))
    time.sleep(wait)
    clones.set_parameters(work, SETTINGS[HERE])
    ran = _call(made, work, "repro")
    together = {HERE: None if ran.code else _here(work)}
    printed = [ran.printed, *_finished(made, work, queued)]
    for name in queued:
        found = tuple(clones.experiment(work, name, file) for file in FILES)
        together[name] = None if None in found else found
    numbers = [COMPUTED.findall(text) for text in printed]
    computed = sum(int(number.replace(",", "")) for found in numbers for number in found)
    kept = states.features(work)
    made.notes["features computed twice at once, beside a queue"] += max(0, computed - kept)
    return together, computed, kept


def _queue(made, work, name):
    words = [word for pair in SETTINGS[name].items() for word in ("-S", "{}={}".format(*pair))]
    _call(made, work, "exp", "run", "--queue", "-n", name, *words)


def _finished(made, work, names):
    """Waits for the experiments; gives what each printed.  One that DVC's lock refused is queued
    again."""
    logs, until = {}, time.monotonic() + LONGEST
    while len(logs) < len(names) and time.monotonic() < until:
        time.sleep(LOOK)
        listed = _listed(made, work)
        for name in names:
            if name in logs or listed.get(name) not in ("done", "failed"):
                continue
            log = _call(made, work, "queue", "logs", name)
            if listed[name] == "failed" and any(said in log.printed for said in REFUSED):
                _refused(made)
                _call(made, work, "queue", "remove", name)
                _queue(made, work, name)
                _call(made, work, "queue", "start", "-j", str(WORKERS))
            else:
                logs[name] = log.printed + log.error
    return list(logs.values())


def _listed(made, work):
    """{name: state} of the queue."""
    ran = _call(made, work, "exp", "show", "--json")
    if not ran.printed.strip():  # seen where an experiment ends at that moment: the next look tells
        return {}
    return {row.name: row.state for row in experiments.parsed(ran.printed)}


def _call(made, work, *words, tried=10):
    """The Ran of a DVC command, given again where DVC's lock refuses it."""
    for left in reversed(range(tried)):
        ran = disturbances.undisturbed(clones.dvc(work, *words))
        if not (left and ran.code and any(said in ran.error for said in REFUSED)):
            break
        _refused(made)
        time.sleep(1)
    return ran


def _refused(made):
    made.notes["commands that DVC's lock refused, and that were given again"] += 1
