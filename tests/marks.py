"""Marks of tests."""

import os

import pytest

# Whole benchmarks and the like: all others together are to take less than 20 minutes.
slow = pytest.mark.skipif(
    not os.environ.get("SLOW"), reason="takes minutes: `make test SLOW=1` runs it too"
)
