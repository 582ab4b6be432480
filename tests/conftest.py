"""Fixtures: the mirror of real files, where there is one, and a store of the tests' own."""

import os
from pathlib import Path

import pytest

from tests.imports import ROOT


@pytest.fixture(scope="session")
def mirror():
    """Folder of real data and weights: $TRANSFER_MIRROR, else ../shared/mirror; skips without."""
    folder = Path(os.environ.get("TRANSFER_MIRROR") or ROOT.parent / "shared" / "mirror")
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip(f"no mirror of real files at {folder}; name one by $TRANSFER_MIRROR")
    return folder.resolve()


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's store, takes the user's mirror for the default, or asks
    the user's proxy for servers of its own."""
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path_factory.mktemp("store")))
    monkeypatch.delenv("TRANSFER_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
