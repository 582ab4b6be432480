"""Faults that a stage meets, each with a way to run it under that fault.

Calls are faulted by strace, and a full disk is a small file system in a namespace of its own
(unshare): where the machine has or allows neither, these sorts are told as not here.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
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
LARGE = "4g"  # of the small file system, once it is no longer
HUNG = 1800  # seconds after which a command that has not ended is killed, and taken for hung


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


def undisturbed(command, kill_after=HUNG, meanwhile=None, **how):
    """Runs (words, keywords of Popen); returns a Ran.  kill_after: seconds until it is killed, with
    all that it started; meanwhile: called with its process id, beside it."""
    words, kept = command
    start = time.monotonic()
    process = subprocess.Popen(
        words,
        **kept,
        **how,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    if meanwhile:
        threading.Thread(target=meanwhile, args=(process.pid,), daemon=True).start()
    try:
        printed, error = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        printed, error = process.communicate()
    return Ran(process.returncode, printed, error, time.monotonic() - start)


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
    """faults(reference, root, settings, trials, rng) yields Faults; is_here(): whether this machine
    can; speaks: whether the stage lives to say something."""

    name: str
    faults: Callable
    is_here: Callable = lambda: True
    speaks: bool = False


# --- killed -----------------------------------------------------------------------------------


def _moments(reference, root, settings, trials, rng):
    for _ in range(trials):
        moment = rng.uniform(0, reference.ran.seconds)
        yield Fault(f"after {moment:.3f} s", lambda c, m=moment: undisturbed(c, kill_after=m))


def _calls(reference, root, settings, trials, rng):
    most = _most_calls(reference, root, settings)
    step = max(1, -(-most // trials))
    for number in range(1, most + 1, step):
        how = f"inject={CALLS}:signal=SIGKILL:when={number}"
        yield Fault(f"at call {number}", lambda c, h=how: undisturbed(_traced(c, h)))


def _traced(command, how, log="/dev/null"):
    words, kept = command
    return ["strace", "-f", "-qq", "-o", log, "-e", f"trace={CALLS}", "-e", how, *words], kept


def _most_calls(reference, root, settings):
    """How many of the CALLS the thread makes that makes most of them."""
    work = reference.before.with_name("counted")
    log = reference.before.with_name("calls")
    with _folder(work, reference.before):
        command = states.run(root, work, reference.stage, settings)
        undisturbed(_traced(command, "signal=none", str(log)))
    threads = [line.split(maxsplit=1)[0] for line in log.read_text().splitlines() if "(" in line]
    return max(map(threads.count, set(threads)), default=0)


# --- no space ---------------------------------------------------------------------------------


def moved_to_a_namespace(module):
    """Runs `module` with this command's words in a mount namespace of its own, where the machine
    allows one, and returns whether it did."""
    if os.environ.get(INSIDE) or not shutil.which("unshare"):
        return False
    here = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*here, "true"], capture_output=True, check=False).returncode:
        return False
    words = [*here, sys.executable, "-m", module, *sys.argv[1:]]
    code = subprocess.run(words, env=os.environ | {INSIDE: "1"}, check=False).returncode
    if code:
        sys.exit(code)
    return True


def _full(reference, root, settings, trials, rng):
    least, most = (_bytes(state) for state in (reference.before, reference.after))
    count = min(trials, 10)
    for i in range(count):
        size = least + int((most - least) * i / count)
        yield Fault(
            f"{(size - least) >> 10} kB free",
            undisturbed,
            lambda work, before, size=size: _mounted(work, before, size),
            lambda work: _mount("remount,size=" + LARGE, work),
        )


def _bytes(state):
    """What the state takes of a file system of whole pages, roughly."""
    return sum(-(-p.lstat().st_size // 4096) * 4096 for p in Path(state).rglob("*"))


@contextlib.contextmanager
def _mounted(work, before, size):
    work.mkdir()
    _mount("size=" + LARGE, work)
    try:
        states.copy(before, work)
        used = shutil.disk_usage(work).used
        _mount(f"remount,size={max(size, used + 4096)}", work)
        yield
    finally:
        subprocess.run(["umount", work], check=True)
        work.rmdir()


def _mount(how, work):
    subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", work], check=True)


@contextlib.contextmanager
def read_only(folder):
    """Makes `folder` a read-only file system, for root too; gives a function that ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    with contextlib.ExitStack() as mounted:
        mounted.callback(subprocess.run, ["umount", folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield mounted.close


# --- no memory --------------------------------------------------------------------------------


def _short(reference, root, settings, trials, rng):
    for i in range(min(trials, 10)):
        limit = int(1e9 * 0.25 * 1.45**i)  # 250 MB of addresses to 7 GB

        def confined(limit=limit):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        yield Fault(
            f"{limit >> 20} MB of addresses",
            lambda c, confined=confined: undisturbed(c, preexec_fn=confined),
        )


SORTS = (
    Sort("killed at a random moment", _moments),
    Sort("killed at a commit", _calls, is_here=lambda: bool(shutil.which("strace"))),
    Sort("disk full", _full, is_here=lambda: bool(os.environ.get(INSIDE)), speaks=True),
    Sort("memory short", _short),
)
