"""Faults in the middle of a stage: a few of those that `make soak` tries by hundreds."""

import os
import random
import subprocess
import sys

import pytest

from soak import disturbances, faults, states
from tests import spoiling
from tests.imports import ROOT


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The stage `index` undisturbed; the states before and after it."""
    found = faults.references(tmp_path_factory.mktemp("faults"), ["index"])
    yield next(found)
    found.close()


@pytest.mark.parametrize("sort", disturbances.SORTS[:2], ids=lambda sort: sort.name)
def test_a_killed_stage_runs_again_as_if_nothing_had_been(index, sort, tmp_path):
    if not sort.is_here():
        pytest.skip("strace is not on this machine")
    row, lost = faults.tried(index, sort, tmp_path / "trial", 2, 7)
    assert not lost
    assert row[2] == 2


def test_a_full_disk_is_told_in_a_sentence_and_loses_nothing(tmp_path):
    command = ["-m", "soak.faults", "--stages", "fetch_weights", "--trials", "1"]
    ran = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    rows = [line for line in ran.stdout.splitlines() if "disk full" in line]
    assert len(rows) == 1
    assert all(row.endswith("| 0 |") for row in rows)
    if "not here" in rows[0]:
        pytest.skip("this machine allows no file system of one's own")


def test_what_is_lost_is_found(index, tmp_path):
    """A stage that is not what it was: another output, one less, one left over."""
    work = tmp_path / "work"
    states.copy(index.after, work)
    expected = states.files(work)
    assert "data/index/sample.csv" in expected
    assert states.OWN not in expected
    spoiled = (f"data/index/{name}" for name in ("sample.csv", "sample_near.csv", ".left.part"))
    assert spoiling.losses(states.files, work, *spoiled) == [
        "data/index/.left.part is left over",
        "data/index/sample.csv differs",
        "data/index/sample_near.csv is not there",
    ]
    read = disturbances.Ran(0, "of 1,800 pictures 1,200 came from the store", "", 1.0)
    assert list(faults.losses(read, 1300, expected, expected))
    assert not list(faults.losses(read, 1200, expected, expected))
    failed = disturbances.Ran(1, "", "error: no\n", 1.0)
    assert "error: no" in next(faults.losses(failed, 0, expected, expected))


def test_a_kill_reaches_the_whole_process_group():
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    words = [sys.executable, "-c", code]
    ran = disturbances.undisturbed((words, {"env": os.environ.copy()}), kill_after=0.5)
    assert ran.code < 0
    assert not ran.is_sentence


def test_moments_are_seeded(index):
    def moments(seed):
        rng = random.Random(seed)
        return [f.told for f in disturbances.SORTS[0].faults(index, 3, rng)]

    assert moments(1) == moments(1) != moments(2)
