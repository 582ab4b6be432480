"""Files written whole or not at all."""

import os
import subprocess
import sys

import pytest

from transfer.writing import replacing


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = tmp_path / f".a[1].csv.{process.pid}.part"
    others = [
        tmp_path / f".b.csv.{process.pid}.part",  # of another file
        tmp_path / f".a[1].csv.{os.getppid()}.part",  # of a process that runs
        tmp_path / ".a[1].csv.mine.part",
        tmp_path / "a1.csv",
    ]
    for path in (left, *others):
        path.write_text("half")
    with replacing(tmp_path / "a[1].csv") as file:
        file.write("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [path.name for path in others] + ["a[1].csv"]
    )
    assert (tmp_path / "a[1].csv").read_text() == "whole"


def test_a_fault_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(TypeError), replacing(path) as file:
        file.write(b"not text")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "before"


def test_what_shares_the_file_keeps_its_own(tmp_path):
    """DVC's cache may hold an output as a hard link."""
    path, cached = tmp_path / "a.csv", tmp_path / "cached"
    path.write_text("before")
    os.link(path, cached)
    with replacing(path) as file:
        file.write("after")
    assert (path.read_text(), cached.read_text()) == ("after", "before")
