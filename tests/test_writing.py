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


def test_replacing_never_writes_into_what_is_there(tmp_path):
    """DVC's cached copy and the workspace's file may be one."""
    path, cached = tmp_path / "out.csv", tmp_path / "cached"
    path.write_text("old")
    os.link(path, cached)
    with replacing(path) as file:
        file.write("new")
    assert (path.read_text(), cached.read_text()) == ("new", "old")


def test_replacing_leaves_what_was_there_after_a_fault(tmp_path):
    path = tmp_path / "folder" / "out.csv"
    with replacing(path) as file:
        file.write("old")

    def interrupted():
        with replacing(path) as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["out.csv"]
