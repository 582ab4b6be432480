"""Faults of a whole workflow's surroundings: a process of it is killed, a folder takes no writes.

When memory ends, Linux kills the process that holds most of it (mm/oom_kill.c): a stage, or DVC
between two.  Extraction decodes in threads, so its own process is the one to go; the sample is
rendered by processes of their own.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from soak import disturbances, states

POLL = 0.02  # seconds between looks at what runs
RENDERER = b"spawn_main"  # in the command line of a process that renders


def largest(processes):
    """Of `processes`, numbers, the one that holds most memory; None where none is left."""
    held = []
    for process in processes:
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
            held.append((pages, process))
    return max(held)[1] if held else None


def renderers(processes):
    """Those of `processes`, numbers, that render."""
    found = []
    for process in processes:
        with contextlib.suppress(OSError):
            if RENDERER in Path(f"/proc/{process}/cmdline").read_bytes():
                found.append(process)
    return found


def _kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _largest(reference, trials, rng):
    for _ in range(trials):
        moment = rng.uniform(0, reference.ran.seconds)

        def meanwhile(leader, moment=moment):
            time.sleep(moment)
            if victim := largest(disturbances.session(leader)):
                _kill(victim)

        yield _beside(f"after {moment:.3f} s", meanwhile)


def _renderer(reference, trials, rng):
    for _ in range(trials):
        wait, which = rng.uniform(0, 2), rng.randrange(os.cpu_count() or 1)

        def meanwhile(leader, wait=wait, which=which):
            while not (found := renderers(processes := disturbances.session(leader))):
                if not processes:
                    return
                time.sleep(POLL)
            time.sleep(wait)
            if found := renderers(disturbances.session(leader)):
                _kill(found[which % len(found)])

        yield _beside(f"one {wait:.3f} s after the first", meanwhile)


def _kept(reference, trials, rng):
    for _ in range(trials):
        wait = rng.uniform(0, 2)

        def run(command, wait=wait):
            work = command[1]["cwd"].parent

            def meanwhile(leader):
                while not states.features(work):
                    if not disturbances.session(leader):
                        return
                    time.sleep(POLL)
                time.sleep(wait)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(leader, signal.SIGKILL)

            return disturbances.undisturbed(command, meanwhile=meanwhile)

        yield disturbances.Fault(f"{wait:.3f} s after the first feature was kept", run)


def _beside(told, meanwhile):
    return disturbances.Fault(
        told, lambda command: disturbances.undisturbed(command, meanwhile=meanwhile)
    )


SORTS = (
    disturbances.Sort("killed after the first feature", _kept),
    disturbances.Sort("largest process killed", _largest, speaks=True),
    disturbances.Sort("a process that renders killed", _renderer, speaks=True),
    disturbances.Sort(
        "DVC's cache read-only",
        disturbances.closed(f"{states.SPACE}/.dvc/cache"),
        is_here=disturbances.is_inside,
        speaks=True,
    ),
    disturbances.STORE_READ_ONLY,
)
