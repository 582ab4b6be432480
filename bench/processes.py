"""A command run in a process of its own, and what it took: time, CPU time, peak memory."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.02  # seconds between looks at a process's memory


class CommandError(RuntimeError):
    """A command that was to be measured did not end well; the message is what it said last."""


@dataclass(frozen=True)
class Finished:
    """seconds: wall time, start-up included; cpu: core-seconds of the process and those it waited
    for; peak: bytes of anonymous memory (RssAnon: mapped files apart) of it and its descendants
    together, the most that was seen at any look, 0 unless asked for; out: what it printed."""

    seconds: float
    cpu: float
    peak: int
    out: str


def positive(text):
    """The whole number that `text`, an option of a command, is; ValueError below 1."""
    number = int(text)
    if number < 1:
        raise ValueError("below 1")
    return number


def above_zero(text):
    """The number above 0 that `text`, an option of a command, is; ValueError for others."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("not above 0")
    return number


def command(main):
    """Runs `main` as a command: its faults are a line on stderr, and what ends it, Ctrl-C or
    SIGTERM, still removes its folders."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        main()
    except CommandError as fault:
        sys.exit(f"error: {fault}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def run(words, *, cwd, env=None, watched=False, before=None):
    """Runs the command `words` and returns how it Finished.

    watched: whether to look at its memory each INTERVAL seconds; before: a function called in the
    new process before the command starts, to set its limits.
    Raises CommandError with the last line of its stderr where it ends with anything but 0.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            preexec_fn=before,  # noqa: PLW1509  # no thread of ours holds a lock at this point
        )
        with _watching(process.pid) if watched else contextlib.nullcontext([0]) as peak:
            try:
                _, status, used = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - start
            except BaseException:  # Ctrl-C: nothing is left running
                process.kill()
                process.wait()
                raise
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        if process.returncode:
            lines = err.read().strip().splitlines() or out.read().strip().splitlines() or ["-"]
            raise CommandError(f"`python {' '.join(map(str, words[1:3]))} ...`: {lines[-1]}")
        return Finished(seconds, used.ru_utime + used.ru_stime, peak[0], out.read())


@contextlib.contextmanager
def _watching(pid):
    """Context in which the list that it gives holds the peak of `anonymous` so far."""
    peak, done = [0], threading.Event()

    def look():
        while not done.wait(INTERVAL):
            peak[0] = max(peak[0], anonymous(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def anonymous(pid):
    """Bytes of anonymous memory of the process `pid` and its descendants; 0 once it has ended."""
    total = 0
    # Processes end between two looks; what can't be read then has no memory any more.
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.M)
        total += int(found[1]) * 1024 if found else 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += anonymous(int(child))
    return total
