"""Features from a Ray cluster."""

import os

# Read when Ray is first imported: a thread that still waits for a lost cluster must not connect to
# it anew.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
