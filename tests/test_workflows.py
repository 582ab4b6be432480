"""Whole workflows under faults: a few of those that `make soak` tries by scores."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter

import pytest

from soak import clones, disturbances, faults, queues, states, victims, workflows
from tests import spoiling
from tests.imports import ROOT
from tests.marks import slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A clone with four rendered images a class, before and after its first `dvc repro`; the
    backbone, which takes as long as all the rest, is there before."""
    return workflows.workflow(tmp_path_factory.mktemp("workflows"), 4, ["backbone"])


def test_the_clone_is_what_lies_here_and_committed(made):
    space = made.before / states.SPACE
    assert (space / "soak/workflows.py").read_bytes() == (ROOT / "soak/workflows.py").read_bytes()
    told = subprocess.run(
        ["git", "status", "--short"], cwd=space, check=True, capture_output=True, text=True
    )
    assert set(told.stdout.splitlines()) <= {" M dvc.lock"}  # of the backbone
    assert len((made.after / states.SPACE / "data/index/sample.csv").read_text().split("\n")) == 50
    assert states.features(made.before) == 0
    assert states.features(made.after) == 48


def test_a_killed_repro_runs_again_as_if_nothing_had_been(made, tmp_path):
    row, lost = faults.tried(made, victims.SORTS[0], tmp_path / "trial", 1, 3)
    assert lost == []
    assert row[:4] == ["dvc repro", "killed after the first feature", 1, 1]


def test_a_queue_beside_a_repro_gives_what_each_gives_alone(made, tmp_path, monkeypatch):
    few = {name: queues.SETTINGS[name] for name in ("small", queues.HERE)}
    monkeypatch.setattr(queues, "SETTINGS", few)
    monkeypatch.setattr(queues, "LOOK", 1)
    row, lost = queues.tried(made, tmp_path / "trial", 1, 0)
    assert lost == []
    assert row[:3] == ["dvc repro", queues.NAME, 1]


@slow
def test_a_queue_of_four_over_a_cold_dataset_computes_each_image_about_once(
    made, tmp_path, monkeypatch
):
    seeds = {queues.HERE: 0, "one": 1, "two": 2, "three": 3, "four": 4}
    settings = {
        name: {"extract.size": 64, "split.seed": seed, "head.kind": "knn"}
        for name, seed in seeds.items()
    }
    monkeypatch.setattr(queues, "SETTINGS", settings)
    monkeypatch.setattr(queues, "WORKERS", 4)
    row, lost = queues.tried(made, tmp_path / "trial", 1, 0)
    assert lost == []
    assert row[:3] == ["dvc repro", queues.NAME, 1]


def test_what_is_lost_is_found(made, tmp_path):
    """A workflow whose files are not what they were: another output, one less, one left over."""
    work = tmp_path / "work"
    states.copy(made.after, work)
    expected = clones.outputs(work)
    assert {"dvc.lock", "models/head.npz", "reports/metrics.json"} <= set(expected)
    spoiled = ("dvc.lock", "models/head.npz", "reports/.left.part")
    assert spoiling.losses(clones.outputs, work, *spoiled) == [
        "dvc.lock differs",
        "models/head.npz is not there",
        "reports/.left.part is left over",
    ]


def test_what_is_lost_beside_a_queue_is_found():
    alone = {"small": ("lock", "metrics"), queues.HERE: ("a", "b")}
    assert list(queues.losses(alone, alone, 100, 100)) == []
    other = alone | {"small": ("lock", "others")}
    (said,) = queues.losses(alone, other, 110, 100)
    assert said == "small has another reports/metrics.json than alone"
    (said,) = queues.losses(alone, alone | {queues.HERE: None}, 100, 100)
    assert said == "workspace did not finish"
    assert list(queues.losses(alone, alone, 200, 100)) == [
        "200 features were computed for the 100 in the store"
    ]


def test_torn_locks_of_dvc_are_taken_away_and_told(made, tmp_path, monkeypatch):
    """As a kill leaves them now and then: DVC writes them in place."""
    work = tmp_path / "work"
    states.copy(made.after, work)
    locks = work / states.SPACE / workflows.LOCKS
    locks.write_text('{"write": {"')
    noted = workflows.Workflow("dvc repro", made.before, made.after, made.ran, Counter())
    assert noted.again(work).code == 0
    assert noted.notes == {"DVC asked for `rm .dvc/tmp/rwlock`": 1}
    assert clones.outputs(work) == clones.outputs(made.after)


@pytest.mark.parametrize(
    ("error", "is_told"),
    [
        ("error: no memory\nERROR: failed to reproduce 'index'\n", True),
        ("ERROR: failed to reproduce 'index': exited with 137\n", True),
        ("Traceback (most recent call last):\nERROR: failed\n", False),
        ("error: one\nerror: two\nERROR: failed\n", False),
        ("", False),
    ],
)
def test_whether_an_end_is_told(made, error, is_told):
    assert made.is_told(disturbances.Ran(1, "", error, 1.0)) == is_told


def test_what_hangs_is_ended_and_lost(monkeypatch, tmp_path):
    monkeypatch.setattr(disturbances, "HUNG", 0.5)
    command = ["sleep", "60"], {"env": os.environ.copy()}
    assert disturbances.undisturbed(command, kill_after=0.5).is_hung


def test_the_largest_process_is_chosen_and_killed_alone():
    words = [sys.executable, "-c", "import sys; held = bytearray(int(sys.argv[1])); input()"]
    large, small = (
        subprocess.Popen([*words, size], stdin=subprocess.PIPE) for size in ("60000000", "10")
    )
    try:
        time.sleep(1)
        assert victims.largest([small.pid, large.pid]) == large.pid
        assert victims.renderers([small.pid, large.pid]) == []
    finally:
        for process in (large, small):
            process.kill()
            process.wait()
    assert victims.largest([large.pid]) is None


def test_moments_are_seeded(made):
    for sort in (workflows.SORTS[0], *victims.SORTS[:3]):

        def moments(seed, sort=sort):
            return [f.told for f in sort.faults(made, 3, random.Random(seed))]

        assert moments(1) == moments(1) != moments(2)


def test_a_read_only_folder_takes_no_writes_and_opens_again(tmp_path):
    if not shutil.which("unshare"):
        pytest.skip("this machine has no unshare")
    code = (
        "from pathlib import Path; import sys; from soak import disturbances\n"
        "folder = Path(sys.argv[1])\n"
        "with disturbances._read_only(folder) as end:\n"
        "    try: (folder / 'a').write_text('x')\n"
        "    except OSError as fault: print(fault.strerror)\n"
        "    end(); (folder / 'b').write_text('x')\n"
    )
    words = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", code, tmp_path / "one"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if "unshare failed" in ran.stderr:
        pytest.skip("this machine allows no file system of one's own")
    assert (ran.stderr, ran.stdout) == ("", "Read-only file system\n")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["b"]
