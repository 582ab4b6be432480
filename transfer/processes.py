"""Whether processes of this machine run."""

import os


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
