"""Claims: which process computes which images, so that several do the work about once.

A claim is a row (recipe, image, owner, until).  It ends when the feature is written, when its
owner's process is gone (looked up where it is of the same host), or when its lease has run out.
So a killed owner holds nobody up for long, and the worst that a wrong guess costs is time.
"""

import os
import socket
import time
import uuid

from transfer.processes import is_running

LEASE = 60  # seconds; commits of the owner renew it


def new_owner():
    """A name for the claims of this process: host, process id and something that no later process
    of that id has."""
    return f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"


def take(base, key, image, owner, lease):
    """Whether `owner` has the claim on `image` (32 bytes) now; within a transaction."""
    query = "SELECT owner, until FROM claims WHERE key = ? AND image = ?"
    found = base.execute(query, (key, image)).fetchone()
    now = time.time()
    if found and found[0] != owner and found[1] > now and _is_alive(found[0]):
        return False
    row = (key, image, owner, now + lease)
    base.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", row)
    return True


def renew(base, owner, lease):
    """Gives all claims of `owner` a new lease."""
    base.execute("UPDATE claims SET until = ? WHERE owner = ?", (time.time() + lease, owner))


def end(base, key, image):
    """Ends the claim on `image`, whoever has it: its feature is there."""
    base.execute("DELETE FROM claims WHERE key = ? AND image = ?", (key, image))


def end_all(base, owner):
    """Ends what `owner` still claims, and what has long run out."""
    gone = (owner, time.time() - LEASE)
    base.execute("DELETE FROM claims WHERE owner = ? OR until < ?", gone)


def _is_alive(owner):
    host, process, _ = owner.split(" ")
    if host != socket.gethostname():
        return True  # its lease will tell
    return is_running(int(process))
