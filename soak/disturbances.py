"""Faults that a stage meets, each with a way to run it under that fault.

Calls are faulted by strace; a full disk is a small file system, and a store that can't be written
a read-only mount, in a namespace of their own (unshare): where the machine has or allows neither,
these sorts are told as not here.
"""

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soak import states

INSIDE = "SOAK_NAMESPACE"
# Calls by which something becomes lasting, or goes.
CALLS = ",".join(
    f"?{name}"
    for name in (
        "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
        "fsync", "fdatasync", "ftruncate",
    )
)  # fmt: skip
PAGE = 4096  # bytes
LARGE = "4g"  # of the small file system, once it is no longer
HUNG = 180  # seconds after which a command that has not ended is killed, and taken for hung


@dataclass(frozen=True)
class Ran:
    """How a stage ended: its exit status, what it printed, its stderr, seconds."""

    code: int
    printed: str
    error: str
    seconds: float

    @property
    def is_sentence(self):
        """Whether it told its end in one line, and no traceback."""
        said = [line for line in self.error.splitlines() if line.startswith("error: ")]
        return len(said) == 1 and "Traceback" not in self.error

    @property
    def is_hung(self):
        return self.seconds >= HUNG


def undisturbed(command, kill_after=None, meanwhile=None, **how):
    """Runs (words, keywords of Popen); returns a Ran.  kill_after: seconds until it is killed, with
    all that it started, HUNG unless given; meanwhile: called with its process id, beside it."""
    words, kept = command
    # Files, not pipes: a pipe ends with the last that holds it, a worker that goes on for instance.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = subprocess.Popen(
            words,
            **kept,
            **how,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        if meanwhile:
            threading.Thread(target=meanwhile, args=(process.pid,), daemon=True).start()
        try:
            process.wait(timeout=HUNG if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ran(process.returncode, _text(out), _text(err), time.monotonic() - start)


def _text(file):
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def session(leader):
    """The numbers of the processes in the session of `leader`, a process, in their order."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, OSError):  # no process, or one that has ended
            if os.getsid(int(folder.name)) == leader:
                found.append(int(folder.name))
    return sorted(found)


def within(folder):
    """The numbers of the processes whose working folder is `folder` or lies in it."""
    found, folder = [], folder.resolve()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, OSError):
            if Path(os.readlink(process / "cwd")).is_relative_to(folder):
                found.append(int(process.name))
    return sorted(found)


@contextlib.contextmanager
def _folder(work, before):
    """A copy of the state `before` in the folder `work`, while it is needed."""
    states.copy(before, work)
    try:
        yield
    finally:
        shutil.rmtree(work)


@dataclass(frozen=True)
class Fault:
    """told: which; run(command) -> Ran; place(work, before): a context that holds a copy of the
    state; lifted(work): ends a fault that lies in the place."""

    told: str
    run: Callable
    place: Callable = _folder
    lifted: Callable = lambda work: None


@dataclass(frozen=True)
class Sort:
    """faults(reference, trials, rng) yields Faults; is_here(): whether this machine
    can; speaks: whether the stage lives to say something; may_hang: whether that is no fault of the
    stage's."""

    name: str
    faults: Callable
    is_here: Callable = lambda: True
    speaks: bool = False
    may_hang: bool = False


# --- killed -----------------------------------------------------------------------------------


def _moments(reference, trials, rng):
    for _ in range(trials):
        moment = rng.uniform(0, reference.ran.seconds)
        yield Fault(f"after {moment:.3f} s", lambda c, m=moment: undisturbed(c, kill_after=m))


def _calls(reference, trials, rng):
    points = _points(reference)
    step = max(1, -(-len(points) // trials))
    for name, number in points[::step]:
        how = f"inject={name}:signal=SIGKILL:when={number}"
        yield Fault(f"at {name} {number}", lambda c, h=how: undisturbed(_traced(c, h)))


def _traced(command, how, log="/dev/null"):
    words, kept = command
    return ["strace", "-f", "-qq", "-o", log, "-e", f"trace={CALLS}", "-e", how, *words], kept


def _points(reference):
    """[(name, number)]: the number-th call of that name of a thread, for each of the CALLS that the
    stage makes; strace counts them so."""
    work = reference.before.with_name("counted")
    log = reference.before.with_name("calls")
    with _folder(work, reference.before):
        undisturbed(_traced(reference.command(work), "signal=none", str(log)))
    counts = Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.M))
    most = {}
    for (_, name), count in counts.items():
        most[name] = max(most.get(name, 0), count)
    return [(name, number + 1) for name in sorted(most) for number in range(most[name])]


# --- no space ---------------------------------------------------------------------------------


def moved_to_a_namespace(module):
    """Runs `module` with this command's words in a mount namespace of its own, where the machine
    allows one, and returns whether it did."""
    if is_inside() or not shutil.which("unshare"):
        return False
    here = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*here, "true"], capture_output=True, check=False).returncode:
        return False
    words = [*here, sys.executable, "-m", module, *sys.argv[1:]]
    code = subprocess.run(words, env=os.environ | {INSIDE: "1"}, check=False).returncode
    if code:
        sys.exit(code)
    return True


