"""Faults of the input, each told in one sentence, and the frame every command runs in."""

import contextlib
import difflib
import errno
import inspect
import os
import sys
from pathlib import Path

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
# How a RuntimeError of OpenVINO, and of Python's threads, tells that memory ended.
SHORT = ("std::bad_alloc", "can't start new thread")


class InputError(ValueError):
    """Something given to the program is wrong; the message says what, where and what to do."""


def unknown(what, name, known):
    """InputError for a name that is not in `known`; lists the known ones, the nearest first."""
    known = sorted(str(k) for k in known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    ordered = near + [k for k in known if k not in near]
    return InputError(f"unknown {what} {str(name)!r}; known: {', '.join(ordered) or 'none'}")


def run(main, argv=None):
    """Calls `main` with the paths that the command line names, as `--raw data/raw/sample` for its
    parameter `raw`, and ends the process: 0, or 1 after one printed sentence for a fault."""
    argv = sys.argv[1:] if argv is None else argv
    names = list(inspect.signature(main).parameters)
    given = dict(zip((a.removeprefix("--") for a in argv[::2]), argv[1::2], strict=False))
    if len(argv) % 2 or sorted(given) != sorted(names):
        usage = " ".join(f"--{name} PATH" for name in names)
        sys.exit(f"usage: python -m {main.__globals__['__spec__'].name} {usage}")
    with sentences():
        main(**{name: Path(value) for name, value in given.items()})


@contextlib.contextmanager
def sentences():
    """Context in which a fault ends the process with one sentence on stderr, not a traceback."""
    try:
        yield
    except InputError as fault:
        sys.stdout.flush()
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except (MemoryError, RuntimeError) as fault:
        if isinstance(fault, RuntimeError) and not any(said in str(fault) for said in SHORT):
            raise
        sys.stdout.flush()
        said = " ".join(str(fault).split())
        print(f"error: there is not enough memory for this: {said}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has gone (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as fault:
        if fault.errno in FULL:
            sentence = (
                f"what is written does not fit: {fault.strerror}; free space and run it again"
            )
        elif fault.errno == errno.ENOMEM:
            sentence = f"there is not enough memory for this: {fault.strerror}"
        elif fault.filename is None:
            raise
        else:
            sentence = f"{fault.filename} can't be used: {fault.strerror}"
        try:
            sys.stdout.flush()
        except OSError:  # it is stdout that is full
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)
