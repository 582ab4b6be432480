"""Whether processes of this machine run, and that none outlives the one that started it."""

import os
import threading
import time

LOOK = 1.0  # seconds between looks at who the parent is


def is_running(number):
    """Whether there is a process of the id `number`, whoever's it is; none has one below 1."""
    if number < 1:  # which would mean a group of processes
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def end_with(parent):
    """Ends this process soon after `parent`, the id of the one that started it, has ended: a worker
    of a pool, whose queue stays open, would wait for its next task for good where that one was
    killed."""

    def look():
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