def _full(reference, trials, rng):
    needed = _bytes(reference.after) - _bytes(reference.before)
    count = min(trials, 10)
    for i in range(count):
        free = needed * i // count
        yield Fault(
            f"{free >> 10} of {needed >> 10} kB free",
            undisturbed,
            lambda work, before, free=free: _mounted(work, before, free),
            lambda work: _mount("remount,size=" + LARGE, work),
        )


def _bytes(state):
    """What the files of the state take of a file system of whole pages."""
    return sum(-(-p.lstat().st_size // PAGE) * PAGE for p in Path(state).rglob("*") if p.is_file())


@contextlib.contextmanager
def _mounted(work, before, free):
    work.mkdir()
    _mount("size=" + LARGE, work)
    try:
        states.copy(before, work)
        # What this module writes itself before the command has its page.
        (work / states.SPACE / states.OWN).write_text("\n")
        _mount(f"remount,size={shutil.disk_usage(work).used + free}", work)
        yield
    finally:
        _call("umount", work)
        work.rmdir()


def _mount(how, work):
    _call("mount", "-t", "tmpfs", "-o", how, "tmpfs", work)


def _call(*words):
    subprocess.run(words, check=True)


def is_inside():
    return bool(os.environ.get(INSIDE))


# --- a folder that takes no writes -------------------------------------------------------------


def closed(folder):
    """The `faults` of a Sort: `folder` of a state takes no writes, first as it is before the
    command, and then as it is after it, when all the rest is as before."""

    def faults(reference, trials, rng):
        for told, source in (("as before", None), ("full", reference.after)):
            ends = []

            @contextlib.contextmanager
            def place(work, before, source=source, ends=ends):
                with _folder(work, before):
                    if source:
                        shutil.copytree(source / folder, work / folder, dirs_exist_ok=True)
                    with _read_only(work / folder) as end:
                        ends[:] = [end]
                        yield

            yield Fault(f"{folder} {told}", undisturbed, place, lambda work, ends=ends: ends[0]())

    return faults


@contextlib.contextmanager
def _read_only(folder):
    """Makes `folder` a read-only file system: rights do not hold for root.  Gives a function that
    ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    _call("mount", "--bind", folder, folder)
    with contextlib.ExitStack() as mounted:
        mounted.callback(_call, "umount", folder)
        _call("mount", "-o", "remount,bind,ro", folder)
        yield mounted.close


# --- no memory --------------------------------------------------------------------------------


# A library that is loaded may ask for its buffers without end, before a line of the stage has run:
# OpenBLAS does (driver/others/memory.c).
def _short(reference, trials, rng):
    """From the most that it has when all goes well down to a tenth of it."""
    peak = _peak(reference)
    count = min(trials, 10)
    for i in range(count):
        limit = int(peak * (1 - 0.9 * (i + 0.5) / count))

        def confined(limit=limit):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        yield Fault(
            f"{limit >> 20} of {peak >> 20} MB of addresses",
            lambda c, confined=confined: undisturbed(c, preexec_fn=confined),
        )


def _peak(reference):
    """The most bytes of addresses that a process of the command has, undisturbed."""
    work, most = reference.before.with_name("measured"), 0
    with _folder(work, reference.before):
        words, kept = reference.command(work)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, **kept, **quiet, start_new_session=True)
        while process.poll() is None:
            for number in session(process.pid):
                with contextlib.suppress(OSError):  # it has ended
                    status = Path(f"/proc/{number}/status").read_text()
                    if found := re.search(r"VmPeak:\s+(\d+) kB", status):
                        most = max(most, int(found[1]) << 10)
            time.sleep(0.01)
    return most


KILLED = Sort("killed at a random moment", _moments)
STORE_READ_ONLY = Sort(
    "feature store read-only", closed(states.STORE), is_here=is_inside, speaks=True
)
MEMORY_SHORT = Sort("memory short", _short, may_hang=True)
SORTS = (
    KILLED,
    Sort("killed at a commit", _calls, is_here=lambda: bool(shutil.which("strace"))),
    Sort("disk full", _full, is_here=is_inside, speaks=True),
    STORE_READ_ONLY,
    MEMORY_SHORT,
)
